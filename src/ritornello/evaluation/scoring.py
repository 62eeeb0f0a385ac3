"""Ranked lists against what was played: one value per row and metric, so that windows pool and systems compare.

R rows (one user in one window), K list length, P (row, track) pairs of the targets, T tracks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ritornello import metrics
from ritornello.contracts import Bool, Int32
from ritornello.schema import PADDING

KS = (10, 20, 100)
LIST_LENGTH = 100

Which = Literal["all", "repeat", "new"]
Float64 = NDArray[np.float64]
Metrics = dict[str, float]
Results = dict[str, dict[str, Metrics]]  # by system, then by part


@dataclass(frozen=True, kw_only=True, slots=True)
class Targets:
    """The distinct tracks that each row's user played, those heard before marked; every row has at least one."""

    user_R: Int32
    row_P: NDArray[np.intp]
    track_P: Int32
    is_repeat_P: Bool

    @property
    def count_R(self) -> NDArray[np.intp]:
        """Number of targets of each row."""
        return np.bincount(self.row_P, minlength=len(self.user_R))

    def rows_with(self, which: Which) -> NDArray[np.intp]:
        """Return the rows that have a target of that kind, in order."""
        return np.unique(self.row_P[self._is_kind(which)])

    def only(self, which: Which) -> "Targets":
        """Return the targets of that kind; rows without any are gone, the others keep their order."""
        is_kept_P = self._is_kind(which)
        row_R, row_P = np.unique(self.row_P[is_kept_P], return_inverse=True)
        return Targets(
            user_R=self.user_R[row_R],
            row_P=row_P,
            track_P=self.track_P[is_kept_P],
            is_repeat_P=self.is_repeat_P[is_kept_P],
        )

    def _is_kind(self, which: Which) -> Bool:
        return np.ones(len(self.row_P), bool) if which == "all" else self.is_repeat_P == (which == "repeat")

    def hits(self, track_RK: Int32) -> Bool:
        """Tell which tracks of each row's list are among its targets."""
        size = np.int64(max(track_RK.max(initial=0), self.track_P.max(initial=0)) + 1)
        key_RK = np.arange(len(track_RK))[:, None] * size + track_RK
        hit_RK: Bool = np.isin(key_RK, self.row_P * size + self.track_P)
        return hit_RK


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """One value per row for every metric, and figures of the lists as a whole (coverage)."""

    user_R: Int32
    value_R: dict[str, Float64]
    overall: Metrics

    def __len__(self) -> int:
        return len(self.user_R)


def score(track_RK: Int32, targets: Targets, *, is_warm_T: Bool | None = None) -> Scores:
    """Score one list per row; with the mask of the catalogue also its coverage."""
    hit_RK, count_R = targets.hits(track_RK), targets.count_R
    value_R = {f"recall@{k}": metrics.recall_at(hit_RK, count_R, k) for k in KS}
    value_R |= {f"ndcg@{k}": metrics.ndcg_at(hit_RK, count_R, k) for k in KS}
    value_R |= {"mrr@100": metrics.mrr_at(hit_RK, LIST_LENGTH), "hit@10": metrics.hit_at(hit_RK, 10)}
    overall: Metrics = {}
    if is_warm_T is not None:
        shown_RK = np.where(is_warm_T[np.minimum(track_RK, len(is_warm_T) - 1)], track_RK, PADDING).astype(np.int32)
        shown_RK[track_RK >= len(is_warm_T)] = PADDING
        num_warm = int(is_warm_T.sum())
        overall = {f"coverage@{k}": metrics.coverage_at(shown_RK, k, num_warm) for k in KS}
    return Scores(user_R=targets.user_R, value_R=value_R, overall=overall)


def summarise(windows: Sequence[Scores]) -> Metrics:
    """Return means over all rows of the windows, with standard errors in which a user's rows stay together.

    What describes lists as a whole is averaged over the windows. `users` counts rows: a user in two windows is two.
    """
    user_R = np.concatenate([scores.user_R for scores in windows])
    is_one_row_each = len(np.unique(user_R)) == len(user_R)
    summary: Metrics = {"users": len(user_R)}
    for name in windows[0].value_R:
        value_R = np.concatenate([scores.value_R[name] for scores in windows])
        summary[name] = float(value_R.mean())
        summary[f"{name}_se"] = (
            metrics.standard_error(value_R) if is_one_row_each else metrics.clustered_standard_error(value_R, user_R)
        )
    for name in windows[0].overall:
        summary[name] = float(np.mean([scores.overall[name] for scores in windows]))
    return summary
