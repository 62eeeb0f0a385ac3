"""The laws of the index: every entry of the table keeps them, small (searched exactly) and large.

A new index needs no test here, but a line in THOROUGH of vectors.py where its defaults do not look at all of 400 tracks.
"""

from pathlib import Path

import numpy as np
import pytest

from index.vectors import DIMENSION, THOROUGH, built, trained_like
from ritornello import index
from ritornello.contracts import Int32
from ritornello.index import INDEXES, Index
from ritornello.index.filter import Filter, only, without
from ritornello.index.found import Found
from ritornello.schema import PADDING

SIZE = 400
K = 20
every_index = pytest.mark.parametrize("name", INDEXES)
every_size = pytest.mark.parametrize("size", [30, SIZE])
QUERY_QD = trained_like(25, seed=1)


def assert_lawful(found: Found, num_queries: int, k: int) -> None:
    assert found.track_QK.shape == found.score_QK.shape == (num_queries, k)
    assert found.track_QK.dtype == np.int32
    assert found.score_QK.dtype == np.float32
    is_padding_QK = found.track_QK == PADDING
    assert np.array_equal(is_padding_QK, np.isneginf(found.score_QK))
    for track_K, score_K in zip(found.track_QK, found.score_QK, strict=True):
        real_K = track_K[track_K != PADDING]
        assert len(set(real_K.tolist())) == len(real_K)
        assert (track_K[: len(real_K)] == real_K).all(), "padding stands at the end"
        assert (np.diff(score_K[: len(real_K)]) <= 0).all()


def assert_same(left: Found, right: Found) -> None:
    np.testing.assert_array_equal(left.track_QK, right.track_QK)
    np.testing.assert_allclose(left.score_QK, right.score_QK, atol=1e-5)


def tracks_of(found: Found) -> set[int]:
    return set(found.track_QK.ravel().tolist()) - {PADDING}


def numbers(*track: int) -> Int32:
    return np.array(track, np.int32)


@every_index
@every_size
@pytest.mark.parametrize("k", [0, 1, K, SIZE, SIZE + 7])
def test_k_wide_distinct_best_first(name: str, size: int, k: int) -> None:
    found = built(name, size).search(QUERY_QD, k)
    assert_lawful(found, len(QUERY_QD), k)
    assert (np.count_nonzero(found.track_QK, axis=1) == min(k, size)).all()


@every_index
@every_size
def test_scores_are_inner_products_and_the_best_are_found(name: str, size: int) -> None:
    found = built(name, size).search(QUERY_QD, K)
    right_QN = QUERY_QD @ trained_like(size).T
    np.testing.assert_allclose(found.score_QK, np.take_along_axis(right_QN, found.track_QK - 1, axis=1), atol=0.02)
    np.testing.assert_allclose(found.score_QK, -np.sort(-right_QN, axis=1)[:, :K], atol=0.02)


@every_index
@every_size
def test_batch_equals_single(name: str, size: int) -> None:
    made = built(name, size)
    together = made.search(QUERY_QD, K)
    single = [made.search(QUERY_QD[row : row + 1], K) for row in range(len(QUERY_QD))]
    np.testing.assert_allclose(together.score_QK, np.concatenate([one.score_QK for one in single]), atol=1e-5)
    assert np.mean(together.track_QK == np.concatenate([one.track_QK for one in single])) > 0.99


@every_index
@every_size
@pytest.mark.parametrize("mmap", [False, True])
def test_survives_the_disk(name: str, size: int, mmap: bool, tmp_path: Path) -> None:
    made = built(name, size)
    made.version = "v7"
    made.save(tmp_path / "index")
    loaded = index.make(name, THOROUGH.get(name)).load(tmp_path / "index", mmap=mmap)
    assert (loaded.version, len(loaded)) == ("v7", size)
    assert_same(loaded.search(QUERY_QD, K), made.search(QUERY_QD, K))
    allowed = only(np.arange(1, 20))
    assert_same(loaded.search(QUERY_QD, K, allowed), made.search(QUERY_QD, K, allowed))
    if mmap:
        with pytest.raises(ValueError, match="mmap=False"):
            loaded.add(numbers(1), trained_like(1))
        with pytest.raises(ValueError, match="mmap=False"):
            loaded.remove(numbers(1))
    else:
        loaded.remove(numbers(1))
        assert len(loaded) == size - 1
    assert not list((tmp_path / "index").rglob("*.pkl"))


