"""Group commit: one thread owns the writing connection, and whatever waits at the same time becomes one transaction.

With synchronous=FULL a commit returns when it is on disk. Many requests share that wait, and none is answered before it. A
patient write, which nobody waits for, goes along with the next that is not.
"""

import logging
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

MAX_GROUP = 256
PATIENCE_S = 0.5  # how long patient writes wait for company

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Write(Generic[T]):
    """Some work on the database and the promise that it is on disk."""

    def __init__(self, work: Callable[[sqlite3.Connection], T], *, is_patient: bool) -> None:
        self.work = work
        self.is_patient = is_patient
        self.future: Future[T] = Future()
        self.result: T

    def run(self, connection: sqlite3.Connection) -> None:
        """Do the work inside the open transaction."""
        self.result = self.work(connection)

    def keep(self) -> None:
        """Tell that the work is on disk."""
        self.future.set_result(self.result)

    def fail(self, error: BaseException) -> None:
        """Tell that nothing was changed."""
        self.future.set_exception(error)


class GroupCommit:
    """Runs writes in the order they came; one that fails is undone and told, its neighbours go on."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.queue: SimpleQueue[Write[object] | None] = SimpleQueue()
        self.thread = Thread(target=self._run, name="group-commit", daemon=True)
        self.thread.start()

    def submit(self, work: Callable[[sqlite3.Connection], T], *, is_patient: bool = False) -> Future[T]:
        """Queue work; the future is done when the work is on disk."""
        write = Write(work, is_patient=is_patient)
        self.queue.put(write)  # type: ignore[arg-type]  # the queue does not look at what the work returns
        return write.future

    def close(self) -> None:
        """Finish what is queued and close the connection."""
        self.queue.put(None)
        self.thread.join()
        self.connection.close()

    def _run(self) -> None:
        is_open = True
        while is_open:
            group = self._gather()
            is_open = None not in group
            # Whoever went away before the work began takes it along; from here on nobody can.
            self._commit([write for write in group if write and write.future.set_running_or_notify_cancel()])

    def _gather(self) -> list[Write[object] | None]:
        """Return what waits; where all of it is patient, wait with it for a while."""
        group = [self.queue.get()]
        deadline = time.monotonic() + PATIENCE_S
        while len(group) < MAX_GROUP:
            newest = group[-1]
            if newest is None or not newest.is_patient:
                deadline = 0.0
            try:
                group.append(self.queue.get(timeout=max(0.0, deadline - time.monotonic())))
            except Empty:
                break
        return group

    def _commit(self, group: list[Write[object]]) -> None:
        """Run a group as one transaction, then keep its promises or break them all."""
        waiting = list(group)
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            for write in group:
                self.connection.execute("SAVEPOINT write")
                try:
                    write.run(self.connection)
                except sqlite3.OperationalError:  # the disk's, not the write's
                    raise
                except Exception as error:  # noqa: BLE001  # it is told to whoever asked for the write
                    self.connection.execute("ROLLBACK TO write")
                    waiting.remove(write)
                    write.fail(error)
                self.connection.execute("RELEASE write")
            self.connection.execute("COMMIT")
        except sqlite3.Error as error:
            logger.error("a group of %d writes could not be committed: %s", len(group), error)
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            for write in waiting:
                write.fail(error)
        else:
            for write in waiting:
                write.keep()
