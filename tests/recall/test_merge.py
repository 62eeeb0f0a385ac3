"""The union of several channels equals a naive construction in plain Python."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from ritornello.contracts import History
from ritornello.recall.merge import FUSION_OFFSET, merge
from ritornello.recall.scores import Scores, SparseScores, VectorScores
from ritornello.recall.track_vectors import TrackVectors

ROWS, TRACKS = 3, 9
ONLY = st.sampled_from(["any", "heard", "unheard"])
TABLES = st.lists(
    st.lists(st.integers(0, 4), min_size=ROWS * TRACKS, max_size=ROWS * TRACKS).map(
        lambda values: np.array(values, np.float32).reshape(ROWS, TRACKS)
    ),
    min_size=1,
    max_size=3,
)
HEARD = st.lists(st.sets(st.integers(1, TRACKS)), min_size=ROWS, max_size=ROWS)


class Given:
    """A channel whose scores are given; 0 means that it does not know the track."""

    def __init__(self, score_BT: np.ndarray) -> None:
        self.score_BT = np.c_[np.zeros(len(score_BT), np.float32), score_BT]

    def score(self, history: History) -> Scores:
        return SparseScores(csr_array(self.score_BT))


def history_of(heard: list[set[int]]) -> History:
    """Return histories that have played these tracks."""
    length = max(1, *map(len, heard))
    track_BL = np.array([[0] * (length - len(tracks)) + sorted(tracks) for tracks in heard], np.int32)
    return History(
        user_B=np.arange(1, len(heard) + 1, dtype=np.int32),
        as_of_B=np.full(len(heard), 100),
        track_BL=track_BL,
        action_BL=np.where(track_BL, 2, 0).astype(np.int8),
        at_BL=np.where(track_BL, 50, 0),
        play_ratio_BL=np.full(track_BL.shape, np.nan, np.float32),
        session_BL=np.where(track_BL, 0, -1).astype(np.int32),
    )


def naive_best(score_T: np.ndarray, quota: int, heard: set[int], only: str) -> dict[int, int]:
    """Return the rank of the best tracks of one channel and row."""
    allowed = [
        track
        for track, score in enumerate(score_T)
        if score > 0 and (only == "any" or (track in heard) == (only == "heard"))
    ]
    ordered = sorted(allowed, key=lambda track: (-score_T[track], track))
    return {track: rank for rank, track in enumerate(ordered[:quota], start=1)}


@given(tables=TABLES, heard=HEARD, quotas=st.lists(st.integers(0, 6), min_size=3, max_size=3), only=ONLY)
def test_the_union_equals_plain_python(tables, heard, quotas, only):
    channels = {f"channel_{number}": Given(table) for number, table in enumerate(tables)}
    quota_of = dict(zip(channels, quotas, strict=False))
    candidates = merge(channels, history_of(heard), quota_of, only=only)
    assert candidates.channels == tuple(channels)
    for row in range(ROWS):
        ranks = [
            naive_best(channel.score_BT[row], quota_of[name], heard[row], only) for name, channel in channels.items()
        ]
        fused = {
            track: sum(1 / (FUSION_OFFSET + of[track]) for of in ranks if track in of) for track in set().union(*ranks)
        }
        size = np.count_nonzero(candidates.track_BN[row])
        found = candidates.track_BN[row, :size].tolist()
        assert sorted(found) == sorted(fused)
        np.testing.assert_allclose(candidates.score_BN[row, :size], [fused[track] for track in found], rtol=1e-6)
        assert (np.diff(candidates.score_BN[row, :size]) <= 0).all()
        for number, channel in enumerate(channels.values()):
            assert candidates.channel_rank_BNC[row, :size, number].tolist() == [ranks[number].get(t, 0) for t in found]
            scores = channel.score_BT[row, found].tolist()
            assert candidates.channel_score_BNC[row, :size, number].tolist() == scores, "also of others' candidates"


@given(tables=TABLES, width=st.integers(1, 12))
def test_a_width_cuts_the_list_and_nothing_else(tables, width):
    channels = {f"channel_{number}": Given(table) for number, table in enumerate(tables)}
    quotas = dict.fromkeys(channels, 5)
    whole = merge(channels, history_of([set()] * ROWS), quotas, width=TRACKS)
    cut = merge(channels, history_of([set()] * ROWS), quotas, width=width)
    assert cut.track_BN.shape == (ROWS, width)
    np.testing.assert_array_equal(cut.track_BN[:, :TRACKS], whole.track_BN[:, :width])


@given(data=st.data(), heard=HEARD, k=st.integers(1, 12), only=ONLY)
def test_vectors_and_a_matrix_of_their_products_give_the_same_best(data, heard, k, only):
    whole = st.integers(-3, 3)
    user_BD = np.array(data.draw(st.lists(st.tuples(whole, whole), min_size=ROWS, max_size=ROWS)), np.float32)
    track_TD = np.array(data.draw(st.lists(st.tuples(whole, whole), min_size=TRACKS, max_size=TRACKS)), np.float32)
    placed_TD = np.r_[np.zeros((1, 2), np.float32), track_TD]
    vectors = VectorScores(user_BD, TrackVectors(placed_TD))
    heard_BT = csr_array(np.array([[track in tracks for track in range(TRACKS + 1)] for tracks in heard], np.float32))
    found = vectors.best(k, heard_BT, only)
    for row in range(ROWS):
        score_T = user_BD[row] @ track_TD.T
        allowed = [
            track for track in range(1, TRACKS + 1) if only == "any" or (track in heard[row]) == (only == "heard")
        ]
        allowed = [track for track in allowed if track_TD[track - 1].any()]  # no vector, nothing known
        expected = sorted(allowed, key=lambda track, score_T=score_T: (-score_T[track - 1], track))[:k]
        if not user_BD[row].any():
            expected = []
        got = found.track_K[found.row_K == row].tolist()
        assert [score_T[track - 1] for track in got] == [score_T[track - 1] for track in expected]
        assert found.rank_K[found.row_K == row].tolist() == list(range(1, len(expected) + 1))
        assert got == expected, "equal scores go by track, also where the list is cut"
