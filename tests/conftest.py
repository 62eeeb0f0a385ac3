"""What all tests share: the planted world, and how thorough the property tests are."""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = (
    "1"  # workers that share the cores wait for each other
)

import pytest
from hypothesis import settings

from ritornello.data.sources.planted import PlantedWorld, planted_world

settings.register_profile("fast", max_examples=50, deadline=None)
settings.register_profile("soak", max_examples=3000, deadline=None)
settings.load_profile("fast")


@pytest.fixture(scope="session")
def world() -> PlantedWorld:
    return planted_world()
