"""What makes wide catalogues quick gives what the plain way gives, ties and all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.sparse import csr_array

from ritornello.recall import scores
from ritornello.recall.popular import best_first
from ritornello.recall.scores import VectorScores, kth_largest
from ritornello.recall.track_vectors import TrackVectors

# Few values, so that ties are common, some of them impossible.
WIDE = arrays.arrays(np.float32, (3, 97), elements=st.sampled_from([-np.inf, -1, 0, 0.5, 1, 2]))


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small matrices take the way of wide ones."""
    monkeypatch.setattr(scores, "STRETCH", 4)


@given(score_BT=WIDE, k=st.integers(1, 97))
def test_the_kth_largest_is_that_of_a_full_sort(score_BT, k):
    np.testing.assert_array_equal(kth_largest(score_BT, k), np.sort(score_BT, axis=1)[:, -k])


@given(score_T=WIDE.map(lambda score_BT: score_BT[0]))
def test_the_best_first_are_those_of_a_full_sort(score_T):
    expected = [track for _, track in sorted((-score, track) for track, score in enumerate(score_T) if score > 0)]
    assert best_first(score_T).tolist() == expected


@pytest.mark.parametrize("only", ["any", "heard", "unheard"])
@given(seed=st.integers(0, 999), k=st.integers(1, 30))
def test_the_best_by_vectors_are_those_of_a_full_sort(only, seed, k):
    generator = np.random.default_rng(seed)
    track_TD = generator.integers(-1, 2, (80, 3)).astype(np.float32)
    user_BD = generator.integers(-1, 2, (4, 3)).astype(np.float32)
    heard_BT = csr_array((generator.random((4, 90)) < 0.3).astype(np.float32))
    own_BT = csr_array((generator.random((4, 80)) < 0.1).astype(np.float32))
    found = VectorScores(user_BD, TrackVectors(track_TD), own_BT).best(k, heard_BT, only)
    score_BT = user_BD @ track_TD.T + own_BT.toarray()
    for row in range(4):
        is_heard_T = heard_BT.toarray()[row, :80] > 0
        allowed = [
            (-score_BT[row, track], track)
            for track in range(80)
            if track_TD[track].any()
            and user_BD[row].any()
            and (only == "any" or is_heard_T[track] == (only == "heard"))
        ]
        expected = [track for _, track in sorted(allowed)[:k]]
        assert found.track_K[found.row_K == row].tolist() == expected
        assert found.rank_K[found.row_K == row].tolist() == list(range(1, len(expected) + 1))
