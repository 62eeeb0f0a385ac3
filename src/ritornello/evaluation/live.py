"""The live protocol: models frozen at T, then each play predicted from everything before it.

Histories grow play by play. Every row's history is known from the log, so rows are answered in batches, in any order.
Scored by the place of the played track; standard errors keep a user's rows together. R scored rows, K list length.
"""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from ritornello import metrics
from ritornello.config import Config
from ritornello.contracts import History, Int32
from ritornello.data.prepare import Prepared
from ritornello.evaluation.baselines import fit_baselines
from ritornello.evaluation.live_rows import LiveRows, live_rows
from ritornello.evaluation.rankings import lists_of_rows
from ritornello.evaluation.scoring import LIST_LENGTH, Metrics, Results
from ritornello.evaluation.window import PIPELINE, RANKINGS
from ritornello.evaluation.window_split import cut_of, warm_tracks
from ritornello.pipeline import BATCH, Pipeline
from ritornello.recall.merge import recall
from ritornello.schema import ONE_DAY_MS, ONE_SECOND_MS
from ritornello.train.fit import fit_pipeline

Answer = Callable[[History], Int32]
Rows = NDArray[np.intp]


def evaluate_live(  # noqa: PLR0913  # the options of the command, by their names
    prepared: Prepared,
    config: Config,
    *,
    until_ms: int | None,
    test_days: float,
    min_item: int,
    min_user: int,
    rankings: Path | None,
    max_rows: int | None = None,
    progress: Progress | None = None,
) -> dict[str, object]:
    """Score the pipeline, every channel and the baselines on each play after T; or lists made elsewhere.

    `max_rows` scores that many rows, drawn by the configuration's seed.

    Raises:
        ValueError: when there is no play to predict, or the rankings cannot be used.
    """
    sequences = prepared.sequences
    at = cut_of(sequences, until_ms, test_days)
    rows = live_rows(sequences, prepared.user_ids, at, test_days=test_days, min_item=min_item, min_user=min_user)
    chosen_R = choose_rows(len(rows), max_rows, config.seed)
    seconds: dict[str, float] = {}
    if rankings is not None:
        track_RK, missing = lists_of_rows(rankings, prepared.track_ids, rows.row_R[chosen_R])
        ranks = {RANKINGS: places(track_RK, rows.track_R[chosen_R])}
        results = results_of(ranks, rows, chosen_R)
        results[RANKINGS]["all"]["rows_without_a_list"] = missing
    else:
        started = perf_counter()
        pipeline = fit_pipeline(rows.known, at, config, prepared.knowledge, tasks=("next",), progress=progress)
        seconds["train"] = perf_counter() - started
        systems = answers_of(pipeline) | fit_baselines(rows.known, at, LIST_LENGTH)
        results = results_of(rank_rows(systems, rows, chosen_R, seconds, progress), rows, chosen_R)
    return {
        "protocol": "live",
        "stats": stats_of(rows, chosen_R),
        "results": results,
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
    }


def choose_rows(num_rows: int, max_rows: int | None, seed: int) -> Rows:
    """Return all rows, or a sorted sample of them."""
    if max_rows is None or max_rows >= num_rows:
        return np.arange(num_rows)
    return np.sort(np.random.default_rng(seed).choice(num_rows, max_rows, replace=False))


def answers_of(pipeline: Pipeline) -> dict[str, Answer]:
    """Return how to ask the pipeline, and each of its channels alone, for the next track."""

    def ask_channel(name: str) -> Answer:
        channel = pipeline.channels[name]
        return lambda history: recall(channel, history, LIST_LENGTH).track_BN

    channels = {name: ask_channel(name) for name in pipeline.channels}
    return {PIPELINE: lambda history: pipeline.recommend(history, LIST_LENGTH, task="next").track_BK} | channels


def rank_rows(
    systems: dict[str, Answer],
    rows: LiveRows,
    chosen_R: Rows,
    seconds: dict[str, float],
    progress: Progress | None,
) -> dict[str, NDArray[np.intp]]:
    """Return by system the place of each chosen row's track in its list; lists are dropped batch by batch."""
    ranks = {name: np.full(len(chosen_R), LIST_LENGTH, np.intp) for name in systems}
    index_of_R = np.full(len(rows), -1, np.intp)
    index_of_R[chosen_R] = np.arange(len(chosen_R))
    task = progress.add_task("evaluate: plays", total=len(chosen_R)) if progress else None
    for row_B, history in rows.batches(chosen_R, BATCH):
        for name, answer in systems.items():
            started = perf_counter()
            ranks[name][index_of_R[row_B]] = places(answer(history), rows.track_R[row_B])
            key = "recommend" if name == PIPELINE else name
            seconds[key] = seconds.get(key, 0.0) + perf_counter() - started
        if progress and task is not None:
            progress.advance(task, len(row_B))
    return ranks


def places(track_RK: Int32, track_R: Int32) -> NDArray[np.intp]:
    """Return the place of each row's track in its list, from 0; the list length where it is not there.

    >>> places(np.array([[4, 7], [4, 7]], np.int32), np.array([7, 9], np.int32)).tolist()
    [1, 100]
    """
    is_it_RK = track_RK[:, :LIST_LENGTH] == track_R[:, None]
    return np.where(is_it_RK.any(axis=1), is_it_RK.argmax(axis=1), LIST_LENGTH)


def results_of(ranks: dict[str, NDArray[np.intp]], rows: LiveRows, chosen_R: Rows) -> Results:
    """Summarise each system by part; a part without rows is left out."""
    parts = {name: is_part_R[chosen_R] for name, is_part_R in rows.parts().items()}
    user_R = rows.user_R[chosen_R]
    return {
        system: {
            name: metrics_of(rank_R[is_part_R], user_R[is_part_R])
            for name, is_part_R in parts.items()
            if is_part_R.any()
        }
        for system, rank_R in ranks.items()
    }


def metrics_of(rank_R: NDArray[np.intp], user_R: Int32) -> Metrics:
    """Return recall and mean reciprocal rank of the played track.

    >>> metrics_of(np.array([1, 100]), np.array([1, 2], np.int32))["mrr@20"]
    0.25
    """
    values = {
        "recall@20": (rank_R < 20).astype(np.float64),
        "mrr@20": np.where(rank_R < 20, 1.0 / (rank_R + 1), 0.0),
        "recall@100": (rank_R < LIST_LENGTH).astype(np.float64),
    }
    summary: Metrics = {"rows": len(rank_R)}
    for name, value_R in values.items():
        summary[name] = float(value_R.mean())
        summary[f"{name}_se"] = metrics.clustered_standard_error(value_R, user_R)
    return summary


def stats_of(rows: LiveRows, chosen_R: Rows) -> dict[str, object]:
    """Describe the cut and its rows; `T` is in epoch seconds."""
    return {
        "T": rows.at / ONE_SECOND_MS,
        "test_days": (rows.end - rows.at) / ONE_DAY_MS,
        "train_events": len(rows.known),
        "users": int((np.diff(rows.known.start_U) > 0).sum()),
        "items": int(warm_tracks(rows.known).sum()),
        "rows": rows.num_rows,
        "rows_of_known_tracks": len(rows),
        "scored_rows": len(chosen_R),
        "eval_users": len(np.unique(rows.user_R[chosen_R])),
        "repeat_share": float(rows.is_repeat_R[chosen_R].mean()),
        "session_start_share": float(rows.is_session_start_R[chosen_R].mean()),
    }
