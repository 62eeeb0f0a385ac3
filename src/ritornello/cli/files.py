"""Files that options name: whether one can be written, and what is in one."""

from pathlib import Path

import polars as pl


def check_target(option: str, path: Path | None) -> None:
    """Refuse a file that could not be written, where one is named, before the work and not after it."""
    if path is None:
        return
    if not path.name or path.is_dir():
        raise ValueError(f"{option} is {path}: a folder; allowed is the name of a file")
    if not path.parent.is_dir():
        raise ValueError(f"{option}: there is no folder {path.parent}")


def read_parquet(path: Path, columns: tuple[str, ...]) -> pl.DataFrame:
    """Read some columns of a Parquet file.

    Raises:
        ValueError: when it is missing, no Parquet file, or lacks a column.
    """
    if not path.is_file():
        raise ValueError(f"no file at {path}")
    try:
        table = pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"{path} is no readable Parquet file: {str(error).splitlines()[0]}") from error
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}; found {', '.join(table.columns) or 'no columns'}")
    return table.select(columns)
