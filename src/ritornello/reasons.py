"""Reasons: why a track is in a list, in plain words that are true to what recall and the ranker used.

P (row, track) pairs, L history, C channels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import History, Int32, Slate
from ritornello.data.sparse import columns
from ritornello.pipeline import Pipeline
from ritornello.recall import Linked
from ritornello.recall.query import listened
from ritornello.schema import PADDING

WORDS = {
    "popular": "popular right now",
    "fresh": "a new release that people take to",
    "relisten": "you come back to it",
    "item2item": "often played in the same sessions as {because}",
    "colisten": "loved by listeners of {because}",
    "transitions": "often follows {because}",
    "sessions": "part of sessions like your last one",
    "factors": "close to your taste as a whole",
    "neighbours": "played by listeners like you",
    "vector": "fits what you are playing",
    "interests": "fits one of your tastes",
    "graph": "related to {because}",
    "seed": "near what the radio started from",
    "playlist": "goes with this playlist",
    "theme": "fits the theme",
}
# Words that say less than the others: used where no other channel speaks.
GENERAL = ("popular", "fresh")


@runtime_checkable
class Telling(Protocol):
    """A channel that tells how it came from a user's own tracks to others."""

    def because(self, history: History, track_K: Int32) -> list[tuple[int, str]]:
        """Return for each track the own one that led to it, or PADDING, and words with {because} in its place."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a track is shown; `because` is a track of the user's own history that led to it, or PADDING.

    `words` are the channel's own, where it has some.
    """

    channel: str
    because: int
    num_listens: int
    words: str = ""


def explain_slate(pipeline: Pipeline, history: History, slate: Slate) -> list[list[Reason]]:
    """Return a reason for every track of a slate, row by row; a heard track's reason is its own listens."""
    reasons: list[list[Reason]] = []
    listen_BL = listened(history)
    for row in range(len(slate.track_BK)):
        own_D, count_D = np.unique(history.track_BL[row, listen_BL[row]], return_counts=True)
        listens = dict(zip(own_D.tolist(), count_D.tolist(), strict=True))
        track_K = slate.track_BK[row][slate.track_BK[row] != PADDING]
        channel_K = [choose_channel(slate, row, slot) for slot in range(len(track_K))]
        because_K = find_because(pipeline, own_D, channel_K, track_K)
        found = [
            Reason(channel, int(because), listens.get(int(track), 0))
            for track, channel, because in zip(track_K, channel_K, because_K, strict=True)
        ]
        reasons.append(let_tell(pipeline, history.rows(slice(row, row + 1)), found, track_K))
    return reasons


def let_tell(pipeline: Pipeline, history: History, reasons: list[Reason], track_K: Int32) -> list[Reason]:
    """Let the channels that can tell how they came to a row's picks do so."""
    told = list(reasons)
    for name in sorted({reason.channel for reason in reasons}):
        channel = pipeline.channels.get(name)
        if isinstance(channel, Telling):
            slot_S = [slot for slot, reason in enumerate(reasons) if reason.channel == name]
            for slot, (because, words) in zip(slot_S, channel.because(history, track_K[slot_S]), strict=True):
                told[slot] = replace(reasons[slot], because=because, words=words)
    return told


def choose_channel(slate: Slate, row: int, slot: int) -> str:
    """Return the channel whose words fit best: relisten for heard tracks, else a personal one, else a general one."""
    proposing = [name for name, is_on in zip(slate.channels, slate.channel_BKC[row, slot], strict=True) if is_on]
    if slate.heard_BK[row, slot]:
        return "relisten"
    personal = [name for name in proposing if name not in GENERAL and name != "relisten"]
    return (personal or proposing or ["popular"])[0]


def find_because(pipeline: Pipeline, own_D: Int32, channel_K: list[str], track_K: Int32) -> Int32:
    """Return the own track whose link to each pick is strongest in its channel, PADDING where the channel has no links."""
    because_K = np.full(len(track_K), PADDING, np.int32)
    for name in sorted(set(channel_K)):
        channel = pipeline.channels.get(name)
        if not isinstance(channel, Linked):
            continue
        slot_S = np.flatnonzero([chosen == name for chosen in channel_K])
        known_D = own_D[own_D < channel.links_TT.shape[0]]
        if len(known_D) == 0:
            continue
        link_DS = columns(channel.links_TT[known_D], track_K[slot_S])
        link_DS[known_D[:, None] == track_K[slot_S]] = 0.0
        because_K[slot_S] = np.where(link_DS.max(axis=0) > 0, known_D[link_DS.argmax(axis=0)], PADDING)
    return because_K


def in_words(reason: Reason, name_of_track: Mapping[int, str] | None = None) -> str:
    """Say a reason in words; `name_of_track` names the tracks that may be mentioned."""
    if reason.channel == "relisten" and reason.num_listens:
        times = "once" if reason.num_listens == 1 else f"{reason.num_listens} times"
        return f"you played it {times}"
    words = reason.words or WORDS.get(reason.channel, f"proposed by {reason.channel}")
    return words.format(because=(name_of_track or {}).get(reason.because, "what you play"))


def family(feature: str, channels: tuple[str, ...]) -> str:
    """Return the plain name of the group that a feature belongs to.

    >>> family("own_listens_7d", ("popular",)), family("popular_share", ("popular",))
    ('your own listening to this track', 'popular right now')
    """
    for prefix, words in FAMILIES.items():
        if feature.startswith(prefix):
            return words
    channel = next((name for name in channels if feature.startswith(f"{name}_")), None)
    return WORDS.get(channel, channel).format(because="your tracks") if channel else feature


FAMILIES = {
    "features": "what the channels and your counts say",
    "play": "your latest plays",
    "like": "what you liked",
    "add": "what you put on playlists",
    "share": "what you shared or kept",
    "search": "what you searched for",
    "skip": "what you skipped or disliked",
    "own_": "your own listening to this track",
    "artist_": "your listening to this artist",
    "track_": "how everybody listens to this track",
    "user_": "how you listen in general",
    "session_": "the session you are in",
    "hour": "the time of day",
    "weekday": "the day of the week",
    "fused": "how many ways lead to it",
    "num_channels": "how many ways lead to it",
}


def group_contributions(
    contribution_F: NDArray[np.float32], names: tuple[str, ...], channels: tuple[str, ...]
) -> list[tuple[str, float]]:
    """Sum a score's contributions by family, the strongest first."""
    totals: dict[str, float] = {}
    for name, value in zip(names, contribution_F.tolist(), strict=True):
        words = family(name, channels)
        totals[words] = totals.get(words, 0.0) + value
    return sorted(totals.items(), key=lambda item: -abs(item[1]))
