"""Interests: several vectors a user instead of one; a track counts by the interest nearest to it.

The distinct tracks of the newest events are routed into capsules (see nn/capsule.py), more of them for a user of more
tracks; in training the target picks among them, in service every capsule asks for its own tracks. After MIND (Li et al. 2019)
and ComiRec (Cen et al. 2020). B batch, L distinct tracks, T tracks, D embedding, E = D + 1 with the height, K interests,
P (row, track) pairs.
"""

from copy import copy
from typing import Annotated, Literal, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Float32, History
from ritornello.data.distinct import Distinct, distinct, live_interests
from ritornello.data.kin import Kin, with_newcomers
from ritornello.data.knowledge import Knowledge
from ritornello.data.own_plays import OWN_SIZES
from ritornello.data.sequence import Sequences
from ritornello.data.sparse import sum_pairs
from ritornello.extras import needing
from ritornello.recall import capsules
from ritornello.recall.scores import InterestScores
from ritornello.recall.track_vectors import TrackVectors
from ritornello.runs import Start

FromOne = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]
Positive = Annotated[float, msgspec.Meta(gt=0)]


class InterestsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the capsules and of their training; `readout` is how a target picks among the interests."""

    dim: FromOne = 128
    interests: FromOne = 4
    dynamic: bool = True
    iterations: FromOne = 3
    readout: Literal["label_aware", "mean", "max"] = "label_aware"
    power: Positive = 30.0
    half_life_days: Positive = 30.0
    length: FromOne = 100
    requests: FromOne = 8
    targets: FromOne = 4
    reach: FromOne = 15
    far: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    als: bool = True
    folds: FromOne = 4
    uniform: FromOne = 512
    temperature: Positive = 0.1
    trend_half_life_days: Positive = 30.0
    dropout: Share = 0.1
    id_dropout: Share = 0.1
    batch_events: FromOne = 2048
    epochs: FromOne = 3
    learning_rate: Positive = 0.003
    table_rate: Positive = 0.001
    seed: int = 0


class Interests:
    """Propose the tracks that point where one of the user's interests points."""

    Config = InterestsConfig

    def __init__(self, config: InterestsConfig) -> None:
        self.config = config
        self.tracks = TrackVectors(np.zeros((1, config.dim + 1), np.float32))
        self.returns: list[Float32] = [np.zeros(size, np.float32) for size in OWN_SIZES]
        self.tower: dict[str, Float32] = {}
        self.kin = Kin()
        self.learned: dict[str, NDArray[np.generic]] = {}

    @property
    def track_TE(self) -> Float32:
        """The tracks' directions and heights."""
        return self.tracks.vector_TD

    def fit(self, sequences: Sequences, at: int, knowledge: Knowledge) -> Self:
        return self.train(sequences, at, knowledge, None)

    def resume(self, start: Start, sequences: Sequences, at: int, knowledge: Knowledge) -> Self:
        """Go on training from earlier weights, on what is new since."""
        return self.train(sequences, at, knowledge, start)

    def train(self, sequences: Sequences, at: int, knowledge: Knowledge, start: Start | None) -> Self:
        """Train from nothing, or from a start.

        Raises:
            ValueError: where torch is missing: serving needs none.
        """
        out = "leave interests out of recall.channels"
        with needing("train", "recall.interests is trained with torch", otherwise=out):
            from ritornello.nn.multi_interest import fit
        fitted = fit(sequences, at, knowledge, self.config, start)
        self.tracks = TrackVectors.made(fitted.track_TE)
        self.returns, self.tower = fitted.returns, fitted.tower
        self.kin, self.learned = fitted.kin, fitted.weights
        return self

    def weights(self) -> dict[str, NDArray[np.generic]]:
        """Return what `resume` goes on from; nothing where the channel was loaded and not trained."""
        return self.learned

    def refresh(self, sequences: Sequences, at: int, knowledge: Knowledge) -> Self:
        """Return one that knows the tracks that have appeared since, where their kin lie; all else is as trained."""
        if knowledge.num_tracks < len(self.track_TE):
            return self
        newer = copy(self)
        newer.tracks = self.tracks.grown(with_newcomers(self.track_TE, self.kin, knowledge))
        return newer

    def read(self, history: History) -> Distinct:
        """Return what the capsules read of a history."""
        config = self.config
        return distinct(
            history,
            length=config.length,
            half_life_days=config.half_life_days,
            num_tracks=len(self.track_TE) - 1,
        )

    def encode(self, read: Distinct) -> Float32:
        """Return the interests [B, K, D + 1], live ones first, zeros beyond; a user without a listen has none."""
        is_live_BK = live_interests(read.count_B, self.config.interests, dynamic=self.config.dynamic)
        is_live_BK = is_live_BK & (read.count_B > 0)[:, None]
        user_BKD = capsules.interests(
            self.tower, self.track_TE[read.track_BL, :-1], read, is_live_BK, self.config.iterations
        )
        return np.concatenate([user_BKD, is_live_BK[:, :, None]], axis=2, dtype=np.float32)

    def score(self, history: History) -> InterestScores:
        read = self.read(history)
        row_P, slot_P = np.nonzero(self.tracks.knows(read.track_BL))
        feature_PF = read.own_BLF[row_P, slot_P]
        return_P = sum(self.returns[place][feature_PF[:, place]] for place in range(len(OWN_SIZES)))
        shape = (len(history), len(self.track_TE))
        own_BT = sum_pairs(row_P, read.track_BL[row_P, slot_P], np.asarray(return_P), shape)
        return InterestScores(self.encode(read), self.tracks, own_BT)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        returns = {f"returns_{place}": value for place, value in enumerate(self.returns)}
        tower = {f"tower-{name}": value for name, value in self.tower.items()}
        return {**self.tracks.arrays("track_TE"), **returns, **tower, **self.kin.arrays()}

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> Self:
        self.tracks = TrackVectors.restore(arrays, "track_TE")
        self.returns = [np.asarray(arrays[f"returns_{place}"], np.float32) for place in range(len(OWN_SIZES))]
        self.kin = Kin.restore(arrays)
        tower = {name.removeprefix("tower-"): value for name, value in arrays.items() if name.startswith("tower-")}
        self.tower = {name: np.asarray(value, np.float32) for name, value in tower.items()}
        return self
