"""Follow: serve what `bundles/current` names, and change over in one step when it names another, or when anything has happened.

A request takes the snapshot once and asks only that; what was served before lives on as long as a request holds it. What
cannot be loaded is refused and told, and the last good snapshot goes on.
"""

import logging
import time
from collections.abc import Callable
from threading import Event, Lock, Thread

from ritornello.artifacts import Workspace
from ritornello.data.prepare import STATS_FILE
from ritornello.serve.marks import FileMark, identity
from ritornello.serve.refresh import Catalogue, refreshed
from ritornello.serve.snapshot import Snapshot, open_snapshot
from ritornello.serve.state import State
from ritornello.text import TextModel

PERIOD_S = 0.2
LEAST_REST_S = 5.0  # between two refreshes: requests wait for their share of one
REST = 20.0  # and so many times as long as the last one took

Mark = tuple[FileMark, ...]

logger = logging.getLogger(__name__)


class Follower:
    """Holds the snapshot of the moment and looks after a newer one."""

    def __init__(
        self,
        workspace: Workspace,
        state: State,
        told: Callable[[Snapshot, str | None], None],
        clock: Callable[[], int],
        text_model: TextModel | None = None,
    ) -> None:
        self.workspace, self.state, self.text_model = workspace, state, text_model
        self.told = told
        self.clock = clock
        self.refused: str | None = None
        self._mark = self._look()
        self._published = self._snapshot = open_snapshot(workspace, text_model)
        self._catalogue = Catalogue(workspace)
        self._news: object = None
        self._rest_until = 0.0
        self._lock = Lock()
        self._stop = Event()
        self.refresh()
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
                published = open_snapshot(self.workspace, self.text_model)
                if self._look() != mark:
                    return  # files changed while they were read: the next look reads them again
                snapshot = self._up_to_now(published)
                self._mark = mark
            except Exception as error:  # noqa: BLE001  # whatever is wrong with it, the last good one goes on
                self._mark = mark
                self.refused = str(error)
                logger.warning("refused: %s; bundle %s goes on", error, self._snapshot.version)
            else:
                before, self.refused = self._snapshot.version, None
                self._published, self._snapshot = published, snapshot
                took_ms = 1000 * (time.perf_counter() - started)
                logger.info("serving bundle %s after %s: %.0f ms", snapshot.version, before, took_ms)
            self.told(self._snapshot, self.refused)

    def refresh(self, *, rests: bool = True) -> None:
        """Take in what has happened since the last time, if anything has, and then rest for many times as long as it took."""
        with self._lock:
            news = (self.state.mark(), self._catalogue.look())
            if news == self._news or (rests and time.monotonic() < self._rest_until):
                return
            started = time.monotonic()
            self._news = news
            self._snapshot = self._up_to_now(self._published)
            ended = time.monotonic()
            self._rest_until = ended + max(LEAST_REST_S, REST * (ended - started))

    def _up_to_now(self, published: Snapshot) -> Snapshot:
        """Return a snapshot with what has happened by now; what was served goes on where that cannot be taken in."""
        try:
            live = self.state.log()
            beyond = self._catalogue.beyond(published.served.prepared, live.events)
            return refreshed(published, self._snapshot, beyond, live, self.clock())
        except Exception as error:  # noqa: BLE001  # whatever is wrong with what has come
            logger.warning("what has come since cannot be taken in: %s", type(error).__name__)
            return self._snapshot if self._published is published else published

    def _look(self) -> Mark:
        """Return what changes with every publication and preparation."""
        files = (self.workspace.bundles / "current", self.workspace.prepared / STATS_FILE)
        return tuple(identity(path) for path in files)

    def _watch(self) -> None:
        while not self._stop.wait(PERIOD_S):
            self.check()
            self.refresh()
