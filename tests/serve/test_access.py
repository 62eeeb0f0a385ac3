"""Who may ask: open on loopback until a token is given out, then everyone needs theirs, and sees their own alone."""

import sqlite3
import uuid

import pytest
from fastapi.testclient import TestClient

from ritornello.artifacts import Workspace
from ritornello.serve import access
from ritornello.serve.app import create_app
from ritornello.serve.run import serve
from ritornello.serve.tokens import give_token, has_tokens


@pytest.fixture
def tokens(root):
    workspace = Workspace(root)
    return {
        "pair-1": give_token(workspace, "pair-1", is_operator=False),
        "operator": give_token(workspace, "the shop", is_operator=True),
    }


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


OWN = [
    ("POST", "/v1/recommend", {"user_id": "USER"}),
    ("POST", "/v1/events", {"user_id": "USER", "track_id": "favourite"}),
    ("POST", "/v1/events/batch", {"events": [{"user_id": "USER", "track_id": "favourite"}]}),
    ("GET", "/v1/users/USER/export", None),
    ("GET", "/v1/explain?user_id=USER&track_id=favourite", None),
    ("DELETE", "/v1/users/USER/events?track_id=favourite&at=5", None),
    ("DELETE", "/v1/users/USER", None),
]
SERVICE = [
    ("GET", "/metrics"),
    ("GET", "/v1/bundles"),
    ("POST", "/v1/bundles/rollback"),
    ("POST", "/v1/bundles/x/publish"),
]


def send(client, method, path, body, user, headers):
    text = None if body is None else repr(body).replace("'", '"').replace("USER", user)
    return client.request(method, path.replace("USER", user), content=text, headers=headers).status_code


@pytest.mark.parametrize(("method", "path", "body"), OWN)
def test_a_token_sees_its_user_alone(client, tokens, method, path, body):
    assert send(client, method, path, body, "pair-1", {}) == 401
    assert send(client, method, path, body, "pair-1", bearer(uuid.uuid4())) == 401
    assert send(client, method, path, body, "favourite-user", bearer(tokens["pair-1"])) == 403
    assert send(client, method, path, body, "favourite-user", bearer(tokens["operator"])) == 200
    assert send(client, method, path, body, "pair-1", bearer(tokens["pair-1"])) == 200


@pytest.mark.parametrize(("method", "path"), SERVICE)
def test_the_service_itself_is_for_operators(client, tokens, method, path):
    assert client.request(method, path).status_code == 401
    assert client.request(method, path, headers=bearer(tokens["pair-1"])).status_code == 403
    assert client.request(method, path, headers=bearer(tokens["operator"])).status_code in (200, 404, 409)


def test_the_catalogue_is_for_whoever_has_a_token(client, tokens):
    assert client.get("/v1/tracks/favourite").status_code == 401
    assert client.get("/v1/tracks/favourite", headers=bearer(tokens["pair-1"])).status_code == 200


def test_a_batch_with_one_event_of_somebody_else_is_refused_whole(client, tokens):
    events = [{"user_id": user, "track_id": "favourite"} for user in ("pair-1", "favourite-user")]
    answer = client.post("/v1/events/batch", json={"events": events}, headers=bearer(tokens["pair-1"]))
    assert answer.status_code == 403
    export = client.get("/v1/users/pair-1/export", headers=bearer(tokens["operator"])).json()
    assert "live" not in {event["origin"] for event in export["events"]}


def test_a_token_has_an_allowance(client, tokens, monkeypatch):
    monkeypatch.setattr(access, "RATE", 0.0)
    statuses = [
        client.get("/v1/tracks/favourite", headers=bearer(tokens["pair-1"])).status_code
        for _ in range(int(access.BURST) + 1)
    ]
    assert statuses == [200] * int(access.BURST) + [429]
    assert client.get("/v1/tracks/favourite", headers=bearer(tokens["operator"])).status_code == 200


def test_only_the_hash_of_a_token_is_kept(root, tokens):
    files = b"".join(path.read_bytes() for path in root.glob("state.sqlite*"))
    assert all(token.encode() not in files for token in tokens.values())
    with sqlite3.connect(root / "state.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM tokens").fetchone() == (2,)
    connection.close()


def test_beyond_loopback_nothing_is_open(root):
    with TestClient(create_app(root, host="0.0.0.0"), base_url="http://music.example") as client:
        assert client.get("/v1/tracks/favourite").status_code == 401
        assert client.get("/health").status_code == 200
    assert not has_tokens(Workspace(root))
    with pytest.raises(ValueError, match="has no tokens"):
        serve(root, host="0.0.0.0", port=8765, workers=1)
