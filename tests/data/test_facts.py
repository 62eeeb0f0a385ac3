"""Facts read a catalogue's columns and its graph: groups with ids and names, decades, flags."""

import numpy as np
import polars as pl
import pytest

from ritornello.data.facts import Facts, of_catalogue
from ritornello.data.graph import Graph
from ritornello.data.sources.planted import PlantedWorld

COLUMNS = {
    "track_id": [7, 8, 9],
    "title": ["Uno", None, "Tres"],
    "artist_id": ["x", "x", None],
    "artist_name": ["Ana", None, None],
    "album_id": [None, "b", None],
    "genre": ["jazz", None, "soul"],
    "released_at": [915_148_800_000, None, 0],
}


def test_groups_flags_and_decades_come_from_the_columns() -> None:
    flags = {"explicit": [True, None, False], "playable": [None, False, True]}
    facts = of_catalogue(pl.DataFrame(COLUMNS | flags), Graph())
    assert facts.find("track", "8").tolist() == [2]
    assert facts.find("artist", "x").tolist() == [1, 2]
    assert facts.groups["artist"].names == ("Ana",)
    assert facts.groups["era"].names == ("1990s", "1970s")
    assert facts.of("genre", np.array([1, 2, 3, 99])).tolist() == [1, 0, 2, 0]
    assert facts.is_explicit_T.tolist() == [False, True, False, False]
    assert facts.is_playable_T[1:].tolist() == [True, False, True]
    assert len(facts.groups["playlist"]) == 0


@pytest.mark.parametrize("kind", ["track", "artist", "playlist", "tag"])
def test_what_is_not_there_has_no_tracks(kind: str) -> None:
    assert of_catalogue(pl.DataFrame(COLUMNS), Graph()).find(kind, "nope").tolist() == []
    assert Facts().find(kind, "nope").tolist() == []


def test_playlists_and_tags_come_from_the_graph_with_their_ids(facts: Facts, world: PlantedWorld) -> None:
    playlists = facts.groups["playlist"]
    row = playlists.row_of["A mix"]
    assert playlists.names[row] == "A Mix"
    assert set(world.track_ids.gather(playlists.tracks(row) - 1)) == {f"A-{number:02}" for number in range(1, 7)}
    assert playlists.by_name["a mix"] == [row]
    assert len(playlists.by_word["mix"]) == 3
    assert len(facts.find("tag", "quiet")) == 8


def test_playlists_that_are_made_later_are_not_known_yet() -> None:
    later = Graph(
        relations=("in_playlist",),
        num_tracks=3,
        head_E=np.array([1, 2], np.int32),
        tail_E=np.array([4, 5], np.int32),
        relation_E=np.zeros(2, np.int32),
        weight_E=np.ones(2, np.float32),
        kind_X=np.zeros(2, np.int8),
        appeared_at_X=np.array([10, 20]),
        name_start_X=np.array([0, 1, 2]),
        name_bytes=np.frombuffer(b"ab", np.uint8),
        id_start_X=np.array([0, 1, 2]),
        id_bytes=np.frombuffer(b"pq", np.uint8),
    )
    catalogue = pl.DataFrame(COLUMNS)
    assert of_catalogue(catalogue, later).groups["playlist"].ids == ("p", "q")
    assert of_catalogue(catalogue, later.before(15, 3)).groups["playlist"].ids == ("p",)
