"""What every route needs: the workspace, what is served, the live state, the guard and the numbers."""

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from ritornello.artifacts import Workspace
from ritornello.data.prepare import check_prepared
from ritornello.serve.access import Access
from ritornello.serve.delays import Delays
from ritornello.serve.follow import Follower
from ritornello.serve.metrics import Metrics
from ritornello.serve.refusals import RefusedError
from ritornello.serve.state import State
from ritornello.serve.state.sqlite import STATE_FILE, SQLiteState
from ritornello.text import TextModel

MAX_WAITING = 200  # slates asked for and not yet answered, in one process

T = TypeVar("T")


@dataclass(slots=True)
class Service:
    """One process of the service."""

    workspace: Workspace
    follower: Follower
    state: State
    access: Access
    metrics: Metrics
    delays: Delays
    clock: Callable[[], int]
    threads: ThreadPoolExecutor
    num_waiting: int = 0

    async def compute(self, work: Callable[[], T]) -> T:
        """Do work that takes milliseconds beside the event loop, so that events go on being acknowledged.

        Raises:
            RefusedError: 503 when too much of it waits.
        """
        if self.num_waiting >= MAX_WAITING:
            raise RefusedError(503, f"{self.num_waiting} requests wait: try again", {"Retry-After": "1"})
        self.num_waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.threads, work)
        finally:
            self.num_waiting -= 1

    def close(self) -> None:
        """Finish what was begun."""
        self.follower.close()
        self.threads.shutdown()
        self.state.close()


def utc_ms() -> int:
    """Return the present moment."""
    return int(time.time() * 1000)


def open_service(
    workspace: Workspace,
    *,
    is_loopback: bool,
    clock: Callable[[], int] = utc_ms,
    text_model: TextModel | None = None,
) -> Service:
    """Load what is served and open the live state.

    Raises:
        ValueError: when the workspace has nothing to serve, or its live state is damaged.
    """
    check_prepared(workspace)  # before the state is made in whatever folder
    metrics = Metrics()
    state = SQLiteState(workspace.root / STATE_FILE)
    follower = Follower(workspace, state, metrics.serving, clock, text_model)
    return Service(
        workspace=workspace,
        follower=follower,
        state=state,
        access=Access(state, is_loopback=is_loopback),
        metrics=metrics,
        delays=Delays(metrics),
        clock=clock,
        threads=ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1), thread_name_prefix="slates"),
    )


async def service_of(request: Request) -> Service:
    """Return the service that a request came to."""
    service = request.app.state.service
    assert isinstance(service, Service)
    return service


TheService = Annotated[Service, Depends(service_of)]
