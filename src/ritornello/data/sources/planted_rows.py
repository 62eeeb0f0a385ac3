"""The rows of the planted world: who plays what, when; `planted.py` says which answer each of them plants."""

from collections.abc import Iterator
from itertools import chain

import numpy as np

from ritornello.schema import ONE_DAY_MS, ONE_HOUR_MS, ONE_MINUTE_MS, ONE_SECOND_MS

START = 1_704_067_200_000  # 2024-01-01
NUM_DAYS = 90
NOW = START + NUM_DAYS * ONE_DAY_MS
TRACK_MS = 200 * ONE_SECOND_MS
TASTES = {"A": 12, "B": 12, "C": 8}  # users of each taste
TASTE_TRACKS = 17
NEIGHBOUR, NEIGHBOUR_MISSES = "A-03", "A-07"
DISLIKING, DISLIKED = "C-02", "C-05"

Row = tuple[str, int, str, str, int | None, int | None]
TrackRow = tuple[str, str, str, str, str, int, int | None]


def catalogue() -> Iterator[TrackRow]:
    """List the tracks: each taste has artists with about four tracks each, the special ones an artist of their own."""
    for taste in TASTES:
        for number in range(1, TASTE_TRACKS + 1):
            artist = f"{taste}-artist-{(number - 1) // 4 + 1}"
            yield f"{taste}-{number:02}", f"Song {number} of {taste}", artist, artist.title(), taste, TRACK_MS, START
    for name in (
        "favourite",
        "popular",
        "fresh",
        "pair-first",
        "pair-second",
        "tied-1",
        "tied-2",
        "skipped",
        "unplayed",
        "linked",
    ):
        released_at = NOW - 2 * ONE_DAY_MS if name == "fresh" else START
        yield name, name.title(), f"{name}-artist", f"{name.title()} Artist", "other", TRACK_MS, released_at


CATALOGUE = list(catalogue())

# The favourite's artist has sung with the artist of a track that nobody has played; a user follows, another likes.
TRIPLES = [
    ("artist:favourite-artist", "featured_with", "artist:linked-artist"),
    ("tied-user", "follows", "C-artist-1"),
    ("short", "likes", "C-09"),
]


def event_rows() -> list[Row]:
    """List every event, user by user."""
    return list(chain(regulars(), favourite(), drifted(), pairs(), ties(), verdicts(), newcomers()))


def play(user: str, at: int, track: str, *, share: float | None = 1.0) -> Row:
    """Return one play that lasted a share of the track, or an unknown time."""
    played_ms = None if share is None else round(TRACK_MS * share)
    return user, at, track, "play", played_ms, TRACK_MS


def regulars() -> Iterator[Row]:
    """Play five tracks of the user's taste every third day, and the hit of the day once a week."""
    rng = np.random.default_rng(11)
    for taste, num_users in TASTES.items():
        for number in range(1, num_users + 1):
            user = f"{taste}-{number:02}"
            for day in range(number % 3, NUM_DAYS - 1, 3):
                at = START + day * ONE_DAY_MS + int(rng.integers(8, 20)) * ONE_HOUR_MS + number * ONE_SECOND_MS
                for turn, track in enumerate(session(user, taste, day, rng)):
                    yield play(user, at + turn * 4 * ONE_MINUTE_MS, track, share=None if turn == 4 else 1.0)
            for week in range(NUM_DAYS // 7):
                yield play(user, START + (7 * week + 6) * ONE_DAY_MS + 21 * ONE_HOUR_MS + number, "popular")


def session(user: str, taste: str, day: int, rng: np.random.Generator) -> list[str]:
    """Return five tracks: three in turn, so that everybody hears all of the taste, and two by chance."""
    tracks = [f"{taste}-{number:02}" for number in range(1, TASTE_TRACKS + 1)]
    if user == NEIGHBOUR:
        tracks.remove(NEIGHBOUR_MISSES)
    in_turn = [tracks[(day + turn) % len(tracks)] for turn in range(3)]
    return [*in_turn, *rng.choice(tracks, size=2, replace=False).tolist()]


def favourite() -> Iterator[Row]:
    """Play one track every evening, and some of taste B in between."""
    for day in range(NUM_DAYS):
        evening = START + day * ONE_DAY_MS + 20 * ONE_HOUR_MS
        yield play("favourite-user", evening, "favourite")
        if day % 4 == 0:
            yield play("favourite-user", evening - ONE_HOUR_MS, f"B-{day // 4 % 5 + 1:02}")


def drifted() -> Iterator[Row]:
    """Play taste A for two months, taste B since."""
    for day in range(NUM_DAYS):
        taste = "A" if day < 60 else "B"
        for turn in range(3):
            at = START + day * ONE_DAY_MS + 18 * ONE_HOUR_MS + turn * 4 * ONE_MINUTE_MS
            yield play("drifted-user", at, f"{taste}-{(3 * day + turn) % TASTE_TRACKS + 1:02}")


def pairs() -> Iterator[Row]:
    """Play one track right after another, each time; the first user has just played the first of the two."""
    for number in range(1, 4):
        for day in range(number, NUM_DAYS - 1, 5):
            at = START + day * ONE_DAY_MS + (10 + number) * ONE_HOUR_MS
            yield play(f"pair-{number}", at - ONE_HOUR_MS, f"A-{day % TASTE_TRACKS + 1:02}")
            yield play(f"pair-{number}", at, "pair-first")
            yield play(f"pair-{number}", at + 4 * ONE_MINUTE_MS, "pair-second")
    yield play("pair-1", NOW - 5 * ONE_MINUTE_MS, "pair-first")


def ties() -> Iterator[Row]:
    """Play two tracks at the very same moments."""
    for day in range(0, NUM_DAYS, 10):
        yield play("tied-user", START + day * ONE_DAY_MS, "tied-1")
        yield play("tied-user", START + day * ONE_DAY_MS, "tied-2")


def verdicts() -> Iterator[Row]:
    """Skip a track every week, like some, dislike one."""
    for week in range(NUM_DAYS // 7):
        yield play("C-01", START + (7 * week + 5) * ONE_DAY_MS + 22 * ONE_HOUR_MS, "skipped", share=0.05)
    yield "B-01", NOW - 3 * ONE_DAY_MS, "B-02", "like", None, None
    yield DISLIKING, NOW - 3 * ONE_DAY_MS, DISLIKED, "dislike", None, None


def newcomers() -> Iterator[Row]:
    """Bring the new release, the users with little history, and the track that no catalogue has."""
    for number in range(1, 7):
        yield play(f"C-{number:02}", NOW - 2 * ONE_DAY_MS + number * ONE_HOUR_MS, "fresh")
        yield play(f"C-{number:02}", NOW - ONE_DAY_MS + number * ONE_HOUR_MS, "fresh")
    yield play("one-listen", NOW - ONE_DAY_MS, "B-03")
    for turn in range(3):
        yield play("short", NOW - ONE_DAY_MS + turn * 4 * ONE_MINUTE_MS, f"A-{turn + 1:02}")
    yield "C-08", NOW - 4 * ONE_DAY_MS, "uncatalogued", "play", None, None
