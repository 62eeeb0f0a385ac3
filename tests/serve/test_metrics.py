"""Metrics: what Prometheus reads moves with what happens."""

import re

import pytest


@pytest.fixture
def number(client):
    def read(name: str) -> float:
        found = re.search(rf"^{re.escape(name)} (.*)$", client.get("/metrics").text, flags=re.MULTILINE)
        return float(found.group(1)) if found else 0.0

    return read


def test_numbers_move_with_what_happens(client, number):
    ask, event = {"user_id": "newcomer", "k": 5}, {"user_id": "newcomer", "track_id": "pair-first", "event_id": "one"}
    client.post("/v1/recommend", json=ask)
    assert number("ritornello_event_to_slate_seconds_count") == 0
    client.post("/v1/events", json=event)
    client.post("/v1/events", json=event)
    client.post("/v1/recommend", json=ask)
    client.post("/v1/recommend", json={**ask, "k": 0})
    client.get("/v1/users/newcomer/export")
    assert number('ritornello_events_total{status="stored"}') == 1
    assert number('ritornello_events_total{status="duplicate"}') == 1
    assert number('ritornello_slates_total{scene="none"}') == 2
    assert number('ritornello_answers_total{route="/v1/recommend",status="200"}') == 2
    assert number('ritornello_answers_total{route="/v1/recommend",status="400"}') == 1
    assert number('ritornello_request_seconds_count{route="/v1/users/{user_id}/export"}') == 1
    assert number("ritornello_event_to_slate_seconds_count") == 1
    for stage in ("history", "slate", "recall", "merge", "rank", "rerank", "reasons"):
        assert number(f'ritornello_stage_seconds_count{{stage="{stage}"}}') == 2
    assert number('ritornello_slate_tracks_total{channel="popular"}') > 0
    assert number('ritornello_channel_quota{channel="popular"}') > 0
    version = client.get("/ready").json()["bundle"]
    assert number(f'ritornello_bundle{{version="{version}"}}') == 1


def test_no_label_tells_who_listens(client):
    client.post("/v1/events", json={"user_id": "a-secret-user", "track_id": "favourite"})
    client.get("/v1/users/a-secret-user/export")
    client.get("/v1/nowhere/a-secret-user")
    assert "secret" not in client.get("/metrics").text
