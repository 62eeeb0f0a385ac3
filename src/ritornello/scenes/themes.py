"""Themes: from what somebody asks for to the tracks that fit it, by names and words of the catalogue.

A theme is `kind:name` (artist, album, genre, era, language, tag; mood and context are tags), `interest` or `interest:2`
for one of the user's own, or a sentence, whose words and phrases are looked up among all names, and, where they are no
name, among the words of playlists' titles. N tracks that fit, H tracks heard.
"""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import History, Int32
from ritornello.data.facts import KINDS, TAG, Facts, plain_words
from ritornello.data.graph import ARTIST, PLAYLIST
from ritornello.data.sparse import sum_pairs
from ritornello.recall.item2item import recency
from ritornello.recall.query import query
from ritornello.schema import ERA, GENRE, LANGUAGE

INTEREST = "interest"
NAMED = {kind: kind for kind in KINDS if kind != PLAYLIST} | {"mood": TAG, "context": TAG, "decade": ERA}
PLAYLIST_WEIGHT = 0.5  # a word of a title says less than a name
HALF_LIFE_DAYS = 30.0
LONGEST_PHRASE = 5
FEW_LETTERS = 3
LANGUAGE_CODES = {
    "english": ("en", "eng"), "french": ("fr", "fra"), "german": ("de", "deu"), "spanish": ("es", "spa"),
    "italian": ("it", "ita"), "portuguese": ("pt", "por"), "dutch": ("nl", "nld"), "japanese": ("ja", "jpn"),
    "korean": ("ko", "kor"), "mandarin": ("zh", "zho"), "chinese": ("zh", "zho"), "russian": ("ru", "rus"),
    "polish": ("pl", "pol"), "turkish": ("tr", "tur"), "arabic": ("ar", "ara"), "hindi": ("hi", "hin"),
}  # fmt: skip
DECADES = {
    "fifties": "1950s", "sixties": "1960s", "seventies": "1970s", "eighties": "1980s", "nineties": "1990s",
    "noughties": "2000s",
}  # fmt: skip


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


def find_theme(text: str, facts: Facts, history: History) -> Theme | None:
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
    return of_sentence(text, facts)


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


def lookup(kind: str, wanted: str, facts: Facts) -> list[int]:
    """Return the groups of that id or name, other spellings of decades and languages among them."""
    groups = facts.groups[kind]
    if wanted in groups.row_of:
        return [groups.row_of[wanted]]
    words = " ".join(plain_words(wanted))
    spellings = [words]
    if kind == ERA:
        spellings.append(decade(words))
    elif kind == LANGUAGE:
        spellings.extend(LANGUAGE_CODES.get(words, ()))
    return next((groups.by_name[one] for one in spellings if one and one in groups.by_name), [])


def decade(word: str) -> str:
    """Return a decade in four figures.

    >>> decade("90s"), decade("nineties"), decade("10s"), decade("1990"), decade("jazz")
    ('1990s', '1990s', '2010s', '1990s', '')
    """
    if word in DECADES:
        return DECADES[word]
    figures = re.fullmatch(r"(\d\d)?(\d)0s?", word)
    if figures is None or (figures[1] is None and not word.endswith("s")):
        return ""
    century = figures[1] or ("19" if int(figures[2]) >= 3 else "20")
    return f"{century}{figures[2]}0s"


def of_sentence(text: str, facts: Facts) -> Theme | None:
    """Return the theme of the names that a sentence has, longest phrases first; a track fits by how many of them it meets."""
    words = plain_words(text)
    aspects: list[tuple[str, Int32, float]] = []
    missed: list[str] = []
    start = 0
    while start < len(words):
        size, found = longest_name(words[start : start + LONGEST_PHRASE], facts)
        if not found:
            found = of_titles(words[start], facts)
            size = 1
        if found:
            aspects.extend(found)
        elif len(words[start]) > FEW_LETTERS:
            missed.append(words[start])
        start += size
    if not aspects:
        return None
    num_tracks = max(int(track_S.max(initial=0)) for _, track_S, _ in aspects)
    fit_T = np.zeros(num_tracks + 1)
    for _, track_S, weight in aspects:
        fit_T[track_S] += weight
    track_N = np.flatnonzero(fit_T).astype(np.int32)
    return Theme(
        track_N=track_N,
        fit_N=fit_T[track_N] / sum(weight for _, _, weight in aspects),
        title=titled(", ".join(dict.fromkeys(name for name, _, _ in aspects))),
        matched=", ".join(dict.fromkeys(name for name, _, _ in aspects)),
        note=f"nothing in the catalogue is called {', '.join(missed)}" if missed else "",
    )


def longest_name(words: list[str], facts: Facts) -> tuple[int, list[tuple[str, Int32, float]]]:
    """Return the longest run of first words that is a name, and the groups of that name."""
    for size in range(len(words), 0, -1):
        phrase = " ".join(words[:size])
        found = []
        for kind in (GENRE, ERA, LANGUAGE, TAG, ARTIST):
            groups = facts.groups[kind]
            rows = lookup(kind, phrase, facts)
            if rows:
                track_S = np.unique(np.concatenate([groups.tracks(row) for row in rows])).astype(np.int32)
                found.append((groups.names[rows[0]], track_S, 1.0))
        if found:
            return size, found
    return 1, []


def of_titles(word: str, facts: Facts) -> list[tuple[str, Int32, float]]:
    """Return the tracks of playlists that have a word in their title."""
    playlists = facts.groups[PLAYLIST]
    rows = playlists.by_word.get(word, []) if len(word) > FEW_LETTERS else []
    if not rows:
        return []
    track_S = np.unique(np.concatenate([playlists.tracks(row) for row in rows])).astype(np.int32)
    return [(word, track_S, PLAYLIST_WEIGHT)]


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
