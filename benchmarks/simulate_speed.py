"""Time the simulator as a whole process: events per second, peak memory, and whether the bytes depend on the processes."""

import argparse
import hashlib
import json
import resource
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

GENERATE = """
import sys
from pathlib import Path
from ritornello.data.sources.simulator.generate import generate
from ritornello.data.sources.simulator.world import make_world
if __name__ == "__main__":
    listeners, tracks, days, processes = map(int, sys.argv[2:6])
    world = make_world("default", listeners=listeners, tracks=tracks, days=days)
    made = generate(world, Path(sys.argv[1]), processes=processes)
    print(made.events, made.plays, made.label)
"""


def main() -> None:
    """Generate the same world with each number of processes and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listeners", type=int, default=100_000)
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--processes", type=int, nargs="+", default=[2])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = [measure(options, processes) for processes in options.processes]
    for row in rows:
        print(json.dumps(row))
    digests = {row["digest"] for row in rows}
    print("same bytes" if len(digests) == 1 else "THE BYTES DIFFER")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    sys.exit(len(digests) > 1)


def measure(options: argparse.Namespace, processes: int) -> dict[str, object]:
    """Run one generation in a process of its own; memory is that of the largest process times their number."""
    with TemporaryDirectory() as name:
        script, folder = Path(name) / "run.py", Path(name) / "world"
        script.write_text(GENERATE)
        folder.mkdir()
        sizes = [str(number) for number in (options.listeners, options.tracks, options.days, processes)]
        started = perf_counter()
        found = subprocess.run(
            [sys.executable, str(script), str(folder), *sizes], check=True, capture_output=True, text=True
        )
        seconds = perf_counter() - started
        events, plays, label = found.stdout.strip().split(" ", 2)
        largest_gb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        digest = hashlib.sha256()
        for path in sorted(folder.rglob("*.parquet")):
            digest.update(path.read_bytes())
    return {
        "world": label,
        "listeners": options.listeners,
        "tracks": options.tracks,
        "days": options.days,
        "processes": processes,
        "events": int(events),
        "plays": int(plays),
        "seconds": round(seconds, 1),
        "events_per_second": round(int(events) / seconds),
        "largest_process_gb": round(largest_gb, 2),
        "digest": digest.hexdigest()[:16],
    }


if __name__ == "__main__":
    main()
