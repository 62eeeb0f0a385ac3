"""Continue real playlists: the scene's own scores beside item-kNN and popularity, on held-out tracks, in one run.

    python benchmarks/playlists.py --playlists F.parquet --holdout F.parquet [--tracks F.parquet] [--targets N] [--json F]

The files have `playlist_id` and `track_id`, that of tracks `track_id`, `artist_id` and `album_id`. Pairs of the hold-out
that are also among the playlists are dropped. Item-kNN is tuned first, on tracks hidden from playlists that are no targets; the
scene runs with its defaults and, without a listening log, on playlists, artists and albums alone.
Q target playlists, P playlists, T tracks, K list length.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ritornello.data.facts import Groups
from ritornello.data.sparse import cosine_items, sum_pairs
from ritornello.scenes.continuation import ContinuationConfig, continued
from ritornello.schema import ALBUM_ID, ARTIST_ID, PLAYLIST_ID, TRACK_ID
from spread import spread

K = 100
BLOCK = 100
HIDDEN_SHARE = 0.2
LEAST_TRACKS = 10  # of a playlist that item-kNN is tuned on
GRID = tuple((keep, shrink) for keep in (100, 300, 1000) for shrink in (0.0, 10.0, 50.0))

Scorer = Callable[[csr_array], csr_array]


@dataclass(frozen=True, kw_only=True, slots=True)
class Data:
    """Playlists with rows for numbers: who is in which, what is held out, and the targets that are scored."""

    member_PT: csr_array
    held_PT: csr_array
    target_Q: NDArray[np.int64]
    groups: dict[str, Groups]
    dropped: int


def main() -> None:
    """Tune the peer, score all models on the same targets, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--playlists", type=Path, required=True)
    parser.add_argument("--holdout", type=Path, required=True)
    parser.add_argument("--tracks", type=Path)
    parser.add_argument("--targets", type=int, default=2000, help="how many target playlists, by chance")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    data = read(given.playlists, given.holdout, given.tracks, targets=given.targets, seed=given.seed)
    keep, shrink = tune(data, seed=given.seed)
    playlists = grouped(data.member_PT)
    popular_T = np.asarray(data.member_PT.sum(axis=0)).ravel()
    links_TT = cosine_items(data.member_PT, keep=keep, shrink=shrink)
    models: dict[str, Scorer] = {
        "popularity": lambda query_QT: csr_array(np.tile(popular_T, (query_QT.shape[0], 1))),
        f"item-kNN (keep {keep}, shrink {shrink:g})": lambda query_QT: csr_array(query_QT @ links_TT),
    }
    models["Ritornello, playlists alone"] = scene(playlists, {})
    if data.groups:
        models["Ritornello, with artists and albums"] = scene(playlists, data.groups)
    values = {}
    figures: dict[str, object] = {"targets": len(data.target_Q), "dropped_pairs": data.dropped, "results": {}}
    for name, scorer in models.items():
        started = time.monotonic()
        values[name] = measure(scorer, data.member_PT[data.target_Q], data.held_PT[data.target_Q])
        figures["results"][name] = summary(values[name]) | {"seconds": round(time.monotonic() - started, 1)}  # type: ignore[index]
        print(name, figures["results"][name])  # type: ignore[index]
    peer = next(name for name in values if name.startswith("item-kNN"))
    for name, value in values.items():
        if name.startswith("Ritornello"):
            gains = {metric: paired(value_Q, values[peer][metric]) for metric, value_Q in value.items()}
            figures[f"{name}, less item-kNN"] = gains
            print(f"{name}, less item-kNN:", gains)
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")


def read(playlists: Path, holdout: Path, tracks: Path | None, *, targets: int, seed: int) -> Data:
    """Number playlists and tracks, drop held-out pairs that are known, choose the targets."""
    known = pl.read_parquet(playlists).select(PLAYLIST_ID, TRACK_ID).unique()
    held = pl.read_parquet(holdout).select(PLAYLIST_ID, TRACK_ID).unique()
    fresh = held.join(known, on=[PLAYLIST_ID, TRACK_ID], how="anti")
    every = pl.concat([known, fresh])
    shape = (int(every[PLAYLIST_ID].max()) + 1, int(every[TRACK_ID].max()) + 1)  # type: ignore[arg-type]
    target_Q = fresh.join(known, on=PLAYLIST_ID, how="semi")[PLAYLIST_ID].unique().sort().to_numpy().astype(np.int64)
    chosen = np.random.default_rng(seed).permutation(len(target_Q))[:targets]
    groups = (
        {}
        if tracks is None
        else {name: of_column(pl.read_parquet(tracks), name, shape[1]) for name in (ARTIST_ID, ALBUM_ID)}
    )
    return Data(
        member_PT=pairs(known, shape),
        held_PT=pairs(fresh, shape),
        target_Q=np.sort(target_Q[chosen]),
        groups=groups,
        dropped=len(held) - len(fresh),
    )


