"""The application: routes over one service, opened before the first request and closed after the last."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from threadpoolctl import threadpool_limits

from ritornello.artifacts import Workspace
from ritornello.serve import openapi, refusals
from ritornello.serve.access import LOOPBACK
from ritornello.serve.environment import HOST, ROOT, TEXT_MODEL, TEXT_SIMILARITY, log_to_stderr
from ritornello.serve.limits import Limits
from ritornello.serve.routes import catalogue, events, ops, rules, slates, users
from ritornello.serve.service import Service, open_service, utc_ms
from ritornello.text import TextModel

DESCRIPTION = "From a listening log to recommendations that answer the next skip. Moments are UTC milliseconds."


def create_app(
    root: Path,
    *,
    host: str = "127.0.0.1",
    clock: Callable[[], int] = utc_ms,
    text_model: TextModel | None = None,
) -> FastAPI:
    """Open a workspace and return the application that serves it.

    Raises:
        ValueError: when the workspace has nothing to serve.
    """
    service = open_service(Workspace(root), is_loopback=host in LOOPBACK, clock=clock, text_model=text_model)
    app = FastAPI(
        title="Ritornello",
        version=version("ritornello"),
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,  # these pages would take their scripts from the network
        redoc_url=None,
    )
    app.state.service = service
    for module in (slates, events, rules, users, catalogue, ops):
        app.include_router(module.router)
    app.add_middleware(Limits, metrics=service.metrics, access=service.access)
    refusals.handle(app)
    app.openapi = lambda: openapi.document(app)  # type: ignore[method-assign]  # as FastAPI documents it
    return app


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Follow the bundles while requests are answered.

    Products of one row are no quicker on several threads, which only take cores from other requests.
    """
    service: Service = app.state.service
    with threadpool_limits(1, "blas"):
        service.follower.start()
        try:
            yield
        finally:
            service.close()


def create_worker() -> FastAPI:
    """Return the application of a worker process."""
    log_to_stderr()
    text_model = None
    if TEXT_MODEL in os.environ:
        text_model = TextModel(Path(os.environ[TEXT_MODEL]), float(os.environ[TEXT_SIMILARITY]))
    return create_app(Path(os.environ[ROOT]), host=os.environ[HOST], text_model=text_model)
