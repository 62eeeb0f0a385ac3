"""Mean-pooled DNN: the plain network of the ladder (see nn/rankers/mean_pool.py)."""

from typing import ClassVar

from ritornello.rank.network import Network, NetworkConfig


class MeanPoolConfig(NetworkConfig, frozen=True, forbid_unknown_fields=True):
    """Settings of the network."""


class MeanPool(Network):
    """Score candidates beside the mean of what was played."""

    Config: ClassVar[type[NetworkConfig]] = MeanPoolConfig
    architecture: ClassVar[str] = "ritornello.nn.rankers.mean_pool:MeanPool"
