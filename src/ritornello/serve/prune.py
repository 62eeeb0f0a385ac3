"""Prune: let go of live events that the log has, so that the live state holds a window of time and not all of it.

An event goes once it is older than the window and the prepared log has it; an impression, once an ingested file has it. No
slate changes: the history is of the log and the live events together, and of two that are the same the log's counts. The id of
an event that went is forgotten; posted again, the event is still the log's, by its user, moment, track and action.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice

import polars as pl

from ritornello.artifacts import Workspace
from ritornello.data.parts import PART_FILE, parts_of
from ritornello.schema import ACTION, AT, ONE_DAY_MS, REQUEST_ID, TRACK_ID, USER_ID, Action
from ritornello.serve.history import log_events
from ritornello.serve.snapshot import Snapshot, open_snapshot
from ritornello.serve.state import LiveEvent
from ritornello.serve.state.sqlite import open_state

WINDOW_DAYS = 30
CHUNK = 100_000
GROUP = 1_000  # events that go in one transaction: the service's own writes wait for no more

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class PruneReport:
    """How many events went that the log has, how much else that counts no more, and how many rows are left."""

    events: int
    leftovers: int
    kept: int


def prune(workspace: Workspace, *, now: int) -> PruneReport:
    """Let go of what is older than the window and not needed.

    Raises:
        ValueError: when the workspace has nothing to serve: then nobody could tell what a service answers without the events.
    """
    if not workspace.root.is_dir():
        raise ValueError(f"there is no workspace {workspace.root}: `ritornello ingest` makes one")
    before = now - WINDOW_DAYS * ONE_DAY_MS
    with workspace.lock():  # the log does not change meanwhile
        snapshot = open_snapshot(workspace)
        with open_state(workspace) as state:
            leftovers = state.drop_leftovers(before, now).result()
            num_events = 0
            for chunk in chunks(state.old_events(before), CHUNK):
                for part in chunks(in_log(workspace, snapshot, chunk), GROUP):
                    num_events += state.drop_events(part).result()
            kept = state.count_rows()
    logger.info("prune: %d events, %d leftovers, %d rows left", num_events, leftovers, kept)
    return PruneReport(events=num_events, leftovers=leftovers, kept=kept)


def chunks(events: Iterable[LiveEvent], size: int) -> Iterator[list[LiveEvent]]:
    """Cut events into lists of at most so many."""
    left = iter(events)
    while part := list(islice(left, size)):
        yield part


def in_log(workspace: Workspace, snapshot: Snapshot, events: list[LiveEvent]) -> list[LiveEvent]:
    """Return the events that the log has; they come by user."""
    behaviours = [event for event in events if event.action != Action.IMPRESSION]
    impressions = [event for event in events if event.action == Action.IMPRESSION]
    found = ingested(workspace, impressions)
    for user_id, own in groupby(behaviours, key=lambda event: event.user_id):
        found += prepared(snapshot, user_id, list(own))
    return found


def prepared(snapshot: Snapshot, user_id: str, events: list[LiveEvent]) -> list[LiveEvent]:
    """Return those of one user's events that the prepared log has."""
    logged = log_events(snapshot, snapshot.users.row(user_id))
    known = set(zip(logged.track_E.tolist(), logged.at_E.tolist(), logged.action_E.tolist(), strict=True))
    track_E = snapshot.tracks.rows([event.track_id for event in events]).tolist()
    return [event for event, track in zip(events, track_E, strict=True) if (track, event.at, event.action) in known]


def ingested(workspace: Workspace, impressions: list[LiveEvent]) -> list[LiveEvent]:
    """Return the impressions that the ingested files have."""
    if not impressions:
        return []
    key = [USER_ID, TRACK_ID, AT, REQUEST_ID]
    wanted = pl.DataFrame(
        [(event.user_id, event.track_id, event.at, event.request_id or "") for event in impressions],
        schema={USER_ID: pl.String, TRACK_ID: pl.String, AT: pl.Int64, REQUEST_ID: pl.String},
        orient="row",
    ).with_row_index("place")
    logged = [
        pl.scan_parquet(part / PART_FILE, glob=False)
        .filter(pl.col(ACTION) == Action.IMPRESSION)
        .select(pl.col(USER_ID, TRACK_ID).cast(pl.String), pl.col(AT), pl.col(REQUEST_ID).fill_null(""))
        for part in parts_of(workspace.events)
    ]
    found = wanted.lazy().join(pl.concat(logged), on=key, how="semi").collect(engine="streaming")
    return [impressions[place] for place in found["place"].to_list()]
