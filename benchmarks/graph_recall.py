"""Measure the graph channel on a simulated world, the loading of real triples, and a hub of a million edges.

python benchmarks/graph_recall.py --triples kg_triples.parquet --tracks tracks.parquet
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import typer

from measure import measured
from ritornello import metrics, recall
from ritornello.artifacts import Workspace
from ritornello.config import Config, RankConfig, RecallConfig
from ritornello.contracts import History
from ritornello.data import split
from ritornello.data.graph import Graph
from ritornello.data.labels import is_listen
from ritornello.data.prepare import Prepared, load_prepared
from ritornello.data.sequence import encode
from ritornello.evaluation.scoring import Targets
from ritornello.evaluation.union import score_union
from ritornello.evaluation.window_split import Window
from ritornello.pipeline import BATCH
from ritornello.recall.merge import recall as best
from ritornello.schema import ONE_DAY_MS
from ritornello.train.recall import fit_recall

HERE = Path(__file__).parent
WORLD = ("--users", "2000", "--tracks", "8000", "--days", "120", "--seed", "5")
SPARSE = ("--users", "150", "--tracks", "20000", "--days", "60", "--seed", "5")
VARIANTS = {
    "1 hop": {"hops": 1},
    "2 hops": {"hops": 2},
    "3 hops": {"hops": 3},
    "2 hops, weights as set": {"hops": 2, "learn_weights": False},
    "3 hops, weights as set": {"hops": 3, "learn_weights": False},
}
OTHERS = Config().recall.channels
DEPTH, MIN_EVENTS = 100, 10
HUB = 1_000_000
COMMAND = str(Path(sys.executable).with_name("ritornello"))


def main(
    triples: Annotated[Path | None, typer.Option(help="Real triples to load.")] = None,
    tracks: Annotated[Path | None, typer.Option(help="The tracks that the triples are about.")] = None,
    cuts: Annotated[int, typer.Option(help="Windows of 14 days.")] = 2,
    out: Annotated[Path, typer.Option()] = HERE / "results" / "graph.json",
) -> None:
    """Run everything and write the figures as JSON, with a Markdown page beside them."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        figures: dict[str, object] = {
            "date": datetime.now(UTC).date().isoformat(),
            "simulated": simulated(folder / "world", WORLD, cuts),
            "simulated_sparse": simulated(folder / "sparse", SPARSE, 1),
            "hub": hub(folder / "hub"),
        }
        if triples and tracks:
            figures["triples"] = load_triples(folder / "triples", triples, tracks)
    out.write_text(json.dumps(figures, indent=1) + "\n")
    out.with_suffix(".md").write_text("\n".join(page(figures)) + "\n")
    print(out.with_suffix(".md").read_text())


def ritornello(*words: str) -> str:
    """Run one command of the project; return what it printed."""
    return subprocess.run([COMMAND, *words], capture_output=True, text=True, check=True).stdout


def simulated(folder: Path, size: tuple[str, ...], cuts: int) -> dict[str, object]:
    """Simulate a world and judge the channel in windows of 14 days on tracks that are new to the user."""
    label = ritornello("simulate", str(folder), *size).split(":")[0].strip()
    ritornello("prepare", str(folder))
    prepared = load_prepared(Workspace(folder))
    newest = int(prepared.sequences.at_E.max())
    windows = [window_of(prepared, newest - 14 * number * ONE_DAY_MS) for number in range(1, cuts + 1)]
    rows = {
        name: [judge("graph", settings, prepared, window) for window in windows] for name, settings in VARIANTS.items()
    }
    rows |= {
        name: [judge(name, {}, prepared, window) for window in windows] for name in ("popular", "colisten", "factors")
    }
    means = {name: {key: float(np.mean([one[key] for one in many])) for key in many[0]} for name, many in rows.items()}
    return {"label": label, "size": " ".join(size), "channels": means, **union(prepared, windows)}


