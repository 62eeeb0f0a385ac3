"""What crosses a stage: ages in hours, rows of a batch, nothing that can be written to by accident."""

from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest

from ritornello.contracts import History
from ritornello.data.sequence import encode
from ritornello.schema import ONE_HOUR_MS


@pytest.fixture
def history(world) -> History:
    users = np.array([world.one_listen_user, world.short_user, 0])
    return encode(world.sequences, users, np.full(3, world.now))


def test_ages_are_hours_before_the_moment_and_zero_in_the_padding(history):
    expected = (history.as_of_B[:, None] - history.at_BL) / ONE_HOUR_MS
    is_event_BL = history.track_BL != 0
    np.testing.assert_allclose(history.age_BL[is_event_BL], expected[is_event_BL], rtol=1e-6)
    assert (history.age_BL[is_event_BL] > 0).all()
    assert not history.age_BL[~is_event_BL].any()
    assert history.age_BL.dtype == np.float32


def test_rows_keep_every_array(history):
    picked = history.rows(np.array([2, 0]))
    assert len(picked) == 2
    for field in fields(History):
        np.testing.assert_array_equal(getattr(picked, field.name), getattr(history, field.name)[[2, 0]])


def test_it_is_frozen(history):
    with pytest.raises(FrozenInstanceError):
        history.user_B = np.zeros(3, np.int32)
