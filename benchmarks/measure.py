"""Run a command, take its time and its peak memory (Linux: read from /proc while it runs)."""

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.05
TAIL = 1_500  # characters of a failed command's output that go into the message


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What one command took."""

    step: str
    seconds: float
    peak_mb: int


def environment(threads: int) -> dict[str, str]:
    """Give every numeric library the same number of threads."""
    names = ("OMP", "OPENBLAS", "MKL", "POLARS_MAX", "HARNESS", "NUMEXPR")
    return {**os.environ, **{f"{name}{'' if 'MAX' in name else '_NUM'}_THREADS": str(threads) for name in names}}


def children_of(pid: int) -> list[int]:
    """List the direct children of a process; none once it, or a thread of it, has ended under our eyes."""
    try:
        texts = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return []
    return [int(child) for text in texts for child in text.split()]


def family(pid: int) -> list[int]:
    """List a process and all its descendants."""
    return [pid, *(member for child in children_of(pid) for member in family(child))]


def high_water_mb(pid: int) -> float:
    """Return the largest resident size so far; unlike ru_maxrss it does not inherit the parent's."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def measured(step: str, command: list[str], log: Path, threads: int) -> Cost:
    """Run the command to its end, its output in `log`; peak memory sums over its processes."""
    log.parent.mkdir(parents=True, exist_ok=True)
    started, peak_mb = time.monotonic(), 0.0
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment(threads))
        while process.poll() is None:
            peak_mb = max(peak_mb, sum(high_water_mb(pid) for pid in family(process.pid)))
            time.sleep(POLL_S)
    if process.returncode != 0:
        raise RuntimeError(f"{step} ended with status {process.returncode}: {log.read_text()[-TAIL:].strip()}")
    return Cost(step=step, seconds=time.monotonic() - started, peak_mb=round(peak_mb))
