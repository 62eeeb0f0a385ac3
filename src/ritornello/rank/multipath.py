"""Multipath: several readings of a user's behaviour, fused (nn/rankers/multipath.py), and small trees beside them.

The trees (rank/trees.py) read the features alone; each part's scores are scaled by their spread inside a request before they
are added.
"""

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


class MultipathConfig(NetworkConfig, frozen=True, forbid_unknown_fields=True):
    """Settings of the network; what is not among `paths` or `domains` is left out, `fusion` is concat or gate.

    `trees` are the objectives of the trees beside it, none where it is empty; `experts` is how many towers the heads mix, each
    in its own way, 0 is one that they share.
    """

    paths: tuple[str, ...] = ("domains", "spaces")
    domains: tuple[str, ...] = DOMAINS
    fusion: str = "concat"
    interests: int = 4
    iterations: int = 3
    evolved: int = 20
    experts: int = 0
    trees: tuple[str, ...] = ("rank_xendcg", "binary")


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
        self.least_events = config.evolved
        self.trees = Trees(TreesConfig(objectives=config.trees)) if config.trees else None

    def fit(self, examples: Examples) -> Self:
        super().fit(examples)
        if self.trees is not None:
            self.trees.fit(examples)
        return self

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
