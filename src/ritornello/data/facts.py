"""Facts of the catalogue as scenes read them: which tracks belong together under a name, and which may be shown.

A group holds the tracks of one artist, album, genre, language, decade, tag or playlist. T tracks (with PADDING), G groups,
S tracks of a group, N tracks asked about.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl
from scipy.sparse import csr_array

from ritornello.contracts import Bool, Int32
from ritornello.data.graph import ALBUM, ARTIST, PLAYLIST, TRACK, Graph, name_of
from ritornello.data.ids import number_values
from ritornello.data.sparse import empty, sum_pairs
from ritornello.schema import (
    ALBUM_ID,
    ARTIST_ID,
    ARTIST_NAME,
    ERA,
    EXPLICIT,
    GENRE,
    LANGUAGE,
    PADDING,
    PLAYABLE,
    RELEASED_AT,
    TITLE,
    TRACK_ID,
)

TAG = "tag"
COLUMNS = {ARTIST: ARTIST_ID, ALBUM: ALBUM_ID, GENRE: GENRE, LANGUAGE: LANGUAGE, ERA: ERA}
RELATIONS = {TAG: "has_tag", PLAYLIST: "in_playlist"}
KINDS = (*COLUMNS, *RELATIONS)


@dataclass(frozen=True, kw_only=True, eq=False)
class Groups:
    """All groups of one kind: ids as the catalogue has them, names as people read them, and who belongs [G, T]."""

    ids: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    member_GT: csr_array = field(default_factory=empty)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """The row of each id."""
        return {group_id: row for row, group_id in enumerate(self.ids)}

    @cached_property
    def by_name(self) -> dict[str, list[int]]:
        """The rows of each name, as `plain_words` writes it."""
        rows: dict[str, list[int]] = {}
        for row, name in enumerate(self.names):
            rows.setdefault(" ".join(plain_words(name)), []).append(row)
        return rows

    @cached_property
    def by_word(self) -> dict[str, list[int]]:
        """The rows whose name has a word."""
        rows: dict[str, list[int]] = {}
        for row, name in enumerate(self.names):
            for word in dict.fromkeys(plain_words(name)):
                rows.setdefault(word, []).append(row)
        return rows

    def tracks(self, row: int) -> Int32:
        """Return the tracks of a group."""
        start, end = self.member_GT.indptr[row : row + 2]
        return np.asarray(self.member_GT.indices[start:end], dtype=np.int32)


@dataclass(frozen=True, kw_only=True, eq=False)
class Facts:
    """What is known of every track; `group_T` has the one group of each track for kinds that come from its own columns."""

    track_ids: pl.Series = field(default_factory=lambda: pl.Series(TRACK_ID, [], pl.String))
    titles: pl.Series = field(default_factory=lambda: pl.Series(TITLE, [], pl.String))
    groups: Mapping[str, Groups] = field(default_factory=lambda: {kind: Groups() for kind in KINDS})
    group_T: Mapping[str, Int32] = field(default_factory=lambda: {kind: np.zeros(1, np.int32) for kind in COLUMNS})
    is_explicit_T: Bool = field(default_factory=lambda: np.zeros(1, bool))
    is_playable_T: Bool = field(default_factory=lambda: np.ones(1, bool))

    @cached_property
    def sorted_ids(self) -> pl.DataFrame:
        """The ids of tracks as text, in order, with their rows."""
        return pl.DataFrame({"id": self.track_ids.cast(pl.String)}).with_row_index("row", offset=1).sort("id")

    def find(self, kind: str, wanted: str) -> Int32:
        """Return the tracks of a group, or the one track of that id; none where there is no such thing."""
        if kind == TRACK:
            known = self.sorted_ids
            place = known["id"].search_sorted(wanted)
            is_there = place < len(known) and known["id"][place] == wanted
            return np.array([known["row"][place]] if is_there else [], dtype=np.int32)
        row = self.groups[kind].row_of.get(wanted)
        return np.zeros(0, np.int32) if row is None else self.groups[kind].tracks(row)

    def of(self, kind: str, track_N: Int32) -> Int32:
        """Return each track's group of a kind, counted from 1, 0 where it is unknown."""
        group_T = self.group_T[kind]
        group_N: Int32 = group_T[np.where(track_N < len(group_T), track_N, PADDING)]
        return group_N


