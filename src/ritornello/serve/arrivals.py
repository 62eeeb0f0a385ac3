"""Arrivals: tracks that are told over HTTP become a part of the workspace's catalogue, as an ingested file does."""

import tempfile
from pathlib import Path

import msgspec
import polars as pl

from ritornello.data.ingest import ingest
from ritornello.schema import ARTIST_NAME, RELEASED_AT, TRACK_ID, TRACK_SCHEMA
from ritornello.serve.bodies import TrackBody, TracksKept, as_id
from ritornello.serve.refusals import RefusedError
from ritornello.serve.service import Service

LOCK_S = 2.0  # how long a request waits for whoever writes the workspace


def add(service: Service, bodies: list[TrackBody]) -> TracksKept:
    """Put tracks into the catalogue; they are there for the next refresh of every process, and for the next `prepare`.

    A track that nobody knew and that names no release date is released now.

    Raises:
        RefusedError: 400 for identifiers that the log cannot have, 503 while somebody else writes the workspace.
    """
    snapshot = service.follower.current()
    dtype, now = snapshot.served.prepared.track_ids.dtype, service.clock()
    rows = [row_of(body, None if snapshot.tracks.row(as_id(body.track_id)) else now) for body in bodies]
    table = pl.DataFrame(rows, schema={TRACK_ID: pl.String, **TRACK_SCHEMA}, orient="row")
    table = table.with_columns(pl.col(TRACK_ID).cast(dtype, strict=False), pl.from_epoch(RELEASED_AT, time_unit="ms"))
    if table[TRACK_ID].null_count():
        strange = as_id(bodies[int(table[TRACK_ID].is_null().arg_max() or 0)].track_id)
        raise RefusedError(400, f"track_id is {strange!r}: allowed are whole numbers, as in the log")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tracks.parquet"
        table.write_parquet(file)
        try:
            ingest(service.workspace, [file], kind="catalogue", lock_s=LOCK_S)
        except ValueError as error:
            raise RefusedError(503, f"the catalogue cannot be written now: {error}", {"Retry-After": "5"}) from error
    return TracksKept(stored=len(bodies))


def row_of(body: TrackBody, now: int | None) -> tuple[object, ...]:
    """Return a track as a row of the table; `now` stands in for a release date that is not told."""
    said = msgspec.structs.asdict(body)
    said |= {ARTIST_NAME: body.artist, RELEASED_AT: now if body.released_at is None else body.released_at}
    return (as_id(body.track_id), *(said[name] for name in TRACK_SCHEMA))
