"""Score lists per user, the harness's targets with the project's own metrics.

Shape letters: B users of the window, N list length, E rows of a list file, P target pairs.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from peer_lists import PARTS, Part
from ritornello.metrics import ndcg_at, recall_at

LIST_LENGTH = 100
Hits = NDArray[np.bool_]
Metric = Callable[[Hits, NDArray[np.integer], int], NDArray[np.float64]]
# name: (list and targets, function, k, the harness's name for it)
METRICS: dict[str, tuple[Part, Metric, int, str]] = {
    "all_ndcg_10": ("all", ndcg_at, 10, "ndcg@10"),
    "all_recall_100": ("all", recall_at, 100, "recall@100"),
    "new_ndcg_100": ("new", ndcg_at, 100, "ndcg@100"),
    "repeat_ndcg_10": ("repeat", ndcg_at, 10, "ndcg@10"),
}


def read_slots(path: Path, prep: Path, users: NDArray[np.integer]) -> pl.DataFrame:
    """Return (b, slot, i) per listed track: row of the user, place from 0, track number or null if unknown."""
    user_row = pl.DataFrame({"u": users, "b": np.arange(len(users))}).with_columns(pl.col("u").cast(pl.Int64))
    user_ids = pl.read_parquet(prep / "users.parquet").with_columns(pl.col("u").cast(pl.Int64))
    track_ids = pl.read_parquet(prep / "items.parquet").with_columns(pl.col("i").cast(pl.Int64))
    lists = pl.read_parquet(path, columns=["user_id", "rank", "track_id"]).with_columns(
        pl.col("user_id").cast(user_ids.schema["user_id"]), pl.col("track_id").cast(track_ids.schema["track_id"])
    )
    rows = lists.join(user_ids, on="user_id").join(user_row, on="u").join(track_ids, on="track_id", how="left")
    if rows.select(pl.struct("b", "track_id").is_duplicated().any()).item():
        raise ValueError(f"{path.name}: a user has a track twice in the list; ranks must hold distinct tracks")
    placed = rows.sort("b", "rank").with_columns(slot=pl.int_range(pl.len()).over("b"))
    return placed.filter(pl.col("slot") < LIST_LENGTH).select("b", "slot", "i")


def read_targets(prep: Path, part: Part) -> tuple[NDArray[np.integer], pl.DataFrame]:
    """Return the evaluated users and the target pairs (b, i) of the part."""
    window = np.load(prep / "test.npz")
    chosen_P = {"all": np.ones_like(window["rep"]), "repeat": window["rep"], "new": ~window["rep"]}[part]
    row_P = np.searchsorted(window["eu"], window["tu"][chosen_P])
    pairs = pl.DataFrame({"b": row_P, "i": window["ti"][chosen_P]}).with_columns(pl.col("i").cast(pl.Int64))
    return window["eu"], pairs


def hits(slots: pl.DataFrame, targets: pl.DataFrame, num_users: int) -> Hits:
    """Mark which places of which list hold a target."""
    hit_BN = np.zeros((num_users, LIST_LENGTH), dtype=np.bool_)
    found = slots.join(targets, on=["b", "i"])
    hit_BN[found["b"].to_numpy(), found["slot"].to_numpy()] = True
    return hit_BN


def score_part(path: Path, prep: Path, part: Part) -> pl.DataFrame:
    """Return (metric, user_id, value) for the metrics of one list file; users without a target of the part drop out."""
    users, targets = read_targets(prep, part)
    hit_BN = hits(read_slots(path, prep, users), targets, len(users))
    num_targets_B = np.bincount(targets["b"].to_numpy(), minlength=len(users))
    counted_B = num_targets_B > 0
    names = pl.read_parquet(prep / "users.parquet").sort("u")["user_id"].gather(users[counted_B])
    return pl.concat(
        pl.DataFrame({"user_id": names, "value": score(hit_BN[counted_B], num_targets_B[counted_B], k)}).select(
            pl.lit(name).alias("metric"), "user_id", "value"
        )
        for name, (of_part, score, k, _) in METRICS.items()
        if of_part == part
    )


def score_lists(lists: Path, prep: Path) -> pl.DataFrame:
    """Score a folder of all.parquet, repeat.parquet and new.parquet."""
    return pl.concat(score_part(lists / f"{part}.parquet", prep, part) for part in PARTS)


def check_against(values: pl.DataFrame, harness: dict[str, dict[str, float]]) -> None:
    """Hold the means against the harness's own; they must agree to 1e-6."""
    for (metric,), of_metric in values.group_by("metric"):
        part, _, _, harness_name = METRICS[str(metric)]
        ours, theirs = float(of_metric["value"].to_numpy().mean()), harness[part][harness_name]
        if abs(ours - theirs) > 1e-6:
            raise ValueError(f"{metric}: {ours:.7f} here, {theirs:.7f} from the harness; they must agree to 1e-6")
