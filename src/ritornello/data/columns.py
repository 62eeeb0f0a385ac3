"""From raw columns to clean ones: which column is meant, and its values as identifiers, moments, durations, numbers.

A value that cannot be read becomes null here; whoever calls decides whether that costs the row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ritornello.data.ids import are_whole
from ritornello.schema import ONE_SECOND_MS

MICROSECONDS_ABOVE, MILLISECONDS_ABOVE = 1e14, 1e11
LARGEST = 9 * 10**15  # times a thousand it still fits into Int64


@dataclass(frozen=True, kw_only=True, slots=True)
class Survey:
    """What a first pass over a file tells: its rows, the unit of its epochs, which text columns hold whole numbers."""

    rows: int
    per_second: int
    whole: frozenset[str]


def pick(
    path: Path, names: list[str], aliases: Mapping[str, tuple[str, ...]], required: tuple[str, ...]
) -> dict[str, str]:
    """Return the column that stands for each known name; the first alias present wins.

    Raises:
        ValueError: when a required column is missing.
    """
    picked = {name: alias for name, known in aliases.items() for alias in known[::-1] if alias in names}
    for name in required:
        if name not in picked:
            raise ValueError(
                f"{path}: no column for {name}; found {', '.join(names)}; allowed are {', '.join(aliases[name])}"
            )
    return picked


def survey(raw: pl.LazyFrame, *, moment: str | None, identifiers: list[str], is_typed: bool) -> Survey:
    """Read a file once for what only all of its rows can tell."""
    schema = raw.collect_schema()
    number = pl.lit(None, pl.Float64) if moment is None or schema[moment].is_temporal() else as_float(moment)
    texts = [name for name in identifiers if is_read_as_text(schema[name]) and not is_typed]
    facts = raw.select(
        pl.len().alias("rows"),
        number.is_finite().sum().alias("finite"),
        (number.is_finite() & (number.abs() > MILLISECONDS_ABOVE)).sum().alias("above_ms"),
        (number.is_finite() & (number.abs() > MICROSECONDS_ABOVE)).sum().alias("above_us"),
        *(are_whole(as_text(name)).alias(f"whole.{name}") for name in texts),
    ).collect(engine="streaming")
    rows, finite, above_ms, above_us = facts.row(0)[:4]
    # The median decides: one absurd value must not change the unit of all the others.
    per_second = 1_000_000 if 2 * above_us > finite else 1_000 if 2 * above_ms > finite else 1
    return Survey(
        rows=rows, per_second=per_second, whole=frozenset(name for name in texts if facts[f"whole.{name}"].item())
    )


def is_read_as_text(dtype: pl.DataType) -> bool:
    """Tell which columns are looked at as text: text itself, and whole numbers beyond Int64."""
    return dtype in (pl.String, pl.Categorical, pl.Enum, pl.UInt64, pl.Int128, pl.UInt128)


def as_text(column: str) -> pl.Expr:
    """Read a column as text; blank is missing."""
    text = pl.col(column).cast(pl.String)
    return pl.when(text.str.strip_chars() != "").then(text)


def as_float(column: str) -> pl.Expr:
    """Read numbers, however they are stored."""
    return pl.col(column).cast(pl.Float64, strict=False)


def identifier(path: Path, column: str, dtype: pl.DataType, *, is_whole: bool) -> pl.Expr:
    """Read identifiers: whole numbers stay numbers, text stays text unless all of it `is_whole`.

    Raises:
        ValueError: when the column is of neither kind.
    """
    if is_read_as_text(dtype):
        return as_text(column).cast(pl.Int64) if is_whole else as_text(column)
    if dtype.is_integer():
        return pl.col(column).cast(pl.Int64)
    if dtype.is_float():  # whole numbers that had to share their column with missing values
        number = pl.col(column)
        return pl.when(number == number.floor()).then(number).cast(pl.Int64, strict=False)
    raise ValueError(f"{path}: column {column} has type {dtype}; identifiers are whole numbers or text")


def moment(path: Path, column: str, dtype: pl.DataType, *, per_second: int) -> pl.Expr:
    """Read moments as UTC ms: datetimes, epochs, or text with either.

    Raises:
        ValueError: when the column is of another kind.
    """
    if dtype in (pl.Datetime, pl.Date):
        return pl.col(column).cast(pl.Datetime("ms") if dtype == pl.Date else dtype).dt.timestamp("ms")
    if dtype.is_integer():
        return whole_epoch(pl.col(column).cast(pl.Int64, strict=False), per_second)
    if dtype.is_float() or dtype.is_decimal():
        return real_epoch(as_float(column), per_second)
    if is_read_as_text(dtype):
        text = pl.col(column).cast(pl.String).str.strip_chars()
        whole = whole_epoch(text.cast(pl.Int64, strict=False), per_second)
        return pl.coalesce(whole, real_epoch(text.cast(pl.Float64, strict=False), per_second), iso_moment(text))
    raise ValueError(f"{path}: column {column} has type {dtype}; moments are datetimes, or epochs in s, ms or us")


def whole_epoch(number: pl.Expr, per_second: int) -> pl.Expr:
    """Scale whole epochs to ms."""
    if per_second == 1:
        return number.clip(-LARGEST, LARGEST) * ONE_SECOND_MS
    return number.floordiv(per_second // ONE_SECOND_MS)


def real_epoch(number: pl.Expr, per_second: int) -> pl.Expr:
    """Scale real epochs to ms, rounded down as whole ones are; NaN and infinity become null."""
    at = number.clip(-LARGEST, LARGEST) * ONE_SECOND_MS / per_second
    # A ms count kept as float seconds comes back a hair too small; half a microsecond is above that hair.
    return pl.when(number.is_finite()).then((at + 0.0005).floor()).cast(pl.Int64, strict=False)


def iso_moment(text: pl.Expr) -> pl.Expr:
    """Read ISO 8601 dates and times; those without a zone are UTC."""
    plain = text.str.replace(" ", "T", literal=True).str.replace("Z$", "+00:00")
    formats = ("%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d")
    read = [plain.str.to_datetime(one, strict=False, time_unit="ms").dt.timestamp("ms") for one in formats]
    return pl.coalesce(read)


def whole_number(column: str) -> pl.Expr:
    """Read whole numbers, rounding real ones; what is not a number becomes null."""
    return as_float(column).round().cast(pl.Int64, strict=False)


def flag(column: str) -> pl.Expr:
    """Read yes or no; what is neither becomes null.

    >>> pl.DataFrame({"a": ["TRUE", "0", "perhaps"]}).select(flag("a")).to_series().to_list()
    [True, False, None]
    """
    text = as_text(column).str.strip_chars().str.to_lowercase()
    return pl.when(text.is_in(("true", "yes", "1"))).then(True).when(text.is_in(("false", "no", "0"))).then(False)


def is_unreadable(column: str, dtype: pl.DataType) -> pl.Expr:
    """Tell where a cell holds something that is not a number from 0 up; NaN counts as missing."""
    present = pl.col(column).is_not_nan() if dtype.is_float() else as_text(column).is_not_null()
    return present.fill_null(value=False) & whole_number(column).ge(0).not_().fill_null(value=True)
