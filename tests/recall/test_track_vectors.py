"""The vectors of a large catalogue: what an index finds beside what comparing all of them finds, on disk, and without faiss."""

import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from index.vectors import trained_like
from ritornello import index
from ritornello.recall import track_vectors
from ritornello.recall.scores import Best, InterestScores, VectorScores
from ritornello.recall.track_vectors import TrackVectors

SIZE = 20_000
DIMENSION = 33  # of which the last is a height
NUM_ROWS = 25


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track_vectors, "MANY", 10_000)


def table() -> np.ndarray:
    """Return directions and heights; PADDING and every hundredth track have zeros."""
    generator = np.random.default_rng(0)
    table_TE = np.concatenate([trained_like(SIZE + 1, dimension=DIMENSION - 1), np.zeros((SIZE + 1, 1))], axis=1)
    table_TE[:, -1] = generator.normal(10.0, 0.7, SIZE + 1)
    table_TE[::100] = 0.0
    return table_TE.astype(np.float32)


def users() -> np.ndarray:
    """Return vectors of which the last lets heights count; the first row has none."""
    user_BE = np.concatenate([6.0 * trained_like(NUM_ROWS, dimension=DIMENSION - 1, seed=1), np.ones((NUM_ROWS, 1))], 1)
    user_BE[0] = 0.0
    return user_BE.astype(np.float32)


def indexed(table_TE: np.ndarray) -> TrackVectors:
    """Return vectors with an index that looks at a tenth of its lists, for more of its tracks than of a million."""
    known_N = np.flatnonzero(table_TE.any(axis=1)).astype(np.int32)
    return TrackVectors(table_TE, index.make("ann", {"probes": 35}).build(known_N, table_TE[known_N]))


def some(seed: int, share: float) -> csr_array:
    generator = np.random.default_rng(seed)
    return csr_array(
        ((generator.random((NUM_ROWS, SIZE + 1)) < share) * generator.normal(0, 3, (NUM_ROWS, SIZE + 1))).astype(
            np.float32
        )
    )


def recall(found: Best, right: Best) -> float:
    pairs = [set(zip(best.row_K.tolist(), best.track_K.tolist(), strict=True)) for best in (found, right)]
    return len(pairs[0] & pairs[1]) / len(pairs[1])


@pytest.mark.parametrize("only", ["any", "heard", "unheard"])
def test_the_index_finds_nearly_all_that_comparing_everything_finds(only) -> None:
    table_TE, own_BT, heard_BT = table(), some(2, 0.002), some(3, 0.01)
    found = VectorScores(users(), indexed(table_TE), own_BT).best(200, heard_BT, only)
    right = VectorScores(users(), TrackVectors(table_TE), own_BT).best(200, heard_BT, only)
    assert recall(found, right) >= (1.0 if only == "heard" else 0.9)
    assert (
        np.bincount(found.row_K, minlength=NUM_ROWS).tolist() == np.bincount(right.row_K, minlength=NUM_ROWS).tolist()
    )
    for row in range(1, NUM_ROWS):
        assert found.rank_K[found.row_K == row].tolist() == list(range(1, np.count_nonzero(found.row_K == row) + 1))


def test_scores_are_those_of_the_vectors_themselves() -> None:
    table_TE, own_BT = table(), some(2, 0.002)
    track_P = np.arange(SIZE + 9)
    row_P = np.full(len(track_P), 3)
    indexed = VectorScores(users(), TrackVectors.made(table_TE), own_BT).at(row_P, track_P)
    plain = VectorScores(users(), TrackVectors(table_TE), own_BT).at(row_P, track_P)
    np.testing.assert_allclose(indexed, plain, rtol=1e-5, atol=1e-5)


