"""What the contract tests share: whole histories of the planted world, the hard rows first among them."""

import numpy as np
import pytest

from ritornello.contracts import History
from ritornello.data import split
from ritornello.data.sequence import Sequences, encode
from ritornello.data.sources.planted import PlantedWorld

OUT_OF_RANGE = 10_000


@pytest.fixture(scope="session")
def known(world: PlantedWorld) -> Sequences:
    """All that a model may learn from at the end of the world."""
    return split.before(world.sequences, world.now)


@pytest.fixture(scope="session")
def everybody(world: PlantedWorld) -> History:
    """The history of nobody, of a user beyond the log, and of every user."""
    user_B = np.r_[world.unknown_user, OUT_OF_RANGE, np.arange(1, world.sequences.num_users + 1)]
    return encode(world.sequences, user_B, np.full(len(user_B), world.now))
