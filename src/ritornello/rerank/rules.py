"""Rules: what must not be shown, and what a listener wants more or less of.

Every scene applies them, and first. Ids are the catalogue's own. N tracks of a shortlist, S tracks named.
"""

from typing import Annotated, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Bool, Float32, Int32
from ritornello.data.facts import Facts
from ritornello.data.graph import ALBUM, ARTIST, TRACK
from ritornello.rerank import Shortlist
from ritornello.schema import GENRE

BlockKind = Literal["track", "artist", "album", "genre"]

NONE = np.zeros(0, np.int32)
# What a track shares with one that more, or less, is wanted of, and how much that says.
SHARED = {ARTIST: 1.0, ALBUM: 0.5, GENRE: 0.5}


class Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that is not to be shown: until a moment (UTC ms), or for good."""

    kind: BlockKind
    id: str
    until: int | None = None


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a listener has ruled; `more` and `less` name tracks, the rules of a session.

    `hide_heard_days` leaves out what was heard in so many days, `playable` what the catalogue says cannot be played.
    """

    blocks: tuple[Block, ...] = ()
    hide_heard_days: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    playable: bool = True
    explicit: bool = True
    more: tuple[str, ...] = ()
    less: tuple[str, ...] = ()


def without(shortlist: Shortlist, banned: Int32) -> Shortlist:
    """Drop tracks, for instance those that the user dislikes."""
    return shortlist.take(np.flatnonzero(~np.isin(shortlist.track_N, banned)))


def in_force(blocks: tuple[Block, ...], at: int) -> tuple[Block, ...]:
    """Return the blocks that have not ended at a moment.

    >>> in_force((Block("track", "t1", until=10), Block("track", "t2")), 10)
    (Block(kind='track', id='t2', until=None),)
    """
    return tuple(block for block in blocks if block.until is None or at < block.until)


def blocked(blocks: tuple[Block, ...], facts: Facts, at: int) -> Int32:
    """Return the tracks that blocks forbid at a moment."""
    return np.concatenate([NONE, *(facts.find(block.kind, block.id) for block in in_force(blocks, at))])


def showable(shortlist: Shortlist, facts: Facts, *, playable: bool, explicit: bool) -> Shortlist:
    """Drop what the catalogue says cannot be played, and what is explicit unless that is welcome."""
    is_kept_N = np.ones(len(shortlist), bool)
    if playable:
        is_kept_N &= flagged(facts.is_playable_T, shortlist.track_N, beyond=True)
    if not explicit:
        is_kept_N &= ~flagged(facts.is_explicit_T, shortlist.track_N, beyond=False)
    return shortlist.take(np.flatnonzero(is_kept_N))


def flagged(is_so_T: Bool, track_N: Int32, *, beyond: bool) -> Bool:
    """Return a flag for each track, `beyond` where the catalogue does not reach so far."""
    is_known_N = track_N < len(is_so_T)
    return np.where(is_known_N, is_so_T[np.where(is_known_N, track_N, 0)], beyond)


def lean(shortlist: Shortlist, facts: Facts, rules: Rules, strength: float = 1.0) -> Shortlist:
    """Reorder towards what is like the tracks in `more` and away from those in `less`.

    Scores move by `strength` standard deviations for every full likeness.
    """
    if len(shortlist) < 2 or not (rules.more or rules.less):
        return shortlist
    more, less = (
        np.concatenate([NONE, *(facts.find(TRACK, one) for one in named)]) for named in (rules.more, rules.less)
    )
    moved_N = likeness(shortlist.track_N, more, facts) - likeness(shortlist.track_N, less, facts)
    return reordered(shortlist, shortlist.score_N + strength * spread_of(shortlist.score_N) * moved_N)


def likeness(track_N: Int32, track_S: Int32, facts: Facts) -> NDArray[np.float64]:
    """Return how much each track shares with the nearest of the tracks named."""
    shared_NS = np.zeros((len(track_N), len(track_S)))
    for kind, weight in SHARED.items():
        own_S = facts.of(kind, track_S)
        shared_NS += weight * ((facts.of(kind, track_N)[:, None] == own_S) & (own_S > 0))
    return np.asarray(shared_NS.max(axis=1, initial=0.0), dtype=np.float64)


def spread_of(score_N: Float32) -> float:
    """Return the standard deviation of scores, the unit that steps move them in."""
    return max(float(score_N.std()), 1e-9)


def reordered(shortlist: Shortlist, score_N: NDArray[np.floating]) -> Shortlist:
    """Sort by other scores, ties by track; what comes first comes first in later steps too."""
    order_N = np.lexsort((shortlist.track_N, -score_N))
    return shortlist.rescored(score_N.astype(np.float32)).take(order_N)
