"""Standing rules: what a listener has ruled once, for good or until a moment; they go along with those of every request.

Where the two differ the stricter one holds: a request may forbid more than the listener does, never less.
"""

from typing import Annotated

import msgspec

from ritornello.rerank.rules import Block, Rules, in_force


class StandingRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What holds until it is taken back; `owned_only` keeps to what the catalogue calls playable, whatever a request says."""

    blocks: tuple[Block, ...] = ()
    hide_heard_days: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    owned_only: bool = False
    explicit: bool = True


def together(standing: StandingRules, rules: Rules) -> Rules:
    """Return the rules of a request with the standing ones beside them.

    >>> together(StandingRules(hide_heard_days=3, owned_only=True), Rules(hide_heard_days=1, playable=False))
    Rules(blocks=(), hide_heard_days=3, playable=True, explicit=True, more=(), less=())
    """
    return msgspec.structs.replace(
        rules,
        blocks=(*standing.blocks, *rules.blocks),
        hide_heard_days=max(standing.hide_heard_days, rules.hide_heard_days),
        playable=standing.owned_only or rules.playable,
        explicit=standing.explicit and rules.explicit,
    )


def with_block(standing: StandingRules, block: Block, at: int) -> StandingRules:
    """Add a block in the place of one of the same thing, and let go of those that have ended."""
    others = without_block(standing, block.kind, block.id)
    return msgspec.structs.replace(others, blocks=in_force((*others.blocks, block), at))


def without_block(standing: StandingRules, kind: str, wanted: str) -> StandingRules:
    """Take a block back."""
    kept = tuple(block for block in standing.blocks if (block.kind, block.id) != (kind, wanted))
    return msgspec.structs.replace(standing, blocks=kept)
