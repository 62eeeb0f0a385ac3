"""The service as a process: no torch in it, several workers as one."""

import signal
import urllib.request

import pytest

from served import call, running
from text_folder import write_text_model


@pytest.mark.slow
def test_it_serves_without_torch_and_ends_when_asked(root):
    with running(root) as (process, port):
        slate = call(port, "/v1/recommend", {"user_id": "favourite-user", "k": 5})
        assert len(slate["tracks"]) == 5
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


@pytest.mark.slow
def test_workers_share_state_and_numbers(root):
    with running(root, "--workers", "2") as (_, port):
        for number in range(20):
            call(
                port,
                "/v1/events",
                {"user_id": "newcomer", "track_id": "favourite", "event_id": f"e{number}", "at": number},
            )
            export = call(port, "/v1/users/newcomer/export")
            assert len(export["events"]) == number + 1
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
            assert 'ritornello_events_total{status="stored"} 20.0' in answer.read().decode()


@pytest.mark.slow
def test_workers_have_the_text_model_that_the_command_names(root, tmp_path):
    folder = write_text_model(tmp_path / "model")
    wish = {"user_id": "favourite-user", "scene": "themed", "theme": "bravo", "k": 3}
    with running(root, "--workers", "2", "--text-model", str(folder), "--text-similarity", "0.9") as (_, port):
        assert 'understood by likeness: "bravo" as genre B' in call(port, "/v1/recommend", wish)["notes"][0]
    with running(root, "--workers", "2", "--text-model", str(folder), "--text-similarity", "1") as (_, port):
        assert "nothing in the catalogue fits" in call(port, "/v1/recommend", wish)["notes"][0]
