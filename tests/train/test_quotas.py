"""Quotas: the greedy choice equals plain Python, costs no more than equal quotas, and knows no future."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ritornello.config import RecallConfig
from ritornello.data import split
from ritornello.train.candidates import choose_cuts, window_after
from ritornello.train.fit import fit_pipeline, with_quotas
from ritornello.train.quotas import ABSENT, MIN_HITS, Reach, is_within, learn, reach, share_out
from ritornello.train.recall import fit_recall

CONFIG = RecallConfig(channels=("one", "two", "three"), quota=20, learn_quotas=True)  # chunks of 2 ranks
EQUAL = dict.fromkeys(CONFIG.channels, 20)


def reach_of(lists: list[list[list[int]]], hits: set[int]) -> Reach:
    """Return the reach of one row: `lists` holds by channel the tracks of each chunk."""
    tracks = sorted({track for chunks in lists for chunk in chunks for track in chunk})
    chunk_PC = np.full((len(tracks), len(lists)), ABSENT)
    for channel, chunks in enumerate(lists):
        for number, chunk in enumerate(chunks):
            chunk_PC[[tracks.index(track) for track in chunk], channel] = number
    return Reach(chunk_PC=chunk_PC, is_hit_P=np.isin(tracks, list(hits)), is_open_C=np.zeros(len(lists), bool))


def naive(lists: list[list[list[int]]], hits: set[int], equal: list[int]) -> list[int]:
    """Share out in plain Python, with sets."""

    def union(given: list[int]) -> set[int]:
        return {track for chunks, n in zip(lists, given, strict=True) for chunk in chunks[:n] for track in chunk}

    most, given = len(union(equal)), [min(1, n) for n in equal]
    while sum(given) < sum(equal):
        covered, rates = union(given), []
        for channel, chunks in enumerate(lists):
            new = set().union(*chunks[given[channel] : given[channel] + 1]) - covered
            affordable = len(covered | new) <= most
            rates.append(len(new & hits) / len(new) if new and affordable else 0.0)
        if max(rates) == 0:
            break
        given[rates.index(max(rates))] += 1
    return given


def test_what_another_channel_already_found_counts_for_nothing():
    lists = [[[1, 2], [3, 4]], [[1, 2], [3, 4]], [[5, 6], [7, 8], [9, 10]]]
    found = share_out(reach_of(lists, {3, 4, 7, 8, 9}), np.array([2, 2, 2]), np.zeros(3, bool))
    assert found.tolist() == [2, 1, 2], "of equal channels the first; the rest while there is room for 8 tracks"


LISTS = st.lists(
    st.permutations(range(12)).map(lambda order: [list(order[n : n + 2]) for n in range(0, 10, 2)]),
    min_size=3,
    max_size=3,
)


@given(lists=LISTS, hits=st.sets(st.integers(0, 11)), equal=st.lists(st.integers(0, 4), min_size=3, max_size=3))
def test_greedy_equals_plain_python_and_keeps_the_budget(lists, hits, equal):
    pairs, equal_C = reach_of(lists, hits), np.array(equal)
    found = share_out(pairs, equal_C, np.zeros(3, bool))
    assert found.tolist() == naive(lists, hits, equal)
    assert found.sum() <= equal_C.sum()
    assert (found >= np.minimum(equal_C, 1)).all(), "the floor"
    assert is_within(pairs.chunk_PC, found).sum() <= is_within(pairs.chunk_PC, equal_C).sum()


def planted(num_rows: int = 40) -> Reach:
    """Return pairs of three channels with lists of their own, of which the third is right, the deeper the more."""
    chunk_P = np.tile(np.arange(40), 3 * num_rows)
    channel_P = np.repeat(np.arange(3), 40 * num_rows)
    chunk_PC = np.full((len(chunk_P), 3), ABSENT)
    chunk_PC[np.arange(len(chunk_P)), channel_P] = chunk_P
    return Reach(chunk_PC=chunk_PC, is_hit_P=(channel_P == 2) | (chunk_P == 1), is_open_C=np.zeros(3, bool))


def test_a_named_quota_stays_and_the_others_share_what_is_left():
    assert learn([planted()], EQUAL, CONFIG) == {"one": 4, "two": 4, "three": 52}
    named = RecallConfig(channels=CONFIG.channels, quota=20, quotas={"two": 7}, learn_quotas=True)
    found = learn([planted()], {**EQUAL, "two": 7}, named)
    assert found["two"] == 7
    assert sum(found.values()) <= 20 + 8 + 20
    assert learn([planted()], EQUAL, CONFIG) == learn([planted()], EQUAL, CONFIG)


def test_a_channel_that_answers_newcomers_keeps_its_quota():
    found = learn([replace(planted(), is_open_C=np.array([True, False, False]))], EQUAL, CONFIG)
    assert found["one"] == 20
    assert found["three"] > 20


def test_equal_quotas_stay_without_windows_or_hits_or_where_nothing_is_to_be_learned():
    few = replace(planted(), is_hit_P=np.arange(len(planted().is_hit_P)) < MIN_HITS - 1)
    assert learn([], EQUAL, CONFIG) == learn([few], EQUAL, CONFIG) == EQUAL
    off = RecallConfig(channels=CONFIG.channels, quota=20, learn_quotas=False)
    assert learn([planted()], EQUAL, off) == EQUAL


@pytest.fixture(scope="module")
def learning_config(small_config):
    return msgspec.structs.replace(small_config, recall=msgspec.structs.replace(small_config.recall, learn_quotas=True))


def test_a_fitted_pipeline_has_quotas_by_task(pipeline, small_config):
    assert set(pipeline.quotas) == {"window", "unheard", "next"}
    total = small_config.recall.quota * len(pipeline.channels)
    for quotas in pipeline.quotas.values():
        assert tuple(quotas) == tuple(pipeline.channels)
        assert 0 < sum(quotas.values()) <= total
    assert pipeline.quotas_for("a scene without any", "any") == pipeline.quotas["window"]
    assert pipeline.quotas_for("window", "unheard") == pipeline.quotas["unheard"]
    capped = replace(pipeline, next_quota=3).quotas_for("next", "any")
    assert set(capped.values()) == {3}


@pytest.mark.parametrize("future", ["kept", "deleted", "other"])
def test_the_future_changes_no_quota(world, learning_config, future):
    at = int(np.quantile(world.sequences.at_E, 0.9))
    known = split.before(world.sequences, at)
    sequences = {"kept": world.sequences, "deleted": known, "other": changed_after(world.sequences, at)}[future]
    expected = fit_pipeline(known, at, learning_config, world.knowledge, tasks=("window",)).quotas
    assert len(set(expected["window"].values())) > 1, "something was learned"
    assert fit_pipeline(sequences, at, learning_config, world.knowledge, tasks=("window",)).quotas == expected


def changed_after(sequences, at):
    """Return the log with the first track played at every moment from `at` on."""
    track_E = np.where(sequences.at_E >= at, 1, sequences.track_E).astype(np.int32)
    return replace(sequences, track_E=track_E)


def test_a_window_reaches_only_pairs_of_its_own_users(world, learning_config):
    cut = choose_cuts(world.sequences, world.now, cuts=1, window_days=14.0)[0]
    before = split.before(world.sequences, cut)
    fitted = fit_recall(before, cut, learning_config, world.knowledge)
    found = reach(fitted, before, window_after(world.sequences, cut, 14.0), cut, learning_config.recall, only="any")
    assert found.is_hit_P.any()
    is_open = dict(zip(fitted.channels, found.is_open_C.tolist(), strict=True))
    assert is_open["popular"]
    assert not is_open["relisten"]
    assert (found.chunk_PC != ABSENT).any(axis=1).all(), "somebody proposed every pair"
    learned = with_quotas(fitted, {"window": [found]}, learning_config).quotas
    assert learned["next"] == fitted.quotas["next"]
