"""Refusals: every answer that is not the one asked for is a status and one line."""

import logging
import sqlite3

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

logger = logging.getLogger(__name__)


class RefusedError(Exception):
    """A request that is not answered, and why."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


def problem(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """Return a refusal as a response."""
    line = " ".join(message.split())
    body = msgspec.json.encode({"error": line})
    return Response(body, status_code=status, media_type="application/json", headers=headers)


async def refused(_: Request, error: Exception) -> Response:
    """Answer a refusal."""
    assert isinstance(error, RefusedError)
    return problem(error.status, str(error), error.headers)


async def bad_parameter(_: Request, error: Exception) -> Response:
    """Answer a parameter of the path or the query that cannot be read."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return problem(400, f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}")


async def not_found(request: Request, error: Exception) -> Response:
    """Answer an unknown path or a method that it does not have."""
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    message = str(error.detail)
    if error.status_code == 404:
        message = "there is no such path: allowed are those of /openapi.json"
    elif error.status_code == 405:
        found = allowed_methods(request) or headers["Allow"].split(", ")
        headers["Allow"] = ", ".join(sorted(found))
        message = f"{request.method} is no method of this path: allowed are {headers['Allow']}"
    return problem(error.status_code, message, headers)


def allowed_methods(request: Request) -> list[str]:
    """Return all documented methods of a path, each of which is a route of its own; nothing where it is not documented."""
    path = getattr(request.scope.get("route"), "path_format", "")
    return [method.upper() for method in request.app.openapi()["paths"].get(path, ())]


async def disk_failed(_: Request, error: Exception) -> Response:
    """Answer when the live state cannot be read or written: nothing was kept."""
    logger.error("the live state failed: %s", error)
    return problem(
        503, "the live state cannot be read or written now: nothing was kept, try again", {"Retry-After": "1"}
    )


def handle(app: FastAPI) -> None:
    """Let an application answer in this form."""
    app.add_exception_handler(RefusedError, refused)
    app.add_exception_handler(RequestValidationError, bad_parameter)
    app.add_exception_handler(HTTPException, not_found)
    app.add_exception_handler(sqlite3.Error, disk_failed)
