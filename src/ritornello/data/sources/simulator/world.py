"""What makes a world: its size, its seed, its rules and its switches, with a version and a hash that name the rules.

The rules are built from what is known of listeners, not from what a model can express; they are frozen before models are
tuned on them. `docs/simulator.md` says where each comes from. A change of any rule, here or in the code, raises VERSION.
"""

import hashlib
from collections.abc import Iterable
from typing import Annotated

import msgspec

from ritornello.config import apply_override

VERSION = 3

Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
START_MS = 1_735_689_600_000  # 2025-01-01, a Wednesday
MAX_LISTENERS = 2_000_000
MAX_TRACKS = 5_000_000
MAX_DAYS = 730


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A section of the rules."""


class Switches(Rules, frozen=True):
    """Mechanisms that can be turned off, each on its own."""

    repeats: bool = True
    drift: bool = True
    satiation: bool = True
    negatives: bool = True
    clock: bool = True
    passive: bool = True
    search: bool = True
    chain: bool = True


class CatalogueConfig(Rules, frozen=True):
    """Artists, albums and tracks: `*_spread` are standard deviations of the log, `*_lean` tangents of an angle of taste."""

    dimensions: Annotated[int, msgspec.Meta(ge=2, le=64)] = 12
    tracks_per_artist: Positive = 10.0
    tracks_per_album: Annotated[int, msgspec.Meta(ge=1)] = 8
    new_share: Share = 0.08
    age_years: Positive = 8.0
    fame_spread: NotNegative = 0.65
    hit_spread: NotNegative = 0.4
    artist_lean: NotNegative = 0.9
    track_lean: NotNegative = 0.55


class ListenerConfig(Rules, frozen=True):
    """Who listens: how often, with how many interests, how these drift; `rate` is sessions a day of the median listener."""

    rate: Positive = 0.24
    rate_spread: NotNegative = 0.75
    newcomers: Share = 0.12
    max_interests: Annotated[int, msgspec.Meta(ge=1, le=12)] = 5
    more_interests: Share = 0.6
    interest_lean: NotNegative = 0.55
    drift_lean: NotNegative = 0.5
    swing: NotNegative = 1.5
    swing_days: tuple[float, float] = (25.0, 140.0)
    begins_share: Share = 0.3
    hour_pull: NotNegative = 0.9
    library: Positive = 24.0
    mainstream: float = 0.3
    mainstream_spread: NotNegative = 0.2


class SessionConfig(Rules, frozen=True):
    """When and how long: a session's `length` is in plays (log mean of its plan), patience runs out earlier.

    After a finished track a listener may begin to play the last few tracks again, round and round (`loop`, going on with
    `loop_on`). Rows of `origins` are intents (comfort, explore, focus, search), columns where the next track comes from: the
    own library, more of the same artist, a search, browsing, the service's offer.
    """

    length: Positive = 6.9
    length_spread: NotNegative = 0.85
    max_steps: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 160
    intents: tuple[float, float, float, float] = (0.36, 0.28, 0.22, 0.14)
    origins: tuple[tuple[float, float, float, float, float], ...] = (
        (0.08, 0.36, 0.05, 0.20, 0.31),
        (0.02, 0.20, 0.09, 0.25, 0.44),
        (0.04, 0.35, 0.00, 0.11, 0.50),
        (0.04, 0.47, 0.20, 0.15, 0.14),
    )
    autoplay: tuple[float, float, float, float] = (0.3, 0.4, 0.9, 0.2)
    loop: Share = 0.028
    loop_on: Share = 0.95
    patience: Positive = 4.0
    skip_cost: NotNegative = 1.0
    ignore_cost: NotNegative = 0.18
    finish_gain: NotNegative = 0.35
    like_gain: NotNegative = 1.0
    fresh_share: Share = 0.18
    fresh_days: Positive = 28.0


class AppealConfig(Rules, frozen=True):
    """How much a track appeals, in logits: taste, quirk (one listener's own view of one track), language, mood, exposure."""

    taste: NotNegative = 5.0
    taste_zero: float = 0.55
    interest_weight: NotNegative = 0.12
    quirk: NotNegative = 0.8
    known: NotNegative = 3.0
    language: NotNegative = 0.8
    mood: NotNegative = 3.0
    familiar: NotNegative = 0.9
    familiar_plays: Positive = 2.0
    satiation: NotNegative = 0.55
    satiation_from: NotNegative = 1.6
    satiation_days: Positive = 2.5
    annoyance: NotNegative = 0.6
    annoyance_max: Positive = 4.0
    annoyance_days: Positive = 14.0


class ChainConfig(Rules, frozen=True):
    """From an impression to an act: logits at appeal 0 and their slopes, each act given the one before it."""

    glance: tuple[float, float] = (-0.4, 0.9)
    early: tuple[float, float] = (-2.0, 0.9)
    middle: tuple[float, float] = (-1.75, 0.75)
    late: tuple[float, float] = (-2.6, 0.5)
    early_s: Positive = 10.0
    passive_hazard: Share = 0.25
    like: tuple[float, float] = (-4.9, 1.1)
    dislike: tuple[float, float] = (-8.3, 0.7)
    playlist_add: tuple[float, float] = (-5.6, 0.9)
    download: tuple[float, float] = (-6.2, 0.8)
    share: tuple[float, float] = (-7.0, 0.8)
    comment: tuple[float, float] = (-7.2, 0.6)
    after_like: NotNegative = 3.0
    flat: tuple[float, float, float, float, float, float] = (0.015, 0.001, 0.008, 0.004, 0.0015, 0.001)


class LoggingConfig(Rules, frozen=True):
    """The policy that the log was made with: a mixture whose propensities are known."""

    uniform: Share = 0.1
    popular: Share = 0.3
    genre: Share = 0.56
    again: Share = 0.04


class World(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A world to simulate."""

    listeners: Annotated[int, msgspec.Meta(ge=1, le=MAX_LISTENERS)] = 2_000
    tracks: Annotated[int, msgspec.Meta(ge=10, le=MAX_TRACKS)] = 10_000
    days: Annotated[int, msgspec.Meta(ge=1, le=MAX_DAYS)] = 60
    seed: Annotated[int, msgspec.Meta(ge=0, lt=2**31)] = 1
    start_ms: int = START_MS
    preset: str = "default"
    switches: Switches = Switches()
    catalogue: CatalogueConfig = CatalogueConfig()
    listening: ListenerConfig = ListenerConfig()
    sessions: SessionConfig = SessionConfig()
    appeal: AppealConfig = AppealConfig()
    chain: ChainConfig = ChainConfig()
    logging: LoggingConfig = LoggingConfig()

    @property
    def rules_hash(self) -> str:
        """Name the rules, whatever the size and the seed."""
        sized = {"listeners", "tracks", "days", "seed", "start_ms", "preset"}
        rules = {name: value for name, value in msgspec.to_builtins(self).items() if name not in sized}
        return hashlib.sha256(f"{VERSION}".encode() + msgspec.json.encode(rules, order="sorted")).hexdigest()[:10]

    @property
    def label(self) -> str:
        """Return what stands beside every result: simulated, preset, version and hash of the rules."""
        return f"simulated, world {self.preset} v{VERSION}-{self.rules_hash}"


def without(name: str) -> World:
    """Return the default world with one mechanism turned off."""
    return World(preset=f"no_{name}", switches=msgspec.structs.replace(Switches(), **{name: False}))


SWITCHES = Switches.__struct_fields__
PRESETS = {
    "default": World(),
    # Half of the tracks are skipped before the end, a quarter within seconds, as on a large streaming service.
    "quick_skips": World(
        preset="quick_skips", chain=ChainConfig(early=(-0.8, 0.9), middle=(-1.45, 0.75), late=(-2.2, 0.5))
    ),
    "plain": World(preset="plain", switches=Switches(*[False] * len(SWITCHES))),
    **{f"no_{name}": without(name) for name in SWITCHES},
}


def make_world(preset: str, overrides: Iterable[str] = (), **sizes: int | None) -> World:
    """Return a preset at another size or seed (None: the preset's), with rules changed by `section.key=value`.

    Raises:
        ValueError: for an unknown preset or rule, or a value out of range.
    """
    if preset not in PRESETS:
        raise ValueError(f"preset {preset!r} is unknown; allowed are {', '.join(PRESETS)}")
    raw: dict[str, object] = msgspec.to_builtins(PRESETS[preset])
    raw |= {name: value for name, value in sizes.items() if value is not None}
    for override in overrides:
        apply_override(raw, override)
        raw["preset"] = f"{preset}, changed"
    try:
        return msgspec.convert(raw, World)
    except msgspec.ValidationError as error:
        raise ValueError(f"world: {error}") from error
