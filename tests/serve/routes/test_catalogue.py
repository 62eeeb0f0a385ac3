"""The catalogue: tracks by id and by words, and tracks that come."""

from dataclasses import replace

import polars as pl
import pytest

from ritornello.artifacts import Workspace
from ritornello.data.catalogue import read_catalogue
from ritornello.data.parts import parts_of
from ritornello.serve.tokens import give_token


def test_a_track_is_looked_up(client, world):
    track = client.get("/v1/tracks/favourite").json()
    row = world.tracks.row(by_predicate=pl.col("track_id") == "favourite", named=True)
    assert (track["title"], track["artist"], track["genre"]) == (row["title"], row["artist_name"], row["genre"])
    assert track["is_served"]
    assert client.get("/v1/tracks/nowhere").status_code == 404


def test_tracks_are_found_by_words_of_title_or_artist(client, world):
    title = world.tracks["title"].drop_nulls()[0]
    found = client.get("/v1/tracks", params={"query": title[1:-1].upper(), "limit": 5}).json()["tracks"]
    assert 1 <= len(found) <= 5
    assert all(title[1:-1].lower() in f"{track['title']} {track['artist']}".lower() for track in found)
    assert client.get("/v1/tracks", params={"query": ".*"}).json()["tracks"] == []
    assert client.get("/v1/tracks", params={"query": "a", "limit": 0}).status_code == 400


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "tracks"),
        ({"tracks": []}, "length"),
        ({"tracks": [{"title": "no id"}]}, "track_id"),
        ({"tracks": [{"track_id": "x", "colour": "red"}]}, "colour"),
        ({"tracks": [{"track_id": "x", "track_ms": 0}]}, "track_ms"),
        ({"tracks": [{"track_id": " "}]}, "track_id"),
    ],
)
def test_a_bad_track_is_one_line(client, root, body, said):
    before = parts_of(root / "catalogue" / "tracks")
    answer = client.post("/v1/tracks", json=body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert parts_of(root / "catalogue" / "tracks") == before


def test_only_an_operator_adds_tracks(client, root):
    user = give_token(Workspace(root), "A-01", is_operator=False)
    answer = client.post(
        "/v1/tracks", json={"tracks": [{"track_id": "x"}]}, headers={"Authorization": f"Bearer {user}"}
    )
    assert answer.status_code == 403


def test_a_workspace_that_is_being_written_says_so(client, root, monkeypatch):
    monkeypatch.setattr("ritornello.serve.arrivals.LOCK_S", 0.1)
    with Workspace(root).lock():
        answer = client.post("/v1/tracks", json={"tracks": [{"track_id": "x"}]})
    assert answer.status_code == 503
    assert "in use by another process" in answer.json()["error"]


def test_where_the_log_has_whole_numbers_a_track_has_one_too(client):
    follower = client.app.state.service.follower
    snapshot = follower.current()
    prepared = snapshot.served.prepared
    numbers = pl.Series(prepared.track_ids.name, range(len(prepared.track_ids)), pl.Int64)
    served = replace(snapshot.served, prepared=replace(prepared, track_ids=numbers))
    follower._snapshot = replace(snapshot, served=served)
    answer = client.post("/v1/tracks", json={"tracks": [{"track_id": 7_000}, {"track_id": "t7"}]})
    assert (answer.status_code, answer.json()["error"]) == (
        400,
        "track_id is 't7': allowed are whole numbers, as in the log",
    )


def test_a_track_is_told_with_all_that_is_known_of_it(client, root):
    told = {
        **{
            "track_id": "x",
            "title": "X",
            "artist_id": "a",
            "artist": "A",
            "album_id": "b",
            "genre": "g",
            "track_ms": 9,
        },
        **{
            "released_at": 77,
            "language": "fr",
            "era": "1990s",
            "explicit": True,
            "playable": False,
            "vector": [1.0, 2.0],
        },
    }
    assert client.post("/v1/tracks", json={"tracks": [told]}).json() == {"stored": 1}
    kept = read_catalogue(Workspace(root), pl.String()).filter(pl.col("track_id") == "x").row(0, named=True)
    assert kept == {**{name: value for name, value in told.items() if name != "artist"}, "artist_name": "A"}
