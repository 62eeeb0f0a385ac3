"""Runs of training: where one keeps its checkpoints and its log and shows progress, and what one goes on from."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A folder for checkpoints and metrics (None: nothing is kept), and a progress display."""

    folder: Path | None = None
    progress: Progress | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """What training goes on from: the name and the weights of what was trained before, in the rows of today, and when it ended.

    `since` is the moment (UTC ms) from which events are new to these weights.
    """

    name: str
    weights: Mapping[str, NDArray[np.generic]]
    since: int


NOWHERE = Run()
_current: ContextVar[Run] = ContextVar("current_run")


def current_run() -> Run:
    """Return the run that is going on, or one that keeps and shows nothing."""
    return _current.get(NOWHERE)


@contextmanager
def running(run: Run) -> Iterator[None]:
    """Let everything that is trained inside the block keep checkpoints and show progress as `run` says."""
    token = _current.set(run)
    try:
        yield
    finally:
        _current.reset(token)
