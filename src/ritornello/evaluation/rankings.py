"""Lists made elsewhere: Parquet files with one row per place, checked, and laid out as row numbers.

A track that the log does not know keeps its place in the list and misses. R rows, K places.
"""

from pathlib import Path

import numpy as np
import polars as pl

from ritornello.contracts import Int32, Int64
from ritornello.data.ids import rows_of
from ritornello.evaluation.scoring import LIST_LENGTH
from ritornello.schema import PADDING, RANK, ROW_ID, TRACK_ID, TRACK_IDX, USER_ID, USER_IDX

PLACE = "place"


def lists_of_users(path: Path, user_ids: pl.Series, track_ids: pl.Series, user_R: Int32) -> tuple[Int32, int]:
    """Return each user's first 100 tracks and how many of the users have no list.

    Raises:
        ValueError: when the file cannot be read, lacks a column, or names a track twice for a user.
    """
    table = read_rankings(path, USER_ID, track_ids)
    table = table.with_columns(pl.Series(USER_IDX, rows_of(table[USER_ID], user_ids))).filter(pl.col(USER_IDX) > 0)
    known = table.filter(pl.col(TRACK_IDX) != PADDING)
    repeated = known.filter(known.select(USER_ID, TRACK_ID).is_duplicated())
    if len(repeated):
        raise ValueError(
            f"{path}: {repeated[USER_ID].n_unique()} users have a track twice in their list, the first is user "
            f"{repeated[USER_ID][0]} with track {repeated[TRACK_ID][0]}; a list names a track once"
        )
    return lay_out(table.rename({USER_IDX: "key"}), user_R.astype(np.int64))


def lists_of_rows(path: Path, track_ids: pl.Series, row_R: Int64) -> tuple[Int32, int]:
    """Return the list of each replayed row and how many of the rows have none.

    Raises:
        ValueError: when the file cannot be read, lacks a column, or has a list with a track twice or over 100 tracks.
    """
    table = read_rankings(path, ROW_ID, track_ids)
    repeated = table.filter(table.select(ROW_ID, TRACK_ID).is_duplicated())
    if len(repeated):
        raise ValueError(
            f"{path}: row {repeated[ROW_ID][0]} has track {repeated[TRACK_ID][0]} twice in its list; a list names a "
            "track once"
        )
    longest = table.group_by(ROW_ID).len().sort("len", ROW_ID, descending=[True, False])
    if len(longest) and longest["len"][0] > LIST_LENGTH:
        raise ValueError(
            f"{path}: row {longest[ROW_ID][0]} has {longest['len'][0]} tracks; allowed are {LIST_LENGTH} a row"
        )
    return lay_out(table.rename({ROW_ID: "key"}), row_R)


def read_rankings(path: Path, key: str, track_ids: pl.Series) -> pl.DataFrame:
    """Read a file of lists in rank order, with the track's row number or PADDING.

    Raises:
        ValueError: when it is no Parquet file, or a column is missing or has missing values.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file; rankings are a Parquet file with {key}, {RANK}, {TRACK_ID}")
    try:
        names = pl.read_parquet_schema(path)
        table = pl.read_parquet(path, columns=[name for name in (key, RANK, TRACK_ID) if name in names])
    except (pl.exceptions.ComputeError, OSError) as error:
        raise ValueError(f"{path} is no readable Parquet file: {str(error).splitlines()[0]}") from error
    for name in (key, RANK, TRACK_ID):
        if name not in table.columns:
            raise ValueError(
                f"{path}: no column {name}; found {', '.join(names)}; needed are {key}, {RANK}, {TRACK_ID}"
            )
        if table[name].null_count():
            raise ValueError(f"{path}: {table[name].null_count()} rows have no {name}; every place needs one")
    if not table[RANK].dtype.is_numeric() or table[RANK].is_nan().any():
        raise ValueError(
            f"{path}: column {RANK} has type {table[RANK].dtype}; allowed are numbers, counted from the best"
        )
    if key == ROW_ID and not table[ROW_ID].dtype.is_integer():
        raise ValueError(f"{path}: column {ROW_ID} has type {table[ROW_ID].dtype}; allowed are whole numbers")
    track = pl.Series(TRACK_IDX, rows_of(table[TRACK_ID], track_ids))
    return table.with_columns(track).sort(key, RANK, maintain_order=True)


def lay_out(table: pl.DataFrame, key_R: Int64) -> tuple[Int32, int]:
    """Return the first 100 places of each wanted key, and how many keys have no list; `table` is in rank order."""
    wanted = pl.DataFrame({"key": key_R}).with_row_index("row")
    places = table.select(
        pl.col("key").cast(pl.Int64, strict=False), TRACK_IDX, pl.int_range(pl.len()).over("key").alias(PLACE)
    ).filter(pl.col(PLACE) < LIST_LENGTH)
    found = places.join(wanted, on="key")
    track_RK = np.full((len(key_R), LIST_LENGTH), PADDING, np.int32)
    track_RK[found["row"].to_numpy(), found[PLACE].to_numpy()] = found[TRACK_IDX].to_numpy()
    return track_RK, len(key_R) - found["row"].n_unique()
