"""Scenes: where a list is shown, and what it promises there; each is one file and one line in this table."""

from importlib import import_module
from typing import Protocol

import msgspec

from ritornello.contracts import History, Slate
from ritornello.pipeline import Pipeline


class Scene(Protocol):
    """What every scene can do."""

    def moment(self, at: int) -> int:
        """Return the moment (UTC ms) whose history a request at `at` is answered from."""
        ...

    def recommend(self, pipeline: Pipeline, history: History, k: int) -> Slate:
        """Return at most `k` tracks per row, in the order to play them."""
        ...


SCENES = {"daily_mix": "ritornello.scenes.daily_mix:DailyMix"}


def make(name: str, settings: dict[str, object] | None = None) -> Scene:
    """Build the scene of that name, or of a "module:Class" path.

    Raises:
        ValueError: for a name that is neither, or a setting the scene does not have.
    """
    path = SCENES.get(name, name)
    if ":" not in path:
        raise ValueError(f"unknown scene {name!r}: allowed are none, {', '.join(SCENES)}, or module:Class")
    module, _, attribute = path.partition(":")
    scene = getattr(import_module(module), attribute)
    try:
        config = msgspec.convert(settings or {}, scene.Config)
    except msgspec.ValidationError as error:
        raise ValueError(f"scene {name}: {error}; allowed are {', '.join(scene.Config.__struct_fields__)}") from error
    made: Scene = scene(config)
    return made