def test_several_interests_are_searched_at_once() -> None:
    table_TE = table()
    user_BKE = np.stack([users(), np.roll(users(), 1, axis=0)], axis=1)
    user_BKE[0], user_BKE[5, 1] = 0.0, 0.0
    nothing_BT = csr_array((NUM_ROWS, SIZE + 1), dtype=np.float32)
    found = InterestScores(user_BKE, indexed(table_TE)).best(100, nothing_BT, "any")
    right = InterestScores(user_BKE, TrackVectors(table_TE)).best(100, nothing_BT, "any")
    assert recall(found, right) >= 0.95
    assert 0 not in found.row_K


@given(seed=st.integers(0, 999), k=st.integers(0, 30))
@pytest.mark.parametrize("only", ["any", "heard", "unheard"])
def test_beside_an_exact_index_it_gives_the_very_same(only, seed, k) -> None:
    generator = np.random.default_rng(seed)
    table_TE = generator.integers(-1, 2, (80, 3)).astype(np.float32)
    user_BE = generator.integers(-1, 2, (4, 3)).astype(np.float32)
    heard_BT = csr_array((generator.random((4, 90)) < 0.3).astype(np.float32))
    own_BT = csr_array(generator.integers(-1, 2, (4, 80)) * (generator.random((4, 80)) < 0.1).astype(np.float32))
    known_N = np.flatnonzero(table_TE[1:].any(axis=1)).astype(np.int32) + 1
    table_TE[0] = 0.0
    tracks = TrackVectors(table_TE, index.make("exact").build(known_N, table_TE[known_N]))
    found = VectorScores(user_BE, tracks, own_BT).best(k, heard_BT, only)
    right = VectorScores(user_BE, TrackVectors(table_TE), own_BT).best(k, heard_BT, only)
    for name in Best.__slots__:
        np.testing.assert_array_equal(getattr(found, name), getattr(right, name))


def test_large_catalogues_have_one_and_small_ones_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(TrackVectors.made(table()).searched or ()) == SIZE + 1 - SIZE // 100 - 1
    monkeypatch.setattr(track_vectors, "MANY", SIZE + 1)
    assert TrackVectors.made(table()).searched is None


def test_newer_tracks_are_found_without_a_new_index() -> None:
    table_TE, nothing_BT = table(), csr_array((NUM_ROWS, SIZE + 1), dtype=np.float32)
    earlier = indexed(table_TE[:-200])
    grown, plain = earlier.grown(table_TE), TrackVectors(table_TE)
    newer_P = [
        best.track_K[best.track_K >= SIZE + 1 - 200].tolist()
        for tracks in (grown, plain)
        for best in [VectorScores(users(), tracks).best(200, nothing_BT, "any")]
    ]
    assert set(newer_P[1]) <= set(newer_P[0])
    assert len(newer_P[1]) > 0
    assert len(VectorScores(users(), earlier).best(200, nothing_BT, "any").track_K) == 200 * (NUM_ROWS - 1)


def test_it_survives_the_disk(tmp_path: Path) -> None:
    made = TrackVectors.made(table())
    for name, array in made.arrays("track_TE").items():
        np.save(tmp_path / f"{name}.npy", array)
    mapped = {path.stem: np.load(path, mmap_mode="r") for path in tmp_path.glob("*.npy")}
    loaded = TrackVectors.restore(mapped, "track_TE")
    del mapped
    assert loaded.searched is not None
    apart_N = np.arange(1, 500, dtype=np.int32)
    for query_E in users()[1:]:
        np.testing.assert_array_equal(loaded.near(query_E[None], 50, apart_N), made.near(query_E[None], 50, apart_N))


def test_without_faiss_everything_is_compared_and_once_that_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    arrays = TrackVectors.made(table()).arrays("track_TE")
    track_vectors.can_search.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    with caplog.at_level(logging.WARNING):
        assert TrackVectors.restore(arrays, "track_TE").searched is None
        assert TrackVectors.made(table()).searched is None
    assert [message.split(":")[0] for message in caplog.messages] == ["faiss is not installed"]
    track_vectors.can_search.cache_clear()
