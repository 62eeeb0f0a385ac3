"""The planted world holds the answers that it names."""

import numpy as np
import pytest

from ritornello.data.sequence import encode
from ritornello.data.sources.planted import PlantedWorld, planted_world


@pytest.fixture(scope="module")
def world() -> PlantedWorld:
    return planted_world()


def tracks_of(world: PlantedWorld, user: int) -> np.ndarray:
    return world.sequences.track_E[slice(*world.sequences.start_U[user : user + 2])]


def test_two_calls_give_the_same_world(world):
    assert planted_world().events.equals(world.events)


def test_the_favourite_is_played_daily_and_most(world):
    count_T = np.bincount(tracks_of(world, world.favourite_user))
    assert count_T.argmax() == world.favourite_track
    assert count_T.max() >= 90


def test_the_neighbour_track_is_the_one_of_its_taste_not_heard(world):
    heard = set(tracks_of(world, world.neighbour_user).tolist())
    assert set(world.drifted_from) - heard == {world.neighbour_track}


def test_the_drifted_user_has_left_the_old_taste(world):
    recent = tracks_of(world, world.drifted_user)[-60:]
    assert set(recent.tolist()) <= set(world.drifted_to)
    assert not set(world.drifted_from) & set(world.drifted_to)


def test_popular_and_fresh_are_what_they_say(world):
    assert np.bincount(world.sequences.track_E).argmax() == world.popular_track
    fresh_at = world.sequences.at_E[world.sequences.track_E == world.fresh_track]
    assert len(fresh_at) == 12
    assert fresh_at.min() > world.now - 2 * 86_400_000


def test_one_track_of_the_pair_always_follows_the_other(world):
    played = tracks_of(world, world.pair_user)
    assert played[-1] == world.pair_first
    follows = played[1:][played[:-1] == world.pair_first]
    assert set(follows.tolist()) == {world.pair_second}


def test_ties_are_ties(world):
    row = slice(*world.sequences.start_U[world.tied_user : world.tied_user + 2])
    left, right = (world.sequences.at_E[row][world.sequences.track_E[row] == track] for track in world.tied_tracks)
    assert left.tolist() == right.tolist()


def test_the_hard_rows_are_there(world):
    count_U = np.diff(world.sequences.start_U)
    assert (count_U[world.one_listen_user], count_U[world.short_user]) == (1, 3)
    assert world.unplayed_track not in world.sequences.track_E
    assert world.knowledge.artist_T[world.uncatalogued_track] == 0
    assert world.unknown_user_id not in world.user_ids
    assert world.unknown_track_id not in world.track_ids
    nobody = encode(world.sequences, np.array([world.unknown_user]), np.array([world.now]))
    assert (nobody.track_BL == 0).all()
    skipped = world.sequences.play_ratio_E[world.sequences.track_E == world.skipped_track]
    assert (skipped < 0.1).all()
    assert (world.sequences.action_E[world.sequences.user_E == world.disliking_user] == 5).sum() == 1
    assert world.sequences.at_E.max() < world.now
