"""DSIN: interests by session, and how they went from one to the next (see nn/rankers/session.py)."""

from typing import ClassVar

from ritornello.rank.network import Network, NetworkConfig


class DSINConfig(NetworkConfig, frozen=True, forbid_unknown_fields=True):
    """Settings of the network."""


class DSIN(Network):
    """Score candidates beside the sessions that they attend to."""

    Config: ClassVar[type[NetworkConfig]] = DSINConfig
    architecture: ClassVar[str] = "ritornello.nn.rankers.session:DSIN"
