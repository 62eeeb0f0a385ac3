"""Users: who comes, everything the service knows of one, as a document, and forgetting it."""

import asyncio

import msgspec
import numpy as np
from fastapi import APIRouter, Request, Response

from ritornello.scenes.days import UTC_ZONE, zone_of
from ritornello.scenes.seeds import find_seed
from ritornello.schema import PADDING, Action
from ritornello.serve.bodies import Removed, as_id
from ritornello.serve.history import log_events, without_removed
from ritornello.serve.openapi import described
from ritornello.serve.parameters import UserId
from ritornello.serve.refusals import RefusedError
from ritornello.serve.service import TheService
from ritornello.serve.snapshot import Snapshot
from ritornello.serve.state import LiveEvent, LiveUser, Profile, State
from ritornello.serve.user_bodies import UserAnswer, UserBody, UserEvent, UserExport
from ritornello.serve.wire import read, written

router = APIRouter(prefix="/v1/users", tags=["users"])
USER = msgspec.json.Decoder(UserBody)
BENEATH = {
    "/rules": "GET, PUT",
    "/export": "GET",
}  # what stands beneath a user's path and is no user, though an id may have slashes


@router.post("", **described(UserAnswer, body=UserBody))
async def create(request: Request, service: TheService) -> Response:
    """Let a user come, or change what they told to begin with; asked twice, it does the same."""
    body = await read(request, USER)
    service.access.check(request, as_id(body.user_id))
    snapshot = service.follower.current()
    await service.compute(lambda: check_told(snapshot, body))

    def change(profile: Profile) -> Profile:
        picks = profile.picks if body.picks is None else tuple(dict.fromkeys(body.picks))
        return msgspec.structs.replace(profile, picks=picks, time_zone=body.time_zone or profile.time_zone)

    profile = await asyncio.wrap_future(service.state.change_profile(as_id(body.user_id), change))
    return written(
        UserAnswer(user_id=as_id(body.user_id), picks=list(profile.picks), time_zone=profile.time_zone or UTC_ZONE)
    )


@router.get("/{user_id:path}/export", **described(UserExport))
async def export(request: Request, service: TheService, user_id: UserId) -> Response:
    """Return what a user has told, and their events, of the log and since; empty where nothing is known."""
    service.access.check(request, user_id)
    snapshot = service.follower.current()
    return written(await service.compute(lambda: exported(service.state, snapshot, user_id)))


@router.delete("/{user_id:path}", **described(Removed, refusals=(405,)))
async def forget(request: Request, service: TheService, user_id: UserId) -> Response:
    """Delete a user's live events, rules and tokens, and let their log count no more."""
    service.access.check(request, user_id)
    for ending, methods in BENEATH.items():
        if user_id.endswith(ending):
            raise RefusedError(
                405, f"DELETE of a path that ends in {ending}: allowed are {methods}", {"Allow": methods}
            )
    return written(Removed(removed=await asyncio.wrap_future(service.state.forget(user_id))))


def check_told(snapshot: Snapshot, body: UserBody) -> None:
    """Refuse picks and time zones that do not exist.

    Raises:
        RefusedError: naming what is allowed.
    """
    try:
        zone_of(body.time_zone or UTC_ZONE)
        for pick in body.picks or ():
            find_seed(snapshot.served.facts, pick)
    except ValueError as error:
        raise RefusedError(400, str(error)) from error


def exported(state: State, snapshot: Snapshot, user_id: str) -> UserExport:
    """Return all events of a user by time."""
    events = [from_live(event) for event in state.events_of(user_id)]
    live = state.user(user_id)
    if not live.is_forgotten:
        known = {(event.track_id, event.at, event.action) for event in events}  # the live ones tell more
        logged = from_log(snapshot, user_id, live)
        events += [event for event in logged if (event.track_id, event.at, event.action) not in known]
    return UserExport(user_id=user_id, profile=live.profile, events=sorted(events, key=lambda event: event.at))


def from_live(event: LiveEvent) -> UserEvent:
    """Return a live event as it is told."""
    return UserEvent(
        track_id=event.track_id,
        at=event.at,
        action=Action(event.action).name.lower(),
        origin="live",
        event_id=event.event_id,
        played_ms=event.played_ms,
        track_ms=event.track_ms,
        scene=event.scene,
        source=event.source,
        request_id=event.request_id,
        position=event.position,
        propensity=event.propensity,
    )


def from_log(snapshot: Snapshot, user_id: str, live: LiveUser) -> list[UserEvent]:
    """Return what the log has of a user."""
    logged = without_removed(snapshot, log_events(snapshot, snapshot.users.row(user_id)), live)
    assert (logged.track_E != PADDING).all(), "the log has no padding"
    track_ids = snapshot.names.track_ids.gather(logged.track_E - 1).cast(str).to_list()
    return [
        UserEvent(
            track_id=track_id,
            at=int(logged.at_E[place]),
            action=Action(int(logged.action_E[place])).name.lower(),
            origin="log",
            play_ratio=None if np.isnan(logged.play_ratio_E[place]) else float(logged.play_ratio_E[place]),
        )
        for place, track_id in enumerate(track_ids)
    ]
