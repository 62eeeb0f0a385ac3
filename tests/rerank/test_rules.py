"""Rules, sessions, exploration and flow on lists and catalogues made by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from ritornello.data.facts import Facts
from ritornello.rerank import Shortlist
from ritornello.rerank.exploration import explore
from ritornello.rerank.flow import follow_links
from ritornello.rerank.rules import Block, Rules, blocked, lean, showable
from ritornello.rerank.session import spare, weariness


def shortlist(size: int, artists: list[int] | None = None) -> Shortlist:
    return Shortlist(
        index_N=np.arange(size),
        track_N=np.arange(1, size + 1, dtype=np.int32),
        score_N=-np.arange(size, dtype=np.float32),
        is_heard_N=np.zeros(size, bool),
        artist_N=np.array(artists if artists is not None else [0] * size, np.int32),
    )


def ids(facts: Facts, *names: str) -> list[int]:
    return [int(facts.find("track", name)[0]) for name in names]


def test_blocks_name_tracks_artists_and_genres_and_end(facts: Facts) -> None:
    assert blocked([Block("track", "A-01")], facts, 0).tolist() == ids(facts, "A-01")
    assert len(blocked([Block("artist", "A-artist-1")], facts, 0)) == 4
    assert len(blocked([Block("genre", "B", until=10)], facts, 9)) == 17
    assert len(blocked([Block("genre", "B", until=10)], facts, 10)) == 0
    assert len(blocked([Block("album", "nothing")], facts, 0)) == 0


def test_flags_hide_what_cannot_be_played_and_what_is_explicit() -> None:
    facts = Facts(is_playable_T=np.array([0, 1, 0, 1], bool), is_explicit_T=np.array([0, 0, 0, 1], bool))
    assert showable(shortlist(4), facts, playable=True, explicit=True).track_N.tolist() == [1, 3, 4]
    assert showable(shortlist(4), facts, playable=False, explicit=False).track_N.tolist() == [1, 2, 4]


def test_more_and_less_move_what_shares_an_artist(facts: Facts) -> None:
    near, far = ids(facts, "A-02", "B-02")
    both = shortlist(2)
    tracks = Shortlist(
        index_N=both.index_N,
        track_N=np.array([far, near], np.int32),
        score_N=both.score_N,
        is_heard_N=both.is_heard_N,
        artist_N=both.artist_N,
    )
    assert lean(tracks, facts, Rules()).track_N.tolist() == [far, near]
    assert lean(tracks, facts, Rules(more=("A-01",)), strength=3.0).track_N.tolist() == [near, far]
    assert lean(tracks, facts, Rules(less=("B-01",)), strength=3.0).track_N.tolist() == [near, far]


def test_a_finish_takes_a_skip_back_and_a_dislike_says_it_all() -> None:
    artist_E, action_E = np.array([1, 1, 2, 3]), np.array([2, 2, 5, 2], np.int8)
    ratio_E = np.array([0.1, 1.0, np.nan, 0.6], np.float32)
    assert weariness(artist_E, action_E, ratio_E, tired=3.0) == {1: 0.0, 2: 3.0}


def test_a_skipped_artist_sinks_and_a_tired_one_is_gone() -> None:
    given_list = shortlist(4, [1, 2, 3, 0])
    spared = spare(given_list, {1: 2.0, 2: 3.0}, tired=3.0, penalty=1.0)
    assert spared.artist_N.tolist() == [3, 0, 1] or spared.artist_N.tolist() == [3, 1, 0]
    assert spare(given_list, {}, tired=3.0, penalty=1.0) is given_list


@given(st.integers(0, 12), st.integers(0, 12), st.floats(0, 1), st.integers(0, 99))
def test_exploring_keeps_the_length_and_its_propensities_add_up(best: int, rest: int, rate: float, seed: int) -> None:
    every = shortlist(best + rest)
    top, others = every.take(np.arange(best)), every.take(np.arange(best, best + rest))
    chosen, propensity_K = explore(top, others, rate, np.random.default_rng(seed))
    assert len(chosen) == len(propensity_K) == best
    assert len(set(chosen.track_N.tolist())) == best
    left = rest
    for track, propensity in zip(chosen.track_N.tolist(), propensity_K.tolist(), strict=True):
        is_drawn = track > best
        expected = 1.0 if left == 0 else rate / left if is_drawn else 1 - rate
        assert propensity == pytest.approx(expected, rel=1e-5)
        left -= is_drawn


def test_exploration_happens_as_often_as_it_says() -> None:
    every = shortlist(40)
    top, others = every.take(np.arange(20)), every.take(np.arange(20, 40))
    drawn = [(explore(top, others, 0.3, np.random.default_rng(seed))[0].track_N > 20).mean() for seed in range(200)]
    assert np.mean(drawn) == pytest.approx(0.3, abs=0.03)


def test_a_list_follows_its_links() -> None:
    links_TT = csr_array((np.ones(2, np.float32), ([1, 4], [4, 3])), shape=(5, 5))
    assert follow_links(shortlist(4), links_TT, weight=5.0, gap=0).track_N.tolist() == [1, 4, 3, 2]
    assert follow_links(shortlist(4), links_TT, weight=0.0, gap=0).track_N.tolist() == [1, 2, 3, 4]
    spaced = follow_links(shortlist(4, [7, 8, 8, 7]), links_TT, weight=5.0, gap=1)
    assert spaced.artist_N.tolist() == [7, 8, 7, 8]
