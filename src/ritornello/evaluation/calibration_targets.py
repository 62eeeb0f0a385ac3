"""What simulated listening is measured against: figures of real logs and published ones, each with how far off is still good.

A simulated log is observed as the real one was (`world`) before its figure is taken:
- "scrobbles_sampled": `observe_scrobbles` with some of the sessions of one year, in many time zones (see `calibration`);
- "scrobbles_long": `observe_long_histories`;
- "service": the whole simulated log, made with the preset that the target names.

Each target says what the simulator's makers knew of it (`role`). When version 1 of the world was frozen, half of the targets
had been held back from tuning; it met 7 of these 15. Version 2 was then tuned on all 30 ("tuned" were open from the start,
"checked" were held back from version 1), and was itself checked once, after freezing, on figures that nobody had looked at
until then ("held_back").

A tolerance says how far apart real populations lie, not how precisely one of them is known. "wide" and "narrow" below are
the users of 30Music with more, or fewer, plays than the median; "cut" is the log cut to its 3,000 most played tracks.
"""

from dataclasses import dataclass
from typing import Literal

Role = Literal["tuned", "checked", "held_back"]
World = Literal["service", "scrobbles_sampled", "scrobbles_long"]
Observed = Literal["30music", "lfm1b", "situnes", "public"]

