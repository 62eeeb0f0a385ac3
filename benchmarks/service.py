"""Ask a running service on loopback, with a live state of its own: slates, events that change them, and durable ingest.

The load generator runs on the same cores. An event counts when it is acknowledged, which is when it is on disk. Beside what
passes on the clock stands what the service's threads have run, which other work on the machine hardly moves.
"""

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import numpy as np
import polars as pl

SERVE = "import sys; sys.modules['torch'] = None; from ritornello.cli import main; main()"
USERS = 500


def main() -> None:
    """Measure one workspace and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    users = pl.read_parquet(options.workspace / "prepared" / "users.parquet")["user_id"].cast(pl.String).to_list()
    tracks = pl.read_parquet(options.workspace / "prepared" / "tracks.parquet")["track_id"].cast(pl.String).to_list()
    chosen = random.Random(1).choices(users, k=options.requests)
    started = time.perf_counter()
    with serving(options.workspace) as (port, process):
        seconds_to_ready = time.perf_counter() - started
        warm_up(port, chosen[:20])
        figures = {
            "users": len(users),
            "tracks": len(tracks),
            "requests": options.requests,
            "seconds_to_ready": round(seconds_to_ready, 2),
            "slate": latencies([lambda user=user: ask(port, user) for user in chosen], process.pid),
            "event_to_changed_slate": event_to_slate(port, chosen, process.pid),
            "single_events_per_s": rate(port, users, tracks, size=1, threads=16, seconds=options.seconds),
            "batched_events_per_s": rate(port, users, tracks, size=500, threads=2, seconds=options.seconds),
            "resident_mb": resident_mb(process.pid),
        }
    print(json.dumps(figures, indent=1))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


@contextmanager
def serving(workspace: Path, *options: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Serve a workspace without touching its live state."""
    with TemporaryDirectory() as name, socket.socket() as probe:
        for part in ("prepared", "bundles"):
            (Path(name) / part).symlink_to((workspace / part).resolve())
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        process = subprocess.Popen([sys.executable, "-c", SERVE, "serve", name, "--port", str(port), *options])
        try:
            while True:
                try:
                    call(HTTPConnection("127.0.0.1", port), "GET", "/ready")
                    break
                except OSError:
                    time.sleep(0.1)
            yield port, process
        finally:
            process.terminate()
            process.wait()


def call(connection: HTTPConnection, method: str, path: str, body: object = None) -> dict[str, object]:
    """Ask once and read the answer."""
    connection.request(method, path, None if body is None else json.dumps(body))
    answer = connection.getresponse()
    found = json.loads(answer.read())
    if answer.status != 200:
        raise RuntimeError(f"{method} {path}: {answer.status} {found}")
    return found


OPEN: dict[int, HTTPConnection] = {}


def ask(port: int, user: str, **wish: object) -> list[str]:
    """Return the tracks of a slate, over one connection that stays open."""
    connection = OPEN.setdefault(port, HTTPConnection("127.0.0.1", port))
    slate = call(connection, "POST", "/v1/recommend", {"user_id": user, "k": 30, **wish})
    return [track["track_id"] for track in slate["tracks"]]


def warm_up(port: int, users: list[str]) -> None:
    """Let pages and code be read."""
    for user in users:
        ask(port, user)


def latencies(calls: list[Callable[[], object]], pid: int) -> dict[str, float]:
    """Return percentiles of calls one after the other, in ms, and of what the process ran meanwhile."""
    took_ms, ran = [], []
    for one in calls:
        started, before = time.perf_counter(), ran_ms(pid)
        one()
        took_ms.append(1000 * (time.perf_counter() - started))
        ran.append(ran_ms(pid) - before)
    return {**percentiles(took_ms), **percentiles(ran, "processor_")}


def ran_ms(pid: int) -> float:
    """Return how long the threads of a process have run."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e6


def percentiles(took_ms: list[float], prefix: str = "") -> dict[str, float]:
    """Return the median and the tail."""
    return {f"{prefix}p{percent}_ms": round(float(np.percentile(took_ms, percent)), 2) for percent in (50, 99)}


def event_to_slate(port: int, users: list[str], pid: int) -> dict[str, float]:
    """Play the first unheard track of each user; time from the event's sending to the slate without it."""
    took_ms, ran, num_changed = [], [], 0
    for user in users:
        before = ask(port, user, only="unheard")
        started, ran_before = time.perf_counter(), ran_ms(pid)
        call(OPEN[port], "POST", "/v1/events", {"user_id": user, "track_id": before[0]})
        after = ask(port, user, only="unheard")
        took_ms.append(1000 * (time.perf_counter() - started))
        ran.append(ran_ms(pid) - ran_before)
        num_changed += before[0] not in after
    return {**percentiles(took_ms), **percentiles(ran, "processor_"), "changed": num_changed / len(users)}


def rate(port: int, users: list[str], tracks: list[str], *, size: int, threads: int, seconds: float) -> int:
    """Return acknowledged events a second, posted in batches of `size` over several connections at once."""
    until, counts = time.monotonic() + seconds, [0] * threads

    def post(worker: int) -> None:
        connection, chance = HTTPConnection("127.0.0.1", port), random.Random(worker)
        while time.monotonic() < until:
            events = [
                {
                    "user_id": chance.choice(users[:USERS]),
                    "track_id": chance.choice(tracks),
                    "event_id": f"{size}-{worker}-{counts[worker] + place}",
                }
                for place in range(size)
            ]
            if size == 1:
                call(connection, "POST", "/v1/events", events[0])
            else:
                call(connection, "POST", "/v1/events/batch", {"events": events})
            counts[worker] += size

    posting = [Thread(target=post, args=(worker,)) for worker in range(threads)]
    for thread in posting:
        thread.start()
    for thread in posting:
        thread.join()
    return round(sum(counts) / seconds)


def resident_mb(pid: int) -> int:
    """Return the resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") // 2**20


if __name__ == "__main__":
    main()
