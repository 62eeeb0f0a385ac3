"""What is said over HTTP: the bodies of requests and answers, checked while they are read; OpenAPI is made from them."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from ritornello.contracts import Only
from ritornello.rerank.rules import Rules
from ritornello.schema import LAST_MOMENT

MAX_K = 500
MAX_BATCH = 1_000
MAX_LISTED = 1_000  # tracks named in one request
MAX_ID = 256
MAX_VECTOR = 4_096
MAX_DAYS = 36_500
MAX_MS = 7 * 24 * 3_600_000

Text = Annotated[str, Meta(min_length=1, max_length=MAX_ID, pattern=r"^[^\x00-\x1f]*[^\s\x00-\x1f][^\x00-\x1f]*$")]
Id = Text | Annotated[int, Meta(ge=-(2**53), le=2**53)]
Ms = Annotated[int, Meta(ge=0, le=MAX_MS)]
Moment = Annotated[int, Meta(ge=0, lt=LAST_MOMENT)]
Share = Annotated[float, Meta(ge=0, le=1)]
ActionName = Literal[  # a test holds it equal to the schema's actions: types cannot be computed
    "impression",
    "play",
    "like",
    "unlike",
    "dislike",
    "playlist_add",
    "playlist_remove",
    "download",
    "share",
    "comment",
    "search",
]


class Ask(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A wish for a slate; what a scene does not take is refused with its name."""

    user_id: Id
    scene: Annotated[str, Meta(max_length=64)] = "none"
    k: Annotated[int, Meta(ge=1, le=MAX_K)] = 30
    only: Only = "any"
    familiarity: Share | None = None
    seeds: Annotated[list[Text], Meta(max_length=MAX_LISTED)] = []
    theme: Annotated[str, Meta(max_length=MAX_ID)] = ""
    playlist: Annotated[str, Meta(max_length=MAX_ID)] = ""
    time_zone: Text | None = None
    rules: Rules = Rules()
    exclude: Annotated[list[Id], Meta(max_length=MAX_LISTED)] = []


class SlateTrack(Struct, frozen=True, kw_only=True):
    """A track in a slate; positions count from 1. `propensity` is its chance to stand there, where the scene explores."""

    position: int
    track_id: str
    title: str | None
    artist: str | None
    score: float
    heard: bool
    channels: list[str]
    reason: str
    propensity: float | None = None


class SlateAnswer(Struct, frozen=True, kw_only=True):
    """A slate; `notes` say where it is less than was asked for, and what a theme was understood as."""

    request_id: str
    user_id: str
    scene: str
    bundle: str
    at: int
    title: str
    description: str
    tracks: list[SlateTrack]
    notes: list[str]


class EventBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One behaviour; without `at` it has just happened.

    Without `event_id` the id is made of its content. An impression with a `request_id` and no `track_id` stands for
    all tracks of that slate.
    """

    user_id: Id
    track_id: Id | None = None
    action: ActionName = "play"
    at: Moment | None = None
    event_id: Text | None = None
    played_ms: Ms | None = None
    track_ms: Ms | None = None
    scene: Text | None = None
    source: Text | None = None
    request_id: Text | None = None
    position: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    propensity: Share | None = None


class BatchBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Several events, all kept or none."""

    events: Annotated[list[EventBody], Meta(min_length=1, max_length=MAX_BATCH)]


class EventAnswer(Struct, frozen=True, kw_only=True):
    """What became of an event: stored, or a duplicate of one that was there."""

    event_id: str
    status: Literal["stored", "duplicate"]


class EventsAnswer(Struct, frozen=True, kw_only=True):
    """What became of the events, in their order; all of it is on disk."""

    stored: int
    duplicates: int
    events: list[EventAnswer]


class Removed(Struct, frozen=True, kw_only=True):
    """How many live events went."""

    removed: int


class Explanation(Struct, frozen=True, kw_only=True):
    """Why a track is, or is not, in a user's list."""

    user_id: str
    track_id: str
    bundle: str
    lines: list[str]


class TrackAnswer(Struct, frozen=True, kw_only=True):
    """What the catalogue says of a track; `is_served` tells whether the served bundle can recommend it."""

    track_id: str
    title: str | None
    artist_id: str | None
    artist: str | None
    album_id: str | None
    genre: str | None
    track_ms: int | None
    is_served: bool


class TrackBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A track that has come; the more is told of it, the better it is placed. `released_at` is now unless said."""

    track_id: Id
    title: Text | None = None
    artist_id: Text | None = None
    artist: Text | None = None
    album_id: Text | None = None
    genre: Text | None = None
    track_ms: Annotated[int, Meta(ge=1, le=MAX_MS)] | None = None
    released_at: Annotated[int, Meta(ge=-LAST_MOMENT, lt=LAST_MOMENT)] | None = None
    language: Text | None = None
    era: Text | None = None
    explicit: bool | None = None
    playable: bool | None = None
    vector: Annotated[list[float], Meta(min_length=1, max_length=MAX_VECTOR)] | None = None


class TracksBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tracks that have come, all kept or none."""

    tracks: Annotated[list[TrackBody], Meta(min_length=1, max_length=MAX_BATCH)]


class TracksKept(Struct, frozen=True, kw_only=True):
    """How many tracks are in the catalogue now; all of it is on disk."""

    stored: int


class TracksAnswer(Struct, frozen=True, kw_only=True):
    """Tracks that were found."""

    tracks: list[TrackAnswer]


class BundleAnswer(Struct, frozen=True, kw_only=True):
    """A trained bundle."""

    version: str
    is_current: bool


class BundlesAnswer(Struct, frozen=True, kw_only=True):
    """All trained bundles, oldest first, and the one that this process serves."""

    serving: str
    bundles: list[BundleAnswer]


class Ready(Struct, frozen=True, kw_only=True):
    """What is served, and why a newer bundle is not, where one was refused."""

    bundle: str
    trained_for: int
    users: int
    tracks: int
    refused: str | None


class Health(Struct, frozen=True, kw_only=True):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Problem(Struct, frozen=True, kw_only=True):
    """What is wrong, what was found, what is allowed, in one line."""

    error: str


BODIES: tuple[type[Struct], ...] = (
    Ask,
    SlateAnswer,
    EventBody,
    BatchBody,
    EventsAnswer,
    Removed,
    Explanation,
    TrackAnswer,
    TracksAnswer,
    TrackBody,
    TracksBody,
    TracksKept,
    BundlesAnswer,
    Ready,
    Health,
    Problem,
)


def as_id(value: str | int) -> str:
    """Return an identifier as text."""
    return str(value)
