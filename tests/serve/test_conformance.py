"""What the service answers is what its OpenAPI document says, whatever is sent: requests of every kind, made from the document.

Two things that schemathesis looks for are no failures here: a request may be well formed and ask for what is not there, so that
it is refused; and a user needs no making, so that one who was forgotten is answered as a newcomer, and not with 404.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import StopReason, from_schema
from schemathesis.engine.events import EngineFinished, NonFatalError, ScenarioFinished
from schemathesis.schemas import BaseSchema
from starlette.types import Receive, Scope, Send

from ritornello.artifacts import Workspace
from ritornello.serve.app import create_app
from ritornello.serve.tokens import give_token

KNOWN = {  # so that not every request is about what nobody knows
    "user_id": ["favourite-user", "drifted-user"],
    "track_id": ["favourite", "A-01"],
    "body.user_id": ["favourite-user", "drifted-user"],
    "body.track_id": ["favourite", "A-01"],
    "body.scene": ["none", "daily_mix", "personal_fm", "similar", "playlists", "themed"],
    "body.theme": ["genre:A", "interest", "quiet evening, 2020s"],
    "body.time_zone": ["Europe/Paris"],
}
NEVER_GRANTED = {"POST /v1/bundles/rollback"}  # there is but one bundle


def config_of(token: str, *, max_examples: int) -> SchemathesisConfig:
    return SchemathesisConfig.from_dict(
        {
            "seed": 1,
            "headers": {"Authorization": f"Bearer {token}"},
            "generation": {"deterministic": True, "max-examples": max_examples},
            "checks": {name: {"enabled": False} for name in ("positive_data_acceptance", "use_after_free")},
            "dictionaries": {name.replace(".", "-"): {"values": values} for name, values in KNOWN.items()},
            "parameters": {name: {"dictionary": name.replace(".", "-"), "probability": 0.5} for name in KNOWN},
        }
    )


@pytest.fixture
def asked(request: pytest.FixtureRequest, root: Path, clock) -> Iterator[BaseSchema]:
    """The document of the real application, with the data of the planted world behind it and an operator's token."""
    token = give_token(Workspace(root), "operator", is_operator=True)
    app = create_app(root, clock=clock)

    async def requests_alone(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"  # no life span: what is opened here is closed here
        await app(scope, receive, send)

    config = config_of(token, max_examples=request.param)
    yield schemathesis.openapi.from_asgi("/openapi.json", requests_alone, config=config)
    app.state.service.close()


def failures_of(event: ScenarioFinished) -> list[str]:
    """Return what went wrong with an operation, each with the request that shows it."""
    checks = [check for found in event.recorder.checks.values() for check in found if check.failure_info]
    return [
        f"{event.recorder.label}: {check.failure_info.failure}\n{check.failure_info.code_sample}" for check in checks
    ]


@pytest.mark.parametrize("asked", [25, pytest.param(400, marks=pytest.mark.soak)], indirect=True)
def test_every_answer_is_documented(asked: BaseSchema) -> None:
    statuses: dict[str, set[int]] = defaultdict(set)
    failures: list[str] = []
    for event in from_schema(asked).execute():
        assert not isinstance(event, NonFatalError), event.info.full_message
        if isinstance(event, ScenarioFinished):
            failures += failures_of(event)
            for interaction in event.recorder.interactions.values():
                statuses[event.recorder.label].add(interaction.response.status_code)
    assert isinstance(event, EngineFinished)
    assert event.stop_reason is StopReason.COMPLETED
    assert not failures, "\n\n".join(failures)
    operations = {operation.ok().label for operation in asked.get_all_operations()}
    assert {name for name, seen in statuses.items() if 200 in seen} >= operations - NEVER_GRANTED
