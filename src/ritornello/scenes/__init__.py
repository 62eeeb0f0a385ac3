"""Scenes: where a list is shown, and what it promises there; each is one file and one line in this table.

A scene is a pure function of the pipeline, a history and what was asked: the same three give the same slate.
"""

from dataclasses import dataclass, field, replace
from typing import Protocol, cast

import msgspec

from ritornello import plugins
from ritornello.contracts import History, Slate
from ritornello.data.facts import Facts
from ritornello.pipeline import Pipeline
from ritornello.rerank.rules import Rules, in_force
from ritornello.rerank.standing import StandingRules, together
from ritornello.scenes.days import UTC_ZONE
from ritornello.scenes.likeness import Likeness


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What a request says beside who asks, when and for how many tracks; the same for all rows of a batch.

    `seeds` are ids of tracks, artists or albums, with their kind where that is not plain (`artist:7`); `playlist` is the id
    of the one to go on with. `picks` are like seeds: what the listener once picked to begin with. `standing` is what the
    listener has ruled for good; `as_ruled` puts it into the `rules`. `likeness` tells, where it is there, what no name is.
    """

    facts: Facts = field(default_factory=Facts)
    rules: Rules = field(default_factory=Rules)
    standing: StandingRules = field(default_factory=StandingRules)
    time_zone: str = UTC_ZONE
    seeds: tuple[str, ...] = ()
    picks: tuple[str, ...] = ()
    theme: str = ""
    playlist: str = ""
    likeness: Likeness | None = None


NOTHING = Asked()


def as_ruled(asked: Asked, at: int) -> Asked:
    """Return what is asked at a moment, by standing rules and the request's own; a block that has ended is none."""
    rules = together(asked.standing, asked.rules)
    return replace(asked, rules=msgspec.structs.replace(rules, blocks=in_force(rules.blocks, at)))


class Scene(Protocol):
    """What every scene can do."""

    def moment(self, at: int, zone: str = UTC_ZONE) -> int:
        """Return the moment (UTC ms) whose history a request at `at` is answered from, by the listener's time zone."""
        ...

    def recommend(self, pipeline: Pipeline, history: History, k: int, asked: Asked = NOTHING) -> Slate:
        """Return at most `k` tracks per row, in the order to play them.

        Raises:
            ValueError: when what was asked for does not exist.
        """
        ...


SCENES = {
    "daily_mix": "ritornello.scenes.daily_mix:DailyMix",
    "personal_fm": "ritornello.scenes.personal_fm:PersonalFM",
    "similar": "ritornello.scenes.similar:Similar",
    "playlists": "ritornello.scenes.playlists:Playlists",
    "themed": "ritornello.scenes.themed:Themed",
}


def make(name: str, settings: dict[str, object] | None = None) -> Scene:
    """Build the scene of that name, or of a "module:Class" path.

    Raises:
        ValueError: for a name that is neither, or a setting the scene does not have.
    """
    component = plugins.find("scene", name, SCENES, also=("none",))
    return cast(Scene, plugins.configured(component, settings, where=f"scene {name}"))
