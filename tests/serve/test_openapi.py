"""The OpenAPI document describes every route, and no request made from it, or against it, is a mistake of our own."""

import json
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ritornello.serve.bodies import (
    Ask,
    BundlesAnswer,
    EventBody,
    EventsAnswer,
    Explanation,
    Problem,
    Ready,
    Removed,
    SlateAnswer,
    TrackAnswer,
    TracksAnswer,
)
from ritornello.serve.limits import MAX_BODY
from ritornello.serve.user_bodies import (
    BlockBody,
    FeedbackAnswer,
    FeedbackBody,
    RulesAnswer,
    RulesBody,
    UserAnswer,
    UserBody,
    UserExport,
)

EXAMPLES = 60


@pytest.fixture
def document(client):
    return client.get("/openapi.json").json()


def test_every_route_describes_its_bodies_and_its_refusals(document):
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if path == "/metrics":
                continue
            responses = operation["responses"]
            assert {"200", "400", "401", "403", "413", "429"} <= responses.keys(), path
            assert "422" not in responses
            for response in responses.values():
                name = response["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
                assert name in document["components"]["schemas"]
            assert operation.get("description"), path
            if method == "post" and not path.startswith("/v1/bundles"):
                assert "requestBody" in operation, path


def test_answers_are_what_the_document_says(client, document):
    slate = client.post("/v1/recommend", json={"user_id": "favourite-user", "k": 3})
    asked = {
        SlateAnswer: slate,
        EventsAnswer: client.post("/v1/events", json={"user_id": "u", "track_id": "favourite"}),
        UserExport: client.get("/v1/users/favourite-user/export"),
        Explanation: client.get("/v1/explain?user_id=favourite-user&track_id=favourite"),
        TrackAnswer: client.get("/v1/tracks/favourite"),
        TracksAnswer: client.get("/v1/tracks?query=a"),
        BundlesAnswer: client.get("/v1/bundles"),
        Ready: client.get("/ready"),
        UserAnswer: client.post("/v1/users", json={"user_id": "u"}),
        FeedbackAnswer: client.post("/v1/feedback", json={"user_id": "u", "kind": "like", "track_id": "favourite"}),
        RulesAnswer: client.get("/v1/users/favourite-user/rules"),
        Removed: client.delete("/v1/users/u"),
        Problem: client.get("/v1/tracks/nowhere"),
    }
    for body, answer in asked.items():
        assert set(msgspec.to_builtins(msgspec.json.decode(answer.content, type=body))) == set(answer.json())
        assert set(document["components"]["schemas"][body.__name__]["properties"]) >= set(answer.json())


words = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["favourite", "favourite-user", "../..", "%00", "a" * 300, "'; DROP TABLE events; --"]),
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), words)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3))
READ = (Ask, EventBody, RulesBody, BlockBody, UserBody, FeedbackBody)
FIELDS = sorted({name for body in READ for name in body.__struct_fields__})
WITH_BODY = [
    ("POST", "/v1/recommend"),
    ("POST", "/v1/events"),
    ("POST", "/v1/events/batch"),
    ("PUT", "/v1/users/u/rules"),
    ("POST", "/v1/users/u/rules/blocks"),
    ("POST", "/v1/users"),
    ("POST", "/v1/feedback"),
]
GOOD = {"user_id": "favourite-user", "track_id": "favourite", "k": 5, "action": "play", "kind": "like"}


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Draw bodies from plainly good to plainly absurd."""
    base = {name: GOOD[name] for name in draw(st.sets(st.sampled_from(sorted(GOOD))))}
    body = base | draw(st.dictionaries(st.sampled_from(FIELDS), values, max_size=3))
    wrapped = draw(st.sampled_from([body, {"events": [body, GOOD]}, [body]]))
    text = json.dumps(wrapped).encode()
    return text[: draw(st.integers(0, len(text)))] if draw(st.integers(0, 9)) == 0 else text


def accepted(answer) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert list(answer.json()) == ["error"]
        assert "\n" not in answer.json()["error"]


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies(), asked=st.sampled_from(WITH_BODY))
def test_no_body_breaks_the_service(client, body, asked):
    assert len(body) < MAX_BODY
    accepted(client.request(*asked, content=body))


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), user_id=words, track_id=words)
def test_no_parameter_breaks_the_service(client, data, user_id, track_id):
    user, track = (quote(text.encode("utf-8", "surrogatepass"), safe="") for text in (user_id, track_id))
    number = data.draw(st.one_of(st.integers(), st.text(max_size=5)))
    at = quote(str(number).encode("utf-8", "surrogatepass"), safe="")
    method, path = data.draw(
        st.sampled_from(
            [
                ("GET", f"/v1/users/{user}/export"),
                ("DELETE", f"/v1/users/{user}"),
                ("DELETE", f"/v1/users/{user}/events?track_id={track}&at={at}&action=play"),
                ("GET", f"/v1/users/{user}/rules"),
                ("DELETE", f"/v1/users/{user}/rules/blocks?kind=track&id={track}"),
                ("GET", f"/v1/explain?user_id={user}&track_id={track}"),
                ("GET", f"/v1/tracks/{track}"),
                ("GET", f"/v1/tracks?query={track}&limit={at}"),
                ("POST", f"/v1/bundles/{track}/publish"),
            ]
        )
    )
    accepted(client.request(method, path))
