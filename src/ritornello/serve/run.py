"""Run the service: one process, or several that share a port and the live state."""

import os
import tempfile
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from ritornello.artifacts import Workspace
from ritornello.request import open_workspace
from ritornello.serve.access import LOOPBACK
from ritornello.serve.connections import Connection
from ritornello.serve.environment import HOST, ROOT, SHARED_METRICS, TEXT_MODEL, TEXT_SIMILARITY, log_to_stderr
from ritornello.serve.tokens import has_tokens
from ritornello.text import TextModel

KEEP_ALIVE_S = 30
STOP_S = 10
MAX_CONNECTIONS = 1_000


def serve(root: Path, *, host: str, port: int, workers: int, text_model: TextModel | None = None) -> None:
    """Serve until a signal ends it.

    Raises:
        ValueError: when the workspace has nothing to serve, or nobody could be let in.
    """
    log_to_stderr()
    if host not in LOOPBACK and not has_tokens(Workspace(root)):
        raise ValueError(
            f"--host is {host} and {root} has no tokens: make one with `ritornello token {root} USER`, or serve on 127.0.0.1"
        )
    if workers == 1:
        from ritornello.serve.app import create_app

        run(create_app(root, host=host, text_model=text_model), host=host, port=port)
        return
    open_workspace(Workspace(root))  # what is wrong is told once, before any worker starts
    with tempfile.TemporaryDirectory(prefix="ritornello-metrics-") as shared:
        os.environ |= {SHARED_METRICS: shared, ROOT: str(root.resolve()), HOST: host}
        if text_model is not None:
            os.environ |= {TEXT_MODEL: str(text_model.folder.resolve()), TEXT_SIMILARITY: str(text_model.similarity)}
        run("ritornello.serve.app:create_worker", host=host, port=port, workers=workers)


def run(app: FastAPI | str, *, host: str, port: int, workers: int = 1) -> None:
    """Hand the application to the server; no line about a request is logged, for its address says who listens to what."""
    uvicorn.run(
        app,
        factory=isinstance(app, str),
        host=host,
        port=port,
        workers=workers,
        http=Connection,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_S,
        limit_concurrency=MAX_CONNECTIONS,
    )
