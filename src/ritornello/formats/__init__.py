"""Formats: a list as a file that players open; each is one file and one line in this table."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from urllib.parse import quote

MBID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedTrack:
    """One track as players know it; "" and None stand for what the catalogue does not say."""

    id: str
    title: str = ""
    artist: str = ""
    artist_id: str = ""
    album: str = ""
    track_ms: int | None = None

    @property
    def address(self) -> str:
        """The id as a URI: MusicBrainz ids as theirs, addresses as they are, others in a scheme of our own."""
        if MBID.fullmatch(self.id):
            return f"https://musicbrainz.org/recording/{self.id}"
        return self.id if ADDRESS.match(self.id) else f"ritornello:track:{quote(self.id, safe='')}"


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackList:
    """A list with its title, a line about it, whom it is for, and when it was made (ISO 8601, UTC)."""

    title: str
    description: str
    user: str
    made_at: str
    tracks: tuple[ListedTrack, ...]


FORMATS = {
    ".jspf": "ritornello.formats.jspf:write",
    ".m3u8": "ritornello.formats.m3u8:write",
    ".xspf": "ritornello.formats.xspf:write",
}


def written(tracks: TrackList, suffix: str) -> str:
    """Return the text of a file whose name has that ending.

    Raises:
        ValueError: for an ending that is no format's.
    """
    if suffix not in FORMATS:
        raise ValueError(f"no playlist format {suffix!r}: allowed are {', '.join(FORMATS)}")
    module, _, function = FORMATS[suffix].partition(":")
    write: Callable[[TrackList], str] = getattr(import_module(module), function)
    return write(tracks)
