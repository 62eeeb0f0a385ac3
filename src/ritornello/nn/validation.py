"""What early stopping looks at: the last plays of some users, kept out of training, found by the whole catalogue's scores.

R held-out rows, T tracks, D embedding.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import History, Int32, Int64
from ritornello.data import split
from ritornello.data.sequence import Sequences, encode

SHARE, MOST = 0.05, 1000
DEPTH = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Heldout:
    """`known` lacks the held-out plays; row r asks user r, from what came before position `end_R` of `sequences`, for the plays
    from `first_R` on: the next ones, and later ones after a pause.
    """

    sequences: Sequences
    known: Sequences
    user_R: Int32
    end_R: Int64
    first_R: Int64

    def history(self, rows: NDArray[np.intp]) -> History:
        """Encode what came before the held-out plays."""
        end_R = self.end_R[rows]
        as_of_R = self.sequences.at_E[self.first_R[rows]]
        return encode(self.sequences, self.user_R[rows], as_of_R, end_B=end_R, max_events=200)

    def batches(self, folds: int) -> Iterator[NDArray[np.intp]]:
        """Yield rows, a hundred of one fold of users at a time."""
        for fold in range(folds):
            row_N = np.flatnonzero(self.user_R % folds == fold)
            for start in range(0, len(row_N), 100):
                yield row_N[start : start + 100]

    def ndcg(self, score: Callable[[History], NDArray[np.float32]], *, folds: int = 1) -> float:
        """Return the mean NDCG at 100 of the held-out tracks; `score` scores all tracks for histories of one fold of users."""
        gains = []
        for rows in self.batches(folds):
            score_RT = score(self.history(rows))
            for row, (user, first) in enumerate(zip(self.user_R[rows], self.first_R[rows], strict=True)):
                target_N = np.unique(self.sequences.track_E[first : self.sequences.start_U[user + 1]])
                rank_N = (score_RT[row] > score_RT[row, target_N][:, None]).sum(axis=1)
                ideal = (1.0 / np.log2(2.0 + np.arange(min(len(target_N), DEPTH)))).sum()
                gains.append((1.0 / np.log2(2.0 + rank_N[rank_N < DEPTH])).sum() / ideal)
        return float(np.mean(gains))


def hold_out(sequences: Sequences, *, reach: int, seed: int) -> Heldout:
    """Hold out the last plays, at most `reach` and half of them, of some of the users who listened most lately.

    What comes next is in question, not what had come by then: old plays would be explained by what others played beside them.
    """
    num_U = np.diff(sequences.start_U)
    able_N = np.flatnonzero(num_U >= 4)
    number = min(MOST, int(len(able_N) * SHARE))
    newest_N = sequences.at_E[sequences.start_U[able_N + 1] - 1]
    able_N = able_N[np.argsort(-newest_N, kind="stable")[: 4 * number]]
    chosen_N = np.random.default_rng(seed).choice(able_N, number, replace=False) if number else able_N[:0]
    user_R = np.sort(chosen_N).astype(np.int32)
    end_R = sequences.start_U[user_R + 1] - np.minimum(reach, num_U[user_R] // 2)
    keep_E = np.ones(len(sequences), bool)
    for user, end in zip(user_R, end_R, strict=True):
        keep_E[end : sequences.start_U[user + 1]] = False
    known = split.select(sequences, keep_E) if number else sequences
    later_R = (end_R + sequences.start_U[user_R + 1]) // 2
    return Heldout(
        sequences=sequences,
        known=known,
        user_R=np.r_[user_R, user_R].astype(np.int32),
        end_R=np.r_[end_R, end_R].astype(np.int64),
        first_R=np.r_[end_R, later_R].astype(np.int64),
    )
