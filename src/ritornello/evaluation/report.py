"""Figures for people: tables on the terminal, and a JSON file for scripts."""

import json
import math
from collections.abc import Iterable
from pathlib import Path

import msgspec
import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ritornello.artifacts import write_atomic
from ritornello.evaluation.baselines import BASELINES
from ritornello.evaluation.scoring import Metrics, Results
from ritornello.evaluation.window import PIPELINE, RANKINGS
from ritornello.schema import CHANNELS, HEARD, PLAYLIST_ID, RANK, REASON, TITLE, TRACK_ID, USER_ID

Column = tuple[str, str]  # part and metric

COLUMNS: dict[str, tuple[Column, ...]] = {
    "window": (
        ("all", "ndcg@10"),
        ("all", "recall@100"),
        ("repeat", "ndcg@10"),
        ("new", "ndcg@10"),
        ("all", "coverage@100"),
    ),
    "live": (
        ("all", "recall@20"),
        ("all", "mrr@20"),
        ("repeat", "recall@20"),
        ("new", "recall@20"),
        ("session_start", "recall@20"),
    ),
}
HEADERS = {"session_start": "start", "coverage@100": "cover@100"}  # short enough for 80 columns
# Lists made elsewhere are one list per user, judged by what came back and by what was new.
COLUMNS_OF_LISTS: tuple[Column, ...] = (
    ("all", "ndcg@10"),
    ("all", "recall@100"),
    ("all_R", "ndcg@10"),
    ("all_N", "ndcg@10"),
    ("all", "coverage@100"),
)


class Union(msgspec.Struct):
    """What the channels reach together; empty where lists made elsewhere were scored."""

    unique_hits: dict[str, int] = {}
    recall_200: float = msgspec.field(name="recall@200", default=0.0)
    recall_500: float = msgspec.field(name="recall@500", default=0.0)
    recall_1000: float = msgspec.field(name="recall@1000", default=0.0)
    channels: dict[str, Metrics] = {}
    new: "Union | None" = None


class Figures(msgspec.Struct):
    """What `evaluate_window` and `evaluate_live` return."""

    protocol: str
    stats: dict[str, float]
    results: Results
    seconds: dict[str, float]
    union: Union | None = None
    simulated: str | None = None


def show(figures: dict[str, object], console: Console) -> None:
    """Print what was evaluated, the scores, the union of the channels and the seconds."""
    read = msgspec.convert(figures, Figures)
    console.print(headline(read))
    console.print(score_table(read))
    if read.union is not None and read.union.unique_hits:
        console.print(
            f"union of the channels: recall@500 {read.union.recall_500:.4f}, recall@1000 {read.union.recall_1000:.4f}"
        )
        console.print(f"  (best channel): {union_line(read.union)}")
        if read.union.new is not None:
            console.print(f"  the same, new tracks: {union_line(read.union.new)}")
    console.print("seconds: " + ", ".join(f"{name} {value:.1f}" for name, value in read.seconds.items()))


def union_line(union: Union) -> str:
    """Say what the merged candidates hold, and behind each figure what the best single channel does at that length."""
    figures = {"recall@200": union.recall_200, "recall@500": union.recall_500, "recall@1000": union.recall_1000}
    best = {name: max((of[name] for of in union.channels.values()), default=0.0) for name in figures}
    return ", ".join(f"{name} {value:.4f} ({best[name]:.4f})" for name, value in figures.items())


def write_json(figures: dict[str, object], path: Path) -> None:
    """Write all figures to a file, in one step."""
    write_atomic(path, json.dumps(strict(figures), indent=1, allow_nan=False) + "\n")


