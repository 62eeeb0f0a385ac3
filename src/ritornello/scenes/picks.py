"""Picks: from a ranked slate to the listeners' lists; what all scenes have in common.

The user's rules come first, then the scene's own steps, then the slots that these leave become the slate.
B batch, K slate length, N tracks of a shortlist, C channels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Bool, Float32, History, Int32, Slate
from ritornello.data.labels import IS_LISTEN_A, disliked
from ritornello.pipeline import Pipeline
from ritornello.rerank import Shortlist
from ritornello.rerank.rules import blocked, lean, showable, without
from ritornello.scenes import Asked
from ritornello.schema import ONE_DAY_MS, PADDING

NEWCOMER = "no listening history yet: this is what people play now"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pick:
    """One row's list: slots of the slate it is picked from, in the order to play, and what is said of it."""

    index_N: NDArray[np.intp]
    title: str = ""
    description: str = ""
    note: str = ""
    propensity_N: Float32 | None = None


def ruled(pipeline: Pipeline, history: History, slate: Slate, row: int, asked: Asked) -> Shortlist:
    """Return what one row may be shown of its slate, best first."""
    shortlist = shortlist_of(pipeline, slate, row)
    return lean(shortlist.take(np.flatnonzero(may_show(history, row, shortlist, asked))), asked.facts, asked.rules)


def shortlist_of(pipeline: Pipeline, slate: Slate, row: int) -> Shortlist:
    """Return the tracks of one row of a slate."""
    index_N = np.flatnonzero(slate.track_BK[row] != PADDING)
    track_N = slate.track_BK[row, index_N]
    return Shortlist(
        index_N=index_N,
        track_N=track_N,
        score_N=slate.score_BK[row, index_N],
        is_heard_N=slate.heard_BK[row, index_N],
        artist_N=pipeline.stats.artist_T[track_N],
    )


def may_show(history: History, row: int, shortlist: Shortlist, asked: Asked) -> Bool:
    """Tell which tracks the user neither dislikes nor rules out."""
    banned = disliked(history.action_BL[row], history.track_BL[row], history.at_BL[row])
    return obeys_rules(history, row, shortlist, asked) & ~np.isin(shortlist.track_N, banned)


def obeys_rules(history: History, row: int, shortlist: Shortlist, asked: Asked) -> Bool:
    """Tell which tracks neither the rules nor the catalogue forbid."""
    rules, facts = asked.rules, asked.facts
    kept = without(shortlist, blocked(rules.blocks, facts, int(history.as_of_B[row])))
    if rules.hide_heard_days:
        kept = without(kept, heard_within(history, row, rules.hide_heard_days))
    kept = showable(kept, facts, playable=rules.playable, explicit=rules.explicit)
    return np.isin(shortlist.track_N, kept.track_N)


def heard_within(history: History, row: int, days: float) -> Int32:
    """Return what a row has heard in the last so many days."""
    is_heard_L = IS_LISTEN_A[history.action_BL[row]]
    is_heard_L &= history.at_BL[row] >= history.as_of_B[row] - days * ONE_DAY_MS
    return np.unique(history.track_BL[row, is_heard_L])


def is_newcomer(history: History, row: int) -> bool:
    """Tell whether nothing is known of a row's user."""
    return not history.track_BL[row].any()


def newcomer(history: History, row: int, said: str = NEWCOMER) -> str:
    """Return what a newcomer is told, nothing for anybody else."""
    return said if is_newcomer(history, row) else ""


def note(*parts: str) -> str:
    """Join what there is to say."""
    return "; ".join(part for part in parts if part)


def shortfall(size: int, k: int) -> str:
    """Say that a list is shorter than was asked for."""
    return f"{size} of {k} tracks: the catalogue and the rules leave no more" if size < k else ""


def take_rows(slate: Slate, picks: list[Pick], k: int) -> Slate:
    """Return each row's picked slots, in the order given, padded to `k`."""
    slot_BK = np.full((len(picks), k), -1, np.intp)
    propensity_BK = np.full((len(picks), k), np.nan, np.float32)
    for row, pick in enumerate(picks):
        slot_BK[row, : len(pick.index_N)] = pick.index_N
        if pick.propensity_N is not None:
            propensity_BK[row, : len(pick.index_N)] = pick.propensity_N
    is_used_BK = slot_BK >= 0
    row_B1 = np.arange(len(picks))[:, None]
    return Slate(
        channels=slate.channels,
        track_BK=np.where(is_used_BK, slate.track_BK[row_B1, slot_BK], PADDING).astype(np.int32),
        score_BK=np.where(is_used_BK, slate.score_BK[row_B1, slot_BK], -np.inf).astype(np.float32),
        heard_BK=is_used_BK & slate.heard_BK[row_B1, slot_BK],
        channel_BKC=is_used_BK[:, :, None] & slate.channel_BKC[row_B1, slot_BK],
        title_B=tuple(pick.title for pick in picks),
        description_B=tuple(pick.description for pick in picks),
        note_B=tuple(pick.note for pick in picks),
        propensity_BK=None if any(pick.propensity_N is None for pick in picks) else propensity_BK,
    )
