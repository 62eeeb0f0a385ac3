"""From raw rows to events: each row gets its clean columns, and the reason why it is rejected, if it is."""

import time
from pathlib import Path

import polars as pl

from ritornello.data import columns
from ritornello.data.parts import CLEAN, DESCRIBING, REJECTED_FOR
from ritornello.schema import (
    ACTION,
    ACTION_NAMES,
    AT,
    EVENT_ALIASES,
    EVENT_SCHEMA,
    ONE_DAY_MS,
    PLAYED_MS,
    POSITION,
    TRACK_ALIASES,
    TRACK_ID,
    TRACK_MS,
    USER_ID,
    Action,
)


def mark_events(
    raw: pl.LazyFrame, path: Path, *, is_typed: bool, now_ms: int | None = None
) -> tuple[pl.LazyFrame, int]:
    """Add the clean columns and the reason to raw rows; return them and how many rows there are.

    Raises:
        ValueError: when a required column is missing or of a kind that cannot be read.
    """
    schema = raw.collect_schema()
    picked = columns.pick(path, schema.names(), EVENT_ALIASES, (USER_ID, AT, TRACK_ID))
    facts = columns.survey(raw, moment=picked[AT], identifiers=[picked[USER_ID], picked[TRACK_ID]], is_typed=is_typed)
    clean = {
        name: columns.identifier(path, picked[name], schema[picked[name]], is_whole=picked[name] in facts.whole)
        for name in (USER_ID, TRACK_ID)
    }
    clean[AT] = columns.moment(path, picked[AT], schema[picked[AT]], per_second=facts.per_second)
    clean |= {name: optional_column(name, picked) for name in EVENT_SCHEMA if name != AT}
    clean |= {name: columns.as_text(column) for name, column in describing_columns(schema.names()).items()}
    cleaned = raw.with_columns(expression.alias(CLEAN + name) for name, expression in clean.items())
    durations = {name: schema[picked[name]] for name in (PLAYED_MS, TRACK_MS) if name in picked}
    now_ms = int(time.time() * 1000) if now_ms is None else now_ms
    reason = reason_of(now_ms, {name: (picked[name], dtype) for name, dtype in durations.items()})
    return cleaned.with_columns(reason.alias(REJECTED_FOR)), facts.rows


def optional_column(name: str, picked: dict[str, str]) -> pl.Expr:
    """Read a column that a log may lack; an event without an action is a play."""
    dtype = EVENT_SCHEMA[name]
    if name not in picked:
        return pl.lit(Action.PLAY.value if name == ACTION else None, dtype)
    if name == ACTION:
        word = columns.as_text(picked[name]).str.strip_chars().str.to_lowercase()
        known = word.replace_strict(ACTION_NAMES, default=None, return_dtype=pl.Int8)
        return pl.when(word.is_null()).then(pl.lit(Action.PLAY.value, pl.Int8)).otherwise(known)
    if name in (PLAYED_MS, TRACK_MS, POSITION):
        return columns.whole_number(picked[name]).cast(dtype, strict=False)
    return columns.as_text(picked[name])


def describing_columns(names: list[str]) -> dict[str, str]:
    """Return the columns of a log that describe its tracks, by their clean names."""
    picked = columns.pick(Path(), names, {name: TRACK_ALIASES[name] for name in DESCRIBING}, ())
    return {name: column for name, column in picked.items() if column != "name"}  # in a log, that may be the user's


def reason_of(now_ms: int, durations: dict[str, tuple[str, pl.DataType]]) -> pl.Expr:
    """Return the first reason to reject a row, null where there is none."""
    at = pl.col(CLEAN + AT)
    reasons = {
        "missing user": pl.col(CLEAN + USER_ID).is_null(),
        "missing track": pl.col(CLEAN + TRACK_ID).is_null(),
        "missing or unreadable timestamp": at.is_null(),
        "timestamp before 1970": at < 0,
        "timestamp in the future": at > now_ms + ONE_DAY_MS,
        "unknown action": pl.col(CLEAN + ACTION).is_null(),
    } | {f"negative or unreadable {name}": columns.is_unreadable(*raw) for name, raw in durations.items()}
    return pl.coalesce(pl.when(condition).then(pl.lit(name)) for name, condition in reasons.items())
