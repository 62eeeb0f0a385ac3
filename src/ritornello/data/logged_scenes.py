"""Logged scenes: the names by which a log knows the parts of a service that its offers came from.

A request comes from a scene too, and the log may know that by another name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggedScenes:
    """The names, and `known_as`: what the log calls scenes that it has no slates of under their own name."""

    names: tuple[str, ...] = ()
    known_as: Mapping[str, str] = field(default_factory=dict)

    def number(self, scene: str) -> int:
        """Return the place of a scene among the names, from 1; 0 where the log does not know it.

        >>> LoggedScenes(names=("home", "radio"), known_as={"personal_fm": "radio"}).number("personal_fm")
        2
        """
        for name in (scene, self.known_as.get(scene)):
            if name in self.names:
                return 1 + self.names.index(name)
        return 0
