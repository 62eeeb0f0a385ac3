"""Parquet files: columns keep their types."""

from pathlib import Path

import polars as pl

MAGIC = b"PAR1"


class ParquetSource:
    """Reads Parquet."""

    is_typed = True

    def recognises(self, path: Path) -> bool:
        """Tell by the suffix, or by the first bytes."""
        return path.suffix.lower() in {".parquet", ".pq"} or starts_as_parquet(path)

    def scan(self, path: Path) -> pl.LazyFrame:
        """Return the rows lazily.

        Raises:
            ValueError: when the content is not Parquet.
        """
        if not starts_as_parquet(path):
            raise ValueError(f"{path} is not a Parquet file: it does not begin with {MAGIC.decode()}")
        return pl.scan_parquet(path, glob=False)


def starts_as_parquet(path: Path) -> bool:
    """Tell whether the file opens like Parquet."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC
