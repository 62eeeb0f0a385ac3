"""What the approximate index promises beyond the laws: recall, and that every setting changes something."""

import logging
from pathlib import Path

import msgspec
import numpy as np
import pytest

from index.vectors import DIMENSION, built, trained_like
from ritornello import index
from ritornello.index.ann import AnnConfig
from ritornello.index.filter import Filter, only, without

SIZE = 3000
OTHER: dict[str, object] = {
    "lists": 1.0,
    "most_lists": 20,
    "sample": 4,
    "iterations": 1,
    "probes": 5,
    "probes_many": 5,
    "widen": 0.0,
    "small": 5000,
    "seed": 1,
}


def recall(found_QK: np.ndarray, right_QK: np.ndarray) -> float:
    hits = [len(np.intersect1d(*pair)) for pair in zip(found_QK, right_QK, strict=True)]
    return sum(hits) / right_QK.size


@pytest.fixture(scope="module")
def answers_of_defaults() -> np.ndarray:
    return answers({})


def answers(settings: dict[str, object]) -> np.ndarray:
    """Return the scores of plain, filtered and many-vector searches."""
    made = index.make("ann", {"small": 100, "probes": 10, "probes_many": 10, **settings})
    made.build(np.arange(1, SIZE + 1, dtype=np.int32), trained_like(SIZE))
    query_QD = trained_like(50, seed=1)
    some = only(np.arange(1, SIZE, 3))
    found = (made.search(query_QD, 10), made.search(query_QD, 10, some), made.search_many(query_QD[:, None], 10))
    return np.stack([one.score_QK for one in found])


def test_recall_against_the_exact_twin() -> None:
    vector_ND = trained_like(50_000, dimension=64)
    track_N = np.arange(1, len(vector_ND) + 1, dtype=np.int32)
    query_QD = trained_like(200, dimension=64, seed=1)
    exact, ann = (index.make(name).build(track_N, vector_ND) for name in ("exact", "ann"))
    rng = np.random.default_rng(0)
    filters = [None, *(only(rng.choice(track_N, num, replace=False)) for num in (20_000, 5_000, 500))]
    filters += [without(rng.choice(track_N, num, replace=False)) for num in (1_000, 45_000)]
    for allowed in filters:
        found, right = ann.search(query_QD, 100, allowed), exact.search(query_QD, 100, allowed)
        assert recall(found.track_QK, right.track_QK) >= 0.95
    several_BKD = query_QD.reshape(40, 5, 64)
    found, right = ann.search_many(several_BKD, 100), exact.search_many(several_BKD, 100)
    assert recall(found.track_QK, right.track_QK) >= 0.95


@pytest.mark.parametrize("field", AnnConfig.__struct_fields__)
def test_every_setting_changes_the_answers(field: str, answers_of_defaults: np.ndarray) -> None:
    assert not np.array_equal(answers({field: OTHER[field]}), answers_of_defaults)


def test_settings_out_of_range_are_refused() -> None:
    for field in msgspec.structs.fields(AnnConfig):
        with pytest.raises(ValueError, match=field.name):
            index.make("ann", {field.name: -1})
    with pytest.raises(ValueError, match="most_lists"):
        index.make("ann", {"most_lists": 40_000})


def test_vectors_outside_the_learnt_ranges_are_told(caplog: pytest.LogCaptureFixture) -> None:
    made = built("ann", 400)
    with caplog.at_level(logging.WARNING):
        made.add(np.array([500], np.int32), trained_like(1, seed=3))
        assert not caplog.messages
        made.add(np.array([501, 502], np.int32), 10 * trained_like(2, seed=3))
    assert [message.split(":")[1].strip()[:18] for message in caplog.messages] == ["2 of 2 added vecto"]


@pytest.mark.parametrize("allowed", [None, only(np.arange(5, 2500, 2)), without(np.arange(5, 2500, 2))])
def test_a_long_answer_is_not_cut_short_by_few_lists(allowed: Filter | None) -> None:
    made = built("ann", SIZE, probes=1, probes_many=1, widen=0.0)
    num_kept = SIZE if allowed is None else int(allowed.keeps(np.arange(1, SIZE + 1, dtype=np.int32)).sum())
    for k in (100, 400, num_kept, SIZE + 1):
        found = made.search(trained_like(20, seed=1), k, allowed)
        assert (np.count_nonzero(found.track_QK, axis=1) == min(k, num_kept)).all()


def test_a_spoilt_file_is_told(tmp_path: Path) -> None:
    built("ann", 400).save(tmp_path / "index")
    np.save(tmp_path / "index" / "lists.npy", np.frombuffer(b"IwSq", np.uint8))
    with pytest.raises(ValueError, match=r"cannot be read: .*build it again"):
        index.make("ann").load(tmp_path / "index", mmap=False)


def test_as_few_vectors_as_there_are() -> None:
    made = index.make("ann", {"small": 0}).build(np.array([4], np.int32), np.ones((1, DIMENSION), np.float32))
    assert made.search(np.ones((1, DIMENSION), np.float32), 2).track_QK.tolist() == [[4, 0]]


def test_without_faiss_the_package_imports_and_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    assert len(index.make("ann")) == 0
    with pytest.raises(ValueError, match="needs faiss"):
        built("ann", 400)
