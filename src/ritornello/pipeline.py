"""The one composition: recall > merge > features > rank. Training, evaluation, the command line and the service call it.

Every user is encoded once per request; a batch of candidates is one matrix. B batch, N candidates, C channels, K slate.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Bool, Candidates, Float32, History, Int32, Only, RankBatch, Slate, Spaces
from ritornello.data import features
from ritornello.data.features import TrackStats
from ritornello.data.logged_scenes import LoggedScenes
from ritornello.rank import Ranker
from ritornello.recall import Channel
from ritornello.recall.merge import merge
from ritornello.recall.query import plays
from ritornello.schema import PADDING

# Requests are answered so many at a time: it bounds memory, and a request's answer does not depend on its neighbours.
BATCH = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Pipeline:
    """Fitted channels with their quotas, track statistics, and one ranker per task.

    Tasks: `window` (the next weeks), `unheard` (the same among unheard tracks alone), `next` (the very next play), `offered`
    (what an offer would come to: a utility of the chain of behaviour, where the log has impressions to learn it from).

    Without a ranker for the task the order is the fused order of recall. Quotas go by task too; a name without any, a scene's
    perhaps, has those of `window`.

    The ranker of offers is told of the scene as well, where the log that it learned from names any (`scenes`).
    """

    channels: Mapping[str, Channel]
    quotas: Mapping[str, Mapping[str, int]]
    next_quota: int
    stats: TrackStats
    rankers: Mapping[str, Ranker]
    spaces: Spaces = field(default_factory=Spaces)
    scenes: LoggedScenes = field(default_factory=LoggedScenes)

    def propose(
        self, history: History, *, task: str = "window", only: Only = "any", track_S: Int32 | None = None
    ) -> tuple[Candidates, RankBatch]:
        """Recall, merge and describe candidates for one batch, `track_S` among them where given.

        Heard tracks are described among all candidates, as the ranker met them in training; `rank` then keeps them alone.
        """
        with_heard = only == "heard"
        quotas = self.quotas_for(task, only)
        asked: Only = "any" if with_heard else only
        candidates = merge(self.channels, history, quotas, only=asked, with_heard=with_heard, track_S=track_S)
        return candidates, features.build(history, candidates, self.stats, self.spaces)

    def quotas_for(self, task: str, only: Only) -> Mapping[str, int]:
        """Return how many candidates each channel gives."""
        quotas = self.quotas.get(only if task == "window" and only == "unheard" else task, self.quotas["window"])
        if task == "next":  # one track is asked for, at once: a short list per channel holds it
            quotas = {name: min(quota, self.next_quota) for name, quota in quotas.items()}
        return quotas

    def rank(
        self, history: History, *, task: str, only: Only = "any", utility: float = 0.0, scene: str = ""
    ) -> Candidates:
        """Return candidates in final order with the ranker's scores.

        `utility` is how much what an offer in the scene would come to counts beside that, both in standard deviations within
        the row.
        """
        candidates, batch = self.propose(history, task=task, only=only)
        ranker = self.ranker_for(task, only)
        score_BN = ranker.score(batch) if ranker else candidates.score_BN
        if utility and "offered" in self.rankers:
            worth_BN = self.rankers["offered"].score(self.in_scene(batch, scene))
            score_BN = standardised(score_BN) + np.float32(utility) * standardised(worth_BN)
        if only == "heard":
            candidates, score_BN = keep_heard(candidates, score_BN, history)
        return reorder(candidates, score_BN)

    def in_scene(self, batch: RankBatch, scene: str) -> RankBatch:
        """Return a batch as the ranker of offers reads it: with what is known of the scene."""
        scene_B = np.full(len(batch.track_BN), self.scenes.number(scene))
        return features.in_scene(batch, scene_B, self.scenes.names)

    def rank_among(self, history: History, track_S: Int32, *, task: str = "window") -> Candidates:
        """Return these tracks alone for every row, in final order, described among what the channels propose."""
        candidates, batch = self.propose(history, task=task, track_S=track_S)
        ranker = self.ranker_for(task, "any")
        score_BN = ranker.score(batch) if ranker else candidates.score_BN
        is_kept_BN = np.isin(candidates.track_BN, track_S) & (candidates.track_BN != PADDING)
        ranked = reorder(*keep(candidates, score_BN, is_kept_BN))
        return narrow(ranked, len(track_S))

    def ranker_for(self, task: str, only: Only) -> Ranker | None:
        """Return the ranker of the task; a window of unheard tracks alone has its own where one was trained."""
        special = self.rankers.get(only) if task == "window" else None
        return special or self.rankers.get(task)

    def recommend(self, history: History, k: int, *, task: str = "window", only: Only = "any") -> Slate:
        """Return the best `k` tracks per row, fewer where the channels know fewer."""
        slates = [top(self.rank(rows, task=task, only=only), rows, k) for rows in batches(history)]
        return join(slates, tuple(self.channels), k)


def standardised(score_BN: Float32) -> Float32:
    """Return scores with mean 0 and deviation 1 in every row; -inf stays."""
    is_there_BN = np.isfinite(score_BN)
    number_B1 = np.maximum(is_there_BN.sum(axis=1, keepdims=True), 1)
    mean_B1 = np.where(is_there_BN, score_BN, 0.0).sum(axis=1, keepdims=True) / number_B1
    gap_BN = np.where(is_there_BN, score_BN - mean_B1, 0.0)
    deviation_B1 = np.sqrt((gap_BN**2).sum(axis=1, keepdims=True) / number_B1)
    return np.where(is_there_BN, gap_BN / np.maximum(deviation_B1, 1e-9), -np.inf).astype(np.float32)


def batches(history: History, size: int = BATCH) -> Iterator[History]:
    """Cut a batch into smaller ones, trimming padding that none of their rows needs."""
    for start in range(0, len(history), size):
        yield trim(history.rows(slice(start, start + size)))


def trim(history: History) -> History:
    """Drop leading slots that are padding in every row."""
    is_used_L = (history.track_BL != PADDING).any(axis=0)
    first = int(is_used_L.argmax()) if is_used_L.any() else len(is_used_L) - 1
    return History(
        user_B=history.user_B,
        as_of_B=history.as_of_B,
        track_BL=history.track_BL[:, first:],
        action_BL=history.action_BL[:, first:],
        at_BL=history.at_BL[:, first:],
        play_ratio_BL=history.play_ratio_BL[:, first:],
        session_BL=history.session_BL[:, first:],
    )


def is_heard(history: History, track_BN: Int32) -> Bool:
    """Tell which tracks each row has played."""
    pairs = plays(history)
    key_P = (pairs.row_P.astype(np.int64) << 32) | pairs.track_P
    key_BN = (np.arange(len(track_BN), dtype=np.int64)[:, None] << 32) | track_BN
    return np.isin(key_BN, key_P)


def keep_heard(candidates: Candidates, score_BN: Float32, history: History) -> tuple[Candidates, Float32]:
    """Turn candidates that the user has not heard into padding."""
    return keep(candidates, score_BN, is_heard(history, candidates.track_BN))


def keep(candidates: Candidates, score_BN: Float32, is_kept_BN: Bool) -> tuple[Candidates, Float32]:
    """Turn all other candidates into padding."""
    kept = replace(
        candidates,
        track_BN=np.where(is_kept_BN, candidates.track_BN, PADDING).astype(np.int32),
        channel_score_BNC=np.where(is_kept_BN[:, :, None], candidates.channel_score_BNC, np.float32(0)),
        channel_rank_BNC=np.where(is_kept_BN[:, :, None], candidates.channel_rank_BNC, np.int32(0)),
    )
    return kept, np.where(is_kept_BN, score_BN, -np.inf).astype(np.float32)


def narrow(candidates: Candidates, width: int) -> Candidates:
    """Cut candidates that are in order to the first `width`."""
    return Candidates(
        channels=candidates.channels,
        track_BN=candidates.track_BN[:, :width],
        score_BN=candidates.score_BN[:, :width],
        channel_score_BNC=candidates.channel_score_BNC[:, :width],
        channel_rank_BNC=candidates.channel_rank_BNC[:, :width],
    )


def reorder(candidates: Candidates, score_BN: NDArray[np.float32]) -> Candidates:
    """Sort candidates by score, ties by track."""
    order_BN = np.lexsort((candidates.track_BN, -score_BN), axis=1)
    return Candidates(
        channels=candidates.channels,
        track_BN=np.take_along_axis(candidates.track_BN, order_BN, axis=1),
        score_BN=np.take_along_axis(score_BN, order_BN, axis=1),
        channel_score_BNC=np.take_along_axis(candidates.channel_score_BNC, order_BN[:, :, None], axis=1),
        channel_rank_BNC=np.take_along_axis(candidates.channel_rank_BNC, order_BN[:, :, None], axis=1),
    )


def top(candidates: Candidates, history: History, k: int) -> Slate:
    """Cut ranked candidates to a slate and mark what the user has heard."""
    track_BK = candidates.track_BN[:, :k]
    return Slate(
        channels=candidates.channels,
        track_BK=track_BK,
        score_BK=candidates.score_BN[:, :k],
        heard_BK=is_heard(history, track_BK),
        channel_BKC=candidates.channel_rank_BNC[:, :k] > 0,
    )


def join(slates: list[Slate], channels: tuple[str, ...], k: int) -> Slate:
    """Stack slates of several batches, each padded to the same width."""

    def stack(arrays: Sequence[NDArray[np.generic]], fill: float) -> NDArray[np.generic]:
        padded = [
            array
            if array.shape[1] == k
            else np.pad(array, [(0, 0), (0, k - array.shape[1]), *[(0, 0)] * (array.ndim - 2)], constant_values=fill)
            for array in arrays
        ]
        return np.concatenate(padded) if padded else np.zeros((0, k))

    propensities = [slate.propensity_BK for slate in slates if slate.propensity_BK is not None]
    return Slate(
        channels=channels,
        track_BK=stack([slate.track_BK for slate in slates], PADDING).astype(np.int32),
        score_BK=stack([slate.score_BK for slate in slates], -np.inf).astype(np.float32),
        heard_BK=stack([slate.heard_BK for slate in slates], 0).astype(bool),
        channel_BKC=stack([slate.channel_BKC for slate in slates], 0).astype(bool),
        title_B=tuple(chain.from_iterable(slate.title_B for slate in slates)),
        description_B=tuple(chain.from_iterable(slate.description_B for slate in slates)),
        note_B=tuple(chain.from_iterable(slate.note_B for slate in slates)),
        propensity_BK=stack(propensities, np.nan).astype(np.float32) if propensities else None,
    )
