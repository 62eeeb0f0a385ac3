"""Feedback: what a user says of a track, made into the events that models read, or into a leaning of the running session.

A like, a dislike and an unlike are events of that name; a skip and a finish are plays, told apart by how much was listened to.
"More" and "less like that" are no events: they move the slates of the session towards, or away from, what the track is like.
"""

import asyncio

import msgspec
import numpy as np

from ritornello.data.labels import CHORUS_RATIO, FINISH_RATIO, is_finish, is_skip, play_ratio
from ritornello.schema import ONE_DAY_MS, PADDING
from ritornello.serve.bodies import ActionName, EventBody, as_id
from ritornello.serve.events import check_moment, keep
from ritornello.serve.refusals import RefusedError
from ritornello.serve.service import Service
from ritornello.serve.snapshot import Snapshot
from ritornello.serve.state import Leaning, Profile, ShownSlate
from ritornello.serve.user_bodies import FeedbackAnswer, FeedbackBody

MAX_LEANINGS = 100
ACTIONS: dict[str, ActionName] = {
    "like": "like",
    "dislike": "dislike",
    "unlike": "unlike",
    "skip": "play",
    "finish": "play",
}
PLAYS = ("skip", "finish")


async def keep_feedback(service: Service, snapshot: Snapshot, body: FeedbackBody) -> FeedbackAnswer:
    """Keep what was said; answers when it is on disk.

    Raises:
        RefusedError: when it names no track, or says of a play what cannot be.
    """
    slate = await slate_of(service, body)
    track_id = named_track(body, slate)
    if body.kind not in PLAYS and (body.played_ms is not None or body.track_ms is not None):
        raise RefusedError(400, f"{body.kind} takes no played_ms and track_ms: allowed with {', '.join(PLAYS)}")
    if body.kind not in ACTIONS:
        return await lean(service, snapshot, body, track_id)
    kept = (await keep(service, [as_event(snapshot, body, track_id, slate)])).events[0]
    return FeedbackAnswer(track_id=track_id, kind=body.kind, status=kept.status, event_id=kept.event_id)


async def slate_of(service: Service, body: FeedbackBody) -> ShownSlate | None:
    """Return the slate that is spoken of, None where none is named or it is too long ago.

    Raises:
        RefusedError: for the slate of somebody else.
    """
    if body.request_id is None:
        return None
    slate = await asyncio.wrap_future(service.state.shown(body.request_id))
    if slate is not None and slate.user_id != as_id(body.user_id):
        raise RefusedError(400, f"no slate of this user has request_id {body.request_id!r} (kept for a day)")
    return slate


def named_track(body: FeedbackBody, slate: ShownSlate | None) -> str:
    """Return the track that is spoken of.

    Raises:
        RefusedError: when it is not named, or the slate does not have it.
    """
    if body.track_id is not None:
        track_id = as_id(body.track_id)
        if slate is not None and track_id not in slate.track_ids:
            raise RefusedError(
                400, f"track {track_id!r} is not in the slate: allowed are its {len(slate.track_ids)} tracks"
            )
        if slate is not None and body.position not in (None, slate.track_ids.index(track_id) + 1):
            raise RefusedError(
                400, f"position is {body.position}: track {track_id!r} is at {slate.track_ids.index(track_id) + 1}"
            )
        return track_id
    if body.request_id is None or body.position is None:
        raise RefusedError(400, "no track is named: allowed are track_id, or request_id and position")
    if slate is None:
        raise RefusedError(400, f"no slate of this user has request_id {body.request_id!r} (kept for a day)")
    if body.position > len(slate.track_ids):
        raise RefusedError(400, f"position is {body.position}: allowed are 1 to {len(slate.track_ids)}")
    return slate.track_ids[body.position - 1]


def as_event(snapshot: Snapshot, body: FeedbackBody, track_id: str, slate: ShownSlate | None) -> EventBody:
    """Return the event that is meant, with its place in the slate."""
    event = EventBody(
        user_id=body.user_id,
        track_id=track_id,
        action=ACTIONS[body.kind],
        at=body.at,
        event_id=body.event_id,
        request_id=body.request_id,
        position=body.position,
    )
    if slate is not None:
        place = slate.track_ids.index(track_id)
        event = msgspec.structs.replace(
            event, scene=slate.scene, position=place + 1, propensity=slate.propensities[place]
        )
    return event if body.kind not in PLAYS else with_share(snapshot, event, body)


def with_share(snapshot: Snapshot, event: EventBody, body: FeedbackBody) -> EventBody:
    """Return a play with how much of it was listened to: nothing of a skip and all of a finish, unless told.

    Raises:
        RefusedError: where the length of the track is not known, or the share is not that of a skip or a finish.
    """
    known_ms = float(snapshot.track_ms(snapshot.tracks.rows([str(event.track_id)]))[0])
    track_ms = body.track_ms or (0 if np.isnan(known_ms) else int(known_ms))
    if not track_ms:
        raise RefusedError(400, f"how long track {event.track_id!r} is is not known: give track_ms with a {body.kind}")
    played_ms = body.played_ms if body.played_ms is not None else (0 if body.kind == "skip" else track_ms)
    share_E = play_ratio(np.array([played_ms], np.float64), np.array([track_ms], np.float64))
    if not (is_skip(share_E) if body.kind == "skip" else is_finish(share_E))[0]:
        raise RefusedError(
            400,
            f"{played_ms} of {track_ms} ms are no {body.kind}: allowed is less than {CHORUS_RATIO:.0%} for a skip, "
            f"{FINISH_RATIO:.0%} or more for a finish",
        )
    return msgspec.structs.replace(event, played_ms=played_ms, track_ms=track_ms)


async def lean(service: Service, snapshot: Snapshot, body: FeedbackBody, track_id: str) -> FeedbackAnswer:
    """Keep a leaning of the session; the last word on a track counts.

    Raises:
        RefusedError: 404 for a track that is not known: nothing could be like it.
    """
    if snapshot.tracks.row(track_id) == PADDING:
        raise RefusedError(404, f"unknown track {track_id!r}: allowed are tracks of the catalogue")
    now = service.clock()
    at = now if body.at is None else body.at
    check_moment(at, now, "the feedback")
    one = Leaning(track_id=track_id, at=at, is_more=body.kind == "more")
    is_new = True

    def change(profile: Profile) -> Profile:
        nonlocal is_new
        is_new = one not in profile.leanings
        others = [said for said in profile.leanings if said.track_id != track_id and said.at > now - ONE_DAY_MS]
        ordered = sorted([*others, one], key=lambda said: (said.at, said.track_id))
        return msgspec.structs.replace(profile, leanings=tuple(ordered[-MAX_LEANINGS:]))

    await asyncio.wrap_future(service.state.change_profile(as_id(body.user_id), change))
    return FeedbackAnswer(track_id=track_id, kind=body.kind, status="stored" if is_new else "duplicate")