SAMPLED_SOURCE = "30Music, 10 % sample of sessions (Turrin et al. 2015), measured"
LONG_SOURCE = "LFM-1b, 300 long histories (Schedl 2016), measured"
RATED_SOURCE = "SiTunes, 1,719 rated plays of 30 users (2024), measured"
VOLUNTEERS_SOURCE = "37.7 % of plays skipped by 32 volunteers in 97,447 sessions, published"
SPOTIFY_SOURCE = "Spotify, billions of plays (Lamere, The Skip, 2014), published; the 2019 skip challenge agrees"
YAMBDA_SOURCE = "Yambda-5B (2025), published medians per user: 3,076 listens, 45 likes, 4 dislikes"


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One figure to be met: by `statistic` of a simulated log that is observed as `world`.

    `kind` says how `tolerance` is read: as a share of the target ("relative"), in the target's own unit ("absolute"), or as
    the largest ratio in either direction ("factor", for heavy tails and rare events).
    """

    name: str
    statistic: str
    observed: Observed
    target: float
    tolerance: float
    kind: Literal["relative", "absolute", "factor"]
    source: str
    role: Role
    world: World
    preset: Literal["default", "quick_skips"]

    @property
    def low(self) -> float:
        """The lowest value that is still good."""
        if self.kind == "factor":
            return self.target / self.tolerance
        return self.target - self.tolerance * (self.target if self.kind == "relative" else 1.0)

    @property
    def high(self) -> float:
        """The highest value that is still good."""
        if self.kind == "factor":
            return self.target * self.tolerance
        return self.target + self.tolerance * (self.target if self.kind == "relative" else 1.0)

    def is_met(self, value: float) -> bool:
        """Tell whether a simulated figure is near enough; NaN never is."""
        return self.low <= value <= self.high


def sampled(
    statistic: str,
    target: float,
    tolerance: float,
    *,
    kind: Literal["relative", "factor"] = "relative",
    role: Role = "tuned",
) -> Target:
    """Return a target measured on the sampled sessions of 30Music."""
    return Target(
        name=f"30music_{statistic}",
        statistic=statistic,
        observed="30music",
        target=target,
        tolerance=tolerance,
        kind=kind,
        source=SAMPLED_SOURCE,
        role=role,
        world="scrobbles_sampled",
        preset="default",
    )


def long(statistic: str, target: float, tolerance: float, *, role: Role = "tuned") -> Target:
    """Return a target measured on the long histories of LFM-1b."""
    return Target(
        name=f"lfm1b_{statistic}",
        statistic=statistic,
        observed="lfm1b",
        target=target,
        tolerance=tolerance,
        kind="relative",
        source=LONG_SOURCE,
        role=role,
        world="scrobbles_long",
        preset="default",
    )


def rated(
    statistic: str, target: float, tolerance: float, *, kind: Literal["relative", "absolute"], role: Role = "tuned"
) -> Target:
    """Return a target measured on the rated plays of SiTunes."""
    return Target(
        name=f"situnes_{statistic}",
        statistic=statistic,
        observed="situnes",
        target=target,
        tolerance=tolerance,
        kind=kind,
        source=RATED_SOURCE,
        role=role,
        world="service",
        preset="default",
    )


def published(
    name: str,
    statistic: str,
    target: float,
    tolerance: float,
    *,
    source: str,
    kind: Literal["relative", "factor"] = "relative",
    preset: Literal["default", "quick_skips"] = "default",
    role: Role = "tuned",
) -> Target:
    """Return a target that others have published."""
    return Target(
        name=f"{name}_{statistic}",
        statistic=statistic,
        observed="public",
        target=target,
        tolerance=tolerance,
        kind=kind,
        source=source,
        role=role,
        world="service",
        preset=preset,
    )


TARGETS = (
    # narrow 0.10, wide 0.26, cut 0.21; a quarter leaves out both kinds of user alone
    sampled("repeat_share", 0.182, 0.25, role="checked"),
    # a rare event that the cut log nearly doubles
    sampled("twice_in_a_row_share", 0.00513, 2.0, kind="factor"),
    # narrow 0.10, wide 0.18
    sampled("session_repeat_share", 0.127, 0.30, role="checked"),
    # narrow 5.6, wide 9.3, cut 6.2
    sampled("session_plays_mean", 6.98, 0.20, role="checked"),
    # narrow 11, wide 20, cut 12
    sampled("session_plays_p90", 14.0, 0.25),
    # narrow 1.5, wide 2.5, half of the users 2.8; the tail is heavy
    sampled("return_hours_p50", 2.14, 2.0, kind="factor", role="checked"),
    # every part of the log lies within 0.76 and 0.81
    sampled("return_1_day_of_30_days_share", 0.784, 0.10),
    # narrow 7, wide 12, cut 8
    sampled("return_plays_p50", 10.0, 0.30, role="checked"),
    # cut 0.31, half a year 0.43: it moves with the plays per track
    sampled("track_gini", 0.381, 0.25, role="checked"),
    # cut 0.27, half a year 0.34
    sampled("top_10_percent_share", 0.310, 0.20),
    # half a year 0.73; 10 % of the tracks are a third of the repeats
    sampled("user_tracks_per_play", 0.753, 0.10, role="checked"),
    # users of all time zones in one clock: a population of one zone has a deeper night
    sampled("busiest_to_quietest_hours", 2.48, 0.30, role="checked"),
    # every part of the log lies within 0.38 and 0.41; without habits it would be 0.25
    sampled("same_hours_share", 0.391, 0.15, role="checked"),
    # half a year 0.88, cut 0.92; it moves with who is counted as a user
    sampled("sessions_per_user_cv", 0.946, 0.25),
    # figures that nobody had compared before version 2 was frozen; quantiles of plays are small whole numbers
    sampled("session_plays_p50", 5.0, 0.40, role="held_back"),
    sampled("return_hours_p25", 0.73, 2.0, kind="factor", role="held_back"),
    sampled("return_hours_p75", 35.3, 3.0, kind="factor", role="held_back"),
    sampled("return_within_1_hour_share", 0.361, 0.25, role="held_back"),
    sampled("return_within_7_days_share", 0.856, 0.10, role="held_back"),
    sampled("return_7_days_of_30_days_share", 0.936, 0.05, role="held_back"),
    sampled("return_plays_p25", 5.0, 0.40, role="held_back"),
    sampled("return_plays_p75", 18.0, 0.30, role="held_back"),
    sampled("top_1_percent_share", 0.0699, 0.35, role="held_back"),
    sampled("user_top_10_tracks_share", 0.326, 0.25, role="held_back"),
    # 0.19 before the rule for copies is applied a second time; standard error over users 0.008
    long("repeat_share", 0.159, 0.25),
    # standard error over users 2.8; a history of 300 plays gives 30
    long("return_plays_p50", 37.0, 0.30, role="checked"),
    # standard error over users 8; a history of 300 plays gives 77
    long("return_plays_p75", 102.0, 0.30, role="checked"),
    # 0.10 at 300 plays; standard error over users 0.003
    long("user_top_10_tracks_share", 0.0876, 0.30, role="checked"),
    # standard error over users 0.007; 5 % of the tracks are a third of the repeats
    long("user_tracks_per_play_in_200_plays", 0.877, 0.05, role="checked"),
    long("return_plays_p25", 12.0, 0.40, role="held_back"),
    long("user_tracks_per_play", 0.842, 0.06, role="held_back"),
    long("user_top_10_tracks_share_in_200_plays", 0.123, 0.30, role="held_back"),
    long("twice_in_a_row_share", 0.0006, 0.75, role="held_back"),
    # standard error over users 0.009
    long("early_repeat_share", 0.0702, 0.35),
    # standard error over users 0.011; 0.21 before the rule for copies is applied a second time
    long("late_repeat_share", 0.196, 0.25),
    # 0.21, 0.02 and 0.16 in the three stages of the study
    rated("rating_listened_spearman", 0.121, 0.10, kind="absolute"),
    # from 0.43 (in the laboratory) to 0.87 (in the field) between stages
    rated("low_rating_listened_share", 0.681, 0.20, kind="relative"),
    # from 0.54 (in the laboratory) to 0.93 (in the field) between stages
    rated("high_rating_listened_share", 0.766, 0.15, kind="relative", role="checked"),
    # 32 people; that every play cut short is a skip is our reading
    published("volunteers", "not_to_the_end_share", 0.377, 0.15, source=VOLUNTEERS_SOURCE),
    # billions of plays; the skip challenge has 0.52 by another definition
    published("spotify", "not_to_the_end_share", 0.486, 0.15, source=SPOTIFY_SOURCE, preset="quick_skips"),
    # "nearly a quarter", and players differ in what they count as a start
    published("spotify", "under_5_seconds_share", 0.241, 0.25, source=SPOTIFY_SOURCE, preset="quick_skips"),
    # as before, but later skips depend less on the player
    published(
        "spotify", "under_30_seconds_share", 0.3505, 0.20, source=SPOTIFY_SOURCE, preset="quick_skips", role="checked"
    ),
    # a ratio of medians; a few users like a lot
    published("yambda", "likes_per_play", 0.0146, 0.40, source=YAMBDA_SOURCE),
    # a ratio of medians of rare events
    published("yambda", "dislikes_per_play", 0.0013, 2.0, source=YAMBDA_SOURCE, kind="factor"),
)

# Version 3 at seed 1 is not near enough to these; docs/simulator.md says why, and a test fails when one comes or goes.
MISSED = (
    "30music_repeat_share",
    "30music_return_hours_p50",
    "30music_user_tracks_per_play",
    "30music_busiest_to_quietest_hours",
    "30music_same_hours_share",
    "30music_return_hours_p75",
    "30music_return_within_7_days_share",
    "30music_return_7_days_of_30_days_share",
    "30music_return_plays_p75",
    "30music_user_top_10_tracks_share",
    "lfm1b_return_plays_p75",
    "lfm1b_user_top_10_tracks_share",
    "lfm1b_twice_in_a_row_share",
)
