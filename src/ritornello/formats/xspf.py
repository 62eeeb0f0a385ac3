"""XSPF, the XML playlist of Xiph: https://xspf.org/spec."""

from xml.etree import ElementTree as ET

from ritornello.formats import TrackList

NAMESPACE = "http://xspf.org/ns/0/"


def write(tracks: TrackList) -> str:
    """Return a list as XSPF."""
    playlist = ET.Element("playlist", {"version": "1", "xmlns": NAMESPACE})
    add(playlist, "title", tracks.title)
    add(playlist, "creator", "ritornello")
    add(playlist, "annotation", tracks.description)
    add(playlist, "date", tracks.made_at)
    track_list = ET.SubElement(playlist, "trackList")
    for track in tracks.tracks:
        element = ET.SubElement(track_list, "track")
        add(element, "identifier", track.address)
        add(element, "title", track.title)
        add(element, "creator", track.artist)
        add(element, "album", track.album)
        add(element, "duration", "" if track.track_ms is None else str(track.track_ms))
    ET.indent(playlist)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(playlist, encoding="unicode")}\n'


def add(parent: ET.Element, name: str, text: str) -> None:
    """Add an element where there is something to say, without characters that XML forbids."""
    if text:
        ET.SubElement(parent, name).text = "".join(letter for letter in text if letter >= " " or letter in "\t\n")
