"""Rank: each model is one file and one line in this table; it orders what recall proposed.

A ranker learns from examples (candidates that recall really returned in earlier windows, and whether they were played) and
then scores a batch. S examples, Q requests, F features, T outcomes, K moments at which examples were made.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self, cast

import numpy as np
from numpy.typing import NDArray

from ritornello import plugins
from ritornello.config import Settings
from ritornello.contracts import Bool, Float32, Int32, RankBatch, Spaces
from ritornello.data.behaviour import Behaviour
from ritornello.schema import PADDING


@dataclass(frozen=True, kw_only=True, slots=True)
class Requests:
    """What the sequence rankers read of each request: its behaviour, and the tracks' places as they were known then."""

    user_Q: Int32
    behaviour: Behaviour
    spaces_K: tuple[Spaces, ...]
    known_Q: Int32

    def __len__(self) -> int:
        return len(self.known_Q)


@dataclass(frozen=True, kw_only=True, slots=True)
class Examples:
    """Labelled candidates; rows of one request share `request_S` and lie together. `weight_S` makes up for sampling.

    `outcome_ST` holds what became of the candidates, link by link of the chain (see data/outcomes.py), NaN where unknown;
    `grade_S` what their play was worth (see data/grades.py), 0 without one; `position_S` the place in the slate where it was
    one, -1 where not, and `propensity_S` the chance with which it was offered, NaN where unknown. `requests` is there for
    rankers that read history.
    """

    feature_SF: Float32
    label_S: Bool
    request_S: Int32
    weight_S: Float32
    feature_names: tuple[str, ...]
    track_S: Int32
    outcome_ST: Float32
    grade_S: Float32
    position_S: Int32
    propensity_S: Float32
    requests: Requests | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Contributions:
    """What moved the scores of a batch: A parts, by name, and how much each did [B, N, A]; zeros in the padding."""

    names: tuple[str, ...]
    value_BNA: Float32


class Ranker(Protocol):
    """What every ranker can do."""

    def fit(self, examples: Examples) -> Self:
        """Learn to order a request's candidates."""
        ...

    def score(self, batch: RankBatch) -> Float32:
        """Return scores [B, N], higher is better, -inf in the padding; other candidates do not change a score."""
        ...

    def contributions(self, batch: RankBatch) -> Contributions:
        """Return what moved each score: the parts of a sum, or what leaving a part out would change."""
        ...

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the fitted state."""
        ...

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> Self:
        """Take over a fitted state that `arrays` gave."""
        ...


RANKERS = {
    "logistic": "ritornello.rank.logistic:Logistic",
    "trees": "ritornello.rank.trees:Trees",
    "mean_pool": "ritornello.rank.mean_pool:MeanPool",
    "din": "ritornello.rank.din:DIN",
    "session": "ritornello.rank.session:DSIN",
    "dien": "ritornello.rank.dien:DIEN",
    "multipath": "ritornello.rank.multipath:Multipath",
}


# What won on validation windows where it differs from a model's own defaults; a configuration goes before it.
TASK_SETTINGS: dict[tuple[str, str], Settings] = {
    ("trees", "unheard"): {"objectives": ["binary", "binary"]},
    ("multipath", "unheard"): {"trees": ["binary", "binary"]},
    ("multipath", "offered"): {"paths": ["domains", "spaces", "evolution"], "trees": []},
}
# What is made of an offer: all that is known of it counts, a skip against it (see docs/ranking.md).
OFFER_SETTINGS: Settings = {
    "utility": {"finish": 1.0, "like": 1.0, "add": 1.0, "skip": -1.0},
    **{"order": 0.3, "chain": 1.0, "held_out": 10, "batch_requests": 64, "learning_rate": 4e-3},
}


def settings_for(model: str, task: str, own: Settings) -> Settings:
    """Return the settings of a task's ranker: those of a configuration before what is known to suit the task."""
    usual = TASK_SETTINGS.get((model, task), {})
    if task == "offered" and reads_history(model):
        usual = usual | OFFER_SETTINGS
    return usual | own


def make(name: str, settings: dict[str, object] | None = None) -> Ranker:
    """Build the ranker of that name, or of a "module:Class" path, with its defaults overridden by `settings`.

    Raises:
        ValueError: for a name that is neither, or a setting the ranker does not have.
    """
    component = plugins.find("ranker", name, RANKERS)
    return cast(Ranker, plugins.configured(component, settings, where=f"rank.{name}"))


def reads_history(name: str) -> bool:
    """Tell whether a ranker reads the histories themselves, beside the features that were made from them."""
    return bool(getattr(plugins.find("ranker", name, RANKERS), "reads_history", False))


def spread_out(batch: RankBatch, values: Callable[[Float32], Float32]) -> Contributions:
    """Return what a function says of the features [P, F] of each candidate."""
    is_candidate_BN = batch.track_BN != PADDING
    value_BNA = np.zeros(batch.feature_BNF.shape, np.float32)
    if is_candidate_BN.any():
        value_BNA[is_candidate_BN] = values(batch.feature_BNF[is_candidate_BN])
    return Contributions(names=batch.feature_names, value_BNA=value_BNA)
