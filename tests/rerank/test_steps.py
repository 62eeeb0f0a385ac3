"""Each re-ranking step keeps its promise on lists made by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ritornello.rerank import Shortlist
from ritornello.rerank.diversity import cap_artists
from ritornello.rerank.exploration import shuffle_softly
from ritornello.rerank.familiarity import choose
from ritornello.rerank.memory import order_heard
from ritornello.rerank.rules import without
from ritornello.rerank.spacing import space_artists


def shortlist(artists: list[int], heard: list[bool] | None = None) -> Shortlist:
    size = len(artists)
    return Shortlist(
        index_N=np.arange(size),
        track_N=np.arange(1, size + 1, dtype=np.int32),
        score_N=-np.arange(size, dtype=np.float32),
        is_heard_N=np.array(heard if heard is not None else [False] * size, bool),
        artist_N=np.array(artists, np.int32),
    )


@given(st.lists(st.integers(0, 4), max_size=40), st.integers(1, 3))
def test_no_known_artist_exceeds_the_cap_and_order_is_kept(artists: list[int], most: int) -> None:
    kept = cap_artists(shortlist(artists), most)
    for artist in set(artists) - {0}:
        assert np.count_nonzero(kept.artist_N == artist) == min(most, artists.count(artist))
    assert np.count_nonzero(kept.artist_N == 0) == artists.count(0)
    assert np.all(np.diff(kept.index_N) > 0)


@given(st.lists(st.integers(0, 5), max_size=30), st.integers(0, 4))
def test_spacing_keeps_every_track(artists: list[int], gap: int) -> None:
    spaced = space_artists(shortlist(artists), gap)
    assert sorted(spaced.track_N.tolist()) == list(range(1, len(artists) + 1))


def test_spacing_parts_an_artist_where_it_can() -> None:
    spaced = space_artists(shortlist([1, 1, 2, 3]), 2)
    assert spaced.artist_N.tolist() == [1, 2, 3, 1]


def test_a_banned_track_is_gone() -> None:
    assert without(shortlist([1, 2, 3]), np.array([2], np.int32)).track_N.tolist() == [1, 3]


@pytest.mark.parametrize(("familiarity", "num_heard"), [(0.0, 0), (0.5, 2), (1.0, 4)])
def test_the_knob_sets_the_share_of_heard_tracks(familiarity: float, num_heard: int) -> None:
    both = shortlist([0] * 10, [True, False] * 5)
    chosen = choose(both, 4, familiarity)
    assert int(chosen.is_heard_N.sum()) == num_heard
    assert len(chosen) == 4


def test_the_knob_fills_up_where_one_side_is_short() -> None:
    chosen = choose(shortlist([0] * 5, [True, False, False, False, False]), 4, 1.0)
    assert len(chosen) == 4
    assert int(chosen.is_heard_N.sum()) == 1


def test_no_temperature_changes_nothing_and_one_seed_gives_one_order() -> None:
    many = shortlist([0] * 50)
    assert shuffle_softly(many, 0.0, np.random.default_rng(1)) is many
    first = shuffle_softly(many, 0.5, np.random.default_rng(1)).track_N
    again = shuffle_softly(many, 0.5, np.random.default_rng(1)).track_N
    other = shuffle_softly(many, 0.5, np.random.default_rng(2)).track_N
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.integers(0, 99), st.sampled_from([0.0, 1.0, 8.0]))
def test_memory_moves_heard_tracks_among_their_places_alone(heard: list[bool], seed: int, weight: float) -> None:
    before = shortlist([0] * len(heard), heard)
    strength_N = np.random.default_rng(seed).choice(np.array([0.0, 0.5, 2.0], np.float32), len(heard))
    found = order_heard(before, strength_N, weight)
    assert sorted(found.track_N.tolist()) == before.track_N.tolist()
    assert found.is_heard_N.tolist() == heard
    assert found.score_N.tolist() == before.score_N.tolist()
    assert found.track_N[~before.is_heard_N].tolist() == before.track_N[~before.is_heard_N].tolist()


def test_what_is_remembered_best_comes_first_where_memory_decides() -> None:
    before = shortlist([0, 0, 0, 0], [True, False, True, True])
    found = order_heard(before, np.array([0.1, 9.0, 5.0, 1.0], np.float32), 100.0)
    assert found.track_N.tolist() == [3, 2, 4, 1]
    assert order_heard(before, np.array([0.1, 9.0, 5.0, 1.0], np.float32), 0.0).track_N.tolist() == [1, 2, 3, 4]
