"""Measure the vector index: recall against the exact twin, milliseconds a search, build time, memory, filters, hot swap.

Vectors look as those of factor models do: Gaussian with a decaying spectrum (variance 1/d in the d-th direction, turned at
random), without clusters. Queries are tastes: the mean of five tracks that agree among 256 drawn at random, plus noise of 0.3
of its length. Kind "cosine" has vectors of length 1, kind "norms" lengths that fall with the rank of popularity (rank ** -0.1).
"""

import argparse
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from time import perf_counter, sleep, thread_time

import faiss
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ritornello import index
from ritornello.contracts import Float32
from ritornello.index import Index
from ritornello.index.filter import Filter, only, without
from ritornello.index.found import Found
from ritornello.index.swap import Served, Swap

DIMENSION = 64
K = 100
REPEATS = 3
JUDGED = 1_000_000_000  # scores computed for the recall of one kind of search: the exact ones take long
BLOCK = 500_000
SERVE = """
import sys
from pathlib import Path
import faiss, numpy as np
from ritornello import index
def resident_mb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))
faiss.omp_set_num_threads(1)
before = resident_mb()
served = index.make("ann").load(Path(sys.argv[1]), mmap=sys.argv[2] == "mapped")
served.search(np.random.default_rng(0).standard_normal((200, 64), dtype=np.float32), 100)
print(before, resident_mb())
"""


