"""The music knowledge graph: typed nodes and edges as mapped arrays, and the words that they are made of.

A relation goes from a kind of head to a kind of tail (`performed_by`: track > artist); whoever walks may go both ways.
Tracks and users are the rows of the log; every other node, X in all, has a number of its own, its id, a name to show, and
where it is known the moment it came to be. E edges, N nodes of a `known` graph: PADDING, tracks, other nodes, users, in this
order.
"""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Bool, Float32, Int8, Int32, Int64

TRACK, ARTIST, ALBUM, PLAYLIST, USER = "track", "artist", "album", "playlist", "user"
ENTITY = "entity"  # what no other kind says
KINDS = (
    *(TRACK, ARTIST, ALBUM, PLAYLIST, "genre", "language", "era"),
    *(USER, "video", "post", "writer", "tag", ENTITY),
)

# The kinds that a relation's bare ids are of; `artist.featured_with` or `track:7` say otherwise where they are not.
RELATIONS = {
    "performed_by": (TRACK, ARTIST),
    "written_by": (TRACK, "writer"),
    "on_album": (TRACK, ALBUM),
    "in_playlist": (TRACK, PLAYLIST),
    "video_of": ("video", TRACK),
    "mentions": ("post", TRACK),
    "similar_artist": (ARTIST, ARTIST),
    "has_genre": (TRACK, "genre"),
    "has_language": (TRACK, "language"),
    "has_era": (TRACK, "era"),
    "has_tag": (TRACK, "tag"),
    "featured_with": (ARTIST, ARTIST),
    "follows": (USER, ARTIST),
    "likes": (USER, TRACK),
    "same_as": (ARTIST, ENTITY),
}

ALWAYS = np.iinfo(np.int64).min
TEXTS = ("name_start_X", "name_bytes", "id_start_X", "id_bytes")
ARRAYS = ("head_E", "tail_E", "relation_E", "weight_E", "kind_X", "appeared_at_X", *TEXTS)
FACTS_FILE = "graph.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownEdges:
    """The edges among what is known at a moment, in one numbering of N nodes; other node x is `num_tracks + 1 + x`."""

    head_E: Int32
    tail_E: Int32
    relation_E: Int32
    weight_E: Float32
    num_tracks: int
    num_others: int
    num_users: int

    @property
    def num_nodes(self) -> int:
        """N, PADDING included."""
        return 1 + self.num_tracks + self.num_others + self.num_users


@dataclass(frozen=True, kw_only=True, slots=True)
class Graph:
    """Edges between track t (node t), user u (`num_tracks + u`) and other x (`num_tracks + num_users + 1 + x`).

    `known_tracks` and `at` cut it: what appeared later is not known yet.
    """

    relations: tuple[str, ...] = ()
    num_tracks: int = 0
    num_users: int = 0
    known_tracks: int = 0
    at: int = np.iinfo(np.int64).max
    head_E: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))
    tail_E: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))
    relation_E: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))
    weight_E: Float32 = field(default_factory=lambda: np.zeros(0, np.float32))
    kind_X: Int8 = field(default_factory=lambda: np.zeros(0, np.int8))
    appeared_at_X: Int64 = field(default_factory=lambda: np.zeros(0, np.int64))
    name_start_X: Int64 = field(default_factory=lambda: np.zeros(1, np.int64))
    name_bytes: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    id_start_X: Int64 = field(default_factory=lambda: np.zeros(1, np.int64))
    id_bytes: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))

    def before(self, at: int, num_tracks: int) -> "Graph":
        """Return the graph as it was known at a moment, when the catalogue had `num_tracks`; nothing is read yet."""
        return replace(self, at=min(at, self.at), known_tracks=min(num_tracks, self.known_tracks))

    def touch_tracks(self) -> Bool:
        """Tell for each relation whether one of its edges begins or ends at a track."""
        is_track_E = (np.asarray(self.head_E) <= self.num_tracks) | (np.asarray(self.tail_E) <= self.num_tracks)
        return np.bincount(self.relation_E[is_track_E], minlength=len(self.relations)) > 0

    def known(self, num_users: int) -> KnownEdges:
        """Return the edges between nodes that are known, among users the first `num_users`."""
        num_users, num_others = min(num_users, self.num_users), len(self.kind_X)
        first_other = self.num_tracks + self.num_users + 1
        number_N = np.zeros(first_other + num_others, np.int32)  # 0: not known
        number_N[1 : self.known_tracks + 1] = np.arange(1, self.known_tracks + 1)
        other_X = self.known_tracks + 1 + np.arange(num_others)
        number_N[first_other:] = np.where(np.asarray(self.appeared_at_X) < self.at, other_X, 0)
        first_user = self.known_tracks + num_others + 1
        number_N[self.num_tracks + 1 : self.num_tracks + 1 + num_users] = first_user + np.arange(num_users)
        head_E, tail_E = number_N[self.head_E], number_N[self.tail_E]
        is_known_E = (head_E > 0) & (tail_E > 0)
        return KnownEdges(
            head_E=head_E[is_known_E],
            tail_E=tail_E[is_known_E],
            relation_E=np.asarray(self.relation_E)[is_known_E],
            weight_E=np.asarray(self.weight_E)[is_known_E],
            num_tracks=self.known_tracks,
            num_others=num_others,
            num_users=num_users,
        )

    def save(self, folder: Path) -> None:
        """Write one .npy file per array."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name))
        facts = {"relations": self.relations, "num_tracks": self.num_tracks, "num_users": self.num_users}
        (folder / FACTS_FILE).write_text(json.dumps(facts), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Graph":
        """Map the arrays that `save` wrote; nothing is read until it is used."""
        facts = json.loads((folder / FACTS_FILE).read_text(encoding="utf-8"))
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ARRAYS}
        return cls(
            relations=tuple(facts["relations"]),
            num_tracks=facts["num_tracks"],
            num_users=facts["num_users"],
            known_tracks=facts["num_tracks"],
            **arrays,
        )


def name_of(node: int, name_start_X: Int64, name_bytes: NDArray[np.uint8]) -> str:
    """Return the name of other node `node`, or its id where these are the ids."""
    return bytes(name_bytes[name_start_X[node] : name_start_X[node + 1]]).decode()
