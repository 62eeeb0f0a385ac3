"""A catalogue of a million tracks: what a request costs through HTTP on one core, what of it grows with the catalogue, memory.

    python benchmarks/million_tracks.py make WS [--tracks 1000000] [--users 2000] [--plays 1000]
    python benchmarks/million_tracks.py measure WS [--requests 300] [--json F]
    python benchmarks/million_tracks.py profile WS

Synthetic: the log (every track is played at least once, sessions of a dozen tracks around one place of the catalogue, half of
a listener's plays are repeats, ten tracks an artist) and the vectors of `vector` (Gaussian directions of its full 256
dimensions, their spectrum decaying as that of vector_engine.py, without clusters, and a tower that was never trained: a hard
case for an index, whose lists trained vectors fall into more readily). Fitted as always: the other seven channels, the links of
`vector`, and the ranker, on one earlier window. Two default channels are left out: `colisten`, whose training grows with the
square of a listener's tracks, and `factors`, a second table of vectors.
The service is held to one core, the client beside it to another. E events, U users, T tracks.
"""

import argparse
import cProfile
import json
import os
import pstats
import random
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from load import memory_mb
from ritornello import request
from ritornello.artifacts import Workspace
from ritornello.bundle import publish
from ritornello.config import Config, RankConfig, RecallConfig
from ritornello.contracts import Float32, Int64
from ritornello.data import transitions
from ritornello.data.ingest import ingest
from ritornello.data.knowledge import Knowledge
from ritornello.data.prepare import load_prepared, prepare
from ritornello.data.sequence import Sequences, encode
from ritornello.reasons import explain_slate
from ritornello.recall.vector import Vector
from ritornello.schema import ONE_DAY_MS, ONE_MINUTE_MS
from ritornello.train.fit import fit_pipeline
from service import ask, event_to_slate, latencies, serving, warm_up

CHANNELS = ("popular", "fresh", "relisten", "item2item", "transitions", "sessions", "neighbours", "vector")
CONFIG = Config(recall=RecallConfig(channels=CHANNELS), rank=RankConfig(cuts=1, next_cuts=0))
DAYS = 60
SESSION = 12
PLACE = 300  # tracks that a session is drawn from
START_MS = 1_700_000_000_000
K = 30


