"""`ritornello train --update`: goes on from the published bundle, in whatever rows its tracks are now, or says why it cannot."""

import shutil
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from ritornello import bundle, update
from ritornello.artifacts import Workspace
from ritornello.cli import main
from ritornello.data.ids import rows_of
from ritornello.data.ingest import ingest
from ritornello.data.prepare import load_prepared, prepare
from ritornello.data.sources.planted import write_world
from ritornello.recall import load
from ritornello.recall.vector import Vector
from ritornello.schema import ONE_DAY_MS
from ritornello.train.fit import fit_pipeline


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory, world) -> Path:
    """The planted world's files, its log cut into what came up to a week before the end, and the week."""
    folder = tmp_path_factory.mktemp("parts")
    write_world(folder)
    events = pl.read_parquet(folder / "events.parquet")
    is_early = pl.col("timestamp").cast(pl.Int64) < world.now - 7 * ONE_DAY_MS
    events.filter(is_early).write_parquet(folder / "early.parquet")
    events.filter(~is_early).write_parquet(folder / "late.parquet")
    return folder


@pytest.fixture(scope="module")
def trained(parts: Path, world, small_config) -> Path:
    """A workspace that was trained a week ago."""
    workspace = Workspace(parts / "ws")
    ingest(workspace, [parts / "tracks.parquet"], kind="catalogue")
    ingest(workspace, [parts / "early.parquet"], now_ms=world.now)
    prepare(workspace)
    prepared = load_prepared(workspace)
    at = int(prepared.sequences.at_E.max()) + 1
    pipeline = fit_pipeline(prepared.sequences, at, small_config, prepared.knowledge)
    bundle.publish(workspace, pipeline, small_config, prepared, at)
    return workspace.root
