"""Configuration: one TOML file as frozen structs; unknown keys are errors, `--set rank.cuts=4` overrides one value."""

import tomllib
from pathlib import Path
from typing import Annotated

import msgspec

Settings = dict[str, object]
FromZero = Annotated[int, msgspec.Meta(ge=0)]
FromOne = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]


class RecallConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which channels propose, how many tracks each, and settings by channel name (see each channel's Config).

    `learn_quotas` shares the same cost out anew by what each channel alone found in earlier windows; a channel named in
    `quotas` keeps its own. `next_quota` caps every quota where the very next play is asked for.
    """

    channels: tuple[str, ...] = (
        "popular",
        "fresh",
        "relisten",
        "item2item",
        "colisten",
        "transitions",
        "sessions",
        "factors",
        "neighbours",
        "vector",
    )
    quota: FromOne = 200
    learn_quotas: bool = False
    next_quota: FromOne = 80
    quotas: dict[str, FromZero] = msgspec.field(default_factory=dict)
    settings: dict[str, Settings] = msgspec.field(default_factory=dict)


class RankConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the rankers learn: from candidates of `cuts` earlier moments, and what was played in `window_days` after each.

    Of candidates that were not listened to, shares are kept, and what is kept weighs the more for it: `negatives` of those that
    recall puts among its first hundred, `easy_negatives` of those further down, `skip_negatives` of those that were played and
    skipped; the live ranker keeps `next_negatives` of all that was not played. `next_plays` is how many plays it learns from,
    `slates` how many logged slates the ranker of offers does, as many from each moment, where the log has impressions. `scenes`
    tells what the log calls scenes that it does not know by their own name.
    """

    model: str = "trees"
    settings: dict[str, Settings] = msgspec.field(default_factory=dict)
    cuts: FromZero = 10
    window_days: Annotated[float, msgspec.Meta(gt=0, le=36_500)] = 14.0
    negatives: Share = 0.15
    easy_negatives: Share = 0.15
    skip_negatives: Share = 1.0
    next_plays: FromOne = 8000
    next_cuts: FromZero = 2
    next_negatives: Share = 0.05
    slates: FromZero = 40_000
    scenes: dict[str, str] = msgspec.field(default_factory=lambda: {"daily_mix": "home", "personal_fm": "radio"})


class FeaturesConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`clock` tells whether hour and weekday of the log can be trusted."""

    clock: bool = True


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that a training run may vary."""

    recall: RecallConfig = RecallConfig()
    rank: RankConfig = RankConfig()
    features: FeaturesConfig = FeaturesConfig()
    seed: FromZero = 0


def load_config(path: Path | None, overrides: list[str]) -> Config:
    """Read a TOML file, or the defaults, and apply `section.key=value` overrides.

    Raises:
        ValueError: for a missing file, bad TOML, an unknown key or a value of the wrong type.
    """
    raw: dict[str, object] = {}
    if path is not None:
        if not path.is_file():
            raise ValueError(f"no configuration file at {path}")
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is no valid TOML: {error}") from error
    for override in overrides:
        apply_override(raw, override)
    try:
        return msgspec.convert(raw, Config)
    except msgspec.ValidationError as error:
        raise ValueError(f"configuration: {error}") from error


def apply_override(raw: dict[str, object], override: str) -> None:
    """Set one dotted key; the value is read as TOML, and as text where it is none.

    >>> raw = {}
    >>> apply_override(raw, "rank.cuts=4")
    >>> raw
    {'rank': {'cuts': 4}}
    """
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ValueError(f"--set takes section.key=value, found {override!r}")
    try:
        value: object = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *sections, name = key.strip().split(".")
    for section in sections:
        inner = raw.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ValueError(f"--set {override}: {section} is a value, not a section")
        raw = inner
    raw[name] = value
