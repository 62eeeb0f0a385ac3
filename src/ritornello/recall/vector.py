"""Vector: two towers, one for the user as of this very moment and one for tracks, compared by cosine.

The user tower reads the newest events with causal self-attention (see nn/user_tower.py) when a request comes, so that it moves
with every event; the item tower's vectors are computed once. Trained with sampled softmax over the plays ahead of every
position at once (see nn/losses.py), tracks first placed by matrix factorisation. What the user has played is raised or lowered
by how lately and how often, and what has followed the newest events within sessions is raised: a memory and a Markov chain
beside the towers, trained with them. After YouTube DNN (Covington et al. 2016), SASRec (Kang and McAuley 2018) and, for what
stands beside, Wide & Deep (Cheng et al. 2016).
B batch, L history length, T tracks, D embedding, E = D + 1 with a track's height, J newest events, P (row, track) pairs.
"""

from copy import copy
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Literal, Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ritornello.contracts import Float32, History
from ritornello.data.kin import Kin, with_newcomers
from ritornello.data.knowledge import Knowledge
from ritornello.data.own_plays import OWN_SIZES, of_history
from ritornello.data.sequence import Sequences
from ritornello.data.sparse import empty, grown, pack, sum_pairs, unpack
from ritornello.data.tokens import tokens
from ritornello.data.transitions import follow, follows
from ritornello.extras import needing
from ritornello.inference import Model
from ritornello.recall.scores import VectorScores
from ritornello.recall.track_vectors import TrackVectors
from ritornello.runs import Start
from ritornello.schema import PADDING

if TYPE_CHECKING:
    from ritornello.nn.two_towers import Fitted, TwoTowers

FromOne = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]
Positive = Annotated[float, msgspec.Meta(gt=0)]


class VectorConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the towers and of their training; `source` names the events a history is read from."""

    dim: FromOne = 256
    pooling: Literal["attention", "recency", "average"] = "attention"
    source: Literal["plays", "searches", "both"] = "plays"
    width: FromOne = 64
    blocks: FromOne = 2
    heads: FromOne = 2
    length: FromOne = 50
    reach: FromOne = 15
    nearness: float = 0.5
    far: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    als: bool = True
    folds: FromOne = 4
    uniform: FromOne = 512
    temperature: Annotated[float, msgspec.Meta(ge=0.01, le=10)] = 0.1
    trend_half_life_days: Positive = 30.0
    dropout: Share = 0.2
    id_dropout: Share = 0.1
    batch_events: FromOne = 2048
    epochs: FromOne = 1
    learning_rate: Positive = 0.002
    table_rate: Positive = 0.0002
    seed: int = 0


class Vector:
    """Propose the tracks that point where the user's vector points."""

    Config = VectorConfig

    def __init__(self, config: VectorConfig) -> None:
        if config.width % config.heads:
            raise ValueError(
                f"recall.vector: width is {config.width}, heads is {config.heads}: heads has to divide width"
            )
        self.config = config
        self.tracks = TrackVectors(np.zeros((1, config.dim + 1), np.float32))
        self.returns: list[Float32] = [np.zeros(size, np.float32) for size in OWN_SIZES]
        self.links_TT = empty()
        self.kin = Kin()
        self.tower: Model | None = None
        self.towers: TwoTowers | None = None

    @property
    def track_TE(self) -> Float32:
        """The tracks' directions and heights."""
        return self.tracks.vector_TD

    def fit(self, sequences: Sequences, at: int, knowledge: Knowledge) -> Self:
        return self.take(training().fit(sequences, at, knowledge, self.config))

    def refit(self, earlier: Self, sequences: Sequences, at: int, knowledge: Knowledge) -> Self:
        """Keep what `earlier` was trained to, with the tracks placed anew; one that was loaded is no start: then train."""
        if earlier.towers is None:
            return self.fit(sequences, at, knowledge)
        return self.take(training().refit(earlier.towers, sequences, at, knowledge, self.config))

    def resume(self, start: Start, sequences: Sequences, at: int, knowledge: Knowledge) -> Self:
        """Go on training from earlier weights, on what is new since."""
        return self.take(training().fit(sequences, at, knowledge, self.config, start))

    def weights(self) -> dict[str, NDArray[np.generic]]:
        """Return what `resume` goes on from; nothing where the channel was loaded and not trained."""
        if self.towers is None:
            return {}
        from ritornello.nn.warm import weights_of  # training only: serving needs no torch

        return weights_of(self.towers, self.towers.item.base_KTE[-1])

    def refresh(self, sequences: Sequences, at: int, knowledge: Knowledge) -> Self:
        """Return one that knows the tracks that have appeared since, where their kin lie; all else is as trained."""
        if knowledge.num_tracks < len(self.track_TE):
            return self
        newer = copy(self)
        newer.tracks = self.tracks.grown(with_newcomers(self.track_TE, self.kin, knowledge))
        newer.links_TT = grown(self.links_TT, len(newer.track_TE))
        return newer

    def take(self, fitted: "Fitted") -> Self:
        """Take over what training gave."""
        self.tracks = TrackVectors.made(fitted.track_TE)
        self.links_TT, self.returns = fitted.links_TT, fitted.returns
        self.tower, self.towers, self.kin = Model(fitted.tower), fitted.towers, fitted.kin
        return self

    def encode(self, history: History) -> Float32:
        """Return the user vectors [B, D + 1]; a user without events that count has zeros."""
        return self.ask(history)[0]

    def ask(self, history: History) -> tuple[Float32, csr_array]:
        """Return the user vectors [B, D + 1], and what the newest events lead on to [B, T]."""
        size = len(self.track_TE)
        if self.tower is None or len(history) == 0:
            nothing = np.zeros(0, np.int32)
            none_BT = sum_pairs(nothing, nothing, nothing, (len(history), size))
            return np.zeros((len(history), self.config.dim + 1), np.float32), none_BT
        read = tokens(history, source=self.config.source, length=self.config.length)
        is_known_BL = read.track_BL < size
        is_key_BL = read.is_key_BL & is_known_BL
        track_BL = np.where(is_known_BL, read.track_BL, PADDING)
        found_BC = self.tower(
            track=self.track_TE[track_BL, :-1],
            strength=read.strength_BL,
            follow=follow(self.links_TT, self.track_TE[:, :-1], track_BL, is_key_BL),
            event=read.event_BLF.astype(np.int64),
            request=read.request_BLF[:, -1].astype(np.int64),
            is_key=is_key_BL,
        )
        found_BC *= is_key_BL.any(axis=1, keepdims=True)
        user_BE, weight_BJ = np.split(found_BC, [self.config.dim + 1], axis=1)
        return user_BE, follows(self.links_TT, weight_BJ, track_BL, is_key_BL)

    def score(self, history: History) -> VectorScores:
        row_P, track_P, feature_PF = of_history(history, self.config.source)
        is_known_P = track_P < len(self.track_TE)
        row_P, track_P, feature_PF = row_P[is_known_P], track_P[is_known_P], feature_PF[is_known_P]
        return_P = np.sum([value[feature_PF[:, place]] for place, value in enumerate(self.returns)], axis=0)
        own_BT = sum_pairs(row_P, track_P, return_P, (len(history), len(self.track_TE)))
        user_BE, follows_BT = self.ask(history)
        return VectorScores(user_BE, self.tracks, csr_array(own_BT + follows_BT))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        assert self.tower is not None, "fitted before it is saved"
        returns = {f"returns_{place}": value for place, value in enumerate(self.returns)}
        return {
            **self.tracks.arrays("track_TE"),
            "tower": np.frombuffer(self.tower.content, np.uint8),
            **pack(self.links_TT, "links"),
            **returns,
            **self.kin.arrays(),
        }

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> Self:
        self.tracks = TrackVectors.restore(arrays, "track_TE")
        self.returns = [np.asarray(arrays[f"returns_{place}"], np.float32) for place in range(len(OWN_SIZES))]
        self.links_TT, self.kin = unpack(arrays, "links"), Kin.restore(arrays)
        self.tower = Model(arrays["tower"].tobytes())
        return self


def training() -> ModuleType:
    """Return the module that trains the towers.

    Raises:
        ValueError: where torch is missing: serving needs none.
    """
    with needing("train", "recall.vector is trained with torch", otherwise="leave vector out of recall.channels"):
        from ritornello.nn import two_towers
    return two_towers
