"""Slates: recommend, and say why."""

import msgspec
from fastapi import APIRouter, Request, Response

from ritornello.explain import own_listens, tell
from ritornello.scenes.onboarding import with_picks
from ritornello.schema import PADDING
from ritornello.serve.bodies import Ask, Explanation, SlateAnswer, as_id
from ritornello.serve.history import histories, moment_of
from ritornello.serve.openapi import described
from ritornello.serve.parameters import TrackIdQuery, UserIdQuery
from ritornello.serve.refusals import RefusedError
from ritornello.serve.service import Service, TheService
from ritornello.serve.slates import answer
from ritornello.serve.snapshot import Snapshot
from ritornello.serve.wire import read, written

router = APIRouter(prefix="/v1", tags=["slates"])
ASK = msgspec.json.Decoder(Ask)


@router.post("/recommend", **described(SlateAnswer, body=Ask))
async def recommend(request: Request, service: TheService) -> Response:
    """Return a slate as of now: every event acknowledged before is part of it."""
    ask = await read(request, ASK)
    service.access.check(request, as_id(ask.user_id))
    snapshot = service.follower.current()
    return written(await service.compute(lambda: answer(service, ask, snapshot)))


@router.get("/explain", **described(Explanation, refusals=(404,)))
async def explain(request: Request, service: TheService, user_id: UserIdQuery, track_id: TrackIdQuery) -> Response:
    """Say what each channel and the ranker make of a track for a user, now."""
    service.access.check(request, user_id)
    snapshot = service.follower.current()
    return written(await service.compute(lambda: explained(service, snapshot, user_id, track_id)))


def explained(service: Service, snapshot: Snapshot, user_id: str, track_id: str) -> Explanation:
    """Explain one pair.

    Raises:
        RefusedError: 404 for a track that is unknown.
    """
    track = snapshot.tracks.row(track_id)
    if track == PADDING:
        raise RefusedError(404, f"unknown track {track_id!r}: allowed are tracks of the catalogue")
    live = service.state.user(user_id)
    history = histories(snapshot, user_id, live)(moment_of(live, service.clock()))
    begun = with_picks(snapshot.pipeline, history, snapshot.served.facts, live.profile.picks)
    return Explanation(
        user_id=user_id,
        track_id=track_id,
        bundle=snapshot.version,
        lines=[own_listens(history, track, "now"), *tell(snapshot.pipeline, begun, track, snapshot.names)],
    )