def pairs(rows: pl.DataFrame, shape: tuple[int, int]) -> csr_array:
    """Return pairs as a matrix."""
    return sum_pairs(rows[PLAYLIST_ID].to_numpy(), rows[TRACK_ID].to_numpy(), np.ones(len(rows)), shape)


def of_column(tracks: pl.DataFrame, column: str, num_tracks: int) -> Groups:
    """Return the tracks by artist or album."""
    known = tracks.drop_nulls(column).filter(pl.col(TRACK_ID) < num_tracks)
    row = known[column].rank("dense").to_numpy().astype(np.int64) - 1
    return grouped(sum_pairs(row, known[TRACK_ID].to_numpy(), np.ones(len(known)), (int(row.max()) + 1, num_tracks)))


def grouped(member_GT: csr_array) -> Groups:
    """Return groups without names."""
    names = ("",) * member_GT.shape[0]
    return Groups(ids=names, names=names, member_GT=member_GT)


def scene(playlists: Groups, groups: dict[str, Groups]) -> Scorer:
    """Return the scene's own scores, with its defaults."""
    artists, albums = groups.get(ARTIST_ID, Groups()), groups.get(ALBUM_ID, Groups())
    return lambda query_QT: continued(playlists, query_QT, ContinuationConfig(), artists=artists, albums=albums)


def tune(data: Data, *, seed: int, playlists: int = 1000) -> tuple[int, float]:
    """Choose item-kNN's settings by R-precision on tracks hidden from playlists that are no targets."""
    rng = np.random.default_rng((seed, 1))
    length_P = np.diff(data.member_PT.indptr)
    is_free_P = (length_P >= LEAST_TRACKS) & (np.diff(data.held_PT.indptr) == 0)
    chosen = np.sort(rng.permutation(np.flatnonzero(is_free_P))[:playlists])
    row_E = np.repeat(np.arange(len(length_P)), length_P)
    is_hidden_E = np.isin(row_E, chosen) & (rng.random(len(row_E)) < HIDDEN_SHARE)
    parts = [
        sum_pairs(row_E[mask_E], data.member_PT.indices[mask_E], np.ones(int(mask_E.sum())), data.member_PT.shape)
        for mask_E in (~is_hidden_E, is_hidden_E)
    ]
    tried = {}
    for keep, shrink in GRID:
        links_TT = cosine_items(parts[0], keep=keep, shrink=shrink)
        found = measure(
            lambda query_QT, links_TT=links_TT: csr_array(query_QT @ links_TT), parts[0][chosen], parts[1][chosen]
        )
        tried[keep, shrink] = float(found["r_precision"].mean())
    return max(tried, key=lambda setting: tried[setting])


def measure(scorer: Scorer, query_QT: csr_array, held_QT: csr_array) -> dict[str, NDArray[np.float64]]:
    """Return R-precision, NDCG@K and Recall@K of every playlist that has something held out."""
    rows = [row for part in blocks(query_QT.shape[0]) for row in of_block(scorer, query_QT[part], held_QT[part])]
    return {name: np.array([row[name] for row in rows]) for name in ("r_precision", "ndcg", "recall")}


def blocks(size: int) -> Iterator[slice]:
    """Cut rows into blocks."""
    return (slice(start, start + BLOCK) for start in range(0, size, BLOCK))


def of_block(scorer: Scorer, query_QT: csr_array, held_QT: csr_array) -> Iterator[dict[str, float]]:
    """Score a block; what is in the playlist already is never proposed."""
    score_QT = scorer(query_QT).toarray()
    score_QT[query_QT.toarray() > 0] = -np.inf
    order_QK = np.argsort(-score_QT, axis=1, kind="stable")[:, :K]
    discount_K = 1 / np.log2(np.arange(K) + 2)
    for row in range(len(order_QK)):
        held = held_QT.indices[held_QT.indptr[row] : held_QT.indptr[row + 1]]
        if len(held):
            is_hit_K = np.isin(order_QK[row], held) & (score_QT[row, order_QK[row]] > 0)
            yield {
                "r_precision": is_hit_K[: len(held)].sum() / len(held),
                "ndcg": (is_hit_K * discount_K).sum() / discount_K[: len(held)].sum(),
                "recall": is_hit_K.sum() / len(held),
            }


def summary(values: dict[str, NDArray[np.float64]]) -> dict[str, tuple[float, float]]:
    """Return mean and standard error of each metric."""
    return {name: spread(value_Q) for name, value_Q in values.items()}


def paired(one_Q: NDArray[np.float64], other_Q: NDArray[np.float64]) -> tuple[float, float]:
    """Return mean and standard error of a difference, playlist by playlist."""
    return spread(one_Q - other_Q)


if __name__ == "__main__":
    main()