@every_index
@every_size
@pytest.mark.parametrize(
    "allowed",
    [
        pytest.param(only(np.arange(3, 25)), id="only some"),
        pytest.param(only(np.arange(3, 8)), id="fewer than k"),
        pytest.param(only(np.array([0, 7, 12, 10_000])), id="only, unknown tracks among them"),
        pytest.param(only(np.array([10_000, 20_000])), id="only unknown tracks"),
        pytest.param(only(np.zeros(0, np.int32)), id="nothing allowed"),
        pytest.param(only(np.arange(1, 20_000)), id="everything allowed"),
        pytest.param(without(np.arange(3, 25)), id="without some"),
        pytest.param(without(np.array([0, 7, 12, 10_000])), id="without, unknown tracks among them"),
        pytest.param(without(np.zeros(0, np.int32)), id="nothing excluded"),
        pytest.param(without(np.arange(1, SIZE + 1)), id="everything excluded"),
        pytest.param(without(np.arange(2, 50_000)), id="all but one excluded"),
    ],
)
def test_filters_are_exact(name: str, size: int, allowed: Filter) -> None:
    made = built(name, size)
    found = made.search(QUERY_QD, K, allowed)
    kept_F = np.flatnonzero(allowed.keeps(np.arange(1, size + 1, dtype=np.int32)))
    assert_lawful(found, len(QUERY_QD), K)
    assert (np.count_nonzero(found.track_QK, axis=1) == min(K, len(kept_F))).all()
    assert tracks_of(found) <= set((kept_F + 1).tolist())
    everything = made.search(QUERY_QD, size)
    right = [track_N[np.isin(track_N, kept_F + 1)][:K] for track_N in everything.track_QK]
    for track_K, right_K in zip(found.track_QK, right, strict=True):
        np.testing.assert_array_equal(track_K[: len(right_K)], right_K)


@every_index
def test_filter_of_the_defaults_is_exact_too(name: str) -> None:
    made = index.make(name, {"small": 50} if name == "ann" else None)
    made.build(np.arange(1, SIZE + 1, dtype=np.int32), trained_like(SIZE))
    named = np.random.default_rng(0).choice(np.arange(1, SIZE + 1), 60, replace=False)
    assert tracks_of(made.search(QUERY_QD, K, only(named))) <= set(named.tolist())
    assert not tracks_of(made.search(QUERY_QD, K, without(named))) & set(named.tolist())


@every_index
@every_size
def test_add_remove_replace(name: str, size: int) -> None:
    made = built(name, size)
    one_D = trained_like(1, seed=5)
    made.add(numbers(5000), one_D)
    assert len(made) == size + 1
    assert made.search(one_D, 1).track_QK.tolist() == [[5000]]
    made.remove(numbers(5000, 6000))
    assert len(made) == size
    assert 5000 not in tracks_of(made.search(one_D, size))
    made.add(numbers(7), one_D)
    assert len(made) == size
    assert made.search(one_D, 1).track_QK.tolist() == [[7]]
    made.add(numbers(), one_D[:0])
    made.remove(np.arange(1, size + 1, dtype=np.int32))
    assert len(made) == 0
    assert tracks_of(made.search(one_D, 3)) == set()
    made.add(numbers(9), one_D)
    assert made.search(one_D, 2).track_QK.tolist() == [[9, 0]]


@every_index
def test_an_index_that_grows_equals_one_built_at_once(name: str) -> None:
    vector_ND = trained_like(SIZE)
    track_N = np.arange(1, SIZE + 1, dtype=np.int32)
    grown = built(name, 1, **({"small": 150} if name == "ann" else {}))
    for start in range(0, SIZE, 40):
        grown.add(track_N[start : start + 40], vector_ND[start : start + 40])
    assert len(grown) == SIZE
    right = np.sort(QUERY_QD @ vector_ND.T, axis=1)[:, : -K - 1 : -1]
    np.testing.assert_allclose(grown.search(QUERY_QD, K).score_QK, right, atol=0.05)  # ranges were learnt from fewer


@every_index
def test_empty_index(name: str, tmp_path: Path) -> None:
    empty = index.make(name)
    for made in (empty, empty.build(np.zeros(0, np.int32), np.zeros((0, DIMENSION), np.float32))):
        assert len(made) == 0
        found = made.search(QUERY_QD, 3, only(np.array([1])))
        assert_lawful(found, len(QUERY_QD), 3)
        assert tracks_of(found) == set()
        assert tracks_of(made.search_many(QUERY_QD[None], 3)) == set()
        made.remove(numbers(3))
        made.save(tmp_path / "empty")
        assert len(index.make(name).load(tmp_path / "empty")) == 0


@every_index
@every_size
def test_no_queries(name: str, size: int) -> None:
    assert_lawful(built(name, size).search(QUERY_QD[:0], 3), 0, 3)
    assert_lawful(built(name, size).search_many(QUERY_QD[:0, None], 3), 0, 3)


