"""The catalogue: tracks by id and by words."""

import polars as pl


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
