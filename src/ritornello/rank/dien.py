"""DIEN: how interest came to be, in view of each candidate (see nn/rankers/dien.py)."""

from typing import ClassVar

from ritornello.rank.network import Network, NetworkConfig


class DIENConfig(NetworkConfig, frozen=True, forbid_unknown_fields=True):
    """Settings of the network; `evolved` is the number of newest plays that it walks over."""

    evolved: int = 50


class DIEN(Network):
    """Score candidates beside the interest that has evolved in view of them."""

    Config: ClassVar[type[NetworkConfig]] = DIENConfig
    architecture: ClassVar[str] = "ritornello.nn.rankers.dien:DIEN"

    def __init__(self, config: DIENConfig) -> None:
        super().__init__(config)
        self.least_events = config.evolved
