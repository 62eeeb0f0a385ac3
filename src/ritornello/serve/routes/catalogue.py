"""Catalogue: look tracks up by id, title or artist, and add some."""

import msgspec
import polars as pl
from fastapi import APIRouter, Request, Response

from ritornello.schema import ALBUM_ID, ARTIST_ID, ARTIST_NAME, GENRE, PADDING, TITLE, TRACK_IDX, TRACK_MS
from ritornello.serve.arrivals import add
from ritornello.serve.bodies import TrackAnswer, TracksAnswer, TracksBody, TracksKept
from ritornello.serve.openapi import described
from ritornello.serve.parameters import Limit, TrackId, Words
from ritornello.serve.refusals import RefusedError
from ritornello.serve.service import TheService
from ritornello.serve.snapshot import Snapshot
from ritornello.serve.wire import read, written

router = APIRouter(prefix="/v1/tracks", tags=["catalogue"])
TRACKS = msgspec.json.Decoder(TracksBody)


@router.get("", **described(TracksAnswer))
async def search(request: Request, service: TheService, query: Words, limit: Limit = 20) -> Response:
    """Return tracks whose title or artist contains the words, in the order of the catalogue."""
    service.access.holder(request)
    snapshot = service.follower.current()
    return written(await service.compute(lambda: TracksAnswer(tracks=found(snapshot, query, limit))))


@router.post("", **described(TracksKept, body=TracksBody))
async def add_tracks(request: Request, service: TheService) -> Response:
    """Put tracks into the catalogue, on disk; slates know them within seconds, without training."""
    service.access.check(request)
    body = await read(request, TRACKS)
    return written(await service.compute(lambda: add(service, body.tracks)))


@router.get("/{track_id:path}", **described(TrackAnswer, refusals=(404,)))
async def look_up(request: Request, service: TheService, track_id: TrackId) -> Response:
    """Return one track."""
    service.access.holder(request)
    snapshot = service.follower.current()
    row = snapshot.tracks.row(track_id)
    if row == PADDING:
        raise RefusedError(404, f"unknown track {track_id!r}: allowed are tracks of the catalogue")
    return written(described_track(snapshot, row))


def found(snapshot: Snapshot, query: str, limit: int) -> list[TrackAnswer]:
    """Return the first tracks that contain the words."""
    words = query.lower()
    is_hit = pl.any_horizontal(
        pl.col(TITLE, ARTIST_NAME).cast(pl.String).str.to_lowercase().str.contains(words, literal=True)
    )
    rows = snapshot.served.prepared.tracks.lazy().filter(is_hit).select(TRACK_IDX).head(limit).collect()
    return [described_track(snapshot, row) for row in rows[TRACK_IDX].to_list()]


def described_track(snapshot: Snapshot, row: int) -> TrackAnswer:
    """Return what is known of the track in a row."""
    said = snapshot.served.prepared.tracks.row(row - 1, named=True)
    return TrackAnswer(
        track_id=str(snapshot.names.track_ids[row - 1]),
        title=said[TITLE],
        artist_id=said[ARTIST_ID],
        artist=said[ARTIST_NAME],
        album_id=said[ALBUM_ID],
        genre=said[GENRE],
        track_ms=said[TRACK_MS],
        is_served=row <= snapshot.num_tracks,
    )
