"""Rules: what a user has ruled for every slate to come, read, replaced, and changed block by block."""

import asyncio
from collections.abc import Callable

import msgspec
from fastapi import APIRouter, Request, Response

from ritornello.rerank.rules import Block, in_force
from ritornello.rerank.standing import StandingRules, with_block, without_block
from ritornello.schema import ONE_DAY_MS
from ritornello.serve.bodies import MAX_LISTED
from ritornello.serve.openapi import described
from ritornello.serve.parameters import BlockIdQuery, KindQuery, UserId
from ritornello.serve.refusals import RefusedError
from ritornello.serve.service import Service, TheService
from ritornello.serve.state import Profile
from ritornello.serve.user_bodies import BlockBody, RulesAnswer, RulesBody
from ritornello.serve.wire import read, written

router = APIRouter(prefix="/v1/users", tags=["rules"])
RULES, BLOCK = msgspec.json.Decoder(RulesBody), msgspec.json.Decoder(BlockBody)


@router.get("/{user_id:path}/rules", **described(RulesAnswer))
async def rules(request: Request, service: TheService, user_id: UserId) -> Response:
    """Return what a user has ruled and what still holds of it."""
    service.access.check(request, user_id)
    standing = (await service.compute(lambda: service.state.user(user_id))).profile.rules
    return written(as_told(user_id, standing, service.clock()))


@router.put("/{user_id:path}/rules", **described(RulesAnswer, body=RulesBody))
async def replace_rules(request: Request, service: TheService, user_id: UserId) -> Response:
    """Put rules in the place of all that the user had; an empty object takes them all back."""
    service.access.check(request, user_id)
    body = await read(request, RULES)
    now = service.clock()
    standing = StandingRules(hide_heard_days=body.hide_heard_days, owned_only=body.owned_only, explicit=body.explicit)
    for block in body.blocks:
        standing = with_block(standing, as_block(block, now), now)
    return written(await changed(service, user_id, lambda _: standing))


@router.post("/{user_id:path}/rules/blocks", **described(RulesAnswer, body=BlockBody))
async def add_block(request: Request, service: TheService, user_id: UserId) -> Response:
    """Block a track, an artist, an album or a genre; a block of the same thing makes room."""
    service.access.check(request, user_id)
    now = service.clock()
    block = as_block(await read(request, BLOCK), now)

    def change(standing: StandingRules) -> StandingRules:
        wider = with_block(standing, block, now)
        if len(wider.blocks) > MAX_LISTED:
            raise RefusedError(400, f"this would be block {len(wider.blocks)}: allowed are {MAX_LISTED}")
        return wider

    return written(await changed(service, user_id, change))


@router.delete("/{user_id:path}/rules/blocks", **described(RulesAnswer))
async def remove_block(
    request: Request, service: TheService, user_id: UserId, kind: KindQuery, block_id: BlockIdQuery
) -> Response:
    """Take a block back; one that is not there changes nothing."""
    service.access.check(request, user_id)
    return written(await changed(service, user_id, lambda standing: without_block(standing, kind, block_id)))


async def changed(service: Service, user_id: str, change: Callable[[StandingRules], StandingRules]) -> RulesAnswer:
    """Change a user's rules and tell what they are when they are on disk."""

    def change_profile(profile: Profile) -> Profile:
        return msgspec.structs.replace(profile, rules=change(profile.rules))

    profile = await asyncio.wrap_future(service.state.change_profile(user_id, change_profile))
    return as_told(user_id, profile.rules, service.clock())


def as_block(body: BlockBody, now: int) -> Block:
    """Return a block with the moment when it ends.

    Raises:
        RefusedError: when it ends twice.
    """
    if body.until is not None and body.days is not None:
        raise RefusedError(400, f"the block of {body.kind} {body.id!r} has until and days: allowed is one of them")
    until = body.until if body.days is None else now + int(body.days * ONE_DAY_MS)
    return Block(kind=body.kind, id=body.id, until=until)


def as_told(user_id: str, standing: StandingRules, now: int) -> RulesAnswer:
    """Return rules as they are told."""
    return RulesAnswer(
        user_id=user_id,
        blocks=list(in_force(standing.blocks, now)),
        hide_heard_days=standing.hide_heard_days,
        owned_only=standing.owned_only,
        explicit=standing.explicit,
    )
