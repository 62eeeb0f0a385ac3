"""What the tests of the data stage share: a fresh workspace, and tables written as files."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from ritornello.artifacts import Workspace

Write = Callable[..., Path]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write columns to a file whose suffix says the format."""

    def write(columns: dict[str, object], name: str = "log.parquet", **options: object) -> Path:
        path = tmp_path / name
        table = pl.DataFrame(columns, strict=False)
        table.write_parquet(path) if path.suffix == ".parquet" else table.write_csv(path, **options)
        return path

    return write
