"""The service as a process: no torch in it, several workers as one, and killed at any moment it loses nothing it promised."""

import http.client
import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

COMMAND = "import sys; sys.modules['torch'] = None; from ritornello.cli import main; main()"
KILLS = 10


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def call(port: int, path: str, body: object = None) -> dict[str, object]:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data, timeout=20) as answer:
        return json.load(answer)


@contextmanager
def running(root: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run the service until the block ends, or until it is killed inside."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", COMMAND, "serve", str(root), "--port", str(port), *options])
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                call(port, "/ready")
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield process, port
    finally:
        process.terminate()
        process.wait(20)


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


def post_until_it_dies(port: int, worker: int, acknowledged: list[str]) -> None:
    number = 0
    while True:
        ids = [f"{port}-{worker}-{number + step}" for step in range(7)]
        number += len(ids)
        events = [{"user_id": "newcomer", "track_id": "favourite", "event_id": one, "at": number} for one in ids]
        try:
            call(port, "/v1/events/batch", {"events": events})
        except (OSError, http.client.HTTPException, json.JSONDecodeError):  # cut off before, or amid, the answer
            return
        acknowledged.extend(ids)


@pytest.mark.slow
def test_killed_at_any_moment_it_loses_and_doubles_no_acknowledged_event(root):
    generator = random.Random(1)
    acknowledged: list[str] = []
    for _ in range(KILLS):
        with running(root) as (process, port):
            posters = [
                threading.Thread(target=post_until_it_dies, args=(port, worker, acknowledged)) for worker in range(3)
            ]
            for poster in posters:
                poster.start()
            time.sleep(generator.uniform(0.02, 0.6))
            process.kill()
            for poster in posters:
                poster.join(30)
    with running(root) as (_, port):
        kept = [event["event_id"] for event in call(port, "/v1/users/newcomer/export")["events"]]
    assert len(acknowledged) > 100
    assert set(acknowledged) <= set(kept)
    assert len(kept) == len(set(kept))
