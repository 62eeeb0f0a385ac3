"""What the channels reach together: the share of targets in their union, and those that only one channel proposes.

R rows, B rows of a batch, N candidates, C channels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ritornello import metrics
from ritornello.contracts import Bool, History, Only
from ritornello.evaluation.scoring import Float64, Targets
from ritornello.pipeline import Pipeline
from ritornello.recall.merge import merge, recall

DEPTHS = (200, 500, 1000)


@dataclass(frozen=True, kw_only=True, slots=True)
class UnionScores:
    """Recall per row and depth, of the fused candidates and of each channel's own list, and unique hits by channel."""

    recall_R: dict[str, Float64]
    channel_recall_R: dict[str, dict[str, Float64]]
    unique_hits: dict[str, int]


def score_union(
    pipeline: Pipeline, histories: Iterable[History], targets: Targets, *, only: Only = "any"
) -> UnionScores:
    """Merge what each channel proposes within its quota, in the fused order that comes before ranking.

    `histories` are batches of the rows of `targets`, in order. A channel alone is not held to its quota.
    """
    quotas = pipeline.quotas_for("window", only)
    parts: dict[str, list[dict[str, Float64]]] = {name: [] for name in ("", *pipeline.channels)}
    unique_C = np.zeros(len(pipeline.channels), np.int64)
    first = 0
    for history in histories:
        batch = rows_of(targets, first, history)
        candidates = merge(pipeline.channels, history, quotas, only=only)
        hit_BN = batch.hits(candidates.track_BN)
        proposed_BNC = candidates.channel_rank_BNC > 0
        is_unique_BN = hit_BN & (proposed_BNC.sum(axis=2) == 1)
        unique_C += (proposed_BNC & is_unique_BN[:, :, None]).sum(axis=(0, 1))
        parts[""].append(recalls(hit_BN, batch))
        for name, channel in pipeline.channels.items():
            alone = recall(channel, history, max(DEPTHS), only=only)
            parts[name].append(recalls(batch.hits(alone.track_BN), batch))
        first += len(history)
    whole = {name: joined(of_batches) for name, of_batches in parts.items()}
    return UnionScores(
        recall_R=whole.pop(""),
        channel_recall_R=whole,
        unique_hits=dict(zip(pipeline.channels, unique_C.tolist(), strict=True)),
    )


def rows_of(targets: Targets, first: int, history: History) -> Targets:
    """Return the targets of one batch, its rows numbered from 0."""
    is_in_batch_P = (targets.row_P >= first) & (targets.row_P < first + len(history))
    return Targets(
        user_R=history.user_B,
        row_P=targets.row_P[is_in_batch_P] - first,
        track_P=targets.track_P[is_in_batch_P],
        is_repeat_P=targets.is_repeat_P[is_in_batch_P],
    )


def recalls(hit_BN: Bool, batch: Targets) -> dict[str, Float64]:
    """Return each row's recall by depth."""
    return {f"recall@{depth}": metrics.recall_at(hit_BN, batch.count_R, depth) for depth in DEPTHS}


def joined(parts: Sequence[dict[str, Float64]]) -> dict[str, Float64]:
    """Put batches, or windows, together."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def summarise_union(windows: Sequence[UnionScores]) -> dict[str, object]:
    """Return mean recall over all rows of the windows, each channel's beside it, and unique hits summed."""

    def means(parts: Sequence[dict[str, Float64]]) -> dict[str, float]:
        return {name: float(value_R.mean()) for name, value_R in joined(parts).items()}

    names = windows[0].unique_hits
    return {
        **means([union.recall_R for union in windows]),
        "unique_hits": {name: sum(union.unique_hits[name] for union in windows) for name in names},
        "channels": {name: means([union.channel_recall_R[name] for union in windows]) for name in names},
    }
