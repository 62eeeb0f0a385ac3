"""What has come since the bundle was trained is recommended without training: new tracks, and what people play now."""

import shutil
import time
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from fastapi.testclient import TestClient

from ritornello.artifacts import Workspace
from ritornello.data.ingest import ingest
from ritornello.data.prepare import load_prepared, prepare
from ritornello.schema import ONE_DAY_MS, ONE_MINUTE_MS
from ritornello.serve.app import create_app
from ritornello.serve.export import export_events
from ritornello.serve.snapshot import Snapshot
from ritornello.train.recall import fit_recall

NEW = {"track_id": "A-99", "title": "Song 99 of A", "artist_id": "A-artist-5", "artist": "A-Artist-5", "genre": "A"}


@pytest.fixture(autouse=True)
def restless(monkeypatch):
    """Nobody waits between two refreshes."""
    monkeypatch.setattr("ritornello.serve.follow.LEAST_REST_S", 0.0)
    monkeypatch.setattr("ritornello.serve.follow.REST", 0.0)


def served(client: TestClient) -> Snapshot:
    return client.app.state.service.follower.current()


def until(client: TestClient, holds: Callable[[Snapshot], bool]) -> Snapshot:
    """Wait for what the service serves to be as it should."""
    deadline = time.monotonic() + 30
    while not holds(served(client)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return served(client)


def add(client: TestClient, *tracks: dict[str, object]) -> None:
    answer = client.post("/v1/tracks", json={"tracks": list(tracks)})
    assert answer.status_code == 200, answer.json()
    ids = [track["track_id"] for track in tracks]
    until(client, lambda snapshot: all(snapshot.tracks.row(track_id) for track_id in ids))


def play(client: TestClient, clock, track_id: str, users: list[str], *, minutes: int = 1) -> None:
    events = [
        {"user_id": user_id, "track_id": track_id, "at": clock.now - minutes * ONE_MINUTE_MS, "played_ms": 200_000}
        for user_id in users
    ]
    assert client.post("/v1/events/batch", json={"events": events}).status_code == 200


def ids(client: TestClient, **ask: object) -> list[str]:
    answer = client.post("/v1/recommend", json={"user_id": "A-01", "k": 30, **ask})
    assert answer.status_code == 200, answer.json()
    return [track["track_id"] for track in answer.json()["tracks"]]


def popular(snapshot: Snapshot, track_id: str) -> float:
    score_T = snapshot.untimed.channels["popular"].score_T
    row = snapshot.tracks.row(track_id)
    return float(score_T[row]) if row < len(score_T) else 0.0


def test_a_new_track_is_in_the_radio_of_its_artist(client):
    asked = {"scene": "similar", "seeds": ["artist:A-artist-5"]}
    assert "A-99" not in ids(client, **asked)
    add(client, NEW)
    assert "A-99" in ids(client, **asked)
    assert client.get("/v1/tracks/A-99").json()["is_served"]


def test_a_new_track_lies_beside_its_kin(client):
    add(client, NEW)
    snapshot = served(client)
    vector = snapshot.untimed.channels["vector"]
    row = snapshot.tracks.row("A-99")
    near = vector.track_TE[1:, :-1] @ vector.track_TE[row, :-1]
    best = 1 + np.argsort(-near)
    kin = [str(snapshot.names.track_ids[place - 1]) for place in best[:5].tolist()]
    assert kin[0] == "A-99"
    assert all(name.startswith("A-") for name in kin)


def test_what_is_played_now_is_popular_and_fresh(client, clock):
    add(client, NEW)
    before = popular(served(client), "B-01")
    play(client, clock, "A-99", [f"newcomer-{number}" for number in range(30)])
    play(client, clock, "B-01", [f"newcomer-{number}" for number in range(30)], minutes=2)
    snapshot = until(client, lambda now: popular(now, "A-99") > 20)
    assert popular(snapshot, "B-01") > before + 20
    answer = client.post("/v1/recommend", json={"user_id": "A-01", "k": 30, "only": "unheard"}).json()
    told = {track["track_id"]: track["channels"] for track in answer["tracks"]}
    assert {"popular", "fresh"} <= set(told["A-99"])


def test_popularity_is_what_training_would_count_after_the_live_events_are_in_the_log(
    client, root, clock, tmp_path, small_config
):
    before = popular(served(client), "B-01")
    play(client, clock, "B-02", ["somebody"], minutes=9)
    play(client, clock, "B-01", ["A-01", "somebody", "A-02"])
    snapshot = until(client, lambda now: popular(now, "B-01") > before + 2.5)
    live = snapshot.untimed
    workspace = Workspace(root)
    export_events(workspace, tmp_path / "live.parquet")
    ingest(workspace, [tmp_path / "live.parquet"], now_ms=clock.now)
    prepare(workspace)
    prepared = load_prepared(workspace)
    at = int(prepared.sequences.at_E.max()) + 1
    fitted = fit_recall(prepared.sequences, at, small_config, prepared.knowledge)
    for name in ("popular", "fresh"):
        np.testing.assert_array_equal(live.channels[name].score_T, fitted.channels[name].score_T)
    np.testing.assert_allclose(live.stats.value_TF, fitted.stats.value_TF, rtol=1e-6)


def test_taken_back_and_forgotten_events_count_no_more(client, clock):
    before = popular(served(client), "B-01")
    play(client, clock, "B-01", ["x", "y", "z"])
    until(client, lambda now: popular(now, "B-01") > before + 2)
    client.delete("/v1/users/x/events", params={"track_id": "B-01", "at": clock.now - ONE_MINUTE_MS})
    client.delete("/v1/users/y")
    until(client, lambda now: popular(now, "B-01") < before + 1.5)
    favourite = popular(served(client), "favourite")
    client.delete("/v1/users/favourite-user")
    until(client, lambda now: popular(now, "favourite") < favourite / 2)


def test_blocks_hold_for_a_new_track(client):
    add(client, NEW)
    asked = {"scene": "similar", "seeds": ["artist:A-artist-5"]}
    assert "A-99" in ids(client, **asked)
    client.post("/v1/users/A-01/rules/blocks", json={"kind": "track", "id": "A-99"})
    assert "A-99" not in ids(client, **asked)


def test_a_restart_keeps_it_and_another_process_agrees(client, root, clock):
    add(client, NEW)
    play(client, clock, "A-99", [f"newcomer-{number}" for number in range(30)])
    until(client, lambda now: popular(now, "A-99") > 20)
    with TestClient(create_app(root, clock=clock), base_url="http://127.0.0.1") as other:
        for user_id in ("A-01", "B-02", "nobody"):
            assert ids(other, user_id=user_id) == ids(client, user_id=user_id)
        assert "A-99" in ids(other, user_id="A-01", only="unheard")


def test_a_daily_mix_that_is_out_stays_what_it_is(client, clock):
    before = ids(client, scene="daily_mix")
    add(client, NEW)
    play(client, clock, "A-99", [f"newcomer-{number}" for number in range(30)])
    until(client, lambda now: popular(now, "A-99") > 20)
    assert ids(client, scene="daily_mix") == before


def test_a_track_that_is_not_released_yet_waits(client, clock):
    answer = client.post("/v1/tracks", json={"tracks": [{**NEW, "released_at": clock.now + ONE_DAY_MS}]})
    assert answer.json() == {"stored": 1}
    add(client, {**NEW, "track_id": "A-98"})
    asked = {"scene": "similar", "seeds": ["artist:A-artist-5"]}
    assert "A-98" in ids(client, **asked)
    assert "A-99" not in ids(client, **asked)
    clock.now += 2 * ONE_DAY_MS
    play(client, clock, "B-01", ["x"])
    until(client, lambda now: now.num_tracks >= now.tracks.row("A-99"))
    assert {"A-98", "A-99"} <= set(ids(client, **asked))


def test_a_file_that_is_ingested_is_enough(client, root, clock, tmp_path):
    pl.DataFrame([{**NEW, "released_at": clock.now - ONE_DAY_MS}]).rename({"artist": "artist_name"}).write_parquet(
        tmp_path / "new.parquet"
    )
    ingest(Workspace(root), [tmp_path / "new.parquet"], kind="catalogue")
    until(client, lambda now: now.tracks.row("A-99"))
    assert "A-99" in ids(client, scene="similar", seeds=["artist:A-artist-5"])


def test_an_unknown_track_counts_once_the_catalogue_has_it(client, clock):
    play(client, clock, "A-99", ["x", "y", "z"])
    play(client, clock, "B-01", ["x"])
    until(client, lambda now: popular(now, "B-01") > 1)
    assert served(client).tracks.row("A-99") == 0
    add(client, NEW)
    until(client, lambda now: popular(now, "A-99") > 2)


def test_without_a_catalogue_a_track_counts_as_soon_as_it_is_played(root, clock):
    shutil.rmtree(root / "catalogue")
    with TestClient(create_app(root, clock=clock), base_url="http://127.0.0.1") as client:
        play(client, clock, "nowhere-else", ["x", "y", "z"])
        until(client, lambda now: popular(now, "nowhere-else") > 2)
        assert "nowhere-else" in ids(client, only="unheard")
