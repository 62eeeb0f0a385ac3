"""CSV files: every cell is text, so that one bad cell costs one row and not the file."""

from pathlib import Path

import polars as pl

SEPARATORS = (",", "\t", ";")


class CsvSource:
    """Reads comma, tab or semicolon separated text with a header line."""

    is_typed = False

    def recognises(self, path: Path) -> bool:
        """Tell by the suffix."""
        return path.suffix.lower() in {".csv", ".tsv", ".txt"}

    def scan(self, path: Path) -> pl.LazyFrame:
        """Return the rows lazily; missing cells are null, cells beyond the header are dropped."""
        return pl.scan_csv(
            path,
            separator=sniff_separator(path),
            infer_schema=False,
            encoding="utf8-lossy",
            truncate_ragged_lines=True,
            glob=False,
        )


def sniff_separator(path: Path) -> str:
    """Return the separator that the header line has most of."""
    with path.open("rb") as file:
        header = file.readline(65_536).decode("utf-8", errors="replace")
    return max(SEPARATORS, key=header.count)
