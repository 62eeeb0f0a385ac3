"""Is the world like the real one? Its statistics beside those of real logs and published figures, target by target.

Each world is observed as the real log was made before it is measured: see `calibration_targets`.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from rich.progress import Progress

from ritornello.data.sources.simulator.catalogue import build_catalogue
from ritornello.data.sources.simulator.generate import live_through
from ritornello.data.sources.simulator.randomness import Draw, keys, normal, uniform
from ritornello.data.sources.simulator.world import World, make_world
from ritornello.evaluation.calibration_targets import TARGETS, Target
from ritornello.evaluation.listening_statistics import Distribution, listening_distributions, listening_statistics
from ritornello.evaluation.scrobbles import observe_long_histories, observe_scrobbles
from ritornello.evaluation.service_statistics import rating_statistics, service_statistics
from ritornello.schema import ACTION, AT, ONE_HOUR_MS, PLAYED_MS, TRACK_ID, TRACK_MS, USER_ID, Action

# Both real logs span about a year. The sampled one was cut to its most played tracks: a small catalogue stands for these.
SIZES = {
    "service": World(listeners=2_000, tracks=10_000, days=60),
    "scrobbles_sampled": World(listeners=4_000, tracks=10_000, days=365),
    "scrobbles_long": World(listeners=600, tracks=60_000, days=365),
}
SAMPLED_SHARE = 0.06  # a tenth of the real sessions; simulated listeners listen more often than those of 2014
# Listeners of the real log live all over the world and its clock is UTC; simulated ones share a clock.
ZONES = (-8, -5, -3, 0, 1, 2, 3, 9)
APPEAL = "appeal"
RATERS = 400
RATING_NOISE = 2.8
RATING_EDGES = (-2.6, -1.1, 0.4, 1.9)  # appeals at which a rating changes


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """A target with what the simulated world has."""

    target: Target
    simulated: float

    @property
    def is_met(self) -> bool:
        """Tell whether it is near enough."""
        return self.target.is_met(self.simulated)


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """What was measured in a simulated world, and the world's label."""

    label: str
    figures: dict[str, float]
    distributions: dict[str, Distribution]


def check(targets: tuple[Target, ...] = TARGETS, *, seed: int = 1, progress: Progress | None = None) -> list[Checked]:
    """Simulate what the targets need, each world once, and measure it."""
    return compare(observe_worlds(targets, seed=seed, progress=progress), targets)


def compare(worlds: dict[tuple[str, str], Observed], targets: tuple[Target, ...] = TARGETS) -> list[Checked]:
    """Return each target with the figure of its world."""
    return [
        Checked(target=target, simulated=worlds[target.preset, target.world].figures[target.statistic])
        for target in targets
    ]


def observe_worlds(
    targets: tuple[Target, ...] = TARGETS, *, seed: int = 1, progress: Progress | None = None
) -> dict[tuple[str, str], Observed]:
    """Simulate what the targets need, by preset and way of observing, each world once."""
    needed = dict.fromkeys((target.preset, target.world) for target in targets)
    task = progress.add_task("calibrate: worlds", total=len(needed)) if progress else None
    worlds: dict[tuple[str, str], Observed] = {}
    for preset, observed in needed:
        size = SIZES[observed]
        world = make_world(preset, seed=seed, listeners=size.listeners, tracks=size.tracks, days=size.days)
        events = simulate(world)
        kept = events if observed == "service" else observe(events, observed)
        worlds[preset, observed] = Observed(
            label=world.label,
            figures=measure(world, kept, observed),
            distributions=listening_distributions(kept),
        )
        if progress and task is not None:
            progress.advance(task)
    return worlds


def measure(world: World, kept: pl.DataFrame, observed: str) -> dict[str, float]:
    """Return the statistics of one simulated log after it was observed in one way."""
    if observed == "service":
        return service_statistics(kept) | ratings(world, kept)
    return listening_statistics(kept)


def observe(events: pl.DataFrame, observed: str) -> pl.DataFrame:
    """Return what the makers of the real log would have kept."""
    if observed == "scrobbles_long":
        return observe_long_histories(events)
    zone = (pl.col(USER_ID) % len(ZONES)).replace_strict(range(len(ZONES)), ZONES, return_dtype=pl.Int64)
    moved = events.with_columns(pl.col(AT) + zone * ONE_HOUR_MS)
    return observe_scrobbles(moved, session_share=SAMPLED_SHARE, top_tracks=None, seed=1)


def simulate(world: World) -> pl.DataFrame:
    """Return everything that happens in a world but impressions, with the appeal of each track at that moment."""
    rows = live_through(world, build_catalogue(world), np.arange(1, world.listeners + 1))[1]
    is_kept_R = rows.action_R != Action.IMPRESSION
    return pl.DataFrame(
        {
            USER_ID: rows.id_R[is_kept_R],
            AT: rows.at_R[is_kept_R],
            TRACK_ID: rows.track_R[is_kept_R],
            ACTION: rows.action_R[is_kept_R],
            PLAYED_MS: rows.played_ms_R[is_kept_R],
            TRACK_MS: rows.track_ms_R[is_kept_R],
            APPEAL: rows.appeal_R[is_kept_R],
        }
    )


def ratings(world: World, events: pl.DataFrame) -> dict[str, float]:
    """Ask some listeners for a rating of what they played, as a study would: the appeal in five steps, with noise."""
    asked = events.filter((pl.col(ACTION) == Action.PLAY) & (pl.col(USER_ID) <= RATERS))
    parent_R = keys(np.full(len(asked), world.seed, np.uint64), asked[USER_ID].to_numpy())
    noise_R = normal(uniform(keys(parent_R, asked[AT].to_numpy()), Draw.GLANCE))
    rating_R = 1.0 + np.searchsorted(RATING_EDGES, asked[APPEAL].to_numpy() + RATING_NOISE * noise_R)
    return rating_statistics((asked[PLAYED_MS] / asked[TRACK_MS]).to_numpy(), rating_R.astype(np.float64))
