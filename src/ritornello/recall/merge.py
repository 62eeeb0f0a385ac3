"""Merge: the union of what the channels propose, each track once, with every channel's score and rank.

Every channel's score is looked up for every candidate, also for those that another channel proposed, so that a ranker compares
like with like. Before a ranker is trained the order is reciprocal rank fusion (Cormack et al. 2009).
B batch, N candidates, C channels, T tracks, P proposed (row, track) pairs.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Candidates, History, Int32, Only
from ritornello.recall import Channel
from ritornello.recall.query import heard
from ritornello.schema import PADDING

FUSION_OFFSET = 60


def recall(channel: Channel, history: History, k: int, *, only: Only = "any", name: str = "channel") -> Candidates:
    """Return at most `k` distinct tracks per row from one channel, best first."""
    return merge({name: channel}, history, {name: k}, only=only, width=k)


def merge(
    channels: Mapping[str, Channel],
    history: History,
    quotas: Mapping[str, int],
    *,
    only: Only = "any",
    with_heard: bool = False,
    track_S: Int32 | None = None,
    width: int | None = None,
) -> Candidates:
    """Return the union of each channel's best `quotas[name]` tracks, by reciprocal rank fusion, at most `width` a row.

    `with_heard` adds all that the user ever heard, `track_S` tracks for every row, the same [S] or its own [B, S], whether or
    not a channel proposes them.
    """
    scores = {name: channel.score(history) for name, channel in channels.items()}
    heard_BT = heard(history, max(score.num_columns for score in scores.values()))
    best = {name: score.best(quotas[name], heard_BT, only) for name, score in scores.items()}
    keys = [(kept.row_K.astype(np.int64) << 32) | kept.track_K for kept in best.values()]
    num_proposed = sum(map(len, keys))
    if with_heard:
        row_H = np.repeat(np.arange(len(history), dtype=np.int64), np.diff(heard_BT.indptr))
        keys.append((row_H << 32) | heard_BT.indices)
    if track_S is not None:
        track_BS = np.broadcast_to(track_S, (len(history), track_S.shape[-1]))
        row_S, slot_S = np.nonzero(track_BS != PADDING)
        keys.append((row_S.astype(np.int64) << 32) | track_BS[row_S, slot_S])
    pair_P, index = np.unique(np.concatenate(keys), return_inverse=True)
    row_P, track_P = pair_P >> 32, pair_P & 0xFFFFFFFF
    rank_PC = np.zeros((len(pair_P), len(scores)), np.int32)
    channel_index = np.repeat(np.arange(len(scores)), [len(kept.rank_K) for kept in best.values()])
    rank_PC[index[:num_proposed], channel_index] = np.concatenate([kept.rank_K for kept in best.values()])
    score_PC = np.stack([score.at(row_P, track_P) for score in scores.values()], axis=1)
    return arrange(tuple(scores), len(history), row_P, track_P, rank_PC, score_PC, width=width)


def arrange(
    channels: tuple[str, ...],
    num_rows: int,
    row_P: NDArray[np.int64],
    track_P: NDArray[np.int64],
    rank_PC: Int32,
    score_PC: NDArray[np.float32],
    *,
    width: int | None,
) -> Candidates:
    """Lay pairs out as padded rows, best fused score first."""
    fused_P = np.where(rank_PC > 0, 1.0 / (FUSION_OFFSET + rank_PC), 0.0).sum(axis=1).astype(np.float32)
    order_P = np.lexsort((track_P, -fused_P, row_P))
    row_P = row_P[order_P]
    slot_P = np.arange(len(row_P)) - np.searchsorted(row_P, row_P)
    if width is None:
        width = int(slot_P.max(initial=0)) + 1
    is_kept_P = slot_P < width
    place, source_P = (row_P[is_kept_P], slot_P[is_kept_P]), order_P[is_kept_P]
    shape = (num_rows, width)
    track_BN = np.full(shape, PADDING, np.int32)
    score_BN = np.full(shape, -np.inf, np.float32)
    channel_score_BNC = np.zeros((*shape, len(channels)), np.float32)
    channel_rank_BNC = np.zeros((*shape, len(channels)), np.int32)
    track_BN[place] = track_P[source_P]
    score_BN[place] = fused_P[source_P]
    channel_score_BNC[place] = score_PC[source_P]
    channel_rank_BNC[place] = rank_PC[source_P]
    return Candidates(
        channels=channels,
        track_BN=track_BN,
        score_BN=score_BN,
        channel_score_BNC=channel_score_BNC,
        channel_rank_BNC=channel_rank_BNC,
    )
