"""JSPF, the JSON form of XSPF, with the extensions that ListenBrainz writes and its readers expect."""

import json

from ritornello.formats import MBID, ListedTrack, TrackList

PLAYLIST_EXTENSION = "https://musicbrainz.org/doc/jspf#playlist"
TRACK_EXTENSION = "https://musicbrainz.org/doc/jspf#track"
CREATOR = "ritornello"


def write(tracks: TrackList) -> str:
    """Return a list as JSPF."""
    about: dict[str, object] = {
        "public": False,
        "creator": CREATOR,
        "additional_metadata": {"algorithm_metadata": {"source_patch": tracks.title}},
    }
    if tracks.user:
        about["created_for"] = tracks.user
    playlist = {
        "creator": CREATOR,
        "title": tracks.title,
        "annotation": tracks.description,
        "date": tracks.made_at,
        "extension": {PLAYLIST_EXTENSION: about},
        "track": [write_track(track, tracks.made_at) for track in tracks.tracks],
    }
    return json.dumps({"playlist": playlist}, ensure_ascii=False, indent=1) + "\n"


def write_track(track: ListedTrack, made_at: str) -> dict[str, object]:
    """Return one track; its identifier is a list, as the format has it."""
    about: dict[str, object] = {"added_by": CREATOR, "added_at": made_at}
    if MBID.fullmatch(track.artist_id):
        about["artist_identifiers"] = [f"https://musicbrainz.org/artist/{track.artist_id}"]
    known = {"title": track.title, "creator": track.artist, "album": track.album, "duration": track.track_ms}
    said = {name: value for name, value in known.items() if value}
    return {"identifier": [track.address], **said, "extension": {TRACK_EXTENSION: about}}
