"""Sentences: what the words of somebody's wish mean in a catalogue, and how that was found out.

Phrases that are names come first, the longest ones; the words between them may be like a name, where there is a text model, and
stand in titles of playlists. S tracks that meet an aspect.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from string import punctuation
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Int32
from ritornello.data.facts import TAG, Facts, plain_words
from ritornello.data.graph import ARTIST, PLAYLIST
from ritornello.scenes.likeness import Likeness
from ritornello.scenes.spellings import lookup
from ritornello.schema import ERA, GENRE, LANGUAGE

PLAYLIST_WEIGHT = 0.5  # a word of a title says less than a name
LONGEST_PHRASE = 5
MOST_EMBEDDED = 16  # phrases of one sentence: each takes milliseconds
FEW_LETTERS = 3
CLAUSE_ENDS = (",", ";", ":", ".", "!", "?")
BY_NAME, BY_LIKENESS, BY_TITLE = "by name", "by likeness", "by titles of playlists"


class Word(NamedTuple):
    """A word in small letters without accents, as it was said, and whether a clause ends with it."""

    plain: str
    said: str
    is_last: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Aspect:
    """Something that a sentence asks for: its name, how much of it each track meets, and `told`, what was found `how`."""

    name: str
    track_S: Int32
    fit_S: NDArray[np.float64]
    how: str
    told: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Understood:
    """What a sentence asks for, and the words that mean nothing here."""

    aspects: list[Aspect]
    missed: list[str]

    def in_words(self) -> str:
        """Say what was understood, and how."""
        told = {
            how: ", ".join(dict.fromkeys(aspect.told for aspect in self.aspects if aspect.how == how))
            for how in (BY_NAME, BY_LIKENESS, BY_TITLE)
        }
        return "; ".join(f"understood {how}: {what}" for how, what in told.items() if what)


def understand(text: str, facts: Facts, likeness: Likeness | None) -> Understood:
    """Return what a sentence means."""
    aspects: list[Aspect] = []
    missed: list[str] = []
    for number, (phrase, named) in enumerate(phrases(words_of(text), facts)):
        if named:
            aspects.extend(named)
            continue
        said = " ".join(dict.fromkeys(word.said for word in phrase))
        alike = of_likeness(said, facts, likeness if number < MOST_EMBEDDED else None)
        titled = {word.plain: of_titles(word.plain, facts) for word in phrase}
        aspects.extend(aspect for aspect in (alike, *titled.values()) if aspect)
        if not alike:
            missed.extend(word for word, found in titled.items() if not found and len(word) > FEW_LETTERS)
    return Understood(aspects=aspects, missed=missed)


def words_of(text: str) -> list[Word]:
    """Return the words of a sentence."""
    words = []
    for written in text.split():
        plain = plain_words(written)
        said, is_end = written.strip(punctuation), written.endswith(CLAUSE_ENDS)
        words += [Word(one, said, is_end and place == len(plain)) for place, one in enumerate(plain, start=1)]
    return words


def phrases(words: list[Word], facts: Facts) -> Iterator[tuple[list[Word], list[Aspect]]]:
    """Cut a sentence into names and the runs of words between them, which end where a clause does; a run has no aspect yet."""
    run: list[Word] = []
    start = 0
    while start < len(words):
        size, named = longest_name([word.plain for word in words[start : start + LONGEST_PHRASE]], facts)
        if not named:
            run.append(words[start])
        if run and (named or words[start].is_last):
            yield run, []
            run = []
        if named:
            yield words[start : start + size], named
        start += size
    if run:
        yield run, []


def longest_name(words: list[str], facts: Facts) -> tuple[int, list[Aspect]]:
    """Return the length of the longest run of first words that is a name, and the groups of that name."""
    for size in range(len(words), 0, -1):
        phrase = " ".join(words[:size])
        found = [
            of_groups(kind, rows, facts)
            for kind in (GENRE, ERA, LANGUAGE, TAG, ARTIST)
            if (rows := lookup(kind, phrase, facts))
        ]
        if found:
            return size, found
    return 1, []


def of_groups(kind: str, rows: list[int], facts: Facts) -> Aspect:
    """Return the aspect of groups of one name."""
    groups = facts.groups[kind]
    name = groups.names[rows[0]]
    track_S = np.unique(np.concatenate([groups.tracks(row) for row in rows])).astype(np.int32)
    return Aspect(name=name, track_S=track_S, fit_S=np.ones(len(track_S)), how=BY_NAME, told=f"{kind} {name}")


def of_titles(word: str, facts: Facts) -> Aspect | None:
    """Return the tracks of playlists that have a word in their title."""
    playlists = facts.groups[PLAYLIST]
    rows = playlists.by_word.get(word, []) if len(word) > FEW_LETTERS else []
    if not rows:
        return None
    track_S = np.unique(np.concatenate([playlists.tracks(row) for row in rows])).astype(np.int32)
    fit_S = np.full(len(track_S), PLAYLIST_WEIGHT)
    return Aspect(name=word, track_S=track_S, fit_S=fit_S, how=BY_TITLE, told=word)


def of_likeness(said: str, facts: Facts, likeness: Likeness | None) -> Aspect | None:
    """Return the tracks of the names that a phrase is like; a track counts by the likest of its names."""
    meant = likeness.nearest(said) if likeness else []
    if not meant:
        return None
    tracks = [facts.groups[one.kind].tracks(one.row) for one in meant]
    track_E, similarity_E = np.concatenate(tracks), np.repeat([one.similarity for one in meant], [*map(len, tracks)])
    track_S, row_E = np.unique(track_E, return_inverse=True)
    fit_S = np.zeros(len(track_S))
    np.maximum.at(fit_S, row_E, similarity_E)
    names = [facts.groups[one.kind].names[one.row] for one in meant]
    called = ", ".join(f"{one.kind} {name} ({one.similarity:.2f})" for one, name in zip(meant, names, strict=True))
    return Aspect(
        name=names[0], track_S=track_S.astype(np.int32), fit_S=fit_S, how=BY_LIKENESS, told=f'"{said}" as {called}'
    )
