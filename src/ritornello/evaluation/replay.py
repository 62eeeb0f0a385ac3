"""Replay: each row answered from the log as of its moment and from the rows above it, then learned.

What every row may know is fixed by its place alone, so rows are answered in batches; what a row or a later one asks for never
reaches its own list. R rows, E events, K list length.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from rich.progress import Progress

from ritornello.contracts import Bool, Int32, Int64
from ritornello.data import columns, split
from ritornello.data.ids import rows_of
from ritornello.data.prepare import Prepared
from ritornello.data.sequence import Sequences, encode, from_events
from ritornello.pipeline import BATCH, Pipeline
from ritornello.schema import PADDING, RANK, ROW_ID, TIMESTAMP, TRACK_ID, USER_ID, Action


@dataclass(frozen=True, kw_only=True, slots=True)
class Queries:
    """The rows with row numbers of the log: `user_R` and `track_R` are PADDING where unknown; `new_user_R` is not."""

    row_id: pl.Series
    user_R: Int32
    new_user_R: Int32
    track_R: Int32
    at_R: Int64

    def __len__(self) -> int:
        return len(self.user_R)


def replay(
    pipeline: Pipeline, prepared: Prepared, queries: pl.DataFrame, k: int, *, progress: Progress | None = None
) -> pl.DataFrame:
    """Return (row_id, rank, track_id) for rows of (row_id, user_id, timestamp, track_id) in time order.

    An unknown user gets the list of somebody without a history, until rows above give one; an unknown track enters no
    history.

    Raises:
        ValueError: when a row is older than the one above it, or a value is missing.
    """
    rows = read_queries(queries, prepared)
    sequences, end_R = append_rows(prepared.sequences, rows)
    found: list[pl.DataFrame] = []
    task = progress.add_task("replay", total=len(rows)) if progress else None
    for start in range(0, len(rows), BATCH):
        part = slice(start, start + BATCH)
        history = encode(sequences, rows.new_user_R[part], rows.at_R[part], end_B=end_R[part])
        track_BK = pipeline.recommend(replace(history, user_B=rows.user_R[part]), k, task="next").track_BK
        found.append(as_table(track_BK, rows.row_id[part], prepared.track_ids))
        if progress and task is not None:
            progress.advance(task, len(track_BK))
    return pl.concat(found) if found else as_table(np.zeros((0, k), np.int32), rows.row_id, prepared.track_ids)


def read_queries(queries: pl.DataFrame, prepared: Prepared) -> Queries:
    """Look users and tracks up and read the moments, in the unit that their size tells.

    Raises:
        ValueError: when a row has no user or moment, or is older than the one above it.
    """
    lazy = queries.lazy()
    if queries[TIMESTAMP].dtype.is_nested():
        raise ValueError(f"queries: column {TIMESTAMP} has type {queries[TIMESTAMP].dtype}; moments are single values")
    survey = columns.survey(lazy, moment=TIMESTAMP, identifiers=[], is_typed=True)
    moment = columns.moment(Path("queries"), TIMESTAMP, queries[TIMESTAMP].dtype, per_second=survey.per_second)
    at = queries.select(moment.alias(TIMESTAMP))[TIMESTAMP]
    for name, values in ((USER_ID, queries[USER_ID]), (TIMESTAMP, at), (ROW_ID, queries[ROW_ID])):
        if values.null_count():
            row = int(values.is_null().arg_max() or 0)
            raise ValueError(f"row {row + 1} of the queries has no readable {name}: found {queries[name][row]!r}")
    repeated = queries[ROW_ID].filter(queries[ROW_ID].is_duplicated())
    if len(repeated):
        raise ValueError(
            f"queries: row_id {repeated[0]} stands {(repeated == repeated[0]).sum()} times; allowed is once"
        )
    at_R = at.to_numpy().astype(np.int64)
    is_older_R = np.diff(at_R) < 0
    if is_older_R.any():
        row = int(is_older_R.argmax()) + 1
        raise ValueError(
            f"queries must be in time order: row_id {queries[ROW_ID][row]} (timestamp {queries[TIMESTAMP][row]}) is older "
            f"than the row above it (timestamp {queries[TIMESTAMP][row - 1]})"
        )
    user_R = rows_of(queries[USER_ID], prepared.user_ids)
    newcomers = queries[USER_ID].filter(pl.Series(user_R == PADDING)).unique(maintain_order=True)
    newcomer_R = rows_of(queries[USER_ID], newcomers) + np.int32(prepared.sequences.num_users)
    return Queries(
        row_id=queries[ROW_ID],
        user_R=user_R,
        new_user_R=np.where(user_R == PADDING, newcomer_R, user_R),
        track_R=rows_of(queries[TRACK_ID], prepared.track_ids),
        at_R=at_R,
    )


def append_rows(sequences: Sequences, rows: Queries) -> tuple[Sequences, Int64]:
    """Return the log of the rows' users with the rows in it, and the position before which each row's history ends.

    At the same moment rows come before events of the log: what a row may see is strictly older, or above it.
    """
    log = split.select(sequences, np.isin(sequences.user_E, rows.user_R))
    log = split.select(log, ~repeats_row(log, rows))
    num_rows = len(rows)
    user_E = np.r_[rows.new_user_R, log.user_E]
    track_E, at_E = np.r_[rows.track_R, log.track_E], np.r_[rows.at_R, log.at_E]
    both = from_events(
        user_E,
        track_E,
        at_E,
        np.r_[np.full(num_rows, Action.PLAY, np.int8), log.action_E],
        np.r_[np.full(num_rows, np.nan, np.float32), log.play_ratio_E],
        num_users=max(sequences.num_users, int(rows.new_user_R.max(initial=0))),
        num_tracks=sequences.num_tracks,
    )
    is_known_E = both.track_E != PADDING  # an unknown track has moved the session's clock, and goes
    position_E = np.empty(len(user_E), np.int64)
    position_E[np.lexsort((at_E, user_E))] = np.cumsum(is_known_E) - is_known_E
    return split.select(both, is_known_E), position_E[:num_rows]


def repeats_row(log: Sequences, rows: Queries) -> Bool:
    """Tell which plays of the log are rows of the replay as well, so that they count once."""
    names = ("user", "at", "track")
    asked = pl.DataFrame(dict(zip(names, (rows.user_R, rows.at_R, rows.track_R), strict=True))).unique()
    plays = pl.DataFrame(dict(zip(names, (log.user_E, log.at_E, log.track_E), strict=True)))
    marked = plays.join(asked.with_columns(found=True), on=names, how="left", maintain_order="left")
    is_repeat_E: Bool = marked["found"].fill_null(value=False).to_numpy() & (log.action_E == Action.PLAY)
    return is_repeat_E


def as_table(track_BK: Int32, row_id: pl.Series, track_ids: pl.Series) -> pl.DataFrame:
    """Return lists as one row per place, ranks from 1."""
    row_P, place_P = np.nonzero(track_BK != PADDING)
    return pl.DataFrame(
        {
            ROW_ID: row_id.gather(row_P),
            RANK: (place_P + 1).astype(np.int32),
            TRACK_ID: track_ids.gather(track_BK[row_P, place_P] - 1),
        }
    )
