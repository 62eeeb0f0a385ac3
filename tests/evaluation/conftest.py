"""What the evaluation tests share: small prepared logs, a quick configuration, and the independent judge where it is there."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ritornello.artifacts import Workspace
from ritornello.config import Config, RankConfig, RecallConfig
from ritornello.data.ingest import ingest
from ritornello.data.prepare import Prepared, load_prepared, prepare
from worlds import write_world

DAY_MS = 86_400_000
MIN_ITEM, MIN_USER, TEST_DAYS = 5, 10, 7.0
PREPARE = ["--test-days", str(TEST_DAYS), "--min-item", str(MIN_ITEM), "--min-user", str(MIN_USER)]


@pytest.fixture(scope="session")
def quick_config() -> Config:
    few_trees: dict[str, object] = {"num_trees": 8, "min_examples_in_leaf": 5}
    return Config(
        recall=RecallConfig(channels=("popular", "relisten", "transitions", "neighbours"), quota=30),
        rank=RankConfig(settings={"window": few_trees, "next": few_trees}, cuts=2, next_cuts=1, next_plays=200),
    )


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """A generated log that has plays only."""
    folder = tmp_path_factory.mktemp("generated")
    write_world(folder, users=40, tracks=150, days=60, seed=5)
    return pl.read_parquet(folder / "events.parquet")


@pytest.fixture(scope="session")
def prepare_log(tmp_path_factory: pytest.TempPathFactory) -> Callable[[pl.DataFrame], Prepared]:
    def prepare_log(table: pl.DataFrame) -> Prepared:
        folder = tmp_path_factory.mktemp("log")
        table.write_parquet(folder / "events.parquet")
        return prepare_file(folder / "events.parquet", folder / "ws")

    return prepare_log


def prepare_file(path: Path, root: Path) -> Prepared:
    ingest(Workspace(root), [path])
    prepare(Workspace(root))
    return load_prepared(Workspace(root))


@pytest.fixture(scope="session")
def prepared(log: pl.DataFrame, prepare_log: Callable[[pl.DataFrame], Prepared]) -> Prepared:
    return prepare_log(log)


@pytest.fixture(scope="session")
def cut(prepared: Prepared) -> int:
    return int(prepared.sequences.at_E.max() - TEST_DAYS * DAY_MS)


class Judge:
    """The independent judge, run as a program of its own."""

    def __init__(self, harness: Path) -> None:
        self.folder = harness.parent

    def run(self, script: str, *arguments: object) -> str:
        command = [sys.executable, str(self.folder / script), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def score(self, script: str, *arguments: object) -> dict[str, dict[str, float]]:
        figures = json.loads(self.run(script, "score", *arguments))
        assert isinstance(figures, dict)
        return figures


@pytest.fixture(scope="session")
def judge() -> Judge:
    path = os.environ.get("RITORNELLO_HARNESS")
    if path is None or not Path(path).is_file():
        pytest.skip("no independent judge: RITORNELLO_HARNESS does not name its harness.py")
    return Judge(Path(path))


@pytest.fixture(scope="session")
def real_log() -> Path:
    folder = os.environ.get("RITORNELLO_DATA")
    path = Path(folder or "missing") / "30music_sample10" / "events.parquet"
    if not path.is_file():
        pytest.skip("no real logs: RITORNELLO_DATA does not name the folder that holds 30music_sample10")
    return path


def random_lists(keys: pl.Series, tracks: pl.Series, *, seed: int, unknown: object) -> pl.DataFrame:
    """Return shuffled rows of lists with known tracks, with places of unknown ones, and without any for some keys."""
    rng = np.random.default_rng(seed)
    parts = []
    for key in keys.sample(fraction=0.9, seed=seed):
        length = int(rng.integers(1, min(100, len(tracks))))
        chosen = tracks.sample(length, seed=int(rng.integers(1 << 30))).to_list()
        chosen[int(rng.integers(length))] = unknown
        parts.append(pl.DataFrame({keys.name: key, "rank": range(1, length + 1), "track_id": chosen}))
    return pl.concat(parts).with_columns(pl.col(keys.name).cast(keys.dtype)).sample(fraction=1.0, shuffle=True, seed=3)
