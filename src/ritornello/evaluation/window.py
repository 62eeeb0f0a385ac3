"""The window protocol: state frozen at T, the whole catalogue ranked, judged by what is played in the days after T.

Tracks and users count when they have enough events before T; targets are the distinct known tracks that a user plays in
[T, T + D]. Heard tracks stay in the list; `all_R` and `all_N` judge the one list by what came back and by what was new,
`repeat` and `new` judge lists of heard and of unheard tracks only. R rows (users of a window), K list length.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from rich.progress import Progress

from ritornello.config import Config
from ritornello.contracts import Bool, History, Int32, Only
from ritornello.data.prepare import Prepared
from ritornello.data.sequence import encode
from ritornello.evaluation.rankings import lists_of_users
from ritornello.evaluation.scoring import LIST_LENGTH, Results, Scores, Targets, Which, score, summarise
from ritornello.evaluation.union import UnionScores, score_union, summarise_union
from ritornello.evaluation.window_split import Window, pooled_stats, split_windows
from ritornello.pipeline import BATCH, Pipeline
from ritornello.recall.merge import recall
from ritornello.train.fit import fit_pipeline

PIPELINE, RANKINGS = "pipeline", "rankings"

Recommend = Callable[[History, Only], Int32]
Parts = dict[str, Scores]


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowScores:
    """What one window gave: scores by system and part, the union of the channels, seconds."""

    window: Window
    systems: dict[str, Parts]
    union: UnionScores | None
    new_union: UnionScores | None
    seconds: dict[str, float]


def evaluate_window(  # noqa: PLR0913  # the options of the command, by their names
    prepared: Prepared,
    config: Config,
    *,
    until_ms: int | None,
    test_days: float,
    cuts: int,
    min_item: int,
    min_user: int,
    rankings: Path | None,
    progress: Progress | None = None,
) -> dict[str, object]:
    """Train as of each cut and score the pipeline and every channel alone; or score lists made elsewhere.

    `until_ms` is the newest cut, by default `test_days` before the newest event; each further one is `test_days` older.

    Raises:
        ValueError: when a window has no targets, or the rankings cannot be used.
    """
    if rankings is not None and cuts != 1:
        raise ValueError(f"rankings are made as of one cut: found {cuts} cuts, allowed is 1")
    windows = split_windows(
        prepared.sequences, until_ms, test_days=test_days, cuts=cuts, min_item=min_item, min_user=min_user
    )
    scored = [
        score_window(window, prepared, config, progress=progress)
        if rankings is None
        else score_lists(window, prepared, rankings)
        for window in windows
    ]
    return report_of(scored)


def score_window(window: Window, prepared: Prepared, config: Config, *, progress: Progress | None) -> WindowScores:
    """Train as of the cut and score every system."""
    seconds: dict[str, float] = {}
    started = perf_counter()
    pipeline = fit_pipeline(
        window.known, window.at, config, prepared.knowledge, tasks=("window", "unheard"), progress=progress
    )
    seconds["train"] = perf_counter() - started
    systems: dict[str, Parts] = {}
    recommenders = recommenders_of(pipeline)
    task = progress.add_task("evaluate: lists", total=len(recommenders) + 1) if progress else None
    for name, recommend in recommenders.items():
        started = perf_counter()
        systems[name] = score_system(recommend, window)
        seconds["recommend" if name == PIPELINE else name] = perf_counter() - started
        if progress and task is not None:
            progress.advance(task)
    started = perf_counter()
    union = score_union(pipeline, histories(window, window.targets.user_R), window.targets)
    new = window.targets.only("new")
    new_union = score_union(pipeline, histories(window, new.user_R), new, only="unheard") if len(new.user_R) else None
    seconds["union"] = perf_counter() - started
    if progress and task is not None:
        progress.advance(task)
    return WindowScores(window=window, systems=systems, union=union, new_union=new_union, seconds=seconds)


def recommenders_of(pipeline: Pipeline) -> dict[str, Recommend]:
    """Return how to ask the pipeline, and each of its channels alone, for lists."""

    def ask_pipeline(history: History, only: Only) -> Int32:
        return pipeline.recommend(history, LIST_LENGTH, task="window", only=only).track_BK

    def ask_channel(name: str) -> Recommend:
        channel = pipeline.channels[name]
        return lambda history, only: recall(channel, history, LIST_LENGTH, only=only).track_BN

    return {PIPELINE: ask_pipeline} | {name: ask_channel(name) for name in pipeline.channels}


def score_system(recommend: Recommend, window: Window) -> Parts:
    """Score one system's lists in all parts; a part without targets is left out."""
    track_RK = lists(recommend, window, window.targets.user_R, "any")
    parts = score_parts(track_RK, window.targets, window.is_warm_T)
    halves: tuple[tuple[Which, Only], ...] = (("repeat", "heard"), ("new", "unheard"))
    for part, only in halves:
        targets = window.targets.only(part)
        if len(targets.user_R):
            parts[part] = score(lists(recommend, window, targets.user_R, only), targets)
    return parts


