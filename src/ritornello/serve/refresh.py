"""Refresh: what is served, brought up to what has happened since the bundle was trained, without training.

Everybody's live events and the log are counted as one, as `prepare` and `train` would: popularity moves, and tracks that have
come since are there. It is a function of what is on disk, so that every process, and the next one after a restart, arrives at
the same. E events.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from ritornello.artifacts import Workspace
from ritornello.contracts import Int32
from ritornello.data.arrivals import arrange, as_trained, extend
from ritornello.data.catalogue import read_catalogue
from ritornello.data.ids import rows_of
from ritornello.data.parts import parts_of
from ritornello.data.prepare import Prepared
from ritornello.data.sequence import Sequences
from ritornello.data.sessions import number_sessions
from ritornello.data.shards import EventBatch, sort_events
from ritornello.schema import ACTION, AT, FIRST_AT, PADDING, PLAYED_MS, TRACK_ID, TRACK_MS, USER_ID
from ritornello.serve.history import is_removed, join, share
from ritornello.serve.marks import identity
from ritornello.serve.snapshot import IdRows, Snapshot, TrackNames
from ritornello.serve.stages import timed
from ritornello.serve.state import LiveLog
from ritornello.train.refresh import refresh


def refreshed(published: Snapshot, before: Snapshot, catalogue: pl.DataFrame, live: LiveLog, clock: int) -> Snapshot:
    """Return the published snapshot with all that has happened by now.

    `before` is what was served until now, `catalogue` what it tells of tracks that the log's preparation does not know.
    """
    now = max(clock, newest(live.events)) + 1  # clients' clocks may be a little ahead
    told = with_arrivals(published, before, catalogue, live.events, now)
    prepared, bundle = told.served.prepared, told.served.bundle
    known = everything(told, live)
    at = int(known.at_E.max(initial=0)) + 1
    knowledge = as_trained(prepared.knowledge, prepared.tracks, bundle.tracks)
    seen = knowledge.before(now, played=known.num_tracks)
    is_as_trained = at <= bundle.at and seen.num_tracks == len(bundle.tracks)
    if is_as_trained and live.events.is_empty() and not (live.removed or live.forgotten):
        return published
    pipeline = refresh(told.untimed, known, at, seen)
    return replace(told, untimed=pipeline, pipeline=timed(pipeline))


def with_arrivals(
    published: Snapshot, before: Snapshot, catalogue: pl.DataFrame, events: pl.DataFrame, now: int
) -> Snapshot:
    """Return a snapshot with a row for every track that has come since the log was prepared, an earlier one if it has them."""
    prepared = published.served.prepared
    played = first_events(events, prepared.track_ids.dtype)
    in_use = max(len(published.served.bundle.tracks), int(prepared.sequences.track_E.max(initial=0)))
    tracks = arrange(prepared.tracks, catalogue, played, now, least=in_use)
    for known in (before, published):
        if known.served.bundle is published.served.bundle and (
            known.arranged is tracks or known.arranged.equals(tracks)
        ):
            return known
    served = replace(published.served, prepared=extend(prepared, tracks))
    assert served.facts is not None  # read here, beside the requests, and not by the first scene that asks
    return replace(
        published,
        served=served,
        tracks=IdRows(served.prepared.track_ids),
        names=TrackNames(served.prepared.track_ids, served.prepared.tracks),
        arranged=tracks,
    )


def newest(events: pl.DataFrame) -> int:
    """Return the newest moment of live events, 0 where there are none."""
    return 0 if events.is_empty() else int(events[AT].to_numpy().max())


def first_events(events: pl.DataFrame, dtype: pl.DataType) -> pl.DataFrame:
    """Return the first moment of each track among live events; identifiers that the log cannot have are left out."""
    ids = events.with_columns(pl.col(TRACK_ID).cast(dtype, strict=False)).drop_nulls(TRACK_ID)
    return ids.group_by(TRACK_ID).agg(pl.col(AT).min().alias(FIRST_AT))


def everything(snapshot: Snapshot, live: LiveLog) -> Sequences:
    """Return the events of the log and the live ones, of everybody, as `prepare` would order them.

    Whoever is not in the log has a row behind it. What was taken back is left out, and the log's part of who was forgotten.
    """
    log = snapshot.served.prepared.sequences
    logged = EventBatch(
        user_E=log.user_E,
        track_E=np.asarray(log.track_E),
        at_E=np.asarray(log.at_E),
        action_E=np.asarray(log.action_E),
        play_ratio_E=np.asarray(log.play_ratio_E),
    )
    if live.forgotten:
        logged = logged.rows(~np.isin(logged.user_E, snapshot.users.rows(live.forgotten)))
    if live.removed:
        user_R = snapshot.users.rows([user_id for user_id, *_ in live.removed]).tolist()
        marks = [(user, *mark[1:]) for user, mark in zip(user_R, live.removed, strict=True)]
        logged = logged.rows(~is_removed(snapshot, logged, marks))
    user_E = snapshot.users.rows(live.events[USER_ID])
    newcomers = live.events[USER_ID].filter(user_E == PADDING).unique(maintain_order=True)
    user_E = np.where(user_E == PADDING, log.num_users + rows_of(live.events[USER_ID], newcomers), user_E)
    ordered = sort_events(join(logged, live_batch(snapshot, live.events, user_E.astype(np.int32))))
    count_U = np.bincount(ordered.user_E, minlength=log.num_users + len(newcomers) + 1)
    return Sequences(
        start_U=np.r_[0, np.cumsum(count_U)].astype(np.int64),
        track_E=ordered.track_E,
        at_E=ordered.at_E,
        action_E=ordered.action_E,
        play_ratio_E=ordered.play_ratio_E,
        session_E=number_sessions(ordered.user_E, ordered.at_E),
        num_tracks=int(ordered.track_E.max(initial=0)),
    )


def live_batch(snapshot: Snapshot, events: pl.DataFrame, user_E: Int32) -> EventBatch:
    """Return live events as rows of these users; those of tracks that nobody knows are left out."""
    track_E = snapshot.tracks.rows(events[TRACK_ID])
    played_ms_E, own_ms_E = (
        events[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in (PLAYED_MS, TRACK_MS)
    )
    batch = EventBatch(
        user_E=user_E,
        track_E=track_E,
        at_E=events[AT].to_numpy(),
        action_E=events[ACTION].to_numpy(),
        play_ratio_E=share(snapshot, track_E, played_ms_E, own_ms_E),
    )
    return batch.rows(track_E != PADDING)


@dataclass(slots=True)
class Catalogue:
    """What the workspace tells of tracks that its prepared log does not know; read again when a file has come."""

    workspace: Workspace
    prepared: Prepared | None = None
    mark: object = None
    described: pl.DataFrame = field(default_factory=pl.DataFrame)

    def look(self) -> object:
        """Return what changes with every file that is ingested."""
        return tuple(identity(path) for path in (self.workspace.catalogue / "tracks", self.workspace.events))

    def beyond(self, prepared: Prepared, events: pl.DataFrame) -> pl.DataFrame:
        """Return those tracks; where there is no catalogue at all, those that were played live too."""
        mark = self.look()
        if mark != self.mark or prepared is not self.prepared:
            dtype = prepared.track_ids.dtype
            self.described = read_catalogue(self.workspace, dtype, but=prepared.track_ids)
            self.mark, self.prepared = mark, prepared
        if parts_of(self.workspace.catalogue / "tracks"):
            return self.described
        played = first_events(events, prepared.track_ids.dtype).select(TRACK_ID)
        others = played.join(prepared.track_ids.to_frame(TRACK_ID), on=TRACK_ID, how="anti")
        return pl.concat([self.described, others], how="diagonal").unique(TRACK_ID, keep="first", maintain_order=True)
