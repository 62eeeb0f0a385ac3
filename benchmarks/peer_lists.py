"""Fit one peer of the harness on one prepared window and write its three lists, in a process of its own.

Shape letters: B users of a batch, T tracks of the catalogue, N list length.
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
import typer
from numpy.typing import NDArray

Part = Literal["all", "repeat", "new"]
PARTS: tuple[Part, ...] = ("all", "repeat", "new")
SCORES_AT_ONCE = 30_000_000  # the harness's own batch rule, so that equal scores fall the same way


def load_harness(path: Path) -> ModuleType:
    """Import the harness from a file that belongs to no package."""
    spec = importlib.util.spec_from_file_location("harness", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is no Python file; expected the harness")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def batches(users: NDArray[np.integer], num_tracks: int) -> Iterator[NDArray[np.integer]]:
    """Cut the users as the harness does."""
    size = max(16, min(256, SCORES_AT_ONCE // num_tracks))
    for first in range(0, len(users), size):
        yield users[first : first + size]


def restrict(score_BT: NDArray[np.float32], heard_BT: NDArray[np.bool_], part: Part) -> NDArray[np.float32]:
    """Push the tracks that the part leaves out to minus infinity."""
    if part == "all":
        return score_BT
    kept_BT = heard_BT if part == "repeat" else ~heard_BT
    return np.where(kept_BT, score_BT, np.float32(-np.inf))


def as_table(users: NDArray[np.integer], track_BN: NDArray[np.integer], score_BN: NDArray[np.float32]) -> pl.DataFrame:
    """Turn the lists of one batch into rows, ranks from 1, without what was left out."""
    row_E, slot_E = np.nonzero(np.isfinite(score_BN))
    return pl.DataFrame({"u": users[row_E], "rank": (slot_E + 1).astype(np.int32), "i": track_BN[row_E, slot_E]})


def rank_users(harness: ModuleType, model: Any, data: Any, users: NDArray[np.integer]) -> dict[Part, pl.DataFrame]:
    """Rank the whole catalogue for every user: freely, heard tracks alone, unheard tracks alone."""
    seen = data.csr("binary")
    tables: dict[Part, list[pl.DataFrame]] = {part: [] for part in PARTS}
    for batch in batches(users, data.n_items):
        score_BT = model.scores(batch)
        heard_BT = seen[batch].toarray() > 0
        for part in PARTS:
            track_BN, score_BN = harness.topn(restrict(score_BT, heard_BT, part), harness.TOPN)
            tables[part].append(as_table(batch, track_BN, score_BN))
    return {part: pl.concat(table) for part, table in tables.items()}


def with_names(table: pl.DataFrame, prep: Path) -> pl.DataFrame:
    """Replace the harness's row numbers by the ids of the data."""
    users = pl.read_parquet(prep / "users.parquet").with_columns(pl.col("u").cast(pl.Int64))
    items = pl.read_parquet(prep / "items.parquet").with_columns(pl.col("i").cast(pl.Int64))
    numbers = table.with_columns(pl.col("u", "i").cast(pl.Int64))
    named = numbers.join(users, on="u", maintain_order="left").join(items, on="i", maintain_order="left")
    return named.select("user_id", "rank", "track_id")


def main(
    harness: Annotated[Path, typer.Option(help="The judge's harness.py.")],
    prep: Annotated[Path, typer.Option(help="A window that the harness prepared.")],
    model: Annotated[str, typer.Option(help="Peer and settings, for example tifu_knn:hl=60+k=300.")],
    out: Annotated[Path, typer.Option(help="Folder for all.parquet, repeat.parquet and new.parquet.")],
    threads: int = 1,
) -> None:
    """Write the top-100 lists of one peer for every user that the window evaluates."""
    judge = load_harness(harness)
    vars(judge)["THREADS"] = threads  # the harness reads it as a global
    data, peer = judge.Data(str(prep)), judge.build(model)
    peer.fit(data)
    users = np.load(prep / "test.npz")["eu"]
    out.mkdir(parents=True, exist_ok=True)
    for part, table in rank_users(judge, peer, data, users).items():
        with_names(table, prep).write_parquet(out / f"{part}.parquet")


if __name__ == "__main__":
    typer.run(main)
