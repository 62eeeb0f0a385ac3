"""Slates over HTTP: the very ones of the pipeline, changed by the next event, each track with its reason."""

import numpy as np
import polars as pl
import pytest
from fastapi.testclient import TestClient

from ritornello import request
from ritornello.artifacts import Workspace
from ritornello.data.ids import rows_of
from ritornello.serve.app import create_app
from ritornello.text import TextModel
from text_folder import write_text_model

USER = "favourite-user"


def ask(client, user_id=USER, **wish):
    answer = client.post("/v1/recommend", json={"user_id": user_id, **wish})
    assert answer.status_code == 200, answer.text
    return answer.json()


def tracks(slate):
    return [track["track_id"] for track in slate["tracks"]]


@pytest.mark.parametrize(
    ("wish", "options"),
    [
        ({}, {}),
        ({"only": "unheard"}, {"only": "unheard"}),
        ({"scene": "daily_mix"}, {"scene": "daily_mix"}),
        ({"scene": "daily_mix", "familiarity": 0.5}, {"scene": "daily_mix", "familiarity": 0.5}),
    ],
)
def test_a_slate_is_the_one_of_the_command_line(client, root, world, wish, options):
    served = request.open_workspace(Workspace(root))
    for user_id in [*world.user_ids.to_list(), world.unknown_user_id]:
        user_U = rows_of(pl.Series([user_id]), served.prepared.user_ids)
        _, slate = request.recommend(served, user_U, 10, at=world.now + 1, **options)
        answer = ask(client, user_id, k=10, **wish)
        size = np.count_nonzero(slate.track_BK[0])
        if options.get("scene") == "daily_mix" and user_id == world.unknown_user_id:
            continue  # newcomers draw their lots by their own id, not all alike
        assert tracks(answer) == served.prepared.track_ids.gather(slate.track_BK[0, :size] - 1).to_list()
        np.testing.assert_allclose([track["score"] for track in answer["tracks"]], slate.score_BK[0, :size], rtol=1e-5)
        assert [track["heard"] for track in answer["tracks"]] == slate.heard_BK[0, :size].tolist()


def test_an_event_changes_the_next_slate(client, world):
    before = ask(client, "pair-1", only="unheard", k=5)
    played = tracks(before)[0]
    client.post("/v1/events", json={"user_id": "pair-1", "track_id": played})
    after = ask(client, "pair-1", k=20)
    assert played not in tracks(ask(client, "pair-1", only="unheard", k=5))
    told = next(track for track in after["tracks"] if track["track_id"] == played)
    assert told["heard"]
    assert told["reason"] == "you played it once"


def test_a_newcomer_is_told_so_and_known_from_the_first_event(client):
    first = ask(client, "newcomer", k=5)
    assert "newcomer" in first["notes"][0]
    client.post("/v1/events", json={"user_id": "newcomer", "track_id": "pair-first"})
    second = ask(client, "newcomer", k=5)
    assert second["notes"] == []
    assert tracks(second) != tracks(first)
    assert "pair-second" in tracks(second)


def test_tracks_that_are_excluded_or_unknown_do_not_show(client):
    full = ask(client, k=10)
    client.post("/v1/events", json={"user_id": USER, "track_id": "not-in-the-catalogue"})
    rest = ask(client, k=8, exclude=[*tracks(full)[:2], "not-in-the-catalogue"])
    assert tracks(rest) == [track for track in tracks(full) if track not in tracks(full)[:2]][: len(rest["tracks"])]
    assert [track["position"] for track in rest["tracks"]] == list(range(1, len(rest["tracks"]) + 1))


def test_more_tracks_than_there_are_is_told(client):
    slate = ask(client, k=500)
    assert f"{len(slate['tracks'])} of 500 tracks" in slate["notes"][0]
    assert len(set(tracks(slate))) == len(slate["tracks"])


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"scene": "os:path"}, "allowed are none"),
        ({"scene": "daily_mix", "only": "heard"}, "allowed with scene daily_mix is any"),
        ({"familiarity": 0.5}, "scene none takes no familiarity"),
        ({"familiarity": 2}, "familiarity"),
        ({"seeds": ["favourite"]}, "scene none takes no seeds"),
        ({"rules": {"hide_heard_days": 3}}, "scene none takes no rules"),
        ({"scene": "similar", "seeds": ["nowhere"]}, "nowhere"),
        ({"scene": "themed", "theme": "artist:nobody-of-that-name"}, "nobody-of-that-name"),
        ({"scene": "playlists", "playlist": "none-such"}, "none-such"),
        ({"scene": "personal_fm", "rules": {"blocks": [{"kind": "mood", "id": "x"}]}}, "$.rules.blocks[0].kind"),
        ({"k": 0}, "$.k"),
        ({"k": 501}, "$.k"),
        ({"k": "many"}, "$.k"),
        ({"user_id": ""}, "$.user_id"),
        ({"user_id": "x" * 257}, "$.user_id"),
        ({"exclude": ["x"] * 1001}, "$.exclude"),
        ({"number": 5}, "unknown field `number`"),
    ],
)
def test_a_wish_that_cannot_be_granted_is_one_line(client, wish, said):
    answer = client.post("/v1/recommend", json={"user_id": USER, **wish})
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]
    assert said in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


def test_explain_knows_what_has_just_happened(client):
    asked = {"user_id": "newcomer", "track_id": "pair-first"}
    before = client.get("/v1/explain", params=asked).json()
    client.post("/v1/events", json=asked)
    after = client.get("/v1/explain", params=asked).json()
    assert before["lines"][0] == "never played by this user"
    assert after["lines"][0] == "played 1 time(s) by this user, last 0.0 days before now"
    assert client.get("/v1/explain", params={**asked, "track_id": "nowhere"}).status_code == 404


def test_every_scene_answers_over_http(client):
    fm = ask(client, scene="personal_fm", k=5)
    assert len(fm["tracks"]) == 5
    assert all(0 < track["propensity"] <= 1 for track in fm["tracks"])
    blocked = tracks(fm)[0]
    again = ask(client, scene="personal_fm", k=5, rules={"blocks": [{"kind": "track", "id": blocked}]})
    assert blocked not in tracks(again)
    near = ask(client, scene="similar", seeds=["favourite"], k=5)
    assert len(near["tracks"]) == 5
    assert near["title"]
    assert len(ask(client, scene="daily_mix", familiarity=0.5)["tracks"]) > 0


def test_impressions_of_a_stream_carry_their_propensity(client):
    fm = ask(client, scene="personal_fm", k=5)
    event = {"user_id": USER, "action": "impression", "request_id": fm["request_id"]}
    assert client.post("/v1/events", json=event).status_code == 200
    kept = client.get(f"/v1/users/{USER}/export").json()["events"]
    told = {event["track_id"]: event["propensity"] for event in kept if event["action"] == "impression"}
    assert told == {track["track_id"]: pytest.approx(track["propensity"]) for track in fm["tracks"]}


def test_themes_are_understood_by_the_text_model_of_the_service_after_a_swap_too(root, clock, tmp_path):
    text_model = TextModel(write_text_model(tmp_path / "model"))
    with TestClient(create_app(root, clock=clock, text_model=text_model), base_url="http://127.0.0.1") as client:
        slate = ask(client, scene="themed", theme="bravo", k=3)
        assert 'understood by likeness: "bravo" as genre B' in slate["notes"][0]
        before = client.app.state.service.follower.current()
        assert client.post(f"/v1/bundles/{before.version}/publish").status_code == 200
        assert client.app.state.service.follower.current() is not before
        assert tracks(ask(client, scene="themed", theme="bravo", k=3)) == tracks(slate)
