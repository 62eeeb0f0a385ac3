"""A log of any size for measuring speed: plausible in shape (long tails, time order, text ids), without taste."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from ritornello.schema import ONE_DAY_MS, PLAYED_MS, TIMESTAMP, TRACK_ID, TRACK_MS, USER_ID

START = 1_704_067_200_000  # 2024-01-01
SPAN_MS = 365 * ONE_DAY_MS
CHUNK_EVENTS = 1_000_000


def write_log(path: Path, *, events: int, users: int, tracks: int, seed: int = 1) -> None:
    """Write plays in time order to one Parquet file, chunk by chunk."""
    rng = np.random.default_rng(seed)
    with TemporaryDirectory(dir=path.parent) as folder:
        for low in range(0, events, CHUNK_EVENTS):
            high = min(events, low + CHUNK_EVENTS)
            start, end = (START + SPAN_MS * edge // events for edge in (low, high))
            chunk = random_plays(high - low, start=start, end=end, users=users, tracks=tracks, rng=rng)
            chunk.write_parquet(Path(folder) / f"{low:012}.parquet")
        pl.scan_parquet(Path(folder) / "*.parquet").sink_parquet(path)


def random_plays(
    count: int, *, start: int, end: int, users: int, tracks: int, rng: np.random.Generator
) -> pl.DataFrame:
    """Return plays in a stretch of time: the k-th track has a weight of 1/k, users differ less."""
    track_P = ((tracks + 1) ** rng.random(count)).astype(np.int64) - 1
    user_P = (users * rng.random(count) ** 1.5).astype(np.int64)
    track_ms_P = 150_000 + track_P * 7_919 % 150_000
    plays = pl.DataFrame(
        {
            USER_ID: user_P,
            TIMESTAMP: np.sort(rng.integers(start, end, count)),
            TRACK_ID: track_P * 2_654_435_761 % 2**32,  # spread, so that neighbours in rank are no neighbours in text
            PLAYED_MS: (track_ms_P * rng.random(count) ** 0.3).astype(np.int64),
            TRACK_MS: track_ms_P,
        }
    )
    return plays.with_columns(
        pl.format("user-{}", pl.col(USER_ID).cast(pl.String).str.zfill(9)),
        pl.format("track-{}", pl.col(TRACK_ID).cast(pl.String).str.zfill(10)),
    )