def window_of(prepared: Prepared, at: int) -> Window:
    """Return a window of 14 days whose targets are all tracks known by then, also those that nobody has played."""
    known, end = split.before(prepared.sequences, at), at + 14 * ONE_DAY_MS
    inside = split.between(prepared.sequences, at, end)
    num_tracks = prepared.knowledge.before(at, played=known.num_tracks).num_tracks
    size = np.int64(prepared.sequences.num_tracks + 1)
    is_target_E = is_listen(inside.action_E, inside.play_ratio_E) & (inside.track_E <= num_tracks)
    is_target_E &= np.diff(known.start_U)[inside.user_E] >= MIN_EVENTS
    pair_P = np.unique(inside.user_E[is_target_E] * size + inside.track_E[is_target_E])
    user_R, row_P = np.unique(pair_P // size, return_inverse=True)
    targets = Targets(
        user_R=user_R.astype(np.int32),
        row_P=row_P,
        track_P=(pair_P % size).astype(np.int32),
        is_repeat_P=np.isin(pair_P, known.user_E * size + known.track_E),
    )
    return Window(at=at, end=end, known=known, targets=targets, num_plays=len(inside), num_cold_plays=0)


def batches(window: Window) -> Iterator[History]:
    """Yield the histories of a window's users."""
    user_R = window.targets.user_R
    for start in range(0, len(user_R), BATCH):
        rows = user_R[start : start + BATCH]
        yield encode(window.known, rows, np.full(len(rows), window.at, np.int64))


def judge(name: str, settings: dict[str, object], prepared: Prepared, window: Window) -> dict[str, float]:
    """Return Recall and NDCG of one channel's lists of unheard tracks, and what part of these nobody had played."""
    seen = prepared.knowledge.before(window.at, played=window.known.num_tracks)
    started = time.perf_counter()
    channel = recall.make(name, settings).fit(window.known, window.at, seen)
    fit_s = time.perf_counter() - started
    started = time.perf_counter()
    track_RK = np.concatenate([best(channel, history, DEPTH, only="unheard").track_BN for history in batches(window)])
    score_s = time.perf_counter() - started
    targets = window.targets.only("new")
    hit_RK = targets.hits(track_RK[window.targets.rows_with("new")])
    plays_T = np.bincount(window.known.track_E, minlength=seen.num_tracks + 1)
    reached = track_RK[track_RK > 0]
    return {
        "recall@100": float(metrics.recall_at(hit_RK, targets.count_R, DEPTH).mean()),
        "ndcg@100": float(metrics.ndcg_at(hit_RK, targets.count_R, DEPTH).mean()),
        "never played": float((plays_T[reached] == 0).mean()) if len(reached) else 0.0,
        "fit s": fit_s,
        "ms/user": 1000 * score_s / len(track_RK),
    }


def union(prepared: Prepared, windows: list[Window]) -> dict[str, object]:
    """Return what the channels reach together, without and with the graph, and what each alone reaches."""
    figures: dict[str, object] = {}
    for name, channels in (("without", OTHERS), ("with", (*OTHERS, "graph"))):
        config = Config(recall=RecallConfig(channels=channels), rank=RankConfig(cuts=0))
        scores = []
        for window in windows:
            pipeline = fit_recall(window.known, window.at, config, prepared.knowledge)
            scores.append(score_union(pipeline, batches(window), window.targets))
        figures[f"union {name} graph"] = {
            key: float(np.concatenate([score.recall_R[key] for score in scores]).mean()) for key in scores[0].recall_R
        }
        figures["unique hits"] = {
            channel: sum(score.unique_hits[channel] for score in scores) for channel in scores[0].unique_hits
        }
    return figures


def load_triples(folder: Path, triples: Path, tracks: Path) -> dict[str, object]:
    """Ingest and prepare real triples beside a small invented log on the same tracks; degrees by relation."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    track = pl.read_parquet(tracks)["track_id"]
    log = {"user_id": rng.integers(1, 200, 20_000), "timestamp": 1_600_000_000 + rng.integers(0, 10**7, 20_000)}
    pl.DataFrame(log | {"track_id": track.sample(20_000, with_replacement=True, seed=1)}).write_parquet(
        folder / "log.parquet"
    )
    workspace = str(folder / "ws")
    ritornello("ingest", workspace, str(folder / "log.parquet"))
    ritornello("ingest", workspace, str(tracks), "--as", "catalogue")
    before = measured("prepare", [COMMAND, "prepare", workspace], folder / "p0", 2)
    ingest = measured("ingest", [COMMAND, "ingest", workspace, str(triples), "--as", "catalogue"], folder / "i", 2)
    after = measured("prepare", [COMMAND, "prepare", workspace], folder / "p1", 2)
    stats = json.loads((folder / "ws" / "prepared" / "stats.json").read_text())["graph"]
    graph = load_prepared(Workspace(folder / "ws")).knowledge.graph
    return {
        "triples": pl.scan_parquet(triples).select(pl.len()).collect().item(),
        "ingest_s": ingest.seconds,
        "prepare_without_s": before.seconds,
        "prepare_with_s": after.seconds,
        "peak_mb": max(ingest.peak_mb, after.peak_mb),
        "stats": stats,
        "degrees": degrees(graph),
    }


def degrees(graph: Graph) -> dict[str, dict[str, float]]:
    """Return the degrees at both ends of each relation: median, 99th percentile, largest."""
    rows = {}
    for number, name in enumerate(graph.relations):
        chosen = np.asarray(graph.relation_E) == number
        for end, node_E in (("heads", graph.head_E), ("tails", graph.tail_E)):
            count = np.unique(np.asarray(node_E)[chosen], return_counts=True)[1]
            rows[f"{name}, {end}"] = {
                "nodes": len(count),
                "median": float(np.median(count)),
                "p99": float(np.quantile(count, 0.99)),
                "largest": int(count.max()),
            }
    return rows


def hub(folder: Path) -> dict[str, object]:
    """Put a million tracks on one node: time and memory of fitting and of asking, in a process of its own."""
    folder.mkdir()
    cost = measured(
        "hub",
        [sys.executable, str(Path(__file__).resolve()), "--hub-only", str(folder / "hub.json")],
        folder / "log",
        2,
    )
    return json.loads((folder / "hub.json").read_text()) | {"peak_mb": cost.peak_mb}


def hub_only(target: Path) -> None:
    """Fit on a star of a million edges and ask for one batch of users, each of whom played ten tracks of it."""
    from ritornello.data.knowledge import Knowledge
    from ritornello.data.sequence import from_events

    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(1, BATCH + 1, dtype=np.int32), 10)
    size = len(users)
    log = from_events(
        users,
        rng.integers(1, HUB + 1, size).astype(np.int32),
        np.full(size, 10**12),
        np.full(size, 2, np.int8),
        np.full(size, np.nan, np.float32),
        num_users=BATCH,
        num_tracks=HUB,
    )
    nothing_T = np.zeros(HUB + 1, np.int32)
    graph = Graph(
        relations=("has_genre",),
        num_tracks=HUB,
        num_users=BATCH,
        known_tracks=HUB,
        head_E=np.arange(1, HUB + 1, dtype=np.int32),
        tail_E=np.full(HUB, HUB + BATCH + 1, np.int32),
        relation_E=np.zeros(HUB, np.int32),
        weight_E=np.ones(HUB, np.float32),
        kind_X=np.zeros(1, np.int8),
        appeared_at_X=np.zeros(1, np.int64),
        name_start_X=np.zeros(2, np.int64),
    )
    known = Knowledge(
        artist_T=nothing_T,
        album_T=nothing_T,
        genre_T=nothing_T,
        appeared_at_T=nothing_T.astype(np.int64),
        given_TV=np.zeros((HUB + 1, 0), np.float32),
        graph=graph,
    )
    started = time.perf_counter()
    channel = recall.make("graph", {"learn_weights": False}).fit(log, 10**12 + 1, known)
    fitted = time.perf_counter()
    matrix = channel.score(encode(log, np.arange(1, BATCH + 1), np.full(BATCH, 10**12 + 1))).matrix  # type: ignore[attr-defined]
    asked = time.perf_counter()
    figures = {"edges": HUB, "fit_s": fitted - started, "batch_s": asked - fitted, "scored": int(matrix.nnz)}
    target.write_text(json.dumps(figures))


def page(figures: dict) -> Iterator[str]:
    """Yield the lines of the Markdown page."""
    yield "# The knowledge graph and its channel"
    yield ""
    yield f"`python benchmarks/graph_recall.py`, {figures['date']}, {os.cpu_count()} cores."
    for key, title in (("simulated", "A dense world (simulated)"), ("simulated_sparse", "A sparse world (simulated)")):
        part = figures[key]
        yield from (
            "",
            f"## {title}",
            "",
            f"{part['label']}; `ritornello simulate WS {part['size']}`. Windows of 14 days,",
        )
        yield "users with at least 10 events before; lists of tracks new to the user against those then played. Simulated."
        yield ""
        yield from (
            "| channel | Recall@100 | NDCG@100 | never played by anybody | fit s | ms/user |",
            "|---|---|---|---|---|---|",
        )
        for name, row in part["channels"].items():
            yield (
                f"| {name} | {row['recall@100']:.4f} | {row['ndcg@100']:.4f} | {row['never played']:.1%} | {row['fit s']:.1f} "
                f"| {row['ms/user']:.1f} |"
            )
        yield ""
        for name in ("without", "with"):
            union_ = part[f"union {name} graph"]
            yield f"- all channels {name} graph: " + ", ".join(f"{key} {value:.4f}" for key, value in union_.items())
        yield "- unique hits: " + ", ".join(f"{name} {count}" for name, count in part["unique hits"].items())
    row = figures["hub"]
    yield from ("", "## A hub", "")
    yield (
        f"One node with {row['edges']:,} edges: fit {row['fit_s']:.1f} s, {BATCH} users asked in {row['batch_s']:.2f} s, "
        f"{row['scored']:,} scores, peak memory of the process {row['peak_mb']:,} MB."
    )
    if "triples" in figures:
        yield from triples_page(figures["triples"])


def triples_page(row: dict) -> Iterator[str]:
    """Yield what loading real triples took."""
    yield from ("", "## Real triples", "")
    yield (
        f"{row['triples']:,} triples: ingest {row['ingest_s']:.1f} s, prepare {row['prepare_with_s']:.1f} s "
        f"({row['prepare_without_s']:.1f} s without them), peak {row['peak_mb']:,} MB; each a whole process."
    )
    yield f"Nodes: {row['stats']['nodes']}. Left out: {row['stats']['left_out']}."
    yield from ("", "| degrees | nodes | median | 99 % | largest |", "|---|---|---|---|---|")
    for name, degree in row["degrees"].items():
        yield f"| {name} | {degree['nodes']:,} | {degree['median']:.0f} | {degree['p99']:.0f} | {degree['largest']:,} |"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--hub-only"]:
        hub_only(Path(sys.argv[2]))
    else:
        typer.run(main)
