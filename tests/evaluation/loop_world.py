"""A small simulated workspace with a bundle, for the tests of the closed loop."""

from pathlib import Path

from ritornello.artifacts import Workspace
from ritornello.bundle import publish
from ritornello.config import Config, RankConfig, RecallConfig
from ritornello.data.prepare import load_prepared, prepare
from ritornello.data.simulate import simulate
from ritornello.data.sources.simulator.world import make_world
from ritornello.request import newest_moment
from ritornello.train.fit import fit_pipeline

FEW_TREES: dict[str, object] = {"num_trees": 25, "min_examples_in_leaf": 5}
CONFIG = Config(
    recall=RecallConfig(channels=("popular", "relisten", "item2item", "colisten"), quota=60),
    rank=RankConfig(settings={"window": FEW_TREES}, cuts=1, next_cuts=0, window_days=7.0),
)


def make_workspace(root: Path, *, listeners: int = 500, tracks: int = 800, days: int = 30) -> Workspace:
    """Simulate a world, prepare it and train a small bundle."""
    workspace = Workspace(root)
    world = make_world("default", ["listening.rate=0.5"], listeners=listeners, tracks=tracks, days=days, seed=4)
    simulate(workspace, world, processes=1)
    prepare(workspace)
    publish_bundle(workspace, CONFIG)
    return workspace


def publish_bundle(workspace: Workspace, config: Config) -> str:
    """Train a bundle on the whole log and serve it."""
    prepared = load_prepared(workspace)
    at = newest_moment(prepared)
    pipeline = fit_pipeline(prepared.sequences, at, config, prepared.knowledge, tasks=("window",))
    return publish(workspace, pipeline, config, prepared, at)
