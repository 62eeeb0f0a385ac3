"""What the tests of the service share: a workspace of the planted world with a bundle, a clock that stands still, a client."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from ritornello.artifacts import Workspace
from ritornello.bundle import publish
from ritornello.config import Config
from ritornello.data.ingest import ingest
from ritornello.data.prepare import load_prepared, prepare
from ritornello.data.sources.planted import PlantedWorld, write_world
from ritornello.pipeline import Pipeline
from ritornello.serve.app import create_app


@dataclass
class Clock:
    """A clock that moves when it is told to."""

    now: int

    def __call__(self) -> int:
        return self.now


@pytest.fixture(scope="session")
def template(
    tmp_path_factory: pytest.TempPathFactory, world: PlantedWorld, pipeline: Pipeline, small_config: Config
) -> Path:
    """The workspace that every test gets a copy of."""
    folder = tmp_path_factory.mktemp("service")
    write_world(folder)
    workspace = Workspace(folder / "ws")
    ingest(workspace, [folder / "tracks.parquet"], kind="catalogue")
    ingest(workspace, [folder / "events.parquet"], now_ms=world.now)
    prepare(workspace)
    publish(workspace, pipeline, small_config, load_prepared(workspace), world.now)
    return workspace.root


@pytest.fixture
def root(template: Path, tmp_path: Path) -> Path:
    return shutil.copytree(template, tmp_path / "ws")


@pytest.fixture
def clock(world: PlantedWorld) -> Clock:
    return Clock(world.now)


@pytest.fixture
def client(root: Path, clock: Clock) -> Iterator[TestClient]:
    with TestClient(create_app(root, clock=clock), base_url="http://127.0.0.1") as opened:
        yield opened
