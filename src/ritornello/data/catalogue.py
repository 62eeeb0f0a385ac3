"""The catalogue of tracks: rows of tables that people hand in, what logs say about their tracks, and both merged."""

from pathlib import Path

import polars as pl

from ritornello.artifacts import Workspace
from ritornello.data import columns, ids
from ritornello.data.parts import CLEAN, DESCRIBED_FILE, PART_FILE, REJECTED_FOR, parts_of
from ritornello.schema import (
    EXPLICIT,
    FIRST_AT,
    PLAYABLE,
    RELEASED_AT,
    TRACK_ALIASES,
    TRACK_ID,
    TRACK_MS,
    TRACK_SCHEMA,
    VECTOR,
)

LAST_YEAR = 2999


def mark_tracks(raw: pl.LazyFrame, path: Path, *, is_typed: bool) -> tuple[pl.LazyFrame, int]:
    """Add the clean columns and the reason to raw rows; return them and how many rows there are.

    Only a row without a track is rejected: a length or a release date that cannot be read is left unknown.

    Raises:
        ValueError: when the track column is missing or of a kind that cannot be read.
    """
    schema = raw.collect_schema()
    picked = columns.pick(path, schema.names(), TRACK_ALIASES, (TRACK_ID,))
    facts = columns.survey(raw, moment=picked.get(RELEASED_AT), identifiers=[picked[TRACK_ID]], is_typed=is_typed)
    clean = {name: pl.lit(None, dtype) for name, dtype in TRACK_SCHEMA.items()}
    clean |= {name: columns.as_text(column) for name, column in picked.items() if TRACK_SCHEMA.get(name) == pl.String}
    track = picked[TRACK_ID]
    clean[TRACK_ID] = columns.identifier(path, track, schema[track], is_whole=track in facts.whole)
    if TRACK_MS in picked:
        number = columns.whole_number(picked[TRACK_MS])
        clean[TRACK_MS] = pl.when(number > 0).then(number)
    if RELEASED_AT in picked:
        column = picked[RELEASED_AT]
        clean[RELEASED_AT] = released_at(path, column, schema[column], per_second=facts.per_second)
    clean |= {name: columns.flag(picked[name]) for name in (EXPLICIT, PLAYABLE) if name in picked}
    if VECTOR in picked and isinstance(schema[picked[VECTOR]], pl.List | pl.Array):  # no CSV cell is a vector
        clean[VECTOR] = pl.col(picked[VECTOR]).cast(TRACK_SCHEMA[VECTOR], strict=False)
    cleaned = raw.with_columns(expression.alias(CLEAN + name) for name, expression in clean.items())
    reason = pl.when(pl.col(CLEAN + TRACK_ID).is_null()).then(pl.lit("missing track"))
    return cleaned.with_columns(reason.alias(REJECTED_FOR)), facts.rows


def released_at(path: Path, column: str, dtype: pl.DataType, *, per_second: int) -> pl.Expr:
    """Read release moments; a bare year, as many catalogues have, is its first day."""
    at = columns.moment(path, column, dtype, per_second=per_second)
    if dtype.is_temporal():
        return at
    year = columns.as_float(column)
    is_year = year.is_between(1000, LAST_YEAR).fill_null(value=False)
    first_day = pl.datetime(pl.when(is_year).then(year).cast(pl.Int32, strict=False), 1, 1).dt.timestamp("ms")
    return pl.when(is_year).then(first_day).otherwise(at)


def read_catalogue(workspace: Workspace, dtype: pl.DataType, *, but: pl.Series | None = None) -> pl.DataFrame:
    """Merge all that is known about each track: one row per track, identifiers read as `dtype`.

    Column by column the newest table that says something wins; where no table does, what a log said first. Tracks `but` those
    of some identifiers, where these are given.
    """
    tables = [pl.scan_parquet(part / PART_FILE) for part in parts_of(workspace.catalogue / "tracks")]
    logs = [
        pl.scan_parquet(part / DESCRIBED_FILE)
        for part in parts_of(workspace.events)
        if (part / DESCRIBED_FILE).exists()
    ]
    order = pl.lit(None, pl.Int64).alias(FIRST_AT)
    stated = [pl.LazyFrame(schema={TRACK_ID: dtype, FIRST_AT: pl.Int64(), **TRACK_SCHEMA})]
    stated += [table.select(track_as(dtype), pl.exclude(TRACK_ID), order) for table in reversed(tables)]
    said = pl.concat([stated[0], *(log.select(track_as(dtype), pl.exclude(TRACK_ID)) for log in logs)], how="diagonal")
    every = pl.concat([*stated, said.sort(FIRST_AT, maintain_order=True)], how="diagonal")
    if but is not None:
        every = every.join(but.to_frame(TRACK_ID).lazy(), on=TRACK_ID, how="anti", maintain_order="left")
    known = every.group_by(TRACK_ID, maintain_order=True).agg(
        pl.col(name).drop_nulls().first() for name in TRACK_SCHEMA
    )
    return known.sort(TRACK_ID).collect()


def track_as(dtype: pl.DataType) -> pl.Expr:
    """Read the track column in the workspace's type."""
    return ids.as_text(pl.col(TRACK_ID), dtype)
