"""Playlist files are what players and services read, whatever a title holds."""

import json
from xml.etree import ElementTree as ET

import pytest

from ritornello.formats import ListedTrack, TrackList, written

MBID = "8f3471b5-7e6a-48da-86a9-c1c07a0f47ae"
ODD = 'Rock & <Roll>\n"Tonight" \x01caf\u00e9'
LIST = TrackList(
    title="Daily mix",
    description="2 tracks.",
    user="ana",
    made_at="2026-01-02T00:00:00+00:00",
    tracks=(
        ListedTrack(id=MBID, title="One", artist="Ana", artist_id=MBID, album="First", track_ms=61_499),
        ListedTrack(id="music/a b.flac", title=ODD),
    ),
)


def test_jspf_has_what_its_readers_look_for() -> None:
    playlist = json.loads(written(LIST, ".jspf"))["playlist"]
    assert playlist["title"] == "Daily mix"
    assert playlist["annotation"] == "2 tracks."
    assert playlist["extension"]["https://musicbrainz.org/doc/jspf#playlist"]["created_for"] == "ana"
    first, second = playlist["track"]
    assert first["identifier"] == [f"https://musicbrainz.org/recording/{MBID}"]
    assert (first["title"], first["creator"], first["album"], first["duration"]) == ("One", "Ana", "First", 61_499)
    about = first["extension"]["https://musicbrainz.org/doc/jspf#track"]
    assert about["artist_identifiers"] == [f"https://musicbrainz.org/artist/{MBID}"]
    assert second["identifier"] == ["ritornello:track:music%2Fa%20b.flac"]
    assert "creator" not in second


def test_m3u8_has_two_lines_a_track() -> None:
    lines = written(LIST, ".m3u8").splitlines()
    assert lines[:4] == ["#EXTM3U", "#PLAYLIST:Daily mix", "#EXTINF:61,Ana - One", MBID]
    assert lines[4].startswith('#EXTINF:-1,Rock & <Roll> "Tonight"')
    assert lines[5:] == ["music/a b.flac"]


def test_xspf_is_xml_in_its_namespace() -> None:
    root = ET.fromstring(written(LIST, ".xspf"))
    space = {"x": "http://xspf.org/ns/0/"}
    assert root.findtext("x:title", namespaces=space) == "Daily mix"
    assert [one.text for one in root.findall("x:trackList/x:track/x:duration", space)] == ["61499"]
    assert root.findall("x:trackList/x:track/x:title", space)[1].text == ODD.replace("\x01", "")


def test_another_ending_is_one_clear_line() -> None:
    with pytest.raises(ValueError, match=r"no playlist format '\.pls': allowed are \.jspf, \.m3u8, \.xspf"):
        written(LIST, ".pls")
