"""What is written down: the events that a service sees, and beside them, row by row, the truth that it does not see.

R rows.
"""

from dataclasses import dataclass, fields

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ritornello.contracts import Float32, Int8, Int32, Int64
from ritornello.data.sources.simulator.choice import SOURCES, Intent
from ritornello.schema import (
    ACTION,
    AT,
    PLAYED_MS,
    POSITION,
    PROPENSITY,
    REQUEST_ID,
    SCENE,
    SOURCE,
    TRACK_ID,
    TRACK_MS,
    USER_ID,
    Action,
)

UNKNOWN = -1
HOME, RADIO = 0, 1
SCENES = ("home", "radio")  # a page to pick from; a stream that plays by itself
INTENTS = tuple(intent.name.lower() for intent in Intent)
ACTIONS = ("none", *(action.name.lower() for action in Action))


@dataclass(frozen=True, kw_only=True, slots=True)
class LogRows:
    """Events with their truth: `appeal_R` in logits, patience left, what the session is for."""

    id_R: Int64
    at_R: Int64
    track_R: Int32
    action_R: Int8
    played_ms_R: Int64
    track_ms_R: Int64
    scene_R: Int8
    source_R: Int8
    request_R: Int64
    position_R: NDArray[np.int16]
    propensity_R: Float32
    appeal_R: Float32
    patience_R: Float32
    intent_R: Int8


class Log:
    """Collects rows and gives them back in the order of time."""

    def __init__(self) -> None:
        self.parts: list[LogRows] = []

    def add(self, rows: LogRows) -> None:
        """Keep some rows."""
        self.parts.append(rows)

    def __len__(self) -> int:
        return sum(len(part.id_R) for part in self.parts)

    def rows(self) -> LogRows:
        """Return all rows by time; rows of the same moment stay as they came."""
        if not self.parts:
            return nothing()
        joined = {
            field.name: np.concatenate([getattr(part, field.name) for part in self.parts]) for field in fields(LogRows)
        }
        order_R = np.argsort(joined["at_R"], kind="stable")
        return LogRows(**{name: array_R[order_R] for name, array_R in joined.items()})


def nothing() -> LogRows:
    """Return a log without rows."""
    whole, small, real = np.zeros(0, np.int64), np.zeros(0, np.int8), np.zeros(0, np.float32)
    return LogRows(
        id_R=whole,
        at_R=whole,
        track_R=np.zeros(0, np.int32),
        action_R=small,
        played_ms_R=whole,
        track_ms_R=whole,
        scene_R=small,
        source_R=small,
        request_R=whole,
        position_R=np.zeros(0, np.int16),
        propensity_R=real,
        appeal_R=real,
        patience_R=real,
        intent_R=small,
    )


def event_table(rows: LogRows, track_ids: pl.Series | None = None) -> pl.DataFrame:
    """Return what a service would log, with the identifiers of a catalogue that was given; else rows counted from 1."""
    return pl.DataFrame(
        {
            USER_ID: rows.id_R,
            AT: rows.at_R,
            TRACK_ID: rows.track_R.astype(np.int64) + 1 if track_ids is None else track_ids.gather(rows.track_R),
            ACTION: words(rows.action_R, ACTIONS),
            PLAYED_MS: known(rows.played_ms_R),
            TRACK_MS: rows.track_ms_R,
            SCENE: words(rows.scene_R, SCENES),
            SOURCE: words(rows.source_R, SOURCES),
            REQUEST_ID: known(rows.request_R),
            POSITION: known(rows.position_R),
            PROPENSITY: pl.Series(rows.propensity_R).fill_nan(None),
        }
    )


def truth_table(rows: LogRows) -> pl.DataFrame:
    """Return what only the world knows, row by row beside `event_table`."""
    return pl.DataFrame(
        {
            "appeal": rows.appeal_R,
            "patience": rows.patience_R,
            "intent": words(rows.intent_R, INTENTS),
        }
    )


def words(code_R: Int8, names: tuple[str, ...]) -> pl.Series:
    """Return codes as words; code n is the n-th name."""
    return pl.Series(code_R.astype(np.uint8)).cat.to(pl.Enum(names))


def known(number_R: NDArray[np.integer]) -> pl.Series:
    """Return numbers with null for the unknown ones."""
    series = pl.Series(number_R)
    return series.set(series < 0, None)
