"""Themes: from what somebody asks for to the tracks that fit it, by names and words of the catalogue.

A theme is `kind:name` (artist, album, genre, era, language, tag; mood and context are tags), `interest` or `interest:2`
for one of the user's own, or a sentence. N tracks that fit, H tracks heard.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import History, Int32
from ritornello.data.facts import KINDS, TAG, Facts
from ritornello.data.graph import ARTIST, PLAYLIST
from ritornello.data.sparse import sum_pairs
from ritornello.recall.item2item import recency
from ritornello.recall.query import query
from ritornello.scenes.likeness import Likeness
from ritornello.scenes.sentences import understand
from ritornello.scenes.spellings import lookup
from ritornello.schema import ERA, GENRE

INTEREST = "interest"
NAMED = {kind: kind for kind in KINDS if kind != PLAYLIST} | {"mood": TAG, "context": TAG, "decade": ERA}
HALF_LIFE_DAYS = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Theme:
    """The tracks that fit and how well, 0 to 1, with a title, what was matched, and what was not.

    `is_of_one` tells that all are of one artist, so that no cap makes sense.
    """

    track_N: Int32
    fit_N: NDArray[np.float64]
    title: str
    matched: str
    note: str = ""
    is_of_one: bool = False


def find_theme(text: str, facts: Facts, history: History, likeness: Likeness | None = None) -> Theme | None:
    """Return the theme that a text means for the one row of a history, none where nothing fits.

    Raises:
        ValueError: for a kind's name that the catalogue does not have.
    """
    kind, colon, wanted = text.strip().partition(":")
    kind = kind.strip().lower()
    if kind == INTEREST or not text.strip():
        return own_interest(wanted, facts, history)
    if colon and kind in NAMED:
        return of_name(kind, wanted.strip(), facts)
    return of_sentence(text, facts, likeness)


def of_name(kind: str, wanted: str, facts: Facts) -> Theme:
    """Return the theme of one group."""
    groups = facts.groups[NAMED[kind]]
    rows = lookup(NAMED[kind], wanted, facts)
    if not rows:
        shown = ", ".join(groups.names[:8]) or "none: the catalogue has none"
        raise ValueError(f"no {kind} {wanted!r}: allowed are {shown}{', ...' if len(groups) > 8 else ''}")
    track_N = np.unique(np.concatenate([groups.tracks(row) for row in rows])).astype(np.int32)
    name = groups.names[rows[0]]
    return Theme(
        track_N=track_N,
        fit_N=np.ones(len(track_N)),
        title=titled(name),
        matched=f"{kind} {name}",
        is_of_one=NAMED[kind] == ARTIST and len(rows) == 1,
    )


def of_sentence(text: str, facts: Facts, likeness: Likeness | None) -> Theme | None:
    """Return the theme of what a sentence means; a track fits by how much of that it meets."""
    understood = understand(text, facts, likeness)
    aspects = understood.aspects
    if not aspects:
        return None
    num_tracks = max(int(aspect.track_S.max(initial=0)) for aspect in aspects)
    fit_T = np.zeros(num_tracks + 1)
    for aspect in aspects:
        fit_T[aspect.track_S] += aspect.fit_S
    track_N = np.flatnonzero(fit_T).astype(np.int32)
    names = ", ".join(dict.fromkeys(aspect.name for aspect in aspects))
    missed = f"nothing in the catalogue is called {', '.join(understood.missed)}" if understood.missed else ""
    return Theme(
        track_N=track_N,
        fit_N=fit_T[track_N] / sum(aspect.fit_S.max(initial=0) for aspect in aspects),
        title=titled(names),
        matched=names,
        note="; ".join(part for part in (understood.in_words(), missed) if part),
    )


def own_interest(wanted: str, facts: Facts, history: History) -> Theme | None:
    """Return one of the user's interests: their genres, or artists where genres are unknown, by newer listens rather.

    Raises:
        ValueError: when it is not a number from 1.
    """
    number = wanted.strip() or "1"
    if not number.isdecimal() or int(number) < 1:
        raise ValueError(f"interest {wanted!r}: allowed are numbers from 1, the strongest first")
    kind = GENRE if len(facts.groups[GENRE]) else ARTIST
    groups = facts.groups[kind]
    listens = query(history, recency(history, HALF_LIFE_DAYS), len(facts.group_T[kind]) - 1)
    group_H = facts.of(kind, listens.indices.astype(np.int32))
    strength_G = sum_pairs(
        np.zeros(len(group_H), np.int32), group_H, np.log1p(listens.data), (1, len(groups) + 1)
    ).toarray()[0]
    strength_G[0] = 0
    order_G = np.lexsort((np.arange(len(strength_G)), -strength_G))[: np.count_nonzero(strength_G)]
    if int(number) > len(order_G):
        return None
    row = int(order_G[int(number) - 1]) - 1
    track_N = groups.tracks(row)
    return Theme(
        track_N=track_N,
        fit_N=np.ones(len(track_N)),
        title=f"Your {groups.names[row]}",
        matched=f"your {kind} {groups.names[row]}",
        is_of_one=kind == ARTIST,
    )


def titled(name: str) -> str:
    """Begin with a capital letter."""
    return name[:1].upper() + name[1:]
