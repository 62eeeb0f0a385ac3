"""The service as a process: no torch in it, several workers as one."""

import signal
import time
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


@pytest.mark.slow
def test_workers_agree_on_a_track_that_has_just_come_and_on_what_is_popular(root):
    new = {"track_id": "A-99", "title": "Song 99 of A", "artist_id": "A-artist-5", "genre": "A"}
    plays = [{"user_id": f"newcomer-{number}", "track_id": "A-99", "played_ms": 200_000} for number in range(30)]
    radio = {"user_id": "A-01", "k": 30, "scene": "similar", "seeds": ["artist:A-artist-5"]}
    unheard = {"user_id": "A-02", "k": 10, "only": "unheard"}
    with running(root, "--workers", "2") as (_, port):
        call(port, "/v1/tracks", {"tracks": [new]})
        call(port, "/v1/events/batch", {"events": plays})
        deadline = time.monotonic() + 60
        for asked in (radio, unheard):
            while True:  # both workers have taken it in: many answers, of whichever worker, are one
                answers = {asking(port, asked) for _ in range(20)}
                if len(answers) == 1 and "A-99" in answers.copy().pop():
                    break
                assert time.monotonic() < deadline
                time.sleep(0.2)


def asking(port: int, asked: dict[str, object]) -> tuple[str, ...]:
    return tuple(track["track_id"] for track in call(port, "/v1/recommend", asked)["tracks"])
