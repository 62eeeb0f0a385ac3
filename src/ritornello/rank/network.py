"""Sequence rankers: networks that read histories and features, trained with torch, served by ONNX Runtime.

What all of them share: settings, and how a score comes of logits. Each architecture is one file here (its settings) and one in
nn/rankers; training is in nn/rank_training.py, with batches, calibration and export beside it. B requests, N candidates,
H heads, T outcomes, F features.
"""

from collections.abc import Iterable
from dataclasses import replace
from types import ModuleType
from typing import ClassVar, Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit

from ritornello.contracts import Float32, Int32, RankBatch
from ritornello.data.behaviour import DOMAINS, Behaviour, behaviour_of, nothing
from ritornello.data.outcomes import GIVEN, OUTCOMES
from ritornello.data.rank_inputs import Arrays, inputs_of
from ritornello.data.scaling import Bins, Scaling
from ritornello.extras import needing
from ritornello.inference import Model
from ritornello.rank import Contributions, Examples
from ritornello.schema import PADDING

ORDER = 0  # the head that the order is learned with; outcome t has head 1 + t
PARITY = 1e-4
CELLS = 2_000_000  # (candidate, event) pairs that are scored at a time: it bounds memory


class NetworkConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings that all networks share.

    The loss is `order` times that of the order plus `chain` times those of the `links`; with `balance = "learned"` each link
    has a weight that is learned. `graded`: the order is learned from what plays were worth (see data/grades.py), not from plays
    alone. `propensity`: for the links a logged offer weighs by one over its chance, at most so many times more or less than the
    median offer (1: all alike; see data/propensity.py).
    """

    width: int = 32
    hidden: tuple[int, ...] = (64, 32)
    dropout: float = 0.1
    epochs: int = 2
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    unplayed: int = 60
    batch_requests: int = 16
    order: float = 1.0
    chain: float = 0.3
    links: tuple[str, ...] = OUTCOMES
    balance: str = "fixed"
    graded: bool = False
    position: bool = True
    propensity: float = 1.0
    held_out: int = 0
    utility: dict[str, float] = msgspec.field(default_factory=dict)
    seed: int = 1


class Network:
    """Score candidates by a network over histories and features."""

    Config: ClassVar[type[NetworkConfig]] = NetworkConfig
    architecture: ClassVar[str] = ""
    reads_history: ClassVar[bool] = True
    least_events: int = 1

    def __init__(self, config: NetworkConfig) -> None:
        check_names("utility", config.utility, OUTCOMES)
        check_names("links", config.links, OUTCOMES)
        check_names("balance", [config.balance], ("fixed", "learned"))
        if not 1.0 <= config.propensity < np.inf:
            raise ValueError(f"propensity: found {config.propensity:g}; allowed are numbers from 1 on")
        self.config = config
        self.model: Model | None = None
        self.scaling: Scaling | None = None
        self.spread = 1.0
        self.bins: Bins | None = None
        self.calibration_2T: NDArray[np.float64] = np.ones((2, len(OUTCOMES)))

    def fit(self, examples: Examples) -> Self:
        fitted = training().fit(examples, self.config, self.architecture, least_events=self.least_events)
        self.spread = fitted.spread
        self.model, self.scaling = Model(fitted.content), fitted.scaling
        check_parity(self.model(**fitted.sample), fitted.expected_BNH)
        self.bins, self.calibration_2T = fitted.bins, fitted.calibration_2T
        return self

    def score(self, batch: RankBatch) -> Float32:
        return self.order(self.logits(batch), batch)

    def contributions(self, batch: RankBatch) -> Contributions:
        """Return how the score would change without each part of what is known: the features, and each behaviour's events."""
        behaviour, bare = behaviour_of(batch.history), self.featureless(batch)
        score_BN = self.order(self.logits(batch, behaviour), batch)
        without = [self.order(self.logits(bare, behaviour), bare)]
        without += [
            self.order(self.logits(batch, behaviour | {name: nothing(behaviour[name])}), batch) for name in DOMAINS
        ]
        without_BNA = np.stack(without, axis=2)
        value_BNA = np.zeros(without_BNA.shape, np.float32)
        is_candidate_BN1 = (batch.track_BN != PADDING)[:, :, None]
        np.subtract(score_BN[:, :, None], without_BNA, out=value_BNA, where=is_candidate_BN1)
        return Contributions(names=("features", *DOMAINS), value_BNA=value_BNA)

    def featureless(self, batch: RankBatch) -> RankBatch:
        """Return a batch whose candidates have the mean features."""
        assert self.scaling is not None, "fitted before it is asked"
        return replace(batch, feature_BNF=np.broadcast_to(self.scaling.middle(), batch.feature_BNF.shape))

    def logits(self, batch: RankBatch, behaviour: Behaviour | None = None) -> Float32:
        """Return the logits of every head [B, N, H]; whatever in the padding."""
        assert self.model is not None, "fitted before it is asked"
        behaviour = behaviour or behaviour_of(batch.history)
        num_events = sum(part.track_BL.shape[1] for part in behaviour.values())
        size = max(1, CELLS // max(1, batch.track_BN.shape[1] * num_events))
        parts = []
        for start in range(0, len(batch.track_BN), size):
            rows = slice(start, start + size)
            part = {name: domain.rows(rows).trim() for name, domain in behaviour.items()}
            arrays = self.inputs(batch.track_BN[rows], batch.feature_BNF[rows], part, batch)
            parts.append(self.model(**arrays))
        return np.concatenate(parts)

    def inputs(self, track_BN: Int32, feature_BNF: Float32, behaviour: Behaviour, batch: RankBatch) -> Arrays:
        """Return what the network reads of some rows of a batch."""
        assert self.scaling is not None and self.bins is not None, "fitted before it is asked"
        return inputs_of(
            track_BN,
            feature_BNF,
            behaviour,
            batch.spaces,
            self.scaling,
            bins=self.bins,
            least=self.least_events,
        )

    def order(self, logit_BNH: Float32, batch: RankBatch) -> Float32:
        """Return the scores: the head that learned the order, or the utility of the chain where one is set."""
        score_BN = logit_BNH[..., ORDER]
        if self.config.utility:
            probability_BNT = chances(logit_BNH, self.calibration_2T)
            weight_T = np.array([self.config.utility.get(name, 0.0) for name in OUTCOMES])
            score_BN = (probability_BNT @ weight_T).astype(np.float32)
        return np.where(batch.track_BN != PADDING, score_BN, -np.inf).astype(np.float32)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        assert self.model is not None, "fitted before it is saved"
        assert self.scaling is not None and self.bins is not None, "fitted before it is saved"
        return {
            "model": np.frombuffer(self.model.content, np.uint8),
            "calibration_2T": self.calibration_2T,
            "spread": np.array(self.spread),
            **self.scaling.arrays(),
            **self.bins.arrays(),
        }

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> Self:
        self.model = Model(arrays["model"].tobytes())
        self.bins = Bins.restore(arrays)
        self.calibration_2T = arrays["calibration_2T"].astype(np.float64)
        self.spread = float(arrays["spread"])
        self.scaling = Scaling.restore(arrays)
        return self


def check_names(setting: str, found: Iterable[str], allowed: tuple[str, ...]) -> None:
    """Refuse names that mean nothing.

    Raises:
        ValueError: naming what is allowed.
    """
    if unknown := sorted(set(found) - set(allowed)):
        raise ValueError(f"{setting}: unknown {', '.join(unknown)}; allowed are {', '.join(allowed)}")


def check_parity(found_BNH: Float32, expected_BNH: Float32) -> None:
    """Refuse a model whose answers are not those of the network that it was made of.

    Raises:
        ValueError: saying how far they are apart.
    """
    apart = float(np.abs(found_BNH - expected_BNH).max(initial=0.0))
    if not apart <= PARITY:
        raise ValueError(f"the exported ranker is {apart:.2g} away from the trained one; allowed is {PARITY:g}")


def chances(logit_BNH: Float32, calibration_2T: NDArray[np.float64]) -> Float32:
    """Return the probability of every outcome [B, N, T], calibrated products along the chain; the share is given the play."""
    log_BNT = log_expit(logit_BNH[..., 1:].astype(np.float64))
    given = [log_BNT[..., outcome] + sum(log_BNT[..., earlier] for earlier in GIVEN[outcome]) for outcome in GIVEN]
    log_BNT = np.minimum(np.stack(given, axis=-1), -1e-9)
    slope_T, shift_T = calibration_2T
    return np.asarray(expit(slope_T * (log_BNT - np.log(-np.expm1(log_BNT))) + shift_T), dtype=np.float32)


def training() -> ModuleType:
    """Return the module that trains networks.

    Raises:
        ValueError: where torch is missing: serving needs none.
    """
    with needing("train", "this ranker is trained with torch", otherwise="set rank.model to trees or logistic"):
        from ritornello.nn import rank_training
    return rank_training
