"""The spaces of tracks: where they lie, in the middle of what, and how a later moment is turned onto an earlier one."""

from dataclasses import replace

import numpy as np
import pytest

from ritornello.contracts import ATTRIBUTES, Spaces
from ritornello.data import split
from ritornello.data.factorisation import turned, unit
from ritornello.data.sequence import listens
from ritornello.data.spaces import DIM, fit_spaces, languages, middles
from ritornello.schema import ONE_DAY_MS, PADDING


@pytest.fixture(scope="module")
def fitted(world) -> Spaces:
    return fit_spaces(world.sequences, world.knowledge, seed=1)


def test_played_tracks_lie_on_the_sphere_and_unplayed_ones_nowhere(world, fitted):
    length_T = np.linalg.norm(fitted.place_TD, axis=1)
    is_played_T = np.isin(np.arange(len(length_T)), world.sequences.track_E[listens(world.sequences)])
    assert fitted.place_TD.shape == (world.knowledge.num_tracks + 1, DIM)
    np.testing.assert_allclose(length_T[is_played_T], 1.0, rtol=1e-5)
    assert not length_T[[PADDING, world.unplayed_track, world.graph_track]].any()
    assert not length_T[world.skipped_track], "what was never listened to is nowhere"


def test_a_taste_lies_together(world, fitted):
    taste_a, taste_b = fitted.place_TD[list(world.drifted_from)], fitted.place_TD[list(world.drifted_to)]
    assert (taste_a @ taste_a.T).mean() > (taste_a @ taste_b.T).mean() + 0.3


def test_an_artist_lies_in_the_middle_of_its_played_tracks(world, fitted):
    track = world.drifted_from[0]
    artist = world.knowledge.artist_T[track]
    same_T = np.flatnonzero(world.knowledge.artist_T == artist)
    assert len(same_T) > 1
    middle_D = fitted.place_TD[same_T].sum(axis=0)
    space = 1 + ATTRIBUTES.index("artist")
    np.testing.assert_allclose(
        fitted.vectors(np.array([track]))[0, space], middle_D / np.linalg.norm(middle_D), atol=1e-5
    )


def test_the_middle_of_a_value_by_hand():
    place_TD = np.array([[0, 0], [1, 0], [0, 1], [0, 0], [0, -1]], np.float32)
    found_SD = middles(np.array([0, 1, 1, 1, 0]), place_TD)
    # two of three were played: (1, 1) has the direction (0.7071, 0.7071); what has no value has no middle
    np.testing.assert_allclose(found_SD, [[0, 0], [np.sqrt(0.5), np.sqrt(0.5)]], rtol=1e-6)


def test_turned_places_are_as_far_apart_as_before_and_near_what_they_are_turned_onto():
    rng = np.random.default_rng(0)
    place_TD = unit(rng.normal(size=(40, 5)).astype(np.float32))
    rotation, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    moved_TD = (place_TD @ rotation).astype(np.float32)
    found_TD = turned(moved_TD, place_TD[:30])  # the later tracks are new
    np.testing.assert_allclose(found_TD @ found_TD.T, moved_TD @ moved_TD.T, atol=1e-5)
    np.testing.assert_allclose(found_TD, place_TD, atol=1e-5)
    np.testing.assert_allclose(turned(moved_TD[:20], place_TD), place_TD[:20], atol=1e-5)


def test_the_spaces_of_a_later_moment_are_turned_onto_those_of_an_earlier_one(world, fitted):
    cut = world.now - 20 * ONE_DAY_MS
    known = split.before(world.sequences, cut)
    seen = world.knowledge.before(cut, played=known.num_tracks)
    earlier = fit_spaces(known, seen, seed=1)
    later = fit_spaces(world.sequences, world.knowledge, seed=1, onto=earlier)
    np.testing.assert_allclose(later.place_TD @ later.place_TD.T, fitted.place_TD @ fitted.place_TD.T, atol=1e-4)
    size = len(earlier.place_TD)

    def agreement(spaces: Spaces) -> float:
        return float((spaces.place_TD[:size] * earlier.place_TD).sum(axis=1).mean())

    assert agreement(later) >= agreement(fitted) - 1e-6


def test_nobody_has_played_anything(world):
    nobody = split.before(world.sequences, 0)
    assert len(nobody) == 0
    spaces = fit_spaces(nobody, world.knowledge, seed=1)
    assert not spaces.place_TD.any()
    assert not any(mean_SD.any() for mean_SD in spaces.mean_ASD)


def test_tracks_that_are_newer_than_the_spaces_are_unknown(fitted):
    size = len(fitted.place_TD)
    track_BN = np.array([[3, size, 10 * size, PADDING]], np.int32)
    assert fitted.known(track_BN).tolist() == [[3, PADDING, PADDING, PADDING]]
    assert fitted.keys(track_BN)[0, 1:].any() == np.False_
    assert fitted.keys(track_BN)[0, 0].tolist() == [3, *fitted.attribute_TA[3]]
    assert fitted.vectors(track_BN).shape == (1, 4, 1 + len(ATTRIBUTES), DIM)
    assert not fitted.vectors(track_BN)[0, 1:].any()
    np.testing.assert_array_equal(fitted.places(track_BN)[0, 0], fitted.place_TD[3])


def test_languages_come_from_the_graph(world):
    graph = world.knowledge.graph
    assert not languages(world.knowledge).any()
    spoken = replace(
        graph,
        relations=(*graph.relations, "has_language"),
        head_E=np.r_[graph.head_E, [2, 5, 4]].astype(np.int32),
        tail_E=np.r_[graph.tail_E, [91, 90, 91]].astype(np.int32),
        relation_E=np.r_[graph.relation_E, [len(graph.relations)] * 3].astype(graph.relation_E.dtype),
    )
    language_T = languages(replace(world.knowledge, graph=spoken))
    assert language_T[[2, 5, 4]].tolist() == [2, 1, 2]
    assert np.count_nonzero(language_T) == 3