def main() -> None:
    """Make, measure or profile."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("what", choices=("make", "measure", "profile"))
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--tracks", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=2_000)
    parser.add_argument("--plays", type=int, default=1_000, help="of each user")
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.what == "make":
        make(Workspace(given.workspace), num_tracks=given.tracks, num_users=given.users, num_plays=given.plays)
        return
    figures = measure(given.workspace, given.requests) if given.what == "measure" else profile(given.workspace)
    print(json.dumps(figures, indent=1))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")


def make(workspace: Workspace, *, num_tracks: int, num_users: int, num_plays: int) -> None:
    """Write the log, prepare it, fit and publish; a line for each step with its seconds."""
    started = time.perf_counter()

    def told(step: str) -> None:
        print(f"{step}: {time.perf_counter() - started:.0f} s", flush=True)

    with TemporaryDirectory() as name:
        events, catalogue = Path(name) / "events.parquet", Path(name) / "tracks.parquet"
        listens(num_tracks, num_users, num_plays).write_parquet(events)
        track = pl.Series("track_id", np.arange(num_tracks), pl.Int64)
        pl.DataFrame(
            {"track_id": track, "artist_id": track // 10, "title": "song " + track.cast(pl.String)}
        ).write_parquet(catalogue)
        ingest(workspace, [catalogue], kind="catalogue")
        ingest(workspace, [events])
    told("ingested")
    prepare(workspace)
    prepared = load_prepared(workspace)
    told("prepared")
    Vector.fit, Vector.refit = invented, reinvented  # type: ignore[method-assign]  # in this process alone
    at = request.newest_moment(prepared)
    pipeline = fit_pipeline(prepared.sequences, at, CONFIG, prepared.knowledge, tasks=("window", "unheard"))
    told("fitted")
    publish(workspace, pipeline, CONFIG, prepared, at)
    told("published")


def listens(num_tracks: int, num_users: int, num_plays: int) -> pl.DataFrame:
    """Invent a log."""
    generator = np.random.default_rng(1)
    num_events = num_users * num_plays
    user_E = np.repeat(np.arange(num_users), num_plays)
    session_E = np.arange(num_events) % num_plays // SESSION + user_E * num_plays
    home_E = hashed(session_E) % num_tracks
    # a third of a listener's sessions go back to one of ten places that are theirs
    home_E = np.where(hashed(session_E + 1) % 3 == 0, hashed(user_E * 10 + session_E % 10) % num_tracks, home_E)
    track_E = (home_E + generator.geometric(0.02, num_events) % PLACE) % num_tracks
    once_T = generator.permutation(num_tracks)[: num_events // 2]
    track_E[generator.permutation(num_events)[: len(once_T)]] = once_T  # so that every track is played
    per_day = -(-(num_plays // SESSION + 1) // DAYS)
    day_E = (np.arange(num_events) % num_plays // SESSION) // per_day
    place_E = np.arange(num_events) % num_plays % SESSION
    hour_E = 6 + (np.arange(num_events) % num_plays // SESSION) % per_day * 4
    at_E = START_MS + day_E * ONE_DAY_MS + hour_E * 60 * ONE_MINUTE_MS + place_E * 3 * ONE_MINUTE_MS
    return pl.DataFrame({"user_id": user_E, "track_id": track_E, "timestamp": at_E // 1000})


def hashed(number: Int64) -> Int64:
    """Scatter numbers, the same way every time."""
    mixed = (number.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xBF58476D1CE4E5B9)
    return ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(16)).astype(np.int64)


def invented(channel: Vector, sequences: Sequences, at: int, knowledge: Knowledge) -> Vector:
    """Give random vectors and an untrained tower to the channel, and real links."""
    from ritornello.inference import Model
    from ritornello.nn.export import export_user_tower, make_user_tower
    from ritornello.recall.track_vectors import TrackVectors

    config, size = channel.config, knowledge.num_tracks + 1
    channel.tracks = TrackVectors.made(placed(size, config.dim))
    channel.links_TT = transitions.chances(sequences, size, lags=transitions.LAGS, keep=100)
    channel.tower = Model(export_user_tower(make_user_tower(config).eval(), config))
    return channel


def placed(size: int, dim: int) -> Float32:
    """Invent directions and heights [T, D + 1]; the heights spread as those that were trained on LFM-1b do."""
    generator = np.random.default_rng(0)
    table_TE = generator.standard_normal((size, dim + 1), dtype=np.float32)
    table_TE[:, :-1] *= np.arange(1, dim + 1, dtype=np.float32) ** -0.5
    table_TE[:, :-1] /= np.linalg.norm(table_TE[:, :-1], axis=1, keepdims=True)
    table_TE[:, -1] = 20.0 + 0.7 * table_TE[:, -1]  # scores above 0, as trained ones are
    table_TE[0] = 0.0
    return table_TE


def reinvented(channel: Vector, earlier: Vector, sequences: Sequences, at: int, knowledge: Knowledge) -> Vector:
    """Do the same for a newer log."""
    return invented(channel, sequences, at, knowledge)


def measure(workspace: Path, num_requests: int) -> dict[str, object]:
    """Ask the service on one core."""
    users = pl.read_parquet(workspace / "prepared" / "users.parquet")["user_id"].cast(pl.String).to_list()
    chosen = random.Random(1).choices(users, k=num_requests)
    core, *others = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})  # what is started now stays there, and its libraries see one core
    started = time.perf_counter()
    with serving(workspace) as (port, process):
        ready_s = time.perf_counter() - started
        os.sched_setaffinity(0, set(others) or {core})
        warm_up(port, chosen[:50])
        return {
            "tracks": pl.scan_parquet(workspace / "prepared" / "tracks.parquet").select(pl.len()).collect().item(),
            "channels": len(CHANNELS),
            "seconds_to_ready": round(ready_s, 2),
            "slate": latencies([lambda user=user: ask(port, user) for user in chosen], process.pid),
            "event_to_changed_slate": event_to_slate(port, chosen, process.pid),
            "memory": memory_mb(process.pid),
        }


def profile(workspace: Path) -> dict[str, float]:
    """Print where the time of a request goes, without HTTP; return the milliseconds of one."""
    served = request.open_workspace(Workspace(workspace))
    pipeline, sequences = served.bundle.pipeline, served.prepared.sequences
    at = request.newest_moment(served.prepared)

    def one(user: int) -> None:
        history = encode(sequences, np.array([user]), np.array([at], np.int64))
        explain_slate(pipeline, history, pipeline.recommend(history, K))

    for user in range(1, 20):
        one(user)
    profiler = cProfile.Profile()
    profiler.enable()
    started = time.perf_counter()
    for user in range(20, 70):
        one(user)
    took_ms = 1000 * (time.perf_counter() - started) / 50
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
    return {"ms": round(took_ms, 1)}


if __name__ == "__main__":
    main()
