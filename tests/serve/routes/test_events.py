"""Events over HTTP: kept once, told when they were there, taken back, reported as impressions of a slate."""

from typing import get_args

import pytest

from ritornello.schema import ACTION_NAMES, ONE_DAY_MS
from ritornello.serve.bodies import MAX_BATCH, ActionName

USER = "newcomer"


def post(client, *events, status=200):
    answer = client.post("/v1/events/batch", json={"events": [{"user_id": USER, **event} for event in events]})
    assert answer.status_code == status, answer.text
    return answer.json()


def exported(client, user_id=USER):
    return client.get(f"/v1/users/{user_id}/export").json()["events"]


def test_the_actions_are_those_of_the_schema():
    assert get_args(ActionName) == tuple(ACTION_NAMES)


def test_an_event_posted_twice_is_one(client, clock):
    event = {"track_id": "favourite", "at": clock.now - 5, "event_id": "one"}
    assert post(client, event, event) == {
        "stored": 1,
        "duplicates": 1,
        "events": [{"event_id": "one", "status": "stored"}, {"event_id": "one", "status": "duplicate"}],
    }
    assert post(client, {**event, "at": clock.now})["duplicates"] == 1
    assert [found["at"] for found in exported(client)] == [clock.now - 5]


def test_an_event_without_an_id_is_known_by_its_content(client, clock):
    event = {"track_id": "favourite", "at": clock.now - 5}
    first, second = post(client, event), post(client, event)
    assert (first["stored"], second["duplicates"]) == (1, 1)
    assert first["events"][0]["event_id"] == second["events"][0]["event_id"]
    assert post(client, {**event, "action": "like"})["stored"] == 1


def test_a_batch_with_one_bad_event_keeps_none(client):
    error = post(client, {"track_id": "favourite"}, {"track_id": "favourite", "action": "dance"}, status=400)["error"]
    assert "$.events[1].action" in error
    assert exported(client) == []


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({}, "has no track_id"),
        ({"action": "impression"}, "has no track_id"),
        ({"action": "impression", "request_id": "nobody's"}, "no slate of this user"),
        ({"track_id": "favourite", "at": -1}, "$.events[0].at"),
        ({"track_id": "favourite", "at": 2**63}, "$.events[0].at"),
        ({"track_id": "favourite", "at": 10**14}, "from the future"),
        ({"track_id": "favourite", "played_ms": -5}, "$.events[0].played_ms"),
        ({"track_id": "favourite", "event_id": " "}, "$.events[0].event_id"),
        ({"track_id": "line\nbreak"}, "$.events[0].track_id"),
    ],
)
def test_a_bad_event_is_one_line(client, event, said):
    assert said in post(client, event, status=400)["error"]


def test_a_batch_has_a_length(client):
    assert "$.events" in post(client, *[{"track_id": "favourite"}] * (MAX_BATCH + 1), status=400)["error"]
    assert "$.events" in post(client, status=400)["error"]


def test_a_clock_that_is_a_little_ahead_is_forgiven(client, clock):
    post(client, {"track_id": "pair-first", "at": clock.now + 60_000})
    slate = client.post("/v1/recommend", json={"user_id": USER, "k": 5}).json()
    assert slate["notes"] == []
    assert slate["at"] == clock.now + 60_001


def test_the_impressions_of_a_slate_are_written_back_once(client, clock):
    slate = client.post("/v1/recommend", json={"user_id": USER, "k": 4}).json()
    report = {"action": "impression", "request_id": slate["request_id"]}
    assert post(client, report)["stored"] == 4
    clock.now += 1000
    assert post(client, report)["duplicates"] == 4
    kept = exported(client)
    assert {(event["track_id"], event["position"]) for event in kept} == {
        (track["track_id"], track["position"]) for track in slate["tracks"]
    }
    assert {event["scene"] for event in kept} == {"none"}
    again = client.post("/v1/recommend", json={"user_id": USER, "k": 4}).json()
    assert again["notes"], "what was shown is no part of a history"


def test_a_slate_is_remembered_for_a_day(client, clock):
    slate = client.post("/v1/recommend", json={"user_id": USER, "k": 4}).json()
    clock.now += 2 * ONE_DAY_MS
    client.post("/v1/recommend", json={"user_id": USER, "k": 4})
    post(client, {"action": "impression", "request_id": slate["request_id"]}, status=400)


def test_nobody_reports_the_slate_of_another(client):
    slate = client.post("/v1/recommend", json={"user_id": "other", "k": 4}).json()
    post(client, {"action": "impression", "request_id": slate["request_id"]}, status=400)


def test_a_like_is_taken_back(client, clock):
    like = {"track_id": "pair-first", "at": clock.now, "action": "like"}
    before = client.post("/v1/recommend", json={"user_id": USER, "k": 5}).json()["tracks"]
    post(client, like)
    assert client.post("/v1/recommend", json={"user_id": USER, "k": 5}).json()["tracks"] != before
    assert client.delete(f"/v1/users/{USER}/events", params=like).json() == {"removed": 1}
    assert client.post("/v1/recommend", json={"user_id": USER, "k": 5}).json()["tracks"] == before
    post(client, like)
    assert exported(client) == [], "what was taken back stays away"


def test_a_play_of_the_log_is_taken_back(client):
    play = exported(client, "favourite-user")[0]
    assert play["origin"] == "log"
    client.delete("/v1/users/favourite-user/events", params=play)
    assert play not in exported(client, "favourite-user")
