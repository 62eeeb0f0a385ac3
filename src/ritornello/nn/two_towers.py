"""Two towers trained together: what the `vector` channel fits (see recall/vector.py).

T tracks, D embedding, E = D + 1 with the height, M tracks of a batch's pool, B batch, L history length, J newest events.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor, nn

from ritornello.contracts import Float32, History
from ritornello.data.kin import PLACES, Kin
from ritornello.data.knowledge import Knowledge
from ritornello.data.own_plays import OWN_SIZES, of_history
from ritornello.data.sequence import Sequences
from ritornello.data.tokens import tokens
from ritornello.data.transitions import follow, follows, means
from ritornello.nn import losses, placement
from ritornello.nn.embedding import ItemTower, OwnPlays
from ritornello.nn.export import export_user_tower, make_user_tower
from ritornello.nn.loop import Curve
from ritornello.nn.pool_training import Course, optimise
from ritornello.nn.validation import hold_out
from ritornello.nn.warm import take_over, weights_of
from ritornello.nn.windows import Batch, Reading, batches
from ritornello.runs import Start

if TYPE_CHECKING:  # the channel's settings live with the channel, which loads this module only to train
    from ritornello.recall.vector import VectorConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """What a channel keeps: all tracks' vectors, how new ones are placed, the user tower as ONNX, what own plays do."""

    track_TE: Float32
    kin: Kin
    links_TT: csr_array
    tower: bytes
    returns: list[Float32]
    curve: Curve
    towers: "TwoTowers"


class TwoTowers(nn.Module):
    """The towers and the temperature of their cosine."""

    def __init__(
        self, config: "VectorConfig", knowledge: Knowledge, base_KTE: Tensor, links_K: Sequence[csr_array]
    ) -> None:
        super().__init__()
        self.dim = config.dim
        self.links_K = links_K
        self.item = ItemTower(base_KTE, knowledge, id_dropout=config.id_dropout)
        self.user = make_user_tower(config)
        self.own = OwnPlays(OWN_SIZES)

    def loss(self, batch: Batch, log_chance_M: Tensor, *, reach: int, nearness: float) -> Tensor:
        """Return the loss of a batch; see losses.next_plays."""
        pool_ME = self.item(batch.pool_M, batch.fold)
        track_BLD = nn.functional.embedding(batch.slot_BL, pool_ME[:, :-1])
        links_MT = self.links_K[batch.fold][batch.pool_M.numpy()]
        next_MD = torch.from_numpy(means(links_MT, lambda track_N: self.item.directions(track_N, batch.fold)))
        next_BLD = nn.functional.embedding(batch.slot_BL, next_MD) * batch.is_key_BL[:, :, None]
        user_BLD = self.user(
            track_BLD, next_BLD, batch.strength_BL, batch.event_BLF, batch.request_BLF, batch.is_key_BL
        )
        links = losses.Links(chance_MN=links_MT[:, batch.pool_M.numpy()], weight_BLJ=self.user.links(batch.request_BLF))
        return losses.next_plays(
            user_BLD, pool_ME, log_chance_M, self.own, links, batch=batch, reach=reach, nearness=nearness
        )


def fit(
    sequences: Sequences, at: int, knowledge: Knowledge, config: "VectorConfig", start: Start | None = None
) -> Fitted:
    """Train on sequences that end before `at`: from nothing, or from a start on what is new since."""
    onto_TE = None if start is None else np.asarray(start.weights[PLACES])
    base_KTE = placement.place_tracks(sequences, knowledge.num_tracks + 1, config, onto_TE=onto_TE)
    links_K = placement.follow_tracks(sequences, knowledge.num_tracks + 1, folds=config.folds)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = TwoTowers(config, knowledge, base_KTE, links_K)
    if start is not None:
        take_over(model, start.weights)
    heldout = hold_out(sequences, reach=config.reach, seed=config.seed)
    reading = Reading(
        source=config.source,
        uniform=config.uniform,
        far=config.far,
        folds=config.folds,
        num_tokens=config.batch_events,
    )
    course = Course(
        name="vector",
        model=model,
        batches=lambda windows, played_N, seed: batches(
            heldout.known, windows, reading=reading, played_N=played_N, seed=seed
        ),
        loss=lambda batch, log_chance_M: model.loss(batch, log_chance_M, reach=config.reach, nearness=config.nearness),
        scorer=lambda: scorer(model, config),
    )
    curve = optimise(course, sequences, at, heldout, config, start=start)
    return finish(model, sequences, at, config, curve)


def refit(earlier: TwoTowers, sequences: Sequences, at: int, knowledge: Knowledge, config: "VectorConfig") -> Fitted:
    """Place the tracks of a newer log under towers that were trained on an earlier one; nothing is trained."""
    size = knowledge.num_tracks + 1
    base_1TE = placement.place_again(sequences, size, config, earlier.item.base_KTE[-1].numpy())
    links_TT = placement.follow_tracks(sequences, size, folds=1)
    model = TwoTowers(config, knowledge, base_1TE, links_TT)
    take_over(model, weights_of(earlier, earlier.item.base_KTE[-1]))
    return finish(model, sequences, at, config, Curve())


def finish(model: TwoTowers, sequences: Sequences, at: int, config: "VectorConfig", curve: Curve) -> Fitted:
    """Bring the tracks' heights up to date and make ready what is served."""
    model.eval()
    track_TE = model.item.table()
    track_TE[1:, -1] += placement.trend(sequences, at, len(track_TE), config)[1:]
    returns = model.own.numbers()
    raised = placement.lift(track_TE, returns, scale=model.user.largest_scale())
    return Fitted(
        track_TE=track_TE,
        kin=replace(model.item.kin(), raised=raised),
        links_TT=model.links_K[-1],
        tower=export_user_tower(model.user, config),
        returns=returns,
        curve=curve,
        towers=model,
    )


def scorer(model: TwoTowers, config: "VectorConfig") -> Callable[[History], Float32]:
    """Return a function that scores all tracks for histories of one fold of users, placed as if these were not known."""
    placed = [model.item.table(fold) for fold in range(config.folds)]

    def score(history: History) -> Float32:
        fold = history.user_B[0] % config.folds
        track_TE, links = placed[fold], model.links_K[fold]
        read = tokens(history, source=config.source, length=config.length)
        answer_BC = model.user.served(
            torch.from_numpy(track_TE[:, : config.dim])[torch.from_numpy(read.track_BL.astype(np.int64))],
            torch.from_numpy(follow(links, track_TE[:, :-1], read.track_BL, read.is_key_BL)),
            torch.from_numpy(read.strength_BL),
            torch.from_numpy(read.event_BLF.astype(np.int64)),
            torch.from_numpy(read.request_BLF[:, -1].astype(np.int64)),
            torch.from_numpy(read.is_key_BL),
        )
        found_BC: Float32 = answer_BC.numpy()
        score_BT = found_BC[:, : config.dim + 1] @ track_TE.T
        score_BT += follows(links, found_BC[:, config.dim + 1 :], read.track_BL, read.is_key_BL).toarray()
        row_P, track_P, feature_PF = of_history(history, config.source)
        score_BT[row_P, track_P] += model.own(torch.from_numpy(feature_PF)).numpy()
        score_BT[:, ~track_TE.any(axis=1)] = -np.inf
        return np.asarray(score_BT, dtype=np.float32)

    return score
