"""Events as they are posted, made into events as they are kept."""

import asyncio
import hashlib

from ritornello.schema import ACTION_NAMES, ONE_MINUTE_MS, Action
from ritornello.serve.bodies import EventAnswer, EventBody, EventsAnswer, as_id
from ritornello.serve.refusals import RefusedError
from ritornello.serve.service import Service
from ritornello.serve.state import LiveEvent

AHEAD_MS = 5 * ONE_MINUTE_MS  # how far a client's clock may be ahead of ours


async def keep(service: Service, bodies: list[EventBody]) -> EventsAnswer:
    """Keep events, all or none; answers when they are on disk.

    Raises:
        RefusedError: for an event from the future, or an impression of a slate that is not known.
    """
    now = service.clock()
    events = [event for place, body in enumerate(bodies) for event in await as_kept(service, body, place, now)]
    is_new_E = await asyncio.wrap_future(service.state.add_events(events))
    service.metrics.kept(stored=sum(is_new_E), duplicates=len(is_new_E) - sum(is_new_E))
    service.delays.acknowledged({event.user_id for event, is_new in zip(events, is_new_E, strict=True) if is_new})
    return EventsAnswer(
        stored=sum(is_new_E),
        duplicates=len(is_new_E) - sum(is_new_E),
        events=[
            EventAnswer(event_id=event.event_id, status="stored" if is_new else "duplicate")
            for event, is_new in zip(events, is_new_E, strict=True)
        ],
    )


async def as_kept(service: Service, body: EventBody, place: int, now: int) -> list[LiveEvent]:
    """Return the events that a body stands for: one, or the impressions of a whole slate.

    Raises:
        RefusedError: when it stands for nothing.
    """
    at = now if body.at is None else body.at
    check_moment(at, now, f"event {place}")
    if body.track_id is not None:
        return [
            made(body, as_id(body.track_id), at, scene=body.scene, position=body.position, propensity=body.propensity)
        ]
    if body.action != "impression" or body.request_id is None:
        raise RefusedError(400, f"event {place} has no track_id: allowed for an impression with a request_id alone")
    slate = await asyncio.wrap_future(service.state.shown(body.request_id))
    if slate is None or slate.user_id != as_id(body.user_id):
        raise RefusedError(
            400, f"event {place}: no slate of this user has request_id {body.request_id!r} (kept for a day)"
        )
    return [
        made(
            body,
            track_id,
            at if body.at is not None else slate.at,
            scene=slate.scene,
            position=position,
            propensity=propensity,
        )
        for position, (track_id, propensity) in enumerate(
            zip(slate.track_ids, slate.propensities, strict=True), start=1
        )
    ]


def check_moment(at: int, now: int, what: str) -> None:
    """Refuse what has not happened yet.

    Raises:
        RefusedError: naming the newest moment that is allowed.
    """
    if at > now + AHEAD_MS:
        raise RefusedError(400, f"{what} is from the future: at is {at}, allowed is up to {now + AHEAD_MS} (UTC ms)")


def made(
    body: EventBody,
    track_id: str,
    at: int,
    *,
    scene: str | None,
    position: int | None,
    propensity: float | None,
) -> LiveEvent:
    """Return one event as it is kept."""
    return LiveEvent(
        user_id=as_id(body.user_id),
        event_id=event_id_of(body, track_id, at),
        track_id=track_id,
        at=at,
        action=ACTION_NAMES[body.action],
        played_ms=body.played_ms,
        track_ms=body.track_ms,
        scene=scene,
        source=body.source,
        request_id=body.request_id,
        position=position,
        propensity=propensity,
    )


def event_id_of(body: EventBody, track_id: str, at: int) -> str:
    """Return the id that was given, or one of the content, so that an event posted twice is one.

    Impressions of a slate are told apart by their track, and are the same however often the slate is reported.
    """
    if body.track_id is not None and body.event_id is not None:
        return body.event_id
    moment = "" if ACTION_NAMES[body.action] == Action.IMPRESSION and body.request_id else str(at)
    content = "\n".join((body.event_id or "", track_id, moment, body.action, body.request_id or ""))
    return hashlib.sha256(content.encode()).hexdigest()[:32]