def strict(value: object) -> object:
    """Return figures with null for numbers that JSON does not have: what nothing can be divided by."""
    if isinstance(value, dict):
        return {name: strict(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [strict(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def headline(figures: Figures) -> str:
    """Say in a sentence what the figures are about, and first of all whether the listeners are invented."""
    stats = figures.stats
    mark = f"{figures.simulated}: " if figures.simulated else ""
    known = (
        f"{stats['train_events']:,.0f} events of {stats['users']:,.0f} users on {stats['items']:,.0f} tracks before it"
    )
    length = f"{stats['test_days']:g} days from {stats['T']:.0f} (epoch seconds)"
    if figures.protocol == "live":
        return (
            f"{mark}live, {length}: {stats['scored_rows']:,.0f} plays of {stats['eval_users']:,.0f} users, "
            f"{stats['repeat_share']:.1%} of them repeats; {known}"
        )
    windows = f"{stats['cuts']:.0f} windows, the newest of " if stats["cuts"] > 1 else ""
    return (
        f"{mark}window, {windows}{length}: {stats['targets']:,.0f} tracks to find for {stats['eval_users']:,.0f} users, "
        f"{stats['repeat_target_share']:.1%} of them repeats; {known}"
    )


def score_table(figures: Figures) -> Table:
    """Lay the scores out: the pipeline first, its channels below, the baselines last."""
    is_window_of_lists = figures.protocol == "window" and RANKINGS in figures.results
    columns = COLUMNS_OF_LISTS if is_window_of_lists else COLUMNS[figures.protocol]
    shown = [column for column in columns if any_value(figures.results.values(), column)]
    unique_hits = figures.union.unique_hits if figures.union is not None else {}
    table = Table(
        box=None,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        title="simulated" if figures.simulated else None,
        title_justify="left",
        caption="0.0817(27) is 0.0817 with a standard error of 0.0027",
        caption_justify="left",
    )
    table.add_column("system", no_wrap=True)
    for part, metric in shown:
        table.add_column(f"{HEADERS.get(part, part)}\n{HEADERS.get(metric, metric)}", justify="right", no_wrap=True)
    if unique_hits:
        table.add_column("unique\nhits", justify="right")
    for group in grouped(list(figures.results)):
        for name in group:
            cells = [cell(figures.results[name].get(part, {}), metric) for part, metric in shown]
            hits = [f"{unique_hits[name]:,}" if name in unique_hits else ""] if unique_hits else []
            table.add_row(name, *cells, *hits, style="bold" if name == PIPELINE else "", end_section=name == group[-1])
    return table


def any_value(systems: Iterable[dict[str, Metrics]], column: Column) -> bool:
    """Tell whether any system has a value for a part and metric."""
    part, metric = column
    return any(metric in system.get(part, {}) for system in systems)


def grouped(names: list[str]) -> list[list[str]]:
    """Return the pipeline or the scored lists, then channels, then baselines; empty groups are left out."""
    first = [name for name in names if name in (PIPELINE, RANKINGS)]
    baselines = [name for name in names if name in BASELINES]
    channels = [name for name in names if name not in first and name not in baselines]
    return [group for group in (first, channels, baselines) if group]


def cell(metrics: Metrics, name: str) -> str:
    """Show a value, and its standard error in units of the last digit, where it has one.

    >>> cell({"mrr@20": 0.25, "mrr@20_se": 0.0114}, "mrr@20")
    '0.2500(114)'
    """
    if name not in metrics:
        return ""
    error = metrics.get(f"{name}_se")
    return f"{metrics[name]:.4f}" + (f"({round(error * 10_000)})" if error is not None else "")


def show_slate(table: pl.DataFrame, names: dict[int, str], track_ids: pl.Series, console: Console) -> None:
    """Print lists, one table per user; `names` goes by track row."""
    row_of = dict(zip(track_ids.to_list(), range(1, len(track_ids) + 1), strict=True))
    for (user_id,), rows in table.group_by(USER_ID, maintain_order=True):
        shown = Table(title=escape(str(user_id)) if table[USER_ID].n_unique() > 1 else None, box=None, pad_edge=False)
        for column in (RANK, "track", HEARD, CHANNELS, REASON):
            shown.add_column(column, justify="right" if column == RANK else "left")
        for rank, track_id, is_heard, channels, reason in rows.select(
            RANK, TRACK_ID, HEARD, CHANNELS, REASON
        ).iter_rows():
            shown.add_row(
                str(rank), escape(names[row_of[track_id]]), "yes" if is_heard else "", channels, escape(reason)
            )
        console.print(shown)


def show_playlists(table: pl.DataFrame, console: Console) -> None:
    """Print ranked playlists, one table per user."""
    for (user_id,), rows in table.group_by(USER_ID, maintain_order=True):
        shown = Table(title=escape(str(user_id)) if table[USER_ID].n_unique() > 1 else None, box=None, pad_edge=False)
        for column in (RANK, PLAYLIST_ID, TITLE):
            shown.add_column(column, justify="right" if column == RANK else "left")
        for rank, playlist_id, title in rows.select(RANK, PLAYLIST_ID, TITLE).iter_rows():
            shown.add_row(str(rank), escape(playlist_id), escape(title))
        console.print(shown)
