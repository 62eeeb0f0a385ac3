"""How many candidates each channel gives, learned from what each alone would have found in earlier windows.

Greedy by marginal hits: every channel begins with one chunk of its list; then the chunk whose new candidates are most often
listened to is added, as long as neither the quotas sum to more, nor the distinct candidates are more, than with equal quotas.
A channel that answers newcomers keeps at least its equal quota: they have no history to learn from, and few channels answer.

No quota knows the future of a request: a cut's quotas come from windows that end by that cut, those of its older cuts, and the
final pipeline's from the newest windows before its own moment. The oldest cut has nothing to learn from: its quotas are equal.
P distinct (row, track) pairs that any channel proposes, C channels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ritornello.config import RecallConfig
from ritornello.contracts import Bool, Only
from ritornello.data.sequence import Sequences
from ritornello.pipeline import Pipeline
from ritornello.recall.query import heard
from ritornello.train.candidates import histories_at, listened_after

WINDOWS = 4  # the newest windows learned from: one alone is too noisy, old ones tell of other tastes
USERS = 300  # of a window, spread evenly; it bounds the time
DEPTH = 4  # a channel gets at most so many times the equal quota
CHUNKS = 10  # of an equal quota
MIN_HITS = 50
ABSENT = np.uint8(255)

Quotas = dict[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """What the channels propose in one window: the chunk of each channel's list that holds a pair, and the hits.

    `is_open_C` marks the channels that also answer who has no history.
    """

    chunk_PC: NDArray[np.uint8]
    is_hit_P: Bool
    is_open_C: Bool


def chunk_size(config: RecallConfig) -> int:
    """Return how many ranks are given at once.

    >>> chunk_size(RecallConfig(quota=200))
    20
    """
    return max(1, config.quota // CHUNKS)


def reach(
    pipeline: Pipeline, known: Sequences, window: Sequences, cut: int, config: RecallConfig, *, only: Only
) -> Reach:
    """Return what each channel proposes at `cut`, deeper than any quota, and what of it is listened to in the window."""
    user_B, played = listened_after(known, window)
    user_B = user_B[np.unique(np.linspace(0, max(0, len(user_B) - 1), min(USERS, len(user_B))).astype(np.intp))]
    size, chunk = np.int64(window.num_tracks + 1), chunk_size(config)
    num_channels = len(pipeline.channels)
    newcomer = next(histories_at(known, np.zeros(1, np.int32), cut))
    asked = [channel.score(newcomer) for channel in pipeline.channels.values()]
    nothing_BT = heard(newcomer, max(score.num_columns for score in asked))
    is_open_C = np.array([len(score.best(1, nothing_BT, "any").row_K) > 0 for score in asked])
    parts = [Reach(chunk_PC=np.zeros((0, num_channels), np.uint8), is_hit_P=np.zeros(0, bool), is_open_C=is_open_C)]
    for history in histories_at(known, user_B, cut):
        scores = [channel.score(history) for channel in pipeline.channels.values()]
        heard_BT = heard(history, max(score.num_columns for score in scores))
        best = [score.best(chunk * CHUNKS * DEPTH, heard_BT, only) for score in scores]
        keys = [history.user_B[kept.row_K] * size + kept.track_K for kept in best]
        pair_P, index = np.unique(np.concatenate(keys), return_inverse=True)
        channel_K = np.repeat(np.arange(num_channels), [len(key) for key in keys])
        chunk_PC = np.full((len(pair_P), num_channels), ABSENT)
        chunk_PC[index, channel_K] = (np.concatenate([kept.rank_K for kept in best]) - 1) // chunk
        parts.append(Reach(chunk_PC=chunk_PC, is_hit_P=np.isin(pair_P, played), is_open_C=is_open_C))
    return together(parts)


def together(parts: Sequence[Reach]) -> Reach:
    """Pool windows: hits and candidates are summed."""
    return Reach(
        chunk_PC=np.concatenate([part.chunk_PC for part in parts]),
        is_hit_P=np.concatenate([part.is_hit_P for part in parts]),
        is_open_C=np.any([part.is_open_C for part in parts], axis=0),
    )


def learn(parts: Sequence[Reach], equal: Mapping[str, int], config: RecallConfig) -> Quotas:
    """Return quotas by channel; those that the configuration names stay, and all do where there are too few hits.

    `equal` holds the quotas without learning, in the order of the channels.
    """
    quotas = dict(equal)
    if not config.learn_quotas or not parts:
        return quotas
    pooled, chunk = together(parts[-WINDOWS:]), chunk_size(config)
    if pooled.is_hit_P.sum() < MIN_HITS:
        return quotas
    start_C = np.array([-(-quota // chunk) for quota in equal.values()])
    is_fixed_C = np.array([name in config.quotas for name in equal])
    chunks_C = share_out(pooled, start_C, is_fixed_C)
    learned = {name: int(chunks) * chunk for name, chunks in zip(equal, chunks_C, strict=True)}
    return learned | config.quotas


def share_out(reach: Reach, equal_C: NDArray[np.integer], is_fixed_C: Bool) -> NDArray[np.integer]:
    """Return the number of chunks of each channel at no more cost than `equal_C`; ties go to the earlier channel."""
    chunk_PC, is_hit_P = reach.chunk_PC, reach.is_hit_P
    most_pairs = int(is_within(chunk_PC, equal_C).sum())
    given_C = np.where(is_fixed_C | reach.is_open_C, equal_C, np.minimum(equal_C, 1))
    is_covered_P = is_within(chunk_PC, given_C)
    order_CP = [np.argsort(chunk_P, kind="stable") for chunk_P in chunk_PC.T]
    bound_CN = [
        np.searchsorted(chunk_P[order_P], np.arange(CHUNKS * DEPTH + 1))
        for chunk_P, order_P in zip(chunk_PC.T, order_CP, strict=True)
    ]
    while given_C.sum() < equal_C.sum():
        room, best, best_rate = most_pairs - int(is_covered_P.sum()), None, 0.0
        for channel in np.flatnonzero(~is_fixed_C & (given_C < CHUNKS * DEPTH)).tolist():
            first, last = bound_CN[channel][given_C[channel] : given_C[channel] + 2]
            pair_N = order_CP[channel][first:last]
            pair_N = pair_N[~is_covered_P[pair_N]]
            rate = is_hit_P[pair_N].sum() / max(1, len(pair_N))
            if rate > best_rate and len(pair_N) <= room:
                best, best_rate = (channel, pair_N), rate
        if best is None:
            break
        given_C[best[0]] += 1
        is_covered_P[best[1]] = True
    return given_C


def is_within(chunk_PC: NDArray[np.uint8], given_C: NDArray[np.integer]) -> Bool:
    """Tell which pairs lie within any channel's chunks."""
    return np.asarray((chunk_PC < np.minimum(given_C, ABSENT)).any(axis=1))
