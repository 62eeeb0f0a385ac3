"""What is refused before it is read, and what is never told: oversized and slow bodies, foreign pages, mistakes of our own."""

import asyncio
import logging
import sqlite3

import pytest
from fastapi.testclient import TestClient
from starlette.requests import Request

from ritornello.artifacts import Workspace
from ritornello.serve import limits
from ritornello.serve.limits import MAX_BODY, Limits, limited
from ritornello.serve.refusals import RefusedError
from ritornello.serve.routes import slates
from ritornello.serve.tokens import give_token


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Host": "["}, 403),
        ({"Origin": "http://127.0.0.1"}, 200),
        ({"Host": "localhost:8765"}, 200),
    ],
)
def test_a_foreign_page_is_refused(client, headers, status):
    body = {"user_id": "newcomer", "track_id": "favourite"}
    assert client.post("/v1/events", json=body, headers=headers).status_code == status


def test_a_proxy_in_front_may_have_any_name_once_tokens_are_needed(client, root):
    token = give_token(Workspace(root), "newcomer", is_operator=False)
    headers = {"Host": "music.example", "Origin": "https://music.example", "Authorization": f"Bearer {token}"}
    assert client.post("/v1/recommend", json={"user_id": "newcomer"}, headers=headers).status_code == 200


def test_a_body_has_a_size_told_or_not(client):
    assert client.post("/v1/events", content=b" " * (MAX_BODY + 1)).status_code == 413
    pieces = (b" " * 100_000 for _ in range(20))
    assert client.post("/v1/events", content=pieces).status_code == 413
    assert client.post("/v1/events", content=b"{}", headers={"Content-Length": "x"}).status_code == 413


def test_a_body_has_a_time(monkeypatch):
    monkeypatch.setattr(limits, "BODY_S", 0.01)

    async def never():
        await asyncio.sleep(10)

    with pytest.raises(RefusedError) as refused:
        asyncio.run(limited(never)())
    assert refused.value.status == 408


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"\xff"', b"[" * 5000, b'{"user_id": "\\ud800", "track_id": "t"}']
)
def test_what_is_no_json_is_one_line(client, body):
    answer = client.post("/v1/events", content=body)
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]


def test_unknown_paths_and_methods_are_one_line(client):
    nowhere = client.get("/v2/recommend")
    assert nowhere.status_code == 404
    assert nowhere.json() == {"error": "there is no such path: allowed are those of /openapi.json"}
    assert client.put("/v1/events").status_code == 405


def test_a_mistake_of_our_own_tells_nothing_of_who_asked(client, monkeypatch, caplog):
    def fail(_, ask, *__):
        raise RuntimeError(ask.user_id)

    monkeypatch.setattr(slates, "answer", fail)
    with caplog.at_level(logging.DEBUG):
        answer = client.post("/v1/recommend", json={"user_id": "a-secret-user"})
    assert answer.status_code == 500
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text + answer.text


def test_no_listening_is_logged(client, caplog):
    with caplog.at_level(logging.DEBUG, logger="ritornello"):
        client.post("/v1/events", json={"user_id": "a-secret-user", "track_id": "favourite"})
        client.post("/v1/recommend", json={"user_id": "a-secret-user"})
        client.get("/v1/explain", params={"user_id": "a-secret-user", "track_id": "favourite"})
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("ritornello")]
    assert not any("secret" in line or "favourite" in line for line in ours)


def test_a_disk_that_refuses_is_told(client, monkeypatch):
    def full(_):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(client.app.state.service.state, "add_events", full)
    answer = client.post("/v1/events", json={"user_id": "newcomer", "track_id": "favourite"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "nothing was kept" in answer.json()["error"]


def test_too_many_waiting_requests_are_sent_away(client: TestClient):
    client.app.state.service.num_waiting = 10_000
    answer = client.post("/v1/recommend", json={"user_id": "newcomer"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_who_goes_away_while_sending_is_no_mistake_of_ours(client, caplog):
    async def app(scope, receive, send):
        await Request(scope, receive).body()

    async def gone():
        return {"type": "http.disconnect"}

    async def send(message):
        raise AssertionError("there is nobody to answer")

    service = client.app.state.service
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"host", b"127.0.0.1")]}
    asyncio.run(Limits(app, metrics=service.metrics, access=service.access)(scope, gone, send))
    assert not caplog.records
