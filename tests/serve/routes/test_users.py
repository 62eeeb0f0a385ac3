"""Users: what is known of them comes out whole, and goes whole."""

import pytest


def test_a_user_gets_back_the_log_and_what_happened_since(client, world, clock):
    client.post("/v1/events", json={"user_id": "pair-1", "track_id": "favourite", "at": clock.now})
    events = client.get("/v1/users/pair-1/export").json()["events"]
    logged = int((world.sequences.user_E == world.pair_user).sum())
    assert [event["origin"] for event in events] == ["log"] * logged + ["live"]
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)


def test_what_the_log_has_too_is_told_once(client):
    first = client.get("/v1/users/pair-1/export").json()["events"]
    logged = first[-1]
    again = {"user_id": "pair-1", "track_id": logged["track_id"], "at": logged["at"], "event_id": "again"}
    client.post("/v1/events", json=again)
    events = client.get("/v1/users/pair-1/export").json()["events"]
    assert events[:-1] == first[:-1]
    assert (len(events), events[-1]["event_id"], events[-1]["origin"]) == (len(first), "again", "live")


def test_what_was_posted_comes_back_whole(client, clock):
    event = {
        "track_id": "favourite",
        "at": clock.now,
        "action": "share",
        "event_id": "one",
        "played_ms": 5,
        "track_ms": 9,
        "scene": "none",
        "source": "web",
        "request_id": "r",
        "position": 2,
        "propensity": 0.25,
    }
    client.post("/v1/events", json={"user_id": "newcomer", **event})
    found = client.get("/v1/users/newcomer/export").json()["events"]
    assert found == [{**event, "origin": "live", "play_ratio": None}]


def test_a_forgotten_user_is_a_newcomer(client, world):
    client.post("/v1/events", json={"user_id": "pair-1", "track_id": "favourite"})
    slate = client.post("/v1/recommend", json={"user_id": "pair-1"}).json()
    assert client.delete("/v1/users/pair-1").json() == {"removed": 1}
    assert client.get("/v1/users/pair-1/export").json()["events"] == []
    assert "newcomer" in client.post("/v1/recommend", json={"user_id": "pair-1"}).json()["notes"][0]
    report = {"user_id": "pair-1", "action": "impression", "request_id": slate["request_id"]}
    assert client.post("/v1/events", json=report).status_code == 400
    client.post("/v1/events", json={"user_id": "pair-1", "track_id": "favourite"})
    assert len(client.get("/v1/users/pair-1/export").json()["events"]) == 1


def test_an_id_may_hold_a_slash(client):
    client.post("/v1/events", json={"user_id": "a/b", "track_id": "c/d"})
    assert len(client.get("/v1/users/a%2Fb/export").json()["events"]) == 1
    assert client.get("/v1/tracks/c%2Fd").json()["error"].startswith("unknown track 'c/d'")


@pytest.mark.parametrize(("beneath", "allowed"), [("rules", "GET, PUT"), ("export", "GET")])
def test_deleting_what_stands_beneath_a_user_forgets_nobody(client, beneath, allowed):
    client.post("/v1/events", json={"user_id": f"a/{beneath}", "track_id": "favourite"})
    refused = client.delete(f"/v1/users/a/{beneath}")
    assert (refused.status_code, refused.headers["Allow"]) == (405, allowed)
    assert len(client.get(f"/v1/users/a/{beneath}/export").json()["events"]) == 1


def test_a_method_that_a_path_does_not_take_is_answered_with_those_that_it_does(client):
    refused = client.patch("/v1/users/a/rules")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, PUT")
    assert client.post("/openapi.json").headers["Allow"] == "GET, HEAD"
