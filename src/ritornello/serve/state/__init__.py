"""Live state: what has happened since the log was prepared, and who may ask; one interface, whatever keeps it.

What a call that writes gives back is a promise: once it is kept, the write is on disk. Events of one user go by time, those
of one moment by their id, so that a history is a function of the set of events and not of the order in which they came.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Protocol

import msgspec
import polars as pl

from ritornello.rerank.standing import StandingRules


class LiveEvent(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One behaviour of one user, identifiers as text, as the columns of a log have it; a row of a table is one."""

    user_id: str
    event_id: str
    track_id: str
    at: int
    action: int
    played_ms: int | None = None
    track_ms: int | None = None
    scene: str | None = None
    source: str | None = None
    request_id: str | None = None
    position: int | None = None
    propensity: float | None = None


class ShownSlate(msgspec.Struct, frozen=True, kw_only=True):
    """A slate that was answered, so that its impressions can be logged by its request id."""

    request_id: str
    user_id: str
    at: int
    scene: str
    track_ids: list[str]
    propensities: list[float | None]


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a token belongs to; an operator acts for every user."""

    user_id: str
    is_operator: bool


class Leaning(msgspec.Struct, frozen=True, kw_only=True):
    """A wish for more, or less, like a track, in the session that it was said in."""

    track_id: str
    at: int
    is_more: bool


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What a user has told, and not done; it goes with the user."""

    rules: StandingRules = StandingRules()
    picks: tuple[str, ...] = ()
    time_zone: str | None = None
    leanings: tuple[Leaning, ...] = ()


class LiveUser(msgspec.Struct, frozen=True, kw_only=True):
    """What a slate is made of beside the log: events by time without impressions; a forgotten user's log does not count.

    `removed` names what was taken back, live or of the log: track, moment, action.
    """

    events: list[LiveEvent]
    removed: frozenset[tuple[str, int, int]]
    is_forgotten: bool
    profile: Profile = Profile()


class LiveLog(msgspec.Struct, frozen=True, kw_only=True):
    """What everybody did beside the log: a table of events by user and time without impressions; it may be long.

    `removed` names what was taken back, live or of the log: user, track, moment, action. The log of `forgotten` users counts no
    more.
    """

    events: pl.DataFrame
    removed: list[tuple[str, str, int, int]]
    forgotten: list[str]


class State(Protocol):
    """What every keeper of live state can do."""

    def add_events(self, events: list[LiveEvent]) -> Future[list[bool]]:
        """Keep events; tell for each whether it is new (False: its id was there, and nothing changed)."""
        ...

    def remove_event(self, user_id: str, track_id: str, at: int, action: int) -> Future[int]:
        """Take an event back, live or of the log, for good; tell how many live events went."""
        ...

    def user(self, user_id: str) -> LiveUser:
        """Return what a user's slate is made of beside the log."""
        ...

    def change_profile(self, user_id: str, change: Callable[[Profile], Profile]) -> Future[Profile]:
        """Change what a user has told, in one step, and return it; where `change` raises, nothing was changed."""
        ...

    def events_of(self, user_id: str) -> Iterator[LiveEvent]:
        """Yield the events of a user by time, impressions too, removed ones left out."""
        ...

    def every_event(self) -> Iterator[LiveEvent]:
        """Yield the events of all users, removed ones left out, by user and time."""
        ...

    def log(self) -> LiveLog:
        """Return what everybody did beside the log, as of one moment."""
        ...

    def mark(self) -> int:
        """Return what changes with every write, of whatever process."""
        ...

    def old_events(self, before: int) -> Iterator[LiveEvent]:
        """Yield the events older than a moment, by user and time; none that was taken back, none of a forgotten user."""
        ...

    def drop_events(self, events: list[LiveEvent]) -> Future[int]:
        """Let go of events, and of their ids, that the log has; tell how many went. One that was taken back meanwhile stays."""
        ...

    def drop_leftovers(self, before: int, now: int) -> Future[int]:
        """Let go of events older than a moment that marks hide, and of slates older than a day; tell how many rows went."""
        ...

    def count_rows(self) -> int:
        """Return how many events, marks and slates are kept."""
        ...

    def forget(self, user_id: str) -> Future[int]:
        """Delete all that is kept of a user, tokens too, and let their log count no more; tell how many events went."""
        ...

    def show(self, slate: ShownSlate) -> Future[None]:
        """Remember a slate for a day."""
        ...

    def shown(self, request_id: str) -> Future[ShownSlate | None]:
        """Return a remembered slate."""
        ...

    def add_token(self, token_hash: str, holder: Holder) -> Future[None]:
        """Let a token in."""
        ...

    def holder(self, token_hash: str) -> Holder | None:
        """Return whom a token belongs to."""
        ...

    def has_tokens(self) -> bool:
        """Tell whether any token was given out."""
        ...

    def close(self) -> None:
        """Finish what was begun, and let go."""
        ...
