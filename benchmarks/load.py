"""A running service under a steady load on loopback: slates and batches of events together, for minutes.

    python benchmarks/load.py WS --minutes 10 [--workers 2] [--slates 50] [--events 1000] [--json F]

Open loop: every request has a moment fixed beforehand, at even distances, and its latency counts from that moment, however
late it could be sent; a service that is too slow shows as latency, not as fewer requests. Users and tracks are drawn by a
seed. The generator runs on the same cores, in one process, as niceness lets it; what it takes of a core is told, and so is
how late it was at worst in handing a request over. Proportional memory (PSS) counts a page that workers share in parts.
"""

import argparse
import json
import os
import random
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import polars as pl

from measure import children_of
from service import call, percentiles, serving

BATCH = 10
CONNECTIONS = 64  # of each kind of request: as many as may wait at once
WARM_UP = 20


@dataclass
class Outcome:
    """What became of one kind of request: latencies from the fixed moments in ms, and answers that were not 200."""

    took_ms: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    late_ms: float = 0.0

    def told(self) -> dict[str, object]:
        """Return the figures."""
        return {
            "sent": len(self.took_ms) + self.errors.total(),
            "errors": dict(self.errors),
            **(percentiles(self.took_ms) if self.took_ms else {}),
            "max_ms": round(max(self.took_ms, default=0.0), 1),
            "handed_over_late_ms_max": round(self.late_ms, 1),
        }


def main() -> None:
    """Load one workspace and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--slates", type=float, default=50.0, help="requests a second")
    parser.add_argument("--events", type=float, default=1000.0, help="events a second, in batches of 10")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    users = pl.read_parquet(given.workspace / "prepared" / "users.parquet")["user_id"].cast(pl.String).to_list()
    tracks = pl.read_parquet(given.workspace / "prepared" / "tracks.parquet")["track_id"].cast(pl.String).to_list()
    with serving(given.workspace, "--workers", str(given.workers)) as (port, process):
        warm_up(port, users[: WARM_UP * given.workers])
        pids = workers_of(process.pid, given.workers)
        before_mb = [memory_mb(pid) for pid in pids]
        service_s, own_s, started = cpu_s([process.pid, *pids]), time.process_time(), time.monotonic()
        slates, events = load(port, users, tracks, given)
        wall_s = time.monotonic() - started
        figures = {
            "users": len(users),
            "tracks": len(tracks),
            "workers": given.workers,
            "cores": os.cpu_count(),
            "minutes": round(wall_s / 60, 2),
            "slates_per_s": given.slates,
            "events_per_s": given.events,
            "slates": slates.told(),
            "batches": events.told(),
            "events_acknowledged": BATCH * len(events.took_ms),
            "events_stored": stored(port),
            "generator_share_of_a_core": round((time.process_time() - own_s) / wall_s, 3),
            "service_share_of_a_core": round((cpu_s([process.pid, *pids]) - service_s) / wall_s, 3),
            "memory_before": before_mb,
            "memory_after": [memory_mb(pid) for pid in pids],
        }
    print(json.dumps(figures, indent=1))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")


def warm_up(port: int, users: list[str]) -> None:
    """Let every worker read its pages and code: each request comes over a connection of its own."""
    for user in users:
        connection = HTTPConnection("127.0.0.1", port)
        call(connection, "POST", "/v1/recommend", {"user_id": user, "k": 30})
        connection.close()


def load(port: int, users: list[str], tracks: list[str], given: argparse.Namespace) -> tuple[Outcome, Outcome]:
    """Send both kinds of request at their moments and wait for the last answers."""
    slates, events = Outcome(), Outcome()

    def wish(number: int) -> tuple[str, object]:
        return "/v1/recommend", {"user_id": random.Random(number).choice(users), "k": 30}

    def batch(number: int) -> tuple[str, object]:
        chance = random.Random(-1 - number)
        drawn = [
            {"user_id": chance.choice(users), "track_id": chance.choice(tracks), "event_id": f"{number}-{place}"}
            for place in range(BATCH)
        ]
        return "/v1/events/batch", {"events": drawn}

    start, seconds = time.monotonic() + 0.5, 60 * given.minutes
    pacers = [
        threading.Thread(target=pace, args=(port, start, rate, seconds, make, outcome))
        for rate, make, outcome in ((given.slates, wish, slates), (given.events / BATCH, batch, events))
    ]
    for pacer in pacers:
        pacer.start()
    for pacer in pacers:
        pacer.join()
    return slates, events


def pace(
    port: int, start: float, rate: float, seconds: float, make: Callable[[int], tuple[str, object]], outcome: Outcome
) -> None:
    """Hand over one kind of request, each at its moment, whatever became of those before it."""
    own = threading.local()

    def send(moment: float, path: str, body: bytes) -> None:
        try:
            if not hasattr(own, "connection"):
                own.connection = HTTPConnection("127.0.0.1", port, timeout=60)
            own.connection.request("POST", path, body)
            answer = own.connection.getresponse()
            answer.read()
            status = str(answer.status)
        except (OSError, HTTPException) as error:
            own.connection.close()
            status = type(error).__name__
        if status == "200":
            outcome.took_ms.append(1000 * (time.monotonic() - moment))
        else:
            outcome.errors[status] += 1

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        for number in range(round(rate * seconds)):
            moment = start + number / rate
            path, body = make(number)
            data = json.dumps(body).encode()
            time.sleep(max(0.0, moment - time.monotonic()))
            outcome.late_ms = max(outcome.late_ms, 1000 * (time.monotonic() - moment))
            threads.submit(send, moment, path, data)


def workers_of(pid: int, workers: int) -> list[int]:
    """Return the processes that answer: the service itself, or its children that have loaded a bundle."""
    if workers == 1:
        return [pid]
    return sorted(children_of(pid), key=lambda child: -memory_mb(child)["resident"])[:workers]


def memory_mb(pid: int) -> dict[str, int]:
    """Return what a process holds: resident, its part of it where pages are shared, and what is not a mapped file."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kb = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    return {name: kb[key] // 1024 for name, key in (("resident", "Rss"), ("proportional", "Pss"), ("own", "Anonymous"))}


def cpu_s(pids: list[int]) -> float:
    """Return the seconds of a core that processes have used."""
    ticks = 0
    for pid in set(pids):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def stored(port: int) -> int:
    """Return how many events the service says it has stored, over all workers."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    return round(sum(float(line.split()[-1]) for line in lines if 'events_total{status="stored"}' in line))


if __name__ == "__main__":
    main()