def plain_words(text: str) -> list[str]:
    """Return the words of a text in small letters, without accents and marks.

    >>> plain_words("Caf\\u00e9 del Mar: Rhythm & Blues, 1990s")
    ['cafe', 'del', 'mar', 'rhythm', 'blues', '1990s']
    """
    bare = "".join(
        letter for letter in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(letter)
    )
    return re.findall(r"[^\W_]+", bare)


def of_catalogue(tracks: pl.DataFrame, graph: Graph) -> Facts:
    """Read the facts of numbered tracks, in the order of their rows, and of the graph beside them."""
    known = with_decades(tracks)
    group_T = {kind: number_values(known[column].cast(pl.String)) for kind, column in COLUMNS.items()}
    groups = {kind: of_column(known, kind, group_T[kind]) for kind in COLUMNS}
    groups |= {kind: of_relation(graph, relation, len(tracks)) for kind, relation in RELATIONS.items()}
    return Facts(
        track_ids=known[TRACK_ID],
        titles=known[TITLE],
        groups=groups,
        group_T=group_T,
        is_explicit_T=np.r_[False, known[EXPLICIT].fill_null(value=False).to_numpy()],
        is_playable_T=np.r_[False, known[PLAYABLE].fill_null(value=True).to_numpy()],
    )


def with_decades(tracks: pl.DataFrame) -> pl.DataFrame:
    """Add the columns that a smaller catalogue lacks; a track's era is told by its release where nothing else does."""
    lacking = {name: pl.Boolean for name in (EXPLICIT, PLAYABLE)} | {name: pl.String for name in (ERA, LANGUAGE, TITLE)}
    known = tracks.with_columns(
        pl.lit(None, dtype).alias(name) for name, dtype in lacking.items() if name not in tracks.columns
    )
    year = pl.from_epoch(pl.col(RELEASED_AT).cast(pl.Int64), time_unit="ms").dt.year()
    return known.with_columns(pl.coalesce(ERA, pl.format("{}s", year.floordiv(10) * 10)).alias(ERA))


def of_column(tracks: pl.DataFrame, kind: str, group_T: Int32) -> Groups:
    """Return the groups that a column of tracks tells; artists are called by their names."""
    column = COLUMNS[kind]
    name = pl.coalesce(ARTIST_NAME, ARTIST_ID) if kind == ARTIST else pl.col(column)
    rows = tracks.select(pl.col(column).cast(pl.String).alias("id"), name.cast(pl.String).alias("name"))
    first = rows.drop_nulls("id").unique("id", keep="first", maintain_order=True)
    track_P = np.flatnonzero(group_T)
    member_GT = sum_pairs(group_T[track_P] - 1, track_P, np.ones(len(track_P)), (max(len(first), 1), len(group_T)))
    return Groups(ids=tuple(first["id"]), names=tuple(first["name"]), member_GT=member_GT)


def of_relation(graph: Graph, relation: str, num_tracks: int) -> Groups:
    """Return the groups that tracks belong to by a relation of the graph, of those that are known at its moment."""
    if relation not in graph.relations:
        return Groups(member_GT=sum_pairs(*(np.zeros(0, np.int32),) * 3, (1, num_tracks + 1)))
    is_meant_E = np.asarray(graph.relation_E) == graph.relations.index(relation)
    head_E, tail_E = np.asarray(graph.head_E)[is_meant_E], np.asarray(graph.tail_E)[is_meant_E]
    first_other = graph.num_tracks + graph.num_users + 1
    is_sound_E = (head_E <= num_tracks) & (tail_E >= first_other)
    is_sound_E[is_sound_E] = np.asarray(graph.appeared_at_X)[tail_E[is_sound_E] - first_other] < graph.at
    node_G, group_E = np.unique(tail_E[is_sound_E] - first_other, return_inverse=True)
    shape = (max(len(node_G), 1), num_tracks + 1)
    nodes = node_G.tolist()
    return Groups(
        ids=tuple(name_of(node, graph.id_start_X, graph.id_bytes) for node in nodes),
        names=tuple(name_of(node, graph.name_start_X, graph.name_bytes) for node in nodes),
        member_GT=sum_pairs(group_E, head_E[is_sound_E], np.ones(int(is_sound_E.sum())), shape),
    )