def main() -> None:
    """Measure each size and print a row for each kind of search."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="100k,1M,10M")
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--json", type=Path, help="also write the rows here")
    options = parser.parse_args()
    sizes = [int(float(size.replace("k", "e3").replace("M", "e6"))) for size in options.sizes.split(",")]
    rows: list[dict[str, object]] = []
    for size in sizes:
        for kind in ("cosine", "norms") if size <= 100_000 else ("cosine",):
            rows += measure(size, kind, options.queries)
        if options.json:
            facts = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "hardware": hardware(), "rows": rows}
            options.json.write_text(json.dumps(facts, indent=1) + "\n")
    print(table(rows))


def measure(size: int, kind: str, num_queries: int) -> list[dict[str, object]]:
    """Build the index of one size and measure every kind of search."""
    vector_ND = tracks(size, kind)
    track_N = np.arange(1, size + 1, dtype=np.int32)
    rng = np.random.default_rng(1)
    interest_BKD = tastes(vector_ND, num_queries * 5, rng).reshape(num_queries, 5, DIMENSION)
    faiss.omp_set_num_threads(2)
    started = perf_counter()
    ann = index.make("ann").build(track_N, vector_ND)
    build_s = perf_counter() - started
    exact = index.make("exact").build(track_N, vector_ND)
    common = {"tracks": size, "kind": kind}
    rows: list[dict[str, object]] = [{**common, "search": "build", "seconds": round(build_s, 1), **memory(ann)}]
    log(rows[-1])
    filters: dict[str, Filter | None] = {
        "1 vector": None,
        "keeps 10 %": only(rng.choice(track_N, size // 10, replace=False)),
        "keeps 1 %": only(rng.choice(track_N, size // 100, replace=False)),
        "keeps 1,000 tracks": only(rng.choice(track_N, 1000, replace=False)),
        "excludes 1,000 tracks": without(rng.choice(track_N, 1000, replace=False)),
    }
    for name, allowed in filters.items():
        rows.append({**common, "search": name, **compare(ann, exact, interest_BKD[:, :1], allowed)})
        log(rows[-1])
    rows.append({**common, "search": "1+4 vectors", **compare(ann, exact, interest_BKD, None)})
    log(rows[-1])
    own_BKD = vector_ND[rng.integers(0, size, num_queries), None]
    rows.append({**common, "search": "a track's own vector", **compare(ann, exact, own_BKD, None)})
    log(rows[-1])
    if kind == "norms":
        more = index.make("ann", {"probes": 512}).build(track_N, vector_ND)
        rows.append({**common, "search": "1 vector, probes = 512", **compare(more, exact, interest_BKD[:, :1], None)})
        log(rows[-1])
    elif size <= 1_000_000:
        rows.append({**common, "search": "hot swap", **swaps(ann, vector_ND)})
        log(rows[-1])
    return rows


def tracks(size: int, kind: str) -> Float32:
    """Return the vectors of a catalogue [N, D]."""
    rng = np.random.default_rng(0)
    deviation_D = np.arange(1, DIMENSION + 1, dtype=np.float32) ** -0.5
    turn_DD = np.linalg.qr(rng.standard_normal((DIMENSION, DIMENSION)))[0].astype(np.float32)
    vector_ND = np.empty((size, DIMENSION), np.float32)
    for start in range(0, size, BLOCK):
        block_ND = vector_ND[start : start + BLOCK]
        block_ND[:] = (rng.standard_normal(block_ND.shape, dtype=np.float32) * deviation_D) @ turn_DD
        if kind == "cosine":
            block_ND /= np.linalg.norm(block_ND, axis=1, keepdims=True)
    if kind == "norms":
        vector_ND *= (rng.permutation(size)[:, None] + 1).astype(np.float32) ** -0.1
    return vector_ND


def tastes(vector_ND: Float32, num: int, rng: np.random.Generator) -> Float32:
    """Return `num` queries of length 1."""
    taste_QD = np.empty((num, DIMENSION), np.float32)
    for row in range(num):
        pool_PD = vector_ND[rng.integers(0, len(vector_ND), 256)]
        pool_PD = pool_PD / np.linalg.norm(pool_PD, axis=1, keepdims=True)
        mean_D = pool_PD[np.argsort(-(pool_PD @ pool_PD[0]))[:5]].mean(axis=0)
        noise_D = rng.standard_normal(DIMENSION, dtype=np.float32) * (0.3 * np.linalg.norm(mean_D) / DIMENSION**0.5)
        taste_QD[row] = (mean_D + noise_D) / np.linalg.norm(mean_D + noise_D)
    return taste_QD


def compare(ann: Index, exact: Index, interest_BKD: Float32, allowed: Filter | None) -> dict[str, object]:
    """Search one row after the other on one thread, three times over; recall is of the exact best 100."""
    faiss.omp_set_num_threads(1)
    num_judged = max(20, JUDGED // (len(exact) * interest_BKD.shape[1]))
    right_QK = search(exact, interest_BKD[:num_judged], allowed).track_QK
    p50_R, p99_R, cpu_ms = [], [], []
    with threadpool_limits(1):
        ann.search(interest_BKD[0, :1], K, allowed)  # a filter is prepared at its first search
        for _ in range(REPEATS):
            took_ms = []
            hits = 0
            for row in range(len(interest_BKD)):
                started, started_cpu = perf_counter(), thread_time()
                found = search(ann, interest_BKD[row : row + 1], allowed)
                took_ms.append((perf_counter() - started) * 1000)
                cpu_ms.append((thread_time() - started_cpu) * 1000)
                hits += len(np.intersect1d(found.track_QK[0], right_QK[row])) if row < len(right_QK) else 0
            p50_R.append(float(np.percentile(took_ms, 50)))
            p99_R.append(float(np.percentile(took_ms, 99)))
    return {
        "recall": round(hits / right_QK.size, 4),
        "p50_ms": round(float(np.median(p50_R)), 2),
        "p50_least_ms": round(min(p50_R), 2),
        "p50_most_ms": round(max(p50_R), 2),
        "p99_ms": round(float(np.median(p99_R)), 2),
        "p50_cpu_ms": round(float(np.percentile(cpu_ms, 50)), 2),
        "p99_cpu_ms": round(float(np.percentile(cpu_ms, 99)), 2),
        "queries": len(interest_BKD),
        "judged": len(right_QK),
    }


def search(searched: Index, interest_BKD: Float32, allowed: Filter | None) -> Found:
    """Search with one vector or with several."""
    if interest_BKD.shape[1] == 1:
        return searched.search(interest_BKD[:, 0], K, allowed)
    return searched.search_many(interest_BKD, K, allowed)


def memory(ann: Index) -> dict[str, object]:
    """Return the bytes of the index on disk, and what a fresh process holds more once it has loaded and searched it."""
    with TemporaryDirectory() as name:
        folder = Path(name) / "index"
        ann.save(folder)
        disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        grown = {}
        for mode in ("read", "mapped"):
            command = [sys.executable, "-c", SERVE, str(folder), mode]
            found = subprocess.run(command, check=True, capture_output=True, text=True)
            before, after = map(float, found.stdout.split())
            grown[mode] = round(after - before)
    return {"disk_mb": round(disk / 1e6), "resident_mb": grown["read"], "mapped_resident_mb": grown["mapped"]}


class Tower:
    """Queries of one version: a track's own vector, turned around in version "b"."""

    def __init__(self, version: str, vector_ND: Float32) -> None:
        self.version = version
        self.vector_ND = vector_ND


