"""Multipath: several readings of a user's behaviour, fused (nn/rankers/multipath.py), and small trees beside them.

The trees (rank/trees.py) read the features alone; each part's scores are scaled by their spread inside a request before they
are added.
"""

from dataclasses import replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Float32, RankBatch
from ritornello.data.behaviour import DOMAINS
from ritornello.rank import Examples
from ritornello.rank.network import Network, NetworkConfig, check_names
from ritornello.rank.trees import Trees, TreesConfig

PATHS = ("domains", "interests", "spaces", "evolution", "accumulation", "chain")
TREES = "trees."
MARGIN = 1e-3  # between the best and the others


class MultipathConfig(NetworkConfig, frozen=True, forbid_unknown_fields=True):
    """Settings of the network; what is not among `paths` or `domains` is left out, `fusion` is concat or gate.

    `trees` are the objectives of the trees beside it, none where it is empty. `cascade` is how many candidates, the best by the
    network alone, they are asked about; 0 is all. The others keep their order, below these. `experts` is how many towers the
    heads mix, each in its own way; 0 is one that they share.
    """

    paths: tuple[str, ...] = ("domains", "spaces")
    domains: tuple[str, ...] = DOMAINS
    fusion: str = "concat"
    interests: int = 4
    iterations: int = 3
    evolved: int = 50
    experts: int = 0
    trees: tuple[str, ...] = ("rank_xendcg", "binary")
    cascade: int = 0


class Multipath(Network):
    """Score candidates by everything that a user's behaviour says of them."""

    Config: ClassVar[type[NetworkConfig]] = MultipathConfig
    architecture: ClassVar[str] = "ritornello.nn.rankers.multipath:Multipath"

    def __init__(self, config: MultipathConfig) -> None:
        super().__init__(config)
        check_names("paths", config.paths, PATHS)
        check_names("domains", config.domains, DOMAINS)
        check_names("fusion", [config.fusion], ("gate", "concat"))
        if "play" not in config.domains:
            raise ValueError(f"domains: found {', '.join(config.domains) or 'none'}; play is read by every path")
        self.cascade = config.cascade
        self.least_events = config.evolved
        self.trees = Trees(TreesConfig(objectives=config.trees)) if config.trees else None

    def fit(self, examples: Examples) -> Self:
        super().fit(examples)
        if self.trees is not None:
            self.trees.fit(examples)
        return self

    def score(self, batch: RankBatch) -> Float32:
        if self.trees is None or self.config.utility or not 0 < self.cascade < batch.track_BN.shape[1]:
            return super().score(batch)
        first_BN = super().order(self.logits(batch), batch)
        best_BC = np.argsort(-first_BN, axis=1, kind="stable")[:, : self.cascade]
        best = replace(
            batch,
            track_BN=np.take_along_axis(batch.track_BN, best_BC, axis=1),
            feature_BNF=np.take_along_axis(batch.feature_BNF, best_BC[:, :, None], axis=1),
        )
        return above(first_BN, best_BC, self.with_trees(np.take_along_axis(first_BN, best_BC, axis=1), best))

    def order(self, logit_BNH: Float32, batch: RankBatch) -> Float32:
        score_BN = super().order(logit_BNH, batch)
        return score_BN if self.trees is None or self.config.utility else self.with_trees(score_BN, batch)

    def with_trees(self, score_BN: Float32, batch: RankBatch) -> Float32:
        """Return the scores of the network, scaled, and those of the trees together."""
        assert self.trees is not None
        tree_BN = self.trees.score(batch) / len(self.trees.boosters)
        return np.asarray(score_BN / max(self.spread, 1e-6) + tree_BN, dtype=np.float32)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        trees = {TREES + name: array for name, array in self.trees.arrays().items()} if self.trees else {}
        return super().arrays() | trees

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> Self:
        super().restore(arrays)
        if self.trees is not None:
            self.trees.restore(
                {name.removeprefix(TREES): array for name, array in arrays.items() if name.startswith(TREES)}
            )
        return self


def above(first_BN: Float32, best_BC: NDArray[np.intp], second_BC: Float32) -> Float32:
    """Return second scores of the best, and below them the others as they stood; -inf stays what it is."""
    worst_B1 = np.where(np.isneginf(second_BC), np.inf, second_BC).min(axis=1, keepdims=True)
    best_B1 = first_BN.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        score_BN = np.where(np.isneginf(first_BN), first_BN, worst_B1 - MARGIN + (first_BN - best_B1))
    np.put_along_axis(score_BN, best_BC, second_BC, axis=1)
    return score_BN.astype(np.float32)
