"""Trees: small gradient-boosted trees over as-of features, one booster per objective, their scores added.

LightGBM (Ke et al. 2017). A pointwise objective (binary) knows how likely a play is, a listwise one (XE-NDCG, Bruch 2021) what
belongs on top; each is scaled by the spread of its scores inside a request before they are added. S examples, F features.
"""

from typing import Self

import lightgbm
import msgspec
import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Float32, RankBatch
from ritornello.rank import Contributions, Examples, spread_out
from ritornello.rank.forest import MOST_LEAVES, Forest
from ritornello.schema import PADDING


class TreesConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the boosters; few leaves, since the examples of a small log are few."""

    objectives: tuple[str, ...] = ("rank_xendcg", "binary")
    num_trees: int = 120
    num_leaves: int = 8
    learning_rate: float = 0.08
    min_examples_in_leaf: int = 50
    l2: float = 10.0
    feature_fraction: float = 0.5
    seed: int = 1


class Trees:
    """Score candidates by boosted trees."""

    Config = TreesConfig

    def __init__(self, config: TreesConfig) -> None:
        if not 2 <= config.num_leaves <= MOST_LEAVES:
            raise ValueError(f"num_leaves: found {config.num_leaves}; allowed are 2 to {MOST_LEAVES}")
        self.config = config
        self.boosters: list[lightgbm.Booster] = []
        self.scales: list[float] = []
        self.forest = Forest([], [])

    def fit(self, examples: Examples) -> Self:
        group_Q = np.bincount(examples.request_S)
        group_Q = group_Q[group_Q > 0]
        self.boosters, self.scales = [], []
        for number, objective in enumerate(self.config.objectives):
            is_listwise = objective in ("rank_xendcg", "lambdarank")
            data = lightgbm.Dataset(
                examples.feature_SF,
                examples.label_S.astype(np.float32),
                weight=None if is_listwise else examples.weight_S,
                group=group_Q if is_listwise else None,
                params={"verbose": -1},
            )
            booster = lightgbm.train(self._parameters(objective, number), data, self.config.num_trees)
            self.boosters.append(booster)
            score_S = np.asarray(booster.predict(examples.feature_SF, raw_score=True))
            self.scales.append(1.0 / max(spread_inside(score_S, examples.request_S), 1e-9))
        self.forest = Forest(self.boosters, self.scales)
        return self

    def _parameters(self, objective: str, number: int) -> dict[str, object]:
        return {
            "objective": objective,
            "num_leaves": self.config.num_leaves,
            "learning_rate": self.config.learning_rate,
            "min_data_in_leaf": self.config.min_examples_in_leaf,
            "lambda_l2": self.config.l2,
            "feature_fraction": self.config.feature_fraction,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "seed": self.config.seed + number,
            "deterministic": True,
            "force_row_wise": True,
            "verbose": -1,
        }

    def score(self, batch: RankBatch) -> Float32:
        is_candidate_BN = batch.track_BN != PADDING
        score_BN = np.full(batch.track_BN.shape, -np.inf, np.float32)
        feature_PF = batch.feature_BNF[is_candidate_BN]
        if len(feature_PF):
            score_BN[is_candidate_BN] = self.forest(feature_PF)
        return score_BN

    def contributions(self, batch: RankBatch) -> Contributions:
        """Return the Shapley value of each feature; they sum to the score up to a constant."""
        return spread_out(batch, self.shapley)

    def shapley(self, feature_PF: Float32) -> Float32:
        """Return the Shapley values of pairs [P, F]."""
        total_PF = np.zeros(feature_PF.shape, np.float64)
        for booster, scale in zip(self.boosters, self.scales, strict=True):
            value = np.asarray(booster.predict(feature_PF, pred_contrib=True))  # last column: the mean
            total_PF += scale * value[:, :-1]
        return total_PF.astype(np.float32)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        texts = {
            f"booster_{index}": np.frombuffer(booster.model_to_string().encode(), np.uint8)
            for index, booster in enumerate(self.boosters)
        }
        return {"scales": np.array(self.scales), **texts}

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> Self:
        self.scales = [float(scale) for scale in arrays["scales"]]
        self.boosters = [
            lightgbm.Booster(model_str=arrays[f"booster_{index}"].tobytes().decode())
            for index in range(len(self.scales))
        ]
        self.forest = Forest(self.boosters, self.scales)
        return self


def spread_inside(score_S: NDArray[np.float64], request_S: NDArray[np.integer]) -> float:
    """Return the standard deviation of scores around their request's mean."""
    count_Q = np.maximum(np.bincount(request_S), 1)
    mean_Q = np.bincount(request_S, weights=score_S) / count_Q
    return float(np.sqrt(np.mean((score_S - mean_Q[request_S]) ** 2)))
