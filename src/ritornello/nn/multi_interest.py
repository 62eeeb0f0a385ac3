"""Item tower and interests trained together: what the `interests` channel fits (see recall/interests.py).

T tracks, D embedding, E = D + 1 with the height, M tracks of a batch's pool, B requests, L distinct tracks, R targets,
K interests, P (request, target) pairs.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ritornello.contracts import Float32, History
from ritornello.data.distinct import GAP, distinct, live_interests
from ritornello.data.kin import PLACES, Kin
from ritornello.data.knowledge import Knowledge
from ritornello.data.own_plays import OWN_SIZES
from ritornello.data.sequence import Sequences
from ritornello.nn import losses, placement
from ritornello.nn.capsule import InterestTower, read_out, share_interests
from ritornello.nn.embedding import ItemTower, OwnPlays
from ritornello.nn.loop import Curve
from ritornello.nn.pool_training import Course, optimise
from ritornello.nn.requests import RequestBatch, request_batches
from ritornello.nn.validation import hold_out
from ritornello.nn.warm import take_over, weights_of
from ritornello.runs import Start

if TYPE_CHECKING:  # the channel's settings live with the channel, which loads this module only to train
    from ritornello.recall.interests import InterestsConfig

CLUSTER_PLAYS, CLUSTER_ROUNDS = 20_000, 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """What the channel keeps: all tracks' vectors, how new ones are placed, the interest tower, what own plays do."""

    track_TE: Float32
    kin: Kin
    tower: dict[str, Float32]
    returns: list[Float32]
    curve: Curve
    weights: dict[str, NDArray[np.generic]]


class MultiInterest(nn.Module):
    """The item tower and the capsules."""

    def __init__(self, config: "InterestsConfig", knowledge: Knowledge, base_KTE: Tensor, anchor_KD: Tensor) -> None:
        super().__init__()
        self.config = config
        self.item = ItemTower(base_KTE, knowledge, id_dropout=config.id_dropout)
        self.user = InterestTower(
            anchor_KD, iterations=config.iterations, dropout=config.dropout, temperature=config.temperature
        )
        self.own = OwnPlays(OWN_SIZES)

    def loss(self, batch: RequestBatch, log_chance_M: Tensor) -> Tensor:
        """Return the loss of answering each request with each of its targets; the target picks among the interests."""
        pool_ME = self.item(batch.pool_M, batch.fold)
        pool_MD, height_M = pool_ME[:, :-1], pool_ME[:, -1]
        track_BLD = nn.functional.embedding(batch.slot_BL, pool_MD)
        interest_BKD = self.user(
            track_BLD, batch.own_BLF[:, :, GAP], batch.weight_BL, batch.request_BF, batch.is_live_BK
        )
        row_P, place_P = torch.nonzero(batch.is_target_BR, as_tuple=True)
        target_P = batch.target_BR[row_P, place_P]
        share_PK = share_interests(
            interest_BKD[row_P],
            pool_MD[target_P],
            batch.is_live_BK[row_P],
            readout=self.config.readout,
            power=self.config.power,
        )
        # a row's own tracks are certain to be in the pool: for them the correction is taken back
        raise_BL = (log_chance_M[batch.slot_BL] + self.own(batch.own_BLF)) * (batch.weight_BL > 0)
        return torch.as_tensor(
            losses.PoolSoftmax.apply(  # type: ignore[no-untyped-call]  # torch has no types for it
                read_out(interest_BKD[row_P], share_PK) * self.user.log_scale.exp(),
                pool_MD,
                (height_M - log_chance_M).masked_fill(batch.pool_M == 0, -1e9),
                raise_BL[row_P],
                batch.slot_BL[row_P],
                (target_P[:, None], torch.ones(len(target_P), 1)),
            )
        )


