"""Where a training run keeps its checkpoints and its log, and where it shows progress; what is trained inside looks here."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A folder for checkpoints and metrics (None: nothing is kept), and a progress display."""

    folder: Path | None = None
    progress: Progress | None = None


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
