"""Row numbers of users, tracks, artists and the like, by first appearance: what comes later never changes an earlier number.

That is what keeps the future out of the ids: delete every event from a moment on, and whoever was known before it keeps
the same row.
"""

import hashlib

import numpy as np
import polars as pl

from ritornello.contracts import Int32
from ritornello.schema import FIRST_AT, PADDING


def number(first: pl.DataFrame, id_column: str, idx_column: str, *, moment: str = FIRST_AT) -> pl.DataFrame:
    """Number identifiers from 1 by their first moment, ties by identifier; those without a moment come last."""
    ordered = first.sort([moment, id_column], nulls_last=True)
    return ordered.with_row_index(idx_column, offset=1).with_columns(pl.col(idx_column).cast(pl.Int32))


def number_values(value: pl.Series) -> Int32:
    """Return a number for each track's artist, album or genre; `value` follows the track rows from 1, unknown ones are 0.

    >>> number_values(pl.Series(["b", None, "a", "b"])).tolist()
    [0, 1, 0, 2, 1]
    """
    distinct = pl.DataFrame({"value": distinct_values(value)}).with_row_index("row", offset=1)
    row = pl.DataFrame({"value": value}).join(distinct, on="value", how="left", maintain_order="left")["row"]
    number_T: Int32 = np.r_[0, row.fill_null(0).to_numpy()].astype(np.int32)
    return number_T


def distinct_values(value: pl.Series) -> pl.Series:
    """Return the values in the order of their numbers."""
    return value.drop_nulls().unique(maintain_order=True)


def moved(old: pl.Series, new: pl.Series) -> Int32:
    """Return where the rows of distinct identifiers lie now, PADDING in front; PADDING for those that are gone.

    >>> moved(pl.Series(["a", "b", "c"]), pl.Series(["b", "x", "a"])).tolist()
    [0, 3, 1, 0]
    """
    return np.asarray(np.r_[PADDING, rows_of(old, new)], dtype=np.int32)


def as_text(ids: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Read identifiers as String where the workspace does so, and leave them alone where not."""
    return ids.cast(pl.String) if dtype == pl.String else ids


def common_type(dtypes: list[pl.DataType]) -> pl.DataType:
    """Return Int64 where every part has whole numbers, else String.

    >>> common_type([pl.Int64(), pl.String()])
    String
    """
    return pl.Int64() if all(dtype == pl.Int64 for dtype in dtypes) else pl.String()


def are_whole(ids: pl.Expr) -> pl.Expr:
    """Tell whether every identifier in a column of text is a whole number in its one canonical spelling.

    >>> pl.DataFrame({"a": ["12", None], "b": ["012", "7"]}).select(are_whole(pl.col("a", "b"))).row(0)
    (True, False)
    """
    return (ids.cast(pl.Int64, strict=False).cast(pl.String) == ids).fill_null(ids.is_null()).all()


def hash_ids(ids: pl.Series) -> str:
    """Return the SHA-256 of identifiers in row order; what was trained on other ids is told by it."""
    digest = hashlib.sha256(str(ids.dtype).encode())
    for part in ids.cast(pl.String).to_frame().iter_slices(1_000_000):
        text = part.to_series()
        lengths = text.str.len_bytes().cast(pl.String)
        digest.update("".join((lengths + ":" + text).to_list()).encode())  # the length keeps a|bc apart from ab|c
    return digest.hexdigest()


def rows_of(values: pl.Series, known_ids: pl.Series) -> Int32:
    """Return the row number of each identifier, PADDING where it is unknown.

    Raises:
        ValueError: when the values are no identifiers.

    >>> rows_of(pl.Series(["7", "x", "5"]), pl.Series([5, 7])).tolist()
    [2, 0, 1]
    """
    common = pl.Int64 if values.dtype.is_integer() and known_ids.dtype.is_integer() else pl.String
    try:
        wanted = pl.DataFrame({"id": values.cast(common, strict=common == pl.String)})
    except pl.exceptions.PolarsError as error:
        raise ValueError(
            f"column {values.name} has type {values.dtype}: identifiers are whole numbers or text"
        ) from error
    known = pl.DataFrame({"id": known_ids.cast(common)}).with_row_index("row", offset=1)
    row = wanted.join(known, on="id", how="left", maintain_order="left")["row"]
    return row.fill_null(PADDING).to_numpy().astype(np.int32)
