"""Connections: whoever holds one without sending, or without reading, is let go, so that slow clients cost a bounded time."""

import asyncio
import socket

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

REQUEST_S = 20.0  # from the connection, or the first byte of a further request, to the last byte
UNREAD_MS = 30_000
MAX_HEAD = 65_536


class Connection(HttpToolsProtocol):
    """One connection, with a time for requests to arrive and answers to be taken, and a size of what comes before a body."""

    deadline: asyncio.TimerHandle | None = None
    is_head = True
    num_head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        super().connection_made(transport)
        connected = transport.get_extra_info("socket")
        if hasattr(socket, "TCP_USER_TIMEOUT") and connected.family in (socket.AF_INET, socket.AF_INET6):
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MS)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.deadline is None:
            self._expect()
        super().data_received(data)
        if self.is_head:
            self.num_head += len(data)
            if self.num_head > MAX_HEAD:
                self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.is_head, self.num_head = True, 0
        if self.deadline is None:  # it follows another request in the same piece of data
            self._expect()

    def on_headers_complete(self) -> None:
        self.is_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._stop_waiting()
        super().on_message_complete()

    def _expect(self) -> None:
        """Let the connection go unless a whole request is there in time."""
        self.deadline = self.loop.call_later(REQUEST_S, self.transport.abort)

    def _stop_waiting(self) -> None:
        """Take the deadline back."""
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None
