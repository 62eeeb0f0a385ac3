"""OpenAPI: every route says what it takes, what it answers and how it refuses, from the very structs that are checked."""

from collections.abc import Sequence
from typing import TypedDict

import msgspec
from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi

from ritornello.serve.bodies import BODIES, Problem
from ritornello.serve.user_bodies import USER_BODIES

JSON = "application/json"
REFUSALS = {
    400: "The request cannot be read, or asks for what is not there.",
    401: "A token is needed.",
    403: "The token, the host or the origin does not allow it.",
    404: "There is no such thing.",
    405: "The path does not take the method.",
    408: "The body came too slowly.",
    409: "The state of the workspace does not allow it.",
    413: "The body is too large.",
    429: "Too many requests.",
    503: "The service cannot do it now; try again.",
}
ALWAYS = (400, 401, 403, 408, 413, 429, 503)

Schema = dict[str, object]


class Described(TypedDict):
    """The part of a route's declaration that this module makes."""

    response_class: type
    responses: dict[int | str, dict[str, object]]
    openapi_extra: dict[str, object]


def described(
    answer: type[msgspec.Struct], *, body: type[msgspec.Struct] | None = None, refusals: Sequence[int] = ()
) -> Described:
    """Describe a route by its bodies and by the refusals that not every route has."""
    responses: dict[int | str, dict[str, object]] = {200: content(answer, "The answer."), **refused(*refusals)}
    extra: dict[str, object] = {}
    if body is not None:
        extra["requestBody"] = {"required": True, "content": {JSON: {"schema": reference(body)}}}
    return {"response_class": Response, "responses": responses, "openapi_extra": extra}


def refused(*statuses: int) -> dict[int | str, dict[str, object]]:
    """Describe the refusals that every route has, and those beside them."""
    return {status: content(Problem, REFUSALS[status]) for status in sorted({*ALWAYS, *statuses})}


def content(body: type[msgspec.Struct], description: str) -> dict[str, object]:
    """Return a response of the document."""
    return {"description": description, "content": {JSON: {"schema": reference(body)}}}


def reference(body: type[msgspec.Struct]) -> Schema:
    """Point at a body's schema."""
    return {"$ref": f"#/components/schemas/{body.__name__}"}


def document(app: FastAPI) -> Schema:
    """Return the OpenAPI document, made once."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        _, schemas = msgspec.json.schema_components(BODIES + USER_BODIES, ref_template="#/components/schemas/{name}")
        made["components"] = {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        }
        made["security"] = [{}, {"token": []}]
        for path, operations in made["paths"].items():
            for operation in operations.values():
                operation["responses"].pop("422", None)  # what cannot be read is refused with 400 here
                if "{" in path:  # an id with a line break makes a path that leads nowhere
                    operation["responses"].setdefault("404", content(Problem, REFUSALS[404]))
        app.openapi_schema = made
    return app.openapi_schema
