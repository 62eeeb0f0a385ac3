"""Limits: what is refused before it is read: bodies that are too large or too slow, and pages from elsewhere.

Where the service is open to whoever is on the machine, a page in a browser there may send requests too. It can hide neither its
origin nor, after rebinding a name, its host. Where tokens are needed, a page has none.
"""

import asyncio
import logging
import time
import traceback
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ritornello.serve.access import LOOPBACK, Access
from ritornello.serve.metrics import Metrics
from ritornello.serve.refusals import RefusedError, problem

MAX_BODY = 1_000_000
BODY_S = 10.0
CLOSE = {"Connection": "close"}

logger = logging.getLogger(__name__)


class Limits:
    """Stands before the application and counts what comes out of it."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, access: Access) -> None:
        self.app = app
        self.metrics = metrics
        self.access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def counted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            refused = refusal_of(Headers(scope=scope), is_open=self.access.is_open())
            if refused is None:
                await self.app(scope, limited(receive), counted)
            else:
                await problem(*refused)(scope, receive, counted)
        except ClientDisconnect:
            pass  # nobody is there to be answered
        except Exception as error:  # noqa: BLE001  # a mistake of our own: its place is logged, what was asked is not
            place = "".join(traceback.format_tb(error.__traceback__))
            logger.error("a request failed with %s\n%s", type(error).__name__, place)
            if status == 0:
                await problem(500, "the service made a mistake: its log has more")(scope, receive, counted)
        finally:
            route = getattr(scope.get("route"), "path_format", "none")
            self.metrics.request(route, status, time.perf_counter() - started)


def refusal_of(headers: Headers, *, is_open: bool) -> tuple[int, str] | None:
    """Return why the headers alone are refused, None where they are not."""
    host, origin = headers.get("host", ""), headers.get("origin")
    if is_open and name_of(f"//{host}") not in LOOPBACK:
        return 403, f"host is {host[:80]!r}: allowed are {', '.join(sorted(LOOPBACK))}, or any with a token"
    if is_open and origin is not None and name_of(origin) not in LOOPBACK:
        return 403, f"origin is {origin[:80]!r}: allowed are pages of this machine, or any with a token"
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MAX_BODY:
        return 413, f"the body has {length[:20]} bytes: allowed are {MAX_BODY:,}"
    return None


def name_of(address: str) -> str | None:
    """Return the host of an address, None where there is none."""
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def limited(receive: Receive) -> Receive:
    """Count the bytes of a body and the time it takes to come."""
    size, deadline, is_complete = 0, time.monotonic() + BODY_S, False

    async def receive_within() -> Message:
        nonlocal size, is_complete
        if is_complete:  # what follows the body is the end of the connection, and that may take its time
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), deadline - time.monotonic())
        except TimeoutError as error:
            raise RefusedError(408, f"the body did not come within {BODY_S:.0f} s", CLOSE) from error
        size += len(message.get("body", b""))
        is_complete = not message.get("more_body", False)
        if size > MAX_BODY:
            raise RefusedError(413, f"the body has more than the {MAX_BODY:,} bytes that are allowed", CLOSE)
        return message

    return receive_within
