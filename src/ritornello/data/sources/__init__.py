"""Where events come from: one file per format, and worlds that write such files themselves."""

from pathlib import Path
from typing import Protocol, cast

import polars as pl

from ritornello import plugins

SOURCES = {
    "parquet": "ritornello.data.sources.parquet:ParquetSource",
    "csv": "ritornello.data.sources.csv:CsvSource",
}


class Source(Protocol):
    """A file format: tells its files and scans them into raw columns, without reading them whole."""

    is_typed: bool

    def recognises(self, path: Path) -> bool:
        """Tell by name or content whether a file is of this format."""

    def scan(self, path: Path) -> pl.LazyFrame:
        """Return the raw rows in file order.

        Raises:
            ValueError: when the file is not of this format.
        """


def find_source(name: str, path: Path) -> Source:
    """Return the source of that name, or for `auto` the first that recognises the file.

    Raises:
        ValueError: when there is no such source, or none recognises the file.
    """
    if name == "auto":
        for candidate in map(load_source, SOURCES):
            if candidate.recognises(path):
                return candidate
        raise ValueError(f"{path}: the format is not recognised; allowed are {', '.join(SOURCES)}, named with --format")
    return load_source(name)


def load_source(name: str) -> Source:
    """Import one source of the table, or `your.module:Class`.

    Raises:
        ValueError: when the name is neither.
    """
    source = plugins.find("format", name, SOURCES, also=("auto",))()
    if not hasattr(source, "scan"):
        raise ValueError(f"format {name!r} is no source: it has no scan")
    return cast(Source, source)
