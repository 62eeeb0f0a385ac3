"""Follow: serve what `bundles/current` names, and change over in one step when it names another.

A request takes the snapshot once and asks only that; what was served before lives on as long as a request holds it. What
cannot be loaded is refused and told, and the last good snapshot goes on.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock, Thread

from ritornello.artifacts import Workspace
from ritornello.data.prepare import STATS_FILE
from ritornello.serve.snapshot import Snapshot, open_snapshot
from ritornello.text import TextModel

PERIOD_S = 0.2

Mark = tuple[tuple[int, int, int], ...]

logger = logging.getLogger(__name__)


class Follower:
    """Holds the snapshot of the moment and looks after a newer one."""

    def __init__(
        self, workspace: Workspace, told: Callable[[Snapshot, str | None], None], text_model: TextModel | None = None
    ) -> None:
        self.workspace = workspace
        self.text_model = text_model
        self.told = told
        self.refused: str | None = None
        self._mark = self._look()
        self._snapshot = open_snapshot(workspace, text_model)
        self._lock = Lock()
        self._stop = Event()
        self._thread = Thread(target=self._watch, name="follow-bundles", daemon=True)
        told(self._snapshot, None)

    def start(self) -> None:
        """Look for changes from now on."""
        self._thread.start()

    def close(self) -> None:
        """Look no longer."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def current(self) -> Snapshot:
        """Return the snapshot of the moment; keep it for the whole request."""
        return self._snapshot

    def check(self) -> None:
        """Change over if what the workspace serves has changed since the last look."""
        with self._lock:
            mark = self._look()
            if mark == self._mark:
                return
            started = time.perf_counter()
            try:
                snapshot = open_snapshot(self.workspace, self.text_model)
                if self._look() != mark:
                    return  # files changed while they were read: the next look reads them again
                self._mark = mark
            except Exception as error:  # noqa: BLE001  # whatever is wrong with it, the last good one goes on
                self._mark = mark
                self.refused = str(error)
                logger.warning("refused: %s; bundle %s goes on", error, self._snapshot.version)
            else:
                before, self._snapshot, self.refused = self._snapshot.version, snapshot, None
                took_ms = 1000 * (time.perf_counter() - started)
                logger.info("serving bundle %s after %s: %.0f ms", snapshot.version, before, took_ms)
            self.told(self._snapshot, self.refused)

    def _look(self) -> Mark:
        """Return what changes with every publication and preparation."""
        files = (self.workspace.bundles / "current", self.workspace.prepared / STATS_FILE)
        return tuple(identity(path) for path in files)

    def _watch(self) -> None:
        while not self._stop.wait(PERIOD_S):
            self.check()


def identity(path: Path) -> tuple[int, int, int]:
    """Return what tells one file at a path from the next."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_mtime_ns, found.st_size)