def score_parts(track_RK: Int32, targets: Targets, is_warm_T: Bool) -> Parts:
    """Score one list per row by all targets, by those that came back (`all_R`) and by those that were new (`all_N`)."""
    parts = {"all": score(track_RK, targets, is_warm_T=is_warm_T)}
    halves: tuple[tuple[str, Which], ...] = (("all_R", "repeat"), ("all_N", "new"))
    for part, which in halves:
        row_R = targets.rows_with(which)
        if len(row_R):
            parts[part] = score(track_RK[row_R], targets.only(which))
    return parts


def lists(recommend: Recommend, window: Window, user_R: Int32, only: Only) -> Int32:
    """Return the first 100 tracks for each user as of the cut."""
    found = [recommend(history, only)[:, :LIST_LENGTH] for history in histories(window, user_R)]
    return np.concatenate([np.pad(rows, ((0, 0), (0, LIST_LENGTH - rows.shape[1]))) for rows in found])


def histories(window: Window, user_R: Int32) -> Iterator[History]:
    """Encode users as of the cut, so many at a time that memory does not depend on how many there are."""
    for start in range(0, len(user_R), BATCH):
        user_B = user_R[start : start + BATCH]
        yield encode(window.known, user_B, np.full(len(user_B), window.at, np.int64))


def score_lists(window: Window, prepared: Prepared, rankings: Path) -> WindowScores:
    """Score lists made elsewhere, heard tracks kept; nothing is trained."""
    started = perf_counter()
    track_RK, missing = lists_of_users(rankings, prepared.user_ids, prepared.track_ids, window.targets.user_R)
    parts = score_parts(track_RK, window.targets, window.is_warm_T)
    parts["all"].overall["users_without_a_list"] = missing
    seconds = {"score": perf_counter() - started}
    return WindowScores(window=window, systems={RANKINGS: parts}, union=None, new_union=None, seconds=seconds)


def report_of(scored: list[WindowScores]) -> dict[str, object]:
    """Return the report of one window, or of several pooled with each one's own below."""
    unions = [one.union for one in scored if one.union is not None]
    new_unions = [one.new_union for one in scored if one.new_union is not None]
    union = summarise_union(unions) if unions else {}
    if new_unions:
        union["new"] = summarise_union(new_unions)
    report: dict[str, object] = {
        "protocol": "window",
        "stats": pooled_stats([one.window for one in scored]),
        "results": pooled_results([one.systems for one in scored]),
        "union": union,
        "seconds": {name: round(sum(one.seconds[name] for one in scored), 2) for name in scored[0].seconds},
    }
    if len(scored) > 1:
        report["cuts"] = [report_of([one]) for one in scored]
    return report


def pooled_results(windows: list[dict[str, Parts]]) -> Results:
    """Summarise each part of each system over the windows that have it."""
    parts = list(dict.fromkeys(part for systems in windows for scores in systems.values() for part in scores))
    return {
        name: {
            part: summarise([systems[name][part] for systems in windows if part in systems[name]])
            for part in parts
            if any(part in systems[name] for systems in windows)
        }
        for name in windows[0]
    }
