"""Offers of logged slates as examples: described as of their moment alone, by what the pipeline knows."""

from dataclasses import fields, replace

import numpy as np
import pytest

from ritornello.config import Config, RecallConfig
from ritornello.data import split
from ritornello.data.behaviour import DOMAINS, Domain
from ritornello.data.impressions import Slates
from ritornello.data.outcomes import PLAY
from ritornello.data.sequence import Sequences, from_events
from ritornello.pipeline import Pipeline
from ritornello.rank import Examples
from ritornello.schema import ONE_DAY_MS, ONE_MINUTE_MS, Action
from ritornello.train.candidates import Sampling, offered_examples
from ritornello.train.recall import fit_recall

SAMPLING = Sampling(negatives=0.5, seed=1, with_history=True)
TOO_NEW = 5_000


@pytest.fixture(scope="module")
def cut(world) -> int:
    return world.now - 14 * ONE_DAY_MS


@pytest.fixture(scope="module")
def moment(cut) -> int:
    return cut + 7 * ONE_DAY_MS


@pytest.fixture(scope="module")
def described_by(world, cut) -> Pipeline:
    config = Config(recall=RecallConfig(channels=("popular", "relisten"), quota=10))
    return fit_recall(split.before(world.sequences, cut), cut, config, world.knowledge)


@pytest.fixture(scope="module")
def slates(world, moment) -> Slates:
    """Two listeners are offered three tracks each, the last one too new to be described."""
    track_QN = np.array([[*world.drifted_to[:2], TOO_NEW], [world.favourite_track, world.popular_track, TOO_NEW]])
    return Slates(
        user_Q=np.array([world.drifted_user, world.favourite_user], np.int32),
        at_Q=np.full(2, moment),
        scene_Q=np.array([2, 0], np.int8),
        track_QN=track_QN.astype(np.int32),
        at_QN=np.full((2, 3), moment),
        position_QN=np.array([[4, 0, 1], [2, 7, 3]], np.int32),
        propensity_QN=np.array([[0.1, 0.2, 0.3], [0.4, np.nan, 0.6]], np.float32),
        scenes=("home", "radio"),
    )


def log(world, moment: int, later: list[tuple[int, int, int, int]]) -> Sequences:
    """Return the world up to a moment, and after it rows of (user, minutes, track, action)."""
    known = split.before(world.sequences, moment)
    user_E, minute_E, track_E, action_E = (np.array(column) for column in zip(*later, strict=True))
    return from_events(
        np.r_[known.user_E, user_E].astype(np.int32),
        np.r_[known.track_E, track_E].astype(np.int32),
        np.r_[known.at_E, moment + minute_E * ONE_MINUTE_MS].astype(np.int64),
        np.r_[known.action_E, action_E].astype(np.int8),
        np.r_[known.play_ratio_E, np.ones(len(later))].astype(np.float32),
        num_users=known.num_users,
        num_tracks=known.num_tracks,
    )


@pytest.fixture(scope="module")
def calm(world, described_by, slates, moment) -> Examples:
    """One of the offers is played, within minutes."""
    played = log(world, moment, [(world.drifted_user, 5, world.drifted_to[1], Action.PLAY)])
    found = offered_examples(described_by, played, slates, sampling=SAMPLING)
    assert found is not None
    return found


def test_every_offer_is_an_example_and_nothing_else(world, calm):
    expected = {
        (0, world.drifted_to[0]): (False, 4, 0.1),
        (0, world.drifted_to[1]): (True, 0, 0.2),
        (1, world.favourite_track): (False, 2, 0.4),
        (1, world.popular_track): (False, 7, -1.0),  # by an unknown chance
    }
    keys = zip(calm.request_S.tolist(), calm.track_S.tolist(), strict=True)
    propensities = np.nan_to_num(calm.propensity_S.astype(float), nan=-1.0).round(3).tolist()
    values = zip(calm.label_S.tolist(), calm.position_S.tolist(), propensities, strict=True)
    assert dict(zip(keys, values, strict=True)) == expected
    assert (calm.weight_S == 1.0).all(), "no offer is a sample of others"
    np.testing.assert_array_equal(calm.outcome_ST[:, PLAY], calm.label_S)
    np.testing.assert_array_equal(calm.grade_S, calm.label_S)  # the one play was a whole one
    assert calm.requests is not None
    assert calm.requests.user_Q.tolist() == [world.drifted_user, world.favourite_user]


def test_what_comes_at_or_after_the_moment_of_a_slate_tells_nothing(world, described_by, slates, moment, calm):
    rng = np.random.default_rng(0)
    noise = [
        (int(user), int(minute), int(rng.integers(1, 50)), int(rng.choice([Action.PLAY, Action.LIKE, Action.SEARCH])))
        for user in (world.drifted_user, world.favourite_user)
        for minute in rng.integers(0, 60, 40)
    ]
    noise += [(world.favourite_user, 0, world.favourite_track, Action.PLAY)]  # the very moment is not before it
    noisy = offered_examples(described_by, log(world, moment, noise), slates, sampling=SAMPLING)
    assert noisy is not None and noisy.requests is not None and calm.requests is not None
    assert not np.array_equal(noisy.label_S, calm.label_S)
    for name in ("track_S", "request_S", "position_S", "propensity_S", "feature_SF"):
        np.testing.assert_array_equal(getattr(noisy, name), getattr(calm, name))
    for domain in DOMAINS:
        for part in fields(Domain):
            found, expected = (getattr(made.requests.behaviour[domain], part.name) for made in (noisy, calm))
            np.testing.assert_array_equal(found, expected)


def test_slates_of_which_nothing_was_played_teach_nothing(world, described_by, slates, moment):
    elsewhere = log(world, moment, [(world.drifted_user, 5, world.popular_track, Action.PLAY)])
    assert offered_examples(described_by, elsewhere, slates, sampling=SAMPLING) is None


def test_the_scene_of_a_slate_is_told_and_moves_nothing_else(world, described_by, slates, moment, calm):
    assert calm.feature_names[-2:] == ("scene_home", "scene_radio")
    np.testing.assert_array_equal(calm.feature_SF[:, -2:], np.where(calm.request_S[:, None] == 0, [0, 1], [0, 0]))
    played = log(world, moment, [(world.drifted_user, 5, world.drifted_to[1], Action.PLAY)])
    unknown = offered_examples(
        described_by, played, replace(slates, scene_Q=np.zeros(2, np.int8), scenes=()), sampling=SAMPLING
    )
    assert unknown is not None
    assert unknown.feature_names == calm.feature_names[:-2], "a log that names no scene has no columns of them"
    np.testing.assert_array_equal(unknown.feature_SF, calm.feature_SF[:, :-2])
    np.testing.assert_array_equal(unknown.label_S, calm.label_S)