def fit(
    sequences: Sequences, at: int, knowledge: Knowledge, config: "InterestsConfig", start: Start | None = None
) -> Fitted:
    """Train on sequences that end before `at`: from nothing, or from a start on what is new since."""
    onto_TE = None if start is None else np.asarray(start.weights[PLACES])
    base_KTE = placement.place_tracks(sequences, knowledge.num_tracks + 1, config, onto_TE=onto_TE)
    anchor_KD = place_anchors(sequences, base_KTE[-1, :, :-1], config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = MultiInterest(config, knowledge, base_KTE, anchor_KD)
    if start is not None:
        take_over(model, start.weights)
    heldout = hold_out(sequences, reach=config.reach, seed=config.seed)
    course = Course(
        name="interests",
        model=model,
        batches=lambda windows, played_N, seed: request_batches(heldout.known, windows, played_N, config, seed=seed),
        loss=model.loss,
        scorer=lambda: scorer(model, config),
    )
    curve = optimise(course, sequences, at, heldout, config, start=start)
    model.eval()
    track_TE = model.item.table()
    track_TE[1:, -1] += placement.trend(sequences, at, len(track_TE), config)[1:]
    returns = model.own.numbers()
    raised = placement.lift(track_TE, returns, scale=float(model.user.log_scale.detach().exp()))
    return Fitted(
        track_TE=track_TE,
        kin=replace(model.item.kin(), raised=raised),
        tower={name: value.numpy().copy() for name, value in model.user.state_dict().items()},
        returns=returns,
        curve=curve,
        weights=weights_of(model, base_KTE[-1]),
    )


def place_anchors(sequences: Sequences, track_TD: Tensor, config: "InterestsConfig") -> Tensor:
    """Return unit vectors [K, D] in the middle of clusters of what is played (spherical k-means).

    They begin at plays far from each other: k-means++ (Arthur and Vassilvitskii 2007).
    """
    generator = np.random.default_rng(config.seed)
    if len(sequences) == 0:
        return nn.functional.normalize(
            torch.from_numpy(generator.normal(size=(config.interests, config.dim))), dim=1
        ).float()
    play_ND = track_TD[torch.from_numpy(generator.choice(sequences.track_E, CLUSTER_PLAYS).astype(np.int64))]
    anchor_KD = play_ND[:1]
    while len(anchor_KD) < config.interests:
        far_N = (1.0 - (play_ND @ anchor_KD.T).amax(dim=1)).clamp(min=1e-6).numpy().astype(np.float64)
        anchor_KD = torch.cat([anchor_KD, play_ND[generator.choice(CLUSTER_PLAYS, 1, p=far_N / far_N.sum())]])
    for _ in range(CLUSTER_ROUNDS):
        cluster_N = (play_ND @ anchor_KD.T).argmax(dim=1)
        sum_KD = torch.zeros_like(anchor_KD).index_add_(0, cluster_N, play_ND)
        anchor_KD = nn.functional.normalize(torch.where(sum_KD.any(dim=1, keepdim=True), sum_KD, anchor_KD), dim=1)
    return anchor_KD


def scorer(model: MultiInterest, config: "InterestsConfig") -> Callable[[History], Float32]:
    """Return a function that scores all tracks for histories of one fold of users, placed as if these were not known."""
    placed = [model.item.table(fold) for fold in range(config.folds)]

    def score(history: History) -> Float32:
        track_TE = placed[history.user_B[0] % config.folds]
        read = distinct(
            history, length=config.length, half_life_days=config.half_life_days, num_tracks=len(track_TE) - 1
        )
        own_BLF = torch.from_numpy(read.own_BLF.astype(np.int64))
        interest_BKD = model.user(
            torch.from_numpy(track_TE[read.track_BL, :-1]),
            own_BLF[:, :, GAP],
            torch.from_numpy(read.weight_BL),
            torch.from_numpy(read.request_BF.astype(np.int64)),
            torch.from_numpy(live_interests(read.count_B, config.interests, dynamic=config.dynamic)),
        )
        user_BKD = (interest_BKD * model.user.log_scale.exp()).numpy()
        cosine_BKT = np.where(user_BKD.any(axis=2)[:, :, None], user_BKD @ track_TE[:, :-1].T, -np.inf)
        score_BT = np.asarray(cosine_BKT.max(axis=1) + track_TE[:, -1], dtype=np.float32)
        row_P, slot_P = np.nonzero(read.track_BL)
        score_BT[row_P, read.track_BL[row_P, slot_P]] += model.own(own_BLF).numpy()[row_P, slot_P]
        score_BT[:, ~track_TE.any(axis=1)] = -np.inf
        return np.asarray(score_BT, dtype=np.float32)

    return score
