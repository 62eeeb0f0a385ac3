"""Events: what users do, one by one or in batches, what they say of a track, and taking it back."""

import asyncio

import msgspec
from fastapi import APIRouter, Request, Response

from ritornello.schema import ACTION_NAMES
from ritornello.serve.bodies import BatchBody, EventBody, EventsAnswer, Removed, as_id
from ritornello.serve.events import keep
from ritornello.serve.feedback import keep_feedback
from ritornello.serve.openapi import described
from ritornello.serve.parameters import ActionQuery, MomentQuery, TrackIdQuery, UserId
from ritornello.serve.service import TheService
from ritornello.serve.user_bodies import FeedbackAnswer, FeedbackBody
from ritornello.serve.wire import read, written

router = APIRouter(prefix="/v1", tags=["events"])
FEEDBACK = msgspec.json.Decoder(FeedbackBody)
EVENT, BATCH = msgspec.json.Decoder(EventBody), msgspec.json.Decoder(BatchBody)


@router.post("/events", **described(EventsAnswer, body=EventBody))
async def post_event(request: Request, service: TheService) -> Response:
    """Keep one event; the answer comes when it is on disk, and the next slate of its user knows it."""
    body = await read(request, EVENT)
    service.access.check(request, as_id(body.user_id))
    return written(await keep(service, [body]))


@router.post("/events/batch", **described(EventsAnswer, body=BatchBody))
async def post_events(request: Request, service: TheService) -> Response:
    """Keep several events, all or none."""
    body = await read(request, BATCH)
    service.access.check(request, *{as_id(event.user_id) for event in body.events})
    return written(await keep(service, body.events))


@router.post("/feedback", **described(FeedbackAnswer, body=FeedbackBody, refusals=(404,)))
async def post_feedback(request: Request, service: TheService) -> Response:
    """Keep what a user says of a track; the next slate of the session answers it."""
    body = await read(request, FEEDBACK)
    service.access.check(request, as_id(body.user_id))
    return written(await keep_feedback(service, service.follower.current(), body))


@router.delete("/users/{user_id:path}/events", **described(Removed))
async def remove_event(
    request: Request,
    service: TheService,
    user_id: UserId,
    track_id: TrackIdQuery,
    at: MomentQuery,
    action: ActionQuery = "play",
) -> Response:
    """Take an event back, a play or a like for instance: it counts no more, be it live or of the log."""
    service.access.check(request, user_id)
    removed = await asyncio.wrap_future(service.state.remove_event(user_id, track_id, at, ACTION_NAMES[action]))
    return written(Removed(removed=removed))
