"""What an architecture has to know of its inputs."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """The dimensions of a place, how many features there are, how many of them tell of user and moment alone, and spaces."""

    dim: int
    num_features: int
    num_context: int
    num_spaces: int
