"""Asking: what a request for a slate asks of a scene, together with what its user has told before."""

import msgspec

from ritornello import request, scenes
from ritornello.data.sessions import SESSION_GAP_MS
from ritornello.rerank.rules import Rules
from ritornello.scenes import SCENES, Asked
from ritornello.scenes.days import UTC_ZONE, zone_of
from ritornello.serve.bodies import Ask
from ritornello.serve.refusals import RefusedError
from ritornello.serve.snapshot import Snapshot
from ritornello.serve.state import Leaning, LiveUser


def settings_of(ask: Ask) -> dict[str, object]:
    """Return what is set of a scene."""
    return {} if ask.familiarity is None else {"familiarity": ask.familiarity}


def asked_of(ask: Ask, snapshot: Snapshot, live: LiveUser, at: int) -> Asked:
    """Return what a scene is asked: the wish of the request, and the user's rules, picks, time zone and leanings."""
    return Asked(
        facts=snapshot.served.facts,
        likeness=snapshot.served.likeness,
        rules=leaning(ask.rules, of_session(live, moment_of_scene(ask, live, at))),
        standing=live.profile.rules,
        seeds=tuple(ask.seeds),
        picks=live.profile.picks,
        theme=ask.theme,
        playlist=ask.playlist,
        time_zone=zone_of_user(ask, live),
    )


def zone_of_user(ask: Ask, live: LiveUser) -> str:
    """Return whose day it is: as the request says, else the user."""
    return ask.time_zone or live.profile.time_zone or UTC_ZONE


def moment_of_scene(ask: Ask, live: LiveUser, at: int) -> int:
    """Return the moment that a scene answers from when it is asked at `at`."""
    if ask.scene == "none":
        return at
    return scenes.make(ask.scene, settings_of(ask)).moment(at, zone_of_user(ask, live))


def check(ask: Ask) -> None:
    """Refuse a wish that no scene grants; only names in the table count: over HTTP nobody names code to load.

    Raises:
        RefusedError: naming what is allowed.
    """
    if ask.scene != "none" and ask.scene not in SCENES:
        raise RefusedError(400, f"scene is {ask.scene!r}: allowed are none, {', '.join(SCENES)}")
    given = {"seeds": ask.seeds, "theme": ask.theme, "playlist": ask.playlist, "rules": ask.rules != Rules()}
    if ask.scene == "none" and any(given.values()):
        named = ", ".join(name for name, value in given.items() if value)
        raise RefusedError(400, f"scene none takes no {named}: allowed is only (any, heard, unheard)")
    try:
        request.check_wish(ask.scene, ask.only, settings_of(ask))
        zone_of(ask.time_zone or UTC_ZONE)
    except ValueError as error:
        raise RefusedError(400, str(error)) from error


def leaning(rules: Rules, said: list[Leaning]) -> Rules:
    """Return rules with what was said in the session beside them."""
    return msgspec.structs.replace(
        rules,
        more=(*rules.more, *(one.track_id for one in said if one.is_more)),
        less=(*rules.less, *(one.track_id for one in said if not one.is_more)),
    )


def of_session(live: LiveUser, moment: int) -> list[Leaning]:
    """Return what was said in the session that runs at a moment: no pause since then was as long as one between sessions."""
    said = [one for one in live.profile.leanings if one.at < moment]
    began = moment
    for at in sorted({event.at for event in live.events} | {one.at for one in said}, reverse=True) if said else ():
        if at < moment and began - at < SESSION_GAP_MS:
            began = at
    return [one for one in said if one.at >= began]
