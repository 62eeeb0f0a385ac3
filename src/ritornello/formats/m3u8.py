"""M3U8: a line about each track and a line that says where it is, which is its id; players open ids that are paths or URLs."""

from ritornello.formats import ListedTrack, TrackList

UNKNOWN_LENGTH = -1


def write(tracks: TrackList) -> str:
    """Return a list as M3U8."""
    lines = ["#EXTM3U", f"#PLAYLIST:{one_line(tracks.title)}"]
    for track in tracks.tracks:
        seconds = UNKNOWN_LENGTH if track.track_ms is None else round(track.track_ms / 1000)
        lines += [f"#EXTINF:{seconds},{one_line(shown(track))}", one_line(track.id)]
    return "\n".join(lines) + "\n"


def shown(track: ListedTrack) -> str:
    """Return artist and title as players show them."""
    return " - ".join(part for part in (track.artist, track.title or track.id) if part)


def one_line(text: str) -> str:
    """Keep a text from ending its line."""
    return " ".join(text.split())