@every_index
@every_size
def test_the_score_of_several_vectors_is_the_best_one(name: str, size: int) -> None:
    made = built(name, size)
    query_BKD = QUERY_QD.reshape(5, 5, DIMENSION).copy()
    query_BKD[1, 2:] = 0
    query_BKD[2] = 0
    found = made.search_many(query_BKD, K)
    assert_lawful(found, 5, K)
    assert (found.track_QK[2] == PADDING).all()
    for row in (0, 1, 3, 4):
        vector_KD = query_BKD[row][query_BKD[row].any(axis=1)]
        every = made.search(vector_KD, size)
        score_KN = np.take_along_axis(every.score_QK, np.argsort(every.track_QK, axis=1), axis=1)
        right_N = score_KN.max(axis=0)
        np.testing.assert_allclose(found.score_QK[row], -np.sort(-right_N)[:K], atol=1e-5)
        np.testing.assert_allclose(found.score_QK[row], right_N[found.track_QK[row] - 1], atol=1e-5)
    allowed = only(np.arange(1, 10))
    assert tracks_of(made.search_many(query_BKD, K, allowed)) <= set(range(1, 10))


@every_index
def test_equal_scores_go_by_track(name: str) -> None:
    made = index.make(name).build(np.arange(60, 0, -1, dtype=np.int32), np.ones((60, DIMENSION), np.float32))
    assert made.search(QUERY_QD[:1], 5).track_QK.tolist() == [[1, 2, 3, 4, 5]]


@every_index
@every_size
def test_the_same_build_gives_the_same_answers(name: str, size: int) -> None:
    left, right = (built(name, size, **({"probes": 2} if name == "ann" else {})) for _ in range(2))
    np.testing.assert_array_equal(left.search(QUERY_QD, K).track_QK, right.search(QUERY_QD, K).track_QK)


@every_index
@every_size
def test_refuses_what_cannot_be_searched(name: str, size: int, tmp_path: Path) -> None:
    made = built(name, size)
    bad_ND = trained_like(3)
    bad_ND[1, 2] = np.nan
    with pytest.raises(ValueError, match=r"vectors of tracks: row 1 is not finite \(1 in all\)"):
        made.add(numbers(1, 2, 3), bad_ND)
    bad_ND[1, 2] = -np.inf
    with pytest.raises(ValueError, match="row 1 is not finite"):
        made.build(numbers(1, 2, 3), bad_ND)
    with pytest.raises(ValueError, match="queries: row 1 is not finite"):
        made.search(bad_ND, 3)
    with pytest.raises(ValueError, match="queries: row 0 is not finite"):
        made.search_many(bad_ND[None], 3)
    with pytest.raises(ValueError, match=f"17 dimensions: allowed are {DIMENSION}"):
        made.add(numbers(1), np.ones((1, 17), np.float32))
    with pytest.raises(ValueError, match="17 dimensions"):
        made.search(np.ones((1, 17), np.float32), 3)
    with pytest.raises(ValueError, match="2 axes"):
        made.search(np.ones(DIMENSION, np.float32), 3)
    with pytest.raises(ValueError, match=r"rows 0 and 2 both hold track 4 \(1 repeated"):
        made.add(numbers(4, 5, 4), trained_like(3))
    with pytest.raises(ValueError, match="row 1 holds track 0"):
        made.add(numbers(4, 0), trained_like(2))
    with pytest.raises(ValueError, match="2 tracks came with 3 vectors"):
        made.add(numbers(4, 5), trained_like(3))
    with pytest.raises(ValueError, match="list of integers"):
        made.build(np.array([1.5]), trained_like(1))
    with pytest.raises(ValueError, match="k is -1"):
        made.search(QUERY_QD, -1)
    with pytest.raises(ValueError, match="holds no index"):
        made.load(tmp_path / "nowhere")
    assert len(made) == size, "a refusal changes nothing"


@every_index
def test_refuses_the_folder_of_another_index(name: str, tmp_path: Path) -> None:
    other = next(entry for entry in INDEXES if entry != name)
    built(other, 30).save(tmp_path / "index")
    with pytest.raises(ValueError, match=f"is '{other}' of format 2: '{name}'"):
        index.make(name).load(tmp_path / "index")
    (tmp_path / "index" / "index.json").write_text("{")
    with pytest.raises(ValueError, match="corrupt"):
        index.make(name).load(tmp_path / "index")


def test_a_filter_refuses_what_is_no_track() -> None:
    with pytest.raises(ValueError, match="float64"):
        only(np.array([1.5]))
    with pytest.raises(ValueError, match="-3 to 2"):
        without(np.array([-3, 2]))


def test_unknown_names_and_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown index 'tree': allowed are exact, ann"):
        index.make("tree")
    with pytest.raises(ValueError, match=r"index\.ann: .*allowed are lists"):
        index.make("ann", {"nprobe": 3})
    made: Index = index.make("ritornello.index.exact:Exact")
    assert len(made) == 0
