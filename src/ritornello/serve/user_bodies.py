"""What is said over HTTP of one user: who they are, what they have ruled, what they think of a track, and all of it back."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from ritornello.rerank.rules import Block, BlockKind
from ritornello.serve.bodies import MAX_DAYS, MAX_K, MAX_LISTED, Id, Moment, Ms, Text
from ritornello.serve.state import Profile

MAX_PICKS = 100


class UserBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user who comes; what is left out stays as it was. `picks` are ids of artists, albums or tracks, as `seeds` are."""

    user_id: Id
    picks: Annotated[list[Text], Meta(max_length=MAX_PICKS)] | None = None
    time_zone: Text | None = None


class UserAnswer(Struct, frozen=True, kw_only=True):
    """What a user has told to begin with."""

    user_id: str
    picks: list[str]
    time_zone: str


Kind = Literal["like", "dislike", "unlike", "skip", "finish", "more", "less"]


class FeedbackBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a user says of a track, of a slate by its `request_id` and the track's id or position, or of any track by its id."""

    user_id: Id
    kind: Kind
    track_id: Id | None = None
    request_id: Text | None = None
    position: Annotated[int, Meta(ge=1, le=MAX_K)] | None = None
    at: Moment | None = None
    event_id: Text | None = None
    played_ms: Ms | None = None
    track_ms: Ms | None = None


class FeedbackAnswer(Struct, frozen=True, kw_only=True):
    """What became of what was said: stored, or a duplicate; `event_id` names the event that was made of it, if one was."""

    track_id: str
    kind: Kind
    status: Literal["stored", "duplicate"]
    event_id: str | None = None


class UserEvent(Struct, frozen=True, kw_only=True):
    """An event as a user gets it back; `origin` is the log or the live store."""

    track_id: str
    at: int
    action: str
    origin: Literal["log", "live"]
    play_ratio: float | None = None
    event_id: str | None = None
    played_ms: int | None = None
    track_ms: int | None = None
    scene: str | None = None
    source: str | None = None
    request_id: str | None = None
    position: int | None = None
    propensity: float | None = None


class BlockBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that is not to be shown: for so many `days` from now, until a moment (UTC ms), or for good."""

    kind: BlockKind
    id: Text
    until: Moment | None = None
    days: Annotated[float, Meta(gt=0, le=MAX_DAYS)] | None = None


class RulesBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user's standing rules, in the place of those before; what is left out is ruled no more."""

    blocks: Annotated[list[BlockBody], Meta(max_length=MAX_LISTED)] = []
    hide_heard_days: Annotated[float, Meta(ge=0, le=MAX_DAYS)] = 0.0
    owned_only: bool = False
    explicit: bool = True


class RulesAnswer(Struct, frozen=True, kw_only=True):
    """A user's standing rules; blocks that have ended are left out."""

    user_id: str
    blocks: list[Block]
    hide_heard_days: float
    owned_only: bool
    explicit: bool


class UserExport(Struct, frozen=True, kw_only=True):
    """All that the service knows of a user: what they have told, and their listening by time."""

    user_id: str
    profile: Profile
    events: list[UserEvent]


USER_BODIES: tuple[type[Struct], ...] = (
    UserBody,
    UserAnswer,
    FeedbackBody,
    FeedbackAnswer,
    BlockBody,
    RulesBody,
    RulesAnswer,
    UserExport,
)
