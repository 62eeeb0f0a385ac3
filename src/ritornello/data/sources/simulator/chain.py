"""From an offer to an act: play or not, how long, and then like, add, download, share, comment, or dislike.

Judging a track costs time: before it plays a listener knows its artist, its genre and whether they know it, but not the
quirk; the rest shows in the first seconds, at the chorus, and later on. Every link depends on the one before. R rows.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from ritornello.contracts import Bool, Int64
from ritornello.data.labels import CHORUS_MS, CHORUS_RATIO
from ritornello.data.sources.simulator.randomness import Draw, Float64, UInt64, normal, uniform, uniforms
from ritornello.data.sources.simulator.world import World
from ritornello.schema import ONE_SECOND_MS, Action

ACTS = (Action.LIKE, Action.DISLIKE, Action.PLAYLIST_ADD, Action.DOWNLOAD, Action.SHARE, Action.COMMENT)


@dataclass(frozen=True, kw_only=True, slots=True)
class Play:
    """How a play went: ms listened, whether it ended early, whether it got past the chorus, whether it finished."""

    played_ms_R: Int64
    is_early_R: Bool
    is_past_chorus_R: Bool
    is_finish_R: Bool


def p_play(world: World, appeal_R: Float64, glance_R: Float64) -> Float64:
    """Return the chance that an offered track is played; `glance_R` is the noise of judging by the cover."""
    zero, slope = world.chain.glance
    return np.asarray(expit(zero + slope * (appeal_R + glance_R)), dtype=np.float64)


def is_played(world: World, key_R: UInt64, appeal_R: Float64) -> Bool:
    """Draw which offered tracks are played."""
    draw_RN = uniforms(key_R, Draw.GLANCE, 2)
    return draw_RN[:, 0] < p_play(world, appeal_R, 0.8 * normal(draw_RN[:, 1]))


def hazards(world: World, appeal_R: Float64, bias_R: Float64, is_passive_R: Bool) -> tuple[Float64, Float64, Float64]:
    """Return the chance to stop in the first seconds, before the chorus and after it, each given that it plays so far.

    Who listens passively stops seldom, and less for reasons of taste.
    """
    passive = world.chain.passive_hazard if world.switches.passive else 1.0
    factor_R = np.where(is_passive_R, passive, 1.0)

    def chance(setting: tuple[float, float]) -> Float64:
        zero, slope = setting
        return np.asarray(factor_R * expit(zero - slope * appeal_R + bias_R), dtype=np.float64)

    return chance(world.chain.early), chance(world.chain.middle), chance(world.chain.late)


def listen(  # what a play depends on
    world: World, key_R: UInt64, appeal_R: Float64, track_ms_R: Int64, *, bias_R: Float64, is_passive_R: Bool
) -> Play:
    """Draw how long each track is listened to."""
    draw_RN = uniforms(key_R, Draw.LISTEN, 4)
    early_R, middle_R, late_R = hazards(world, appeal_R, bias_R, is_passive_R)
    chorus_ms_R = np.minimum(CHORUS_RATIO * track_ms_R, CHORUS_MS)
    early_ms_R = np.minimum(world.chain.early_s * ONE_SECOND_MS, 0.5 * chorus_ms_R)
    is_early_R = draw_RN[:, 0] < early_R
    is_middle_R = ~is_early_R & (draw_RN[:, 1] < middle_R)
    is_late_R = ~is_early_R & ~is_middle_R & (draw_RN[:, 2] < late_R)
    where_R = draw_RN[:, 3]
    played_ms_R = np.select(
        [is_early_R, is_middle_R, is_late_R],
        [
            early_ms_R * (0.05 + 0.95 * where_R**1.6),
            early_ms_R + (chorus_ms_R - early_ms_R) * where_R,
            chorus_ms_R + 0.97 * (track_ms_R - chorus_ms_R) * where_R,
        ],
        default=track_ms_R.astype(np.float64),
    )
    return Play(
        played_ms_R=played_ms_R.astype(np.int64),
        is_early_R=is_early_R,
        is_past_chorus_R=~is_early_R & ~is_middle_R,
        is_finish_R=~is_early_R & ~is_middle_R & ~is_late_R,
    )


def expected_ms(world: World, appeal_R: Float64, track_ms_R: Int64, *, bias_R: Float64, is_passive_R: Bool) -> Float64:
    """Return the mean of what `listen` draws."""
    early_R, middle_R, late_R = hazards(world, appeal_R, bias_R, is_passive_R)
    chorus_ms_R = np.minimum(CHORUS_RATIO * track_ms_R, CHORUS_MS)
    early_ms_R = np.minimum(world.chain.early_s * ONE_SECOND_MS, 0.5 * chorus_ms_R)
    past_R = (1.0 - early_R) * (1.0 - middle_R)
    early_mean_R = early_ms_R * (0.05 + 0.95 / 2.6)
    middle_mean_R = 0.5 * (early_ms_R + chorus_ms_R)
    late_mean_R = chorus_ms_R + 0.97 * 0.5 * (track_ms_R - chorus_ms_R)
    return np.asarray(
        early_R * early_mean_R
        + (1.0 - early_R) * middle_R * middle_mean_R
        + past_R * (late_R * late_mean_R + (1.0 - late_R) * track_ms_R),
        dtype=np.float64,
    )


def acts(world: World, key_R: UInt64, appeal_R: Float64, play: Play, *, bias_R: Float64, is_liked_R: Bool) -> Bool:
    """Draw what listeners do about what they heard [R, acts of ACTS]; who likes a track already does not like it again."""
    draw_RN = uniforms(key_R, Draw.ACTS, len(ACTS))
    chain = world.chain
    if not world.switches.chain:
        did_RN = draw_RN < np.array(chain.flat)
        did_RN[:, 0] &= ~is_liked_R
        return did_RN

    def chance(setting: tuple[float, float], more_R: Float64 | float = 0.0, sign: float = 1.0) -> Float64:
        return np.asarray(expit(setting[0] + sign * setting[1] * appeal_R + bias_R + more_R), dtype=np.float64)

    likes_R = (
        play.is_past_chorus_R & ~is_liked_R & (draw_RN[:, 0] < chance(chain.like, np.where(play.is_finish_R, 0.8, 0.0)))
    )
    dislikes_R = ~play.is_finish_R & (draw_RN[:, 1] < chance(chain.dislike, play.is_early_R.astype(np.float64), -1.0))
    fond_R = np.where(likes_R | is_liked_R, chain.after_like, 0.0)
    further = [
        play.is_past_chorus_R & (draw_RN[:, place] < chance(setting, fond_R))
        for place, setting in enumerate((chain.playlist_add, chain.download, chain.share, chain.comment), start=2)
    ]
    return np.stack([likes_R, dislikes_R & ~likes_R, *further], axis=1)


def pause_ms(key_R: UInt64) -> Int64:
    """Return the silence between two tracks."""
    return (500 + 4_000 * uniform(key_R, Draw.PAUSE) ** 3).astype(np.int64)
