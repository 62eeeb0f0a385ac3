"""The service as a process of its own, as the tests that start and kill it need it."""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

COMMAND = "import sys; sys.modules['torch'] = None; from ritornello.cli import main; main()"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def call(port: int, path: str, body: object = None, *, method: str | None = None) -> dict[str, object]:
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, method=method)
    with urllib.request.urlopen(asked, timeout=20) as answer:
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
