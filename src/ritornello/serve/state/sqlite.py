"""Live state in one SQLite file beside the log: many readers, one writer a process, every acknowledged write on disk.

An event's id is remembered for as long as the event is kept: until its user is forgotten, or the log has it and it is let go.
"""

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock

import msgspec
import polars as pl

from ritornello.artifacts import Workspace
from ritornello.schema import (
    ACTION,
    AT,
    EVENT_SCHEMA,
    ONE_DAY_MS,
    PLAYED_MS,
    TRACK_ID,
    TRACK_MS,
    USER_ID,
    Action,
)
from ritornello.serve.state import Holder, LiveEvent, LiveLog, LiveUser, Profile, ShownSlate
from ritornello.serve.state.group_commit import GroupCommit

STATE_FILE = "state.sqlite"
SLATE_DAYS = 1
BUSY_S = 30.0  # how long a writer waits for the writers of other processes

SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    user_id TEXT NOT NULL, at INTEGER NOT NULL, event_id TEXT NOT NULL, track_id TEXT NOT NULL, action INTEGER NOT NULL,
    played_ms INTEGER, track_ms INTEGER, scene TEXT, source TEXT, request_id TEXT, position INTEGER, propensity REAL,
    is_removed INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, at, event_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS removed ON events (user_id) WHERE is_removed;
