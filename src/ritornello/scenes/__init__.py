"""Scenes: where a list is shown, and what it promises there; each is one file and one line in this table."""

from typing import Protocol, cast

from ritornello import plugins
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
    component = plugins.find("scene", name, SCENES, also=("none",))
    return cast(Scene, plugins.configured(component, settings, where=f"scene {name}"))
