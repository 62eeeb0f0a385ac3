"""What one request costs the user tower of `vector`: ONNX Runtime alone, and with the reading of the history around it.

    python benchmarks/user_tower.py [--length 200] [--requests 2000] [--json F]

One thread, one request at a time, weights as they are at first: the time does not depend on their values. Percentiles over all
requests, three runs. "whole" is `Vector.ask`: tokens, the vectors of tracks and of what follows them, the tower, and the
sparse row of links.
"""

import argparse
import json
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from scipy.sparse import csr_array

from ritornello.data.sequence import encode, from_events
from ritornello.data.tokens import tokens
from ritornello.data.transitions import follow
from ritornello.inference import Model
from ritornello.nn.export import export_user_tower, make_user_tower
from ritornello.recall.track_vectors import TrackVectors
from ritornello.recall.vector import Vector, VectorConfig
from ritornello.schema import ONE_MINUTE_MS, Action

TRACKS, KEPT, RUNS, WARM_UP = 100_000, 100, 3, 200


def make_channel(length: int) -> Vector:
    """Return a channel of random tracks and links, served with the default tower."""
    rng = np.random.default_rng(0)
    channel = Vector(VectorConfig(length=length))
    channel.tracks = TrackVectors(rng.normal(size=(TRACKS + 1, channel.config.dim + 1)).astype(np.float32))
    column = rng.integers(1, TRACKS + 1, (TRACKS + 1) * KEPT).astype(np.int32)
    chance = np.full(len(column), 1.0 / KEPT, np.float32)
    links = csr_array((chance, column, np.arange(0, len(column) + 1, KEPT)), shape=(TRACKS + 1, TRACKS + 1))
    links.sum_duplicates()
    channel.links_TT = links
    torch.manual_seed(0)
    channel.tower = Model(export_user_tower(make_user_tower(channel.config).eval(), channel.config))
    return channel


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Return p50 and p99 in milliseconds."""
    low, high = np.percentile(np.array(seconds[WARM_UP:]) * 1000, [50, 99])
    return {"p50 ms": round(float(low), 3), "p99 ms": round(float(high), 3)}


def main() -> None:
    """Time the tower, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--length", type=int, default=200)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    channel, length = make_channel(options.length), options.length
    rng = np.random.default_rng(1)
    log = from_events(
        np.ones(length, np.int32),
        rng.integers(1, TRACKS + 1, length).astype(np.int32),
        1_600_000_000_000 + np.cumsum(rng.integers(1, 200, length)) * ONE_MINUTE_MS,
        np.full(length, Action.PLAY, np.int8),
        rng.random(length).astype(np.float32),
        num_users=1,
        num_tracks=TRACKS,
    )
    history = encode(log, np.array([1]), np.array([int(log.at_E[-1]) + ONE_MINUTE_MS]))
    read = tokens(history, source="plays", length=length)
    inputs = {
        "track": channel.track_TE[read.track_BL, :-1],
        "strength": read.strength_BL,
        "follow": follow(channel.links_TT, channel.track_TE[:, :-1], read.track_BL, read.is_key_BL),
        "event": read.event_BLF.astype(np.int64),
        "request": read.request_BLF[:, -1].astype(np.int64),
        "is_key": read.is_key_BL,
    }
    assert channel.tower is not None
    tower = channel.tower
    rows = []
    for run in range(RUNS):
        for what, call in (("tower", lambda: tower(**inputs)), ("whole", lambda: channel.ask(history))):
            seconds = []
            for _ in range(options.requests + WARM_UP):
                started = perf_counter()
                call()
                seconds.append(perf_counter() - started)
            rows.append({"run": run, "what": what, **percentiles(seconds)})
            print(rows[-1], flush=True)
    if options.json:
        options.json.write_text(
            json.dumps({"length": length, "requests": options.requests, "rows": rows}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
