"""What all tests share: the planted world, and how thorough the property tests are."""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = (
    "1"  # workers that share the cores wait for each other
)

import pytest
from hypothesis import settings

from playlists import planted_facts
from ritornello.config import Config, RankConfig, RecallConfig
from ritornello.data.facts import Facts
from ritornello.data.sources.planted import PlantedWorld, planted_world
from ritornello.pipeline import Pipeline
from ritornello.train.fit import fit_pipeline

SMALL_TOWERS: dict[str, object] = {"dim": 16, "width": 8, "blocks": 1, "folds": 2}

settings.register_profile("fast", max_examples=50, deadline=None)
settings.register_profile("soak", max_examples=3000, deadline=None)
settings.load_profile("fast")


@pytest.fixture(scope="session")
def world() -> PlantedWorld:
    return planted_world()


@pytest.fixture(scope="session")
def small_config() -> Config:
    """All channels and a ranker per task, small enough to be trained in a second."""
    few_trees: dict[str, object] = {"num_trees": 10, "min_examples_in_leaf": 5}
    return Config(
        recall=RecallConfig(quota=20, settings={"factors": {"factors": 16, "iterations": 2}, "vector": SMALL_TOWERS}),
        rank=RankConfig(settings={"window": few_trees, "next": few_trees}, cuts=2, next_plays=400),
    )


@pytest.fixture(scope="session")
def pipeline(world: PlantedWorld, small_config: Config) -> Pipeline:
    """A pipeline trained on the whole planted world."""
    return fit_pipeline(world.sequences, world.now, small_config, world.knowledge)


@pytest.fixture(scope="session")
def facts(world: PlantedWorld) -> Facts:
    """The facts of the planted catalogue, with a few playlists and tags that the world itself has no need of."""
    return planted_facts(world)
