"""Graph: weighted walks over the music knowledge graph, from what the user plays and likes to tracks nobody may have played.

One hop is one step along one edge, either way: track > artist > track is two hops, track > artist > featured artist > track is
three, and a user's own node is one hop from the artists it follows. The score of a track is the sum over h = 1 .. hops of
hop_weight^h x the weight of all walks of h steps that arrive there (walks.py says what a step weighs). Walks are products of
sparse matrices, no list of walks is ever made; what bounds them is the cap on the steps that leave a node, so a node with a
million edges costs as much as one with a hundred. Tracks that the user has heard are left to the other channels.
B batch, N nodes, T tracks (with PADDING), X nodes that are neither track nor user, R relations.
"""

from typing import Annotated, Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ritornello.contracts import Float32, History, Int32, Int64
from ritornello.data.graph import KnownEdges, name_of
from ritornello.data.knowledge import Knowledge
from ritornello.data.sequence import Sequences
from ritornello.data.sparse import empty, inverse, keep_best, pack, scale_rows, sum_pairs, unpack
from ritornello.recall.item2item import recency
from ritornello.recall.query import heard, query
from ritornello.recall.relation_weights import learn
from ritornello.recall.scores import SparseScores
from ritornello.recall.walks import Step, Steps, best_paths, make_steps
from ritornello.schema import PADDING, Action

# What a step along a relation weighs where nothing else is set; relations of other names weigh OTHER.
WEIGHTS = {
    "performed_by": 1.0,
    "featured_with": 1.0,
    "similar_artist": 1.0,
    "written_by": 0.5,
    "on_album": 0.5,
    "in_playlist": 0.5,
    "likes": 1.0,
    "follows": 1.0,
    "video_of": 0.3,
    "mentions": 0.3,
    "has_tag": 0.3,
    "has_genre": 0.2,
    "has_language": 0.05,
    "has_era": 0.05,
    "same_as": 1.0,
}
OTHER = 0.1
LIKES = [int(action) for action in (Action.LIKE, Action.PLAYLIST_ADD, Action.DOWNLOAD, Action.SHARE)]

# How the node that leads to a track is said, by relation, and how two nodes in between are linked.
PHRASES = {
    "performed_by": "by {}",
    "featured_with": "featuring {}",
    "written_by": "written by {}",
    "on_album": "on the album {}",
    "in_playlist": "on the playlist {}",
    "video_of": "in the video {}",
    "mentions": "in the post {}",
    "has_genre": "in the genre {}",
    "has_language": "in the language {}",
    "has_era": "from the {}",
    "has_tag": "tagged {}",
    "likes": "liked by {}",
}
PHRASE = "linked to {}"
LINKS = {"featured_with": "featured with", "similar_artist": "similar to"}
LINK = "linked to"


class GraphConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the walks: `weights` sets single relations, `like` is the weight of a like where a play has 1.

    A walk starts from the `max_tracks` tracks that weigh most, and from the user's own node with `own_node` times their sum.
    """

    hops: Annotated[int, msgspec.Meta(ge=1, le=3)] = 3
    hop_weight: float = 0.5
    fan_out: Annotated[int, msgspec.Meta(ge=1)] = 100
    out_damping: float = 0.5
    in_damping: float = 0.25
    half_life_days: float = 30.0
    like: float = 3.0
    own_node: float = 1.0
    max_tracks: Annotated[int, msgspec.Meta(ge=1)] = 300
    weights: dict[str, float] = {}
    learn_weights: bool = True


class Graph:
    """Propose tracks that the knowledge graph links to the user's own."""

    Config = GraphConfig

    def __init__(self, config: GraphConfig) -> None:
        self.config = config
        self.relations: tuple[str, ...] = ()
        self.name_start_X: Int64 = np.zeros(1, np.int64)
        self.name_bytes: NDArray[np.uint8] = np.zeros(0, np.uint8)
        self.steps = Steps(empty(), np.zeros(0, np.int32))
        self._index(0, 0)

    def fit(self, sequences: Sequences, at: int, knowledge: Knowledge) -> Self:
        graph = knowledge.graph
        weight_R = self.relation_weights(graph.relations)
        if self.config.learn_weights:
            weight_R = learn(weight_R, self.config.hop_weight, self._arrived, sequences, at, knowledge)
        self.walk_on(graph.known(sequences.num_users), weight_R)
        self.name_start_X, self.name_bytes = np.array(graph.name_start_X), np.array(graph.name_bytes)
        self.relations = graph.relations
        return self

    def relation_weights(self, relations: tuple[str, ...]) -> Float32:
        """Return the weight that is set for each relation of a graph."""
        weights = WEIGHTS | self.config.weights
        return np.array([weights.get(name, OTHER) for name in relations], np.float32)

    def walk_on(self, edges: KnownEdges, weight_R: Float32) -> Self:
        """Take the edges of a graph to walk on."""
        damping = {"out_damping": self.config.out_damping, "in_damping": self.config.in_damping}
        self.steps = make_steps(edges, weight_R, fan_out=self.config.fan_out, **damping)
        return self._index(edges.num_tracks, edges.num_users)

    def _index(self, num_tracks: int, num_users: int) -> Self:
        self.num_tracks, self.num_users = num_tracks, num_users
        self.into_NT = csr_array(self.steps.matrix[:, : num_tracks + 1])
        return self

    def _arrived(self, seen: Knowledge, num_users: int, history: History, weight_R: Float32, hops: int) -> csr_array:
        """Return the mass of walks of exactly `hops` steps from tracks [B, T], as earlier knowledge has them."""
        config = msgspec.structs.replace(self.config, own_node=0.0)
        then = Graph(config).walk_on(seen.graph.known(num_users), weight_R)
        walk = then.start(history)
        for _ in range(hops - 1):
            walk = csr_array(walk @ then.steps.matrix)
        return then.unheard(csr_array(walk @ then.into_NT), history)

    def score(self, history: History) -> SparseScores:
        config, walk = self.config, self.start(history)
        parts: list[csr_array] = []
        for hop in range(1, config.hops + 1):
            if hop < config.hops:
                walk = csr_array(walk @ self.steps.matrix)
                arrived = csr_array(walk[:, : self.num_tracks + 1])
            else:
                arrived = csr_array(walk @ self.into_NT)
            parts.append(csr_array(np.float32(config.hop_weight**hop) * arrived))
        total_BT = csr_array(sum(parts[1:], start=parts[0]))
        return SparseScores(self.unheard(total_BT, history))

    def unheard(self, mass_BT: csr_array, history: History) -> csr_array:
        """Leave out the tracks that each row has heard."""
        own_BT = heard(history, self.num_tracks + 1)
        own_BT.data[:] = 1.0
        left_BT = csr_array(mass_BT - mass_BT.multiply(own_BT))
        left_BT.eliminate_zeros()
        left_BT.sort_indices()
        return left_BT

    def start(self, history: History) -> csr_array:
        """Return where the walks of each row start [B, N]: its tracks, which weigh 1 together, and the user's own node."""
        config = self.config
        is_like_BL = np.isin(history.action_BL, LIKES)
        weight_BL = recency(history, config.half_life_days) * np.where(is_like_BL, config.like, 1.0)
        track_BT = query(history, weight_BL, self.num_tracks)
        track_BT.data = np.log1p(track_BT.data)
        track_BT = keep_best(track_BT, config.max_tracks)
        track_BT = scale_rows(track_BT, inverse(np.asarray(track_BT.sum(axis=1), dtype=np.float64).ravel()))
        row_E = np.repeat(np.arange(len(history)), np.diff(track_BT.indptr))
        row_U = np.flatnonzero((history.user_B > 0) & (history.user_B <= self.num_users))
        num_nodes = self.steps.matrix.shape[0]
        node_U = num_nodes - self.num_users - 1 + history.user_B[row_U]
        return sum_pairs(
            np.r_[row_E, row_U],
            np.r_[track_BT.indices, node_U],
            np.r_[track_BT.data, np.full(len(row_U), config.own_node)],
            (len(history), num_nodes),
        )

    def paths(self, history: History, track_K: Int32) -> list[list[Step]]:
        """Return the heaviest walk from the one row of a history to each track, as steps; empty where there is none."""
        assert len(history) == 1, "paths are asked for row by row"
        known_K = np.where(track_K <= self.num_tracks, track_K, PADDING).astype(np.int32)
        config = self.config
        return best_paths(self.steps, self.start(history), known_K, hops=config.hops, hop_weight=config.hop_weight)

    def because(self, history: History, track_K: Int32) -> list[tuple[int, str]]:
        """Return for each track the own track that led to it (PADDING: none) and words, `{because}` standing for that track."""
        return [(self._own_track(path), self._words(path)) for path in self.paths(history, track_K)]

    def _own_track(self, path: list[Step]) -> int:
        return path[0].start if path and path[0].start <= self.num_tracks else PADDING

    def _words(self, path: list[Step]) -> str:
        """Say a path backwards, from the track that is shown to the own one."""
        if not path:
            return ""
        is_user = path[0].start > self.num_tracks
        if len(path) == 1:
            return "you like it" if is_user else f"{LINKS.get(self._relation(path[0]), LINK)} {{because}}"
        said = PHRASES.get(self._relation(path[-1]), PHRASE).format(self._name(path[-1].start))
        if len(path) == 3:
            said += f", {LINKS.get(self._relation(path[1]), LINK)} {self._name(path[1].start)}"
        if is_user:
            return f"{said}, and you {'follow' if self._relation(path[0]) == 'follows' else 'like'} {self._name(path[0].end)}"
        is_shared = len(path) == 2 and path[0].way // 2 == path[1].way // 2
        return f"{said}, as is {{because}}" if is_shared else f"{said}, and you play {{because}}"

    def _relation(self, step: Step) -> str:
        return self.relations[step.way // 2]

    def _name(self, node: int) -> str:
        """Return a node's name, safe to stand in a format; tracks and other users are not named here."""
        other, num_others = node - self.num_tracks - 1, len(self.name_start_X) - 1
        if not 0 <= other < num_others:
            return "a track" if other < 0 else "a listener"
        return name_of(other, self.name_start_X, self.name_bytes).replace("{", "{{").replace("}", "}}")

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        return pack(self.steps.matrix, "steps") | {
            "way_S": self.steps.way_S,
            "name_start_X": self.name_start_X,
            "name_bytes": self.name_bytes,
            "relations": np.frombuffer("\n".join(self.relations).encode(), np.uint8),
            "sizes": np.array([self.num_tracks, self.num_users]),
        }

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> Self:
        self.steps = Steps(unpack(arrays, "steps"), arrays["way_S"].astype(np.int32, copy=False))
        self.name_start_X = arrays["name_start_X"].astype(np.int64, copy=False)
        self.name_bytes = arrays["name_bytes"].astype(np.uint8, copy=False)
        self.relations = tuple(bytes(arrays["relations"]).decode().split("\n"))
        num_tracks, num_users = arrays["sizes"].tolist()
        return self._index(num_tracks, num_users)
