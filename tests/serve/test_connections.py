"""Clients that send slowly, or never, or without end, or do not read, are let go; others are answered meanwhile."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import uvicorn

from ritornello.serve import connections
from ritornello.serve.connections import MAX_HEAD, Connection
from served import free_port, running

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = 50_000_000


async def app(scope, receive, send) -> None:
    """Read a request and answer with its size; with as much as no socket holds where /large is asked for."""
    size, is_more = 0, True
    while is_more:
        message = await receive()
        size, is_more = size + len(message.get("body", b"")), message.get("more_body", False)
    body = b"x" * LARGE if scope["path"] == "/large" else str(size).encode()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]}
    )
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(connections, "REQUEST_S", 0.4)
    monkeypatch.setattr(connections, "UNREAD_MS", 400)
    yield


def against_server(ask: Callable[[int, uvicorn.Server], Awaitable[None]]) -> None:
    """Let a client ask a server of such connections."""

    async def both() -> None:
        port = free_port()
        server = uvicorn.Server(uvicorn.Config(app, port=port, http=Connection, lifespan="off", log_config=None))
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        try:
            await ask(port, server)
        finally:
            server.should_exit = True
            await serving

    asyncio.run(both())


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (b"", b""),
        (b"GET / HTTP/1.1\r\nHost", b"x"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", b"x"),
        (GET, b"\r\n"),
        (GET + b"GET / HTT", b""),
    ],
    ids=["nothing", "head", "body", "blank lines", "after another"],
)
def test_whoever_does_not_come_to_an_end_is_let_go(first: bytes, then: bytes) -> None:
    async def ask(port: int, server: uvicorn.Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(first)
        for _ in range(100):
            writer.write(then)
            await asyncio.sleep(0.05)
            if reader.at_eof() or reader.exception() or not server.server_state.connections:
                break
        assert not server.server_state.connections
        writer.close()

    against_server(ask)


def test_who_asks_in_time_may_ask_again_and_wait_between() -> None:
    async def ask(port: int, _: uvicorn.Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n")
            await asyncio.sleep(0.1)
            writer.write(b"abcd")
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200")
            assert await reader.readexactly(1) == b"4"
            await asyncio.sleep(0.5)  # longer than a request may take: between requests the time is another
        writer.close()

    against_server(ask)


def test_a_head_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REQUEST_S", 60.0)

    async def ask(port: int, server: uvicorn.Server) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n")
        with pytest.raises(ConnectionError):
            for number in range(100 * MAX_HEAD // 1000):
                writer.write(b"X-%d: " % number + b"x" * 1000 + b"\r\n")
                await writer.drain()
        assert not server.server_state.connections

    against_server(ask)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system has no such time")
def test_who_does_not_read_the_answer_is_let_go() -> None:
    async def ask(port: int, server: uvicorn.Server) -> None:
        with socket.create_connection(("127.0.0.1", port)) as mute:
            mute.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
            for _ in range(200):
                await asyncio.sleep(0.05)
                if server.server_state.total_requests and not server.server_state.connections:
                    break
            assert server.server_state.total_requests == 1
            assert not server.server_state.connections

    against_server(ask)


def test_the_service_has_such_connections(root: Path) -> None:
    with running(root) as (_, port), socket.create_connection(("127.0.0.1", port), timeout=20) as endless:
        endless.sendall(b"GET / HTTP/1.1\r\n")
        with pytest.raises(ConnectionError):
            for _ in range(100 * MAX_HEAD // 1000):
                endless.sendall(b"X: " + b"x" * 1000 + b"\r\n")
