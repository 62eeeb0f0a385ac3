"""What the channels reach together: the share of targets in their union, and those that only one channel proposes.

R rows, B rows of a batch, N candidates, C channels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ritornello import metrics
from ritornello.contracts import History
from ritornello.evaluation.scoring import Float64, Targets
from ritornello.pipeline import Pipeline
from ritornello.recall.merge import merge

DEPTHS = (500, 1000)


@dataclass(frozen=True, kw_only=True, slots=True)
class UnionScores:
    """Recall of the fused candidates per row and depth, and unique hits by channel."""

    recall_R: dict[str, Float64]
    unique_hits: dict[str, int]


def score_union(pipeline: Pipeline, histories: Iterable[History], targets: Targets) -> UnionScores:
    """Merge what each channel proposes within its quota, in the fused order that comes before ranking.

    `histories` are batches of the rows of `targets`, in order.
    """
    hits_R: dict[int, list[Float64]] = {depth: [] for depth in DEPTHS}
    unique_C = np.zeros(len(pipeline.channels), np.int64)
    first = 0
    for history in histories:
        candidates = merge(pipeline.channels, history, pipeline.quotas)
        is_in_batch_P = (targets.row_P >= first) & (targets.row_P < first + len(history))
        batch = Targets(
            user_R=history.user_B,
            row_P=targets.row_P[is_in_batch_P] - first,
            track_P=targets.track_P[is_in_batch_P],
            is_repeat_P=targets.is_repeat_P[is_in_batch_P],
        )
        hit_BN = batch.hits(candidates.track_BN)
        proposed_BNC = candidates.channel_rank_BNC > 0
        is_unique_BN = hit_BN & (proposed_BNC.sum(axis=2) == 1)
        unique_C += (proposed_BNC & is_unique_BN[:, :, None]).sum(axis=(0, 1))
        for depth in DEPTHS:
            hits_R[depth].append(metrics.recall_at(hit_BN, batch.count_R, depth))
        first += len(history)
    return UnionScores(
        recall_R={f"recall@{depth}": np.concatenate(parts) for depth, parts in hits_R.items()},
        unique_hits=dict(zip(pipeline.channels, unique_C.tolist(), strict=True)),
    )


def summarise_union(windows: Sequence[UnionScores]) -> dict[str, object]:
    """Return mean recall over all rows of the windows, and unique hits summed."""
    summary: dict[str, object] = {
        name: float(np.concatenate([union.recall_R[name] for union in windows]).mean()) for name in windows[0].recall_R
    }
    summary["unique_hits"] = {
        name: sum(union.unique_hits[name] for union in windows) for name in windows[0].unique_hits
    }
    return summary