def swaps(ann: Index, vector_ND: Float32) -> dict[str, object]:
    """Search 10,000 times in two threads while two versions take turns; each answer has to be its version's.

    Version "b" has the vectors turned around and the tracks numbered backwards: an answer tells tower and index.
    """
    size = len(vector_ND)
    ann.version = "a"
    faiss.omp_set_num_threads(2)
    other = index.make("ann").build(np.arange(size, 0, -1, dtype=np.int32), -vector_ND)
    other.version = "b"
    faiss.omp_set_num_threads(1)
    served = [
        Served(version="a", index=ann, tower=Tower("a", vector_ND)),
        Served(version="b", index=other, tower=Tower("b", -vector_ND)),
    ]
    swap = Swap(served[0])
    took_ms: list[float] = []
    counts = {"failed": 0, "mixed": 0}

    def ask(row_Q: NDArray[np.integer]) -> None:
        for row in row_Q.tolist():
            started = perf_counter()
            try:
                now = swap.current()
                found = now.index.search(now.tower.vector_ND[row : row + 1], K)
            except Exception:  # noqa: BLE001  # whatever fails is counted
                counts["failed"] += 1
                continue
            took_ms.append((perf_counter() - started) * 1000)
            counts["mixed"] += int(found.track_QK[0, 0]) != (row + 1 if now.version == "a" else size - row)

    rows = np.random.default_rng(2).integers(0, size, (2, 5000))
    threads = [Thread(target=ask, args=(row_Q,)) for row_Q in rows]
    for thread in threads:
        thread.start()
    published_us = []
    while any(thread.is_alive() for thread in threads):
        started = perf_counter()
        swap.publish(served[(len(published_us) + 1) % 2])
        published_us.append((perf_counter() - started) * 1e6)
        sleep(0.001)
    return {
        "p50_ms": round(float(np.percentile(took_ms, 50)), 2),
        "p99_ms": round(float(np.percentile(took_ms, 99)), 2),
        "searches": len(took_ms),
        "swaps": len(published_us),
        "swap_p50_us": round(float(np.percentile(published_us, 50)), 1),
        "swap_p99_us": round(float(np.percentile(published_us, 99)), 1),
        **counts,
    }


def hardware() -> str:
    """Return the processor and how many cores there are."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}"


def log(row: dict[str, object]) -> None:
    """Tell what was measured."""
    print(json.dumps(row), flush=True)


def table(rows: list[dict[str, object]]) -> str:
    """Return the searches as a Markdown table."""
    lines = [
        "| tracks | kind | search | recall@100 | p50 ms (least to most of 3) | p99 ms | CPU p50, p99 ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        if "recall" in row:
            spread = f"{row['p50_ms']} ({row['p50_least_ms']} to {row['p50_most_ms']})"
            cells = (f"{row['tracks']:,}", row["kind"], row["search"], row["recall"], spread, row["p99_ms"])
            cells += (f"{row['p50_cpu_ms']}, {row['p99_cpu_ms']}",)
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