CREATE UNIQUE INDEX IF NOT EXISTS event_ids ON events (user_id, event_id);
CREATE TABLE IF NOT EXISTS slates (request_id TEXT PRIMARY KEY, user_id TEXT NOT NULL, at INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS slates_at ON slates (at);
CREATE INDEX IF NOT EXISTS slates_user ON slates (user_id);
CREATE TABLE IF NOT EXISTS tokens (token_hash TEXT PRIMARY KEY, user_id TEXT NOT NULL, is_operator INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS forgotten (user_id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS profiles (user_id TEXT PRIMARY KEY, body BLOB NOT NULL);
"""
PROFILE = msgspec.json.Decoder(Profile)
COLUMNS = ", ".join(LiveEvent.__struct_fields__)
PLACES = ", ".join("?" for _ in LiveEvent.__struct_fields__)
INSERT = f"INSERT INTO events ({COLUMNS}) VALUES ({PLACES}) ON CONFLICT (user_id, event_id) DO NOTHING"
REMOVE = (
    "UPDATE events SET is_removed = 1 WHERE user_id = ? AND track_id = ? AND at = ? AND action = ? AND NOT is_removed"
)
DROP = "DELETE FROM events WHERE user_id = ? AND at = ? AND event_id = ? AND NOT is_removed"
OF_USER = f"""
SELECT {COLUMNS} FROM events WHERE user_id = ? AND action <> {int(Action.IMPRESSION)} AND NOT is_removed ORDER BY at, event_id
"""
REMOVED = "SELECT track_id, at, action FROM events WHERE user_id = ? AND is_removed"
KEPT = """
SELECT {columns} FROM events AS e WHERE {condition} AND NOT is_removed AND NOT EXISTS (
    SELECT 1 FROM events AS r
    WHERE r.is_removed AND r.user_id = e.user_id AND r.at = e.at AND r.track_id = e.track_id AND r.action = e.action
) ORDER BY user_id, at, event_id
"""
DONE_SCHEMA = {
    **{USER_ID: pl.String(), TRACK_ID: pl.String()},
    **{name: EVENT_SCHEMA[name] for name in (AT, ACTION, PLAYED_MS, TRACK_MS)},
}
DONE = KEPT.format(columns=", ".join(DONE_SCHEMA), condition=f"action <> {int(Action.IMPRESSION)}")
CHUNK = 5_000
# What a mark hides: the events that were taken back, and those that were posted again.
HIDDEN = """
user_id IN (SELECT user_id FROM events WHERE is_removed)
AND at < ? AND event_id <> 'removed ' || action || ' ' || at || ' ' || track_id AND EXISTS (
    SELECT 1 FROM events AS r
    WHERE r.user_id = events.user_id AND r.at = events.at
        AND r.event_id = 'removed ' || events.action || ' ' || events.at || ' ' || events.track_id AND r.is_removed
)
"""


@contextmanager
def open_state(workspace: Workspace) -> Iterator["SQLiteState"]:
    """Open the live state of a workspace for a while.

    Raises:
        ValueError: when there is no workspace, or its live state is damaged.
    """
    if not workspace.root.is_dir():
        raise ValueError(f"there is no workspace {workspace.root}: `ritornello ingest` makes one")
    state = SQLiteState(workspace.root / STATE_FILE)
    try:
        yield state
    finally:
        state.close()


class SQLiteState:
    """Live state in a file; several processes may hold it open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            writer = connect(path)
            writer.executescript(SCHEMA)
        except sqlite3.DatabaseError as error:
            raise ValueError(f"{path} cannot be used as live state: {error}; move it away to start anew") from error
        self.writer = GroupCommit(writer)
        self.idle: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        self.watcher, self.watching = connect(path), Lock()

    def add_events(self, events: list[LiveEvent]) -> Future[list[bool]]:
        """Keep events; see `State`."""
        rows = [msgspec.structs.astuple(event) for event in events]
        return self.writer.submit(lambda connection: [connection.execute(INSERT, row).rowcount == 1 for row in rows])

    def remove_event(self, user_id: str, track_id: str, at: int, action: int) -> Future[int]:
        """Take an event back; a mark of its own hides what the log has of it, now or after the next ingest."""
        mark = LiveEvent(
            user_id=user_id, event_id=f"removed {action} {at} {track_id}", track_id=track_id, at=at, action=action
        )

        def remove(connection: sqlite3.Connection) -> int:
            num_marks = connection.execute(INSERT, msgspec.structs.astuple(mark)).rowcount
            return connection.execute(REMOVE, (user_id, track_id, at, action)).rowcount - num_marks

        return self.writer.submit(remove)

    def user(self, user_id: str) -> LiveUser:
        """Return what a user's slate is made of beside the log."""
        with self._reader() as connection:
            connection.execute("BEGIN")  # one view of the file for all that follows
            rows = connection.execute(OF_USER, (user_id,)).fetchall()
            removed = frozenset(connection.execute(REMOVED, (user_id,)).fetchall())
            forgotten = connection.execute("SELECT 1 FROM forgotten WHERE user_id = ?", (user_id,)).fetchone()
            profile = profile_of(connection, user_id)
            connection.execute("COMMIT")
        events = msgspec.convert(rows, list[LiveEvent])
        return LiveUser(
            events=[event for event in events if what(event) not in removed] if removed else events,
            removed=removed,
            is_forgotten=forgotten is not None,
            profile=profile,
        )

    def change_profile(self, user_id: str, change: Callable[[Profile], Profile]) -> Future[Profile]:
        """Change what a user has told; see `State`."""

        def write(connection: sqlite3.Connection) -> Profile:
            profile = change(profile_of(connection, user_id))
            row = (user_id, msgspec.json.encode(profile))
            connection.execute("INSERT OR REPLACE INTO profiles VALUES (?, ?)", row)
            return profile

        return self.writer.submit(write)

    def events_of(self, user_id: str) -> Iterator[LiveEvent]:
        """Yield the events of a user."""
        return self._events(KEPT.format(columns=COLUMNS, condition="user_id = ?"), user_id)

    def every_event(self) -> Iterator[LiveEvent]:
        """Yield what training may learn from."""
        return self._events(KEPT.format(columns=COLUMNS, condition="TRUE"))

    def _events(self, query: str, *values: str | int) -> Iterator[LiveEvent]:
        with self._reader() as connection:
            yield from (msgspec.convert(row, LiveEvent) for row in connection.execute(query, values))

    def log(self) -> LiveLog:
        """Return what everybody did."""
        with self._reader() as connection:
            connection.execute("BEGIN")  # one view of the file for all that follows
            cursor = connection.execute(DONE)
            chunks = [pl.DataFrame(schema=DONE_SCHEMA)]
            while rows := cursor.fetchmany(CHUNK):  # piece by piece: other threads have requests to answer
                chunks.append(pl.DataFrame(rows, schema=DONE_SCHEMA, orient="row"))
            removed = connection.execute("SELECT user_id, track_id, at, action FROM events WHERE is_removed").fetchall()
            forgotten = connection.execute("SELECT user_id FROM forgotten").fetchall()
            connection.execute("COMMIT")
        return LiveLog(
            events=pl.concat(chunks),
            removed=sorted(set(removed)),
            forgotten=[user_id for (user_id,) in forgotten],
        )

    def mark(self) -> int:
        """Return what changes with every write; the connection that looks never writes itself."""
        with self.watching:
            return int(self.watcher.execute("PRAGMA data_version").fetchone()[0])

    def old_events(self, before: int) -> Iterator[LiveEvent]:
        """Yield the events older than a moment that count."""
        return self._events(
            KEPT.format(columns=COLUMNS, condition="at < ? AND user_id NOT IN (SELECT user_id FROM forgotten)"), before
        )

    def drop_events(self, events: list[LiveEvent]) -> Future[int]:
        """Let go of events; see `State`."""
        keys = [(event.user_id, event.at, event.event_id) for event in events]

        def drop(connection: sqlite3.Connection) -> int:
            return sum(connection.execute(DROP, key).rowcount for key in keys)

        return self.writer.submit(drop)

    def drop_leftovers(self, before: int, now: int) -> Future[int]:
        """Let go of what counts no more; a mark stays, so that its event stays away."""

        def drop(connection: sqlite3.Connection) -> int:
            slates = connection.execute("DELETE FROM slates WHERE at < ?", (now - SLATE_DAYS * ONE_DAY_MS,)).rowcount
            return slates + connection.execute(f"DELETE FROM events WHERE {HIDDEN}", (before,)).rowcount

        return self.writer.submit(drop)

    def count_rows(self) -> int:
        """Return how many events, marks and slates are kept."""
        with self._reader() as connection:
            query = "SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM slates)"
            return int(connection.execute(query).fetchone()[0])

    def forget(self, user_id: str) -> Future[int]:
        """Delete all that is kept of a user."""

        def forget(connection: sqlite3.Connection) -> int:
            connection.execute("DELETE FROM slates WHERE user_id = ?", (user_id,))
            connection.execute("DELETE FROM tokens WHERE user_id = ?", (user_id,))
            connection.execute("DELETE FROM profiles WHERE user_id = ?", (user_id,))
            connection.execute("INSERT OR IGNORE INTO forgotten VALUES (?)", (user_id,))
            return connection.execute("DELETE FROM events WHERE user_id = ?", (user_id,)).rowcount

        return self.writer.submit(forget)

    def show(self, slate: ShownSlate) -> Future[None]:
        """Remember a slate, and let go of those of yesterday."""
        row = (slate.request_id, slate.user_id, slate.at, msgspec.json.encode(slate))

        def show(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM slates WHERE at < ?", (slate.at - SLATE_DAYS * ONE_DAY_MS,))
            connection.execute("INSERT OR REPLACE INTO slates VALUES (?, ?, ?, ?)", row)

        return self.writer.submit(show, is_patient=True)

    def shown(self, request_id: str) -> Future[ShownSlate | None]:
        """Return a remembered slate; asked of the writer, behind the slates that still wait for it."""

        def find(connection: sqlite3.Connection) -> ShownSlate | None:
            row = connection.execute("SELECT body FROM slates WHERE request_id = ?", (request_id,)).fetchone()
            return msgspec.json.decode(row[0], type=ShownSlate) if row else None

        return self.writer.submit(find)

    def add_token(self, token_hash: str, holder: Holder) -> Future[None]:
        """Let a token in."""
        row = (token_hash, holder.user_id, holder.is_operator)

        def add(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO tokens VALUES (?, ?, ?)", row)

        return self.writer.submit(add)

    def holder(self, token_hash: str) -> Holder | None:
        """Return whom a token belongs to."""
        with self._reader() as connection:
            row = connection.execute(
                "SELECT user_id, is_operator FROM tokens WHERE token_hash = ?", (token_hash,)
            ).fetchone()
        return Holder(user_id=row[0], is_operator=bool(row[1])) if row else None

    def has_tokens(self) -> bool:
        """Tell whether any token was given out."""
        with self._reader() as connection:
            return connection.execute("SELECT 1 FROM tokens LIMIT 1").fetchone() is not None

    def close(self) -> None:
        """Finish what was begun, and let go."""
        self.writer.close()
        self.watcher.close()
        while True:
            try:
                self.idle.get_nowait().close()
            except Empty:
                return

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection to one thread at a time; one that was left in the middle of something is not lent again."""
        try:
            connection = self.idle.get_nowait()
        except Empty:
            connection = connect(self.path)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self.idle.put(connection)


def connect(path: Path) -> sqlite3.Connection:
    """Open the file; transactions are begun by hand."""
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def profile_of(connection: sqlite3.Connection, user_id: str) -> Profile:
    """Return what a user has told."""
    row = connection.execute("SELECT body FROM profiles WHERE user_id = ?", (user_id,)).fetchone()
    return PROFILE.decode(row[0]) if row else Profile()


def what(event: LiveEvent) -> tuple[str, int, int]:
    """Return what a user can name an event by: track, moment and action."""
    return event.track_id, event.at, event.action
