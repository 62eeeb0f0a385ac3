"""DIN: each candidate weighs the plays anew (see nn/rankers/din.py)."""

from typing import ClassVar

from ritornello.rank.network import Network, NetworkConfig


class DINConfig(NetworkConfig, frozen=True, forbid_unknown_fields=True):
    """Settings of the network; `activation` is the width of the unit that sees a candidate and an event."""

    length: int = 100
    activation: int = 36


class DIN(Network):
    """Score candidates beside the plays that they activate."""

    Config: ClassVar[type[NetworkConfig]] = DINConfig
    architecture: ClassVar[str] = "ritornello.nn.rankers.din:DIN"
