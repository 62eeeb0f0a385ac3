"""The graph channel against walks taken one by one in plain Python, and what it says of them."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from ritornello import recall
from ritornello.contracts import History
from ritornello.data.graph import Graph as KnowledgeGraph
from ritornello.data.graph_edges import build_graph
from ritornello.data.knowledge import Knowledge, of_tracks
from ritornello.data.sequence import Sequences, encode, from_events
from ritornello.data.sources.planted import planted_world
from ritornello.data.tables import TRIPLES, empty_tables
from ritornello.pipeline import Pipeline, top
from ritornello.reasons import explain_slate, in_words
from ritornello.recall.graph import OTHER, WEIGHTS, Graph
from ritornello.recall.merge import recall as best
from ritornello.recall.relation_weights import learn
from ritornello.schema import ONE_DAY_MS

NOW = 100 * ONE_DAY_MS
TRACKS, USERS = 6, 3
PLAYS = [(1, 1), (1, 1), (1, 2), (2, 3)]  # user, track, all a day ago
EDGES = [
    ("1", "performed_by", "x", 1.0), ("2", "performed_by", "x", 1.0), ("3", "performed_by", "y", 0.5),
    ("4", "performed_by", "y", 1.0), ("5", "performed_by", "z", 1.0), ("x", "featured_with", "y", 2.0),
    ("y", "similar_artist", "z", 0.7), ("z", "similar_artist", "x", 0.3), ("1", "in_playlist", "p", 1.0),
    ("3", "in_playlist", "p", 1.0), ("5", "in_playlist", "p", 1.0), ("1", "has_mood", "calm", 1.0),
    ("1", "track.leads_to", "track:4", 1.0), ("6", "track.has_mood", "entity:calm", 3.0),
    ("1", "follows", "z", 1.0), ("3", "likes", "6", 1.0), ("2", "likes", "6", 1.0),
]  # fmt: skip


@pytest.fixture(scope="module")
def log() -> Sequences:
    user_E, track_E = np.array(PLAYS, np.int32).T
    size = len(PLAYS)
    return from_events(
        user_E,
        track_E,
        np.full(size, NOW - ONE_DAY_MS),
        np.full(size, 2, np.int8),
        np.full(size, np.nan, np.float32),
        num_users=USERS,
        num_tracks=TRACKS,
    )


def knowledge(edges: list[tuple[str, str, str, float]] = EDGES, num_tracks: int = TRACKS) -> Knowledge:
    ids = [str(number) for number in range(1, num_tracks + 1)]
    nothing = {
        name: pl.Series([None] * num_tracks, dtype=pl.String) for name in ("artist_id", "artist_name", "album_id")
    }
    genre = pl.Series("genre", [None] * num_tracks, dtype=pl.String)
    tracks = pl.DataFrame({"track_id": ids, **nothing}).with_columns(genre, appeared_at=pl.lit(0, pl.Int64))
    users = pl.DataFrame({"user_id": ["1", "2", "3"]})
    triples = pl.LazyFrame(edges, schema=["head", "relation", "tail", "weight"], orient="row")
    return replace(of_tracks(tracks), graph=build_graph(empty_tables() | {TRIPLES: triples}, users, tracks)[0])


def history(log: Sequences, *users: int) -> History:
    return encode(log, np.array(users), np.full(len(users), NOW))


def fitted(log: Sequences, known: Knowledge | None = None, **settings: object) -> Graph:
    channel = recall.make("graph", {"learn_weights": False, **settings})
    return channel.fit(log, NOW, known or knowledge())


def steps_of(graph: KnowledgeGraph, a: float, b: float, fan_out: int) -> dict[int, list[tuple[int, str, float]]]:
    """List every single step by the node it leaves: the node it leads to, the way, the weight."""
    edges = graph.known(USERS)
    ways = []
    for head, relation, tail, weight in zip(edges.head_E, edges.relation_E, edges.tail_E, edges.weight_E, strict=True):
        name = graph.relations[relation]
        ways += [(int(head), f"{name}>", int(tail), float(weight)), (int(tail), f"{name}<", int(head), float(weight))]
    leaving = Counter((start, way) for start, way, _, _ in ways)
    arriving = Counter((end, way) for _, way, end, _ in ways)
    steps: dict[int, list[tuple[int, str, float]]] = {}
    for start, way in leaving:
        own = [
            (end, way, WEIGHTS.get(way[:-1], OTHER) * weight * leaving[start, way] ** -a * arriving[end, way] ** -b)
            for at, by, end, weight in ways
            if (at, by) == (start, way)
        ]
        steps.setdefault(start, []).extend(sorted(own, key=lambda step: (-step[2], -step[0]))[:fan_out])
    return steps


def walks(
    steps: dict[int, list[tuple[int, str, float]]], starts: dict[int, float], hops: int, hop_weight: float
) -> list[tuple[float, tuple[int, ...]]]:
    """List every walk with what it weighs."""
    found, ends = [], [(mass, (node,)) for node, mass in starts.items()]
    for _ in range(hops):
        ends = [
            (mass * hop_weight * value, (*nodes, end))
            for mass, nodes in ends
            for end, _, value in steps.get(nodes[-1], [])
        ]
        found += ends
    return found


@pytest.mark.parametrize("hops", [1, 2, 3])
@pytest.mark.parametrize("fan_out", [1, 2, 100])
def test_scores_are_the_sums_of_all_walks(log, hops, fan_out):
    channel = fitted(log, hops=hops, fan_out=fan_out, out_damping=0.4, in_damping=0.3, hop_weight=0.6, own_node=0.5)
    steps = steps_of(knowledge().graph, 0.4, 0.3, fan_out)
    first_user = channel.steps.matrix.shape[0] - USERS
    played = {1: np.log1p(2.0), 2: np.log1p(1.0)}
    starts = {track: mass / sum(played.values()) for track, mass in played.items()} | {first_user: 0.5}
    expected = np.zeros(TRACKS + 1)
    for mass, nodes in walks(steps, starts, hops, 0.6):
        if nodes[-1] <= TRACKS and nodes[-1] not in played:
            expected[nodes[-1]] += mass
    found = channel.score(history(log, 1)).matrix.toarray()[0]
    assert expected.any()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("fan_out", [1, 100])
def test_the_best_path_is_the_heaviest_walk(log, fan_out):
    channel = fitted(log, fan_out=fan_out, out_damping=0.4, in_damping=0.3)
    rows = history(log, 1)
    start = channel.start(rows)
    starts = dict(zip(start.indices.tolist(), start.data.tolist(), strict=True))
    steps = steps_of(knowledge().graph, 0.4, 0.3, fan_out)
    merged: dict[int, dict[int, float]] = {}
    for node, own in steps.items():
        for end, _, value in own:
            merged.setdefault(node, Counter())[end] += value
    summed = {node: [(end, "", value) for end, value in own.items()] for node, own in merged.items()}
    everything = walks(summed, starts, 3, 0.5)
    tracks = np.arange(1, TRACKS + 1, dtype=np.int32)
    for track, path in zip(tracks.tolist(), channel.paths(rows, tracks), strict=True):
        candidates = [walk for walk in everything if walk[1][-1] == track]
        assert bool(path) == bool(candidates)
        if path:
            nodes = (path[0].start, *(step.end for step in path))
            mass = starts[nodes[0]] * np.prod([0.5 * merged[a][b] for a, b in pairwise(nodes)])
            assert nodes[-1] == track
            assert mass == pytest.approx(max(candidates)[0], rel=1e-5)


def test_the_words_name_what_lies_between(log):
    channel = fitted(log, own_node=0.0)
    said = dict(zip((3, 4, 5), channel.because(history(log, 1), np.array([3, 4, 5], np.int32)), strict=True))
    assert said[3][1] in ("on the playlist p, as is {because}", "by y, featured with x, and you play {because}")
    assert said[4][1] == "by y, featured with x, and you play {because}"
    assert said[5][0] == 1
    alone = fitted(log, knowledge([("1", "track.leads_to", "track:4", 1.0)]))
    assert alone.because(history(log, 1), np.array([4], np.int32)) == [(1, "linked to {because}")]
    by_follow = fitted(log, own_node=100.0).because(history(log, 1), np.array([5], np.int32))
    assert by_follow == [(0, "by z, and you follow z")]
    assert channel.because(history(log, 3), np.array([1, 999], np.int32)) == [(0, ""), (0, "")]


def test_names_with_braces_are_said_as_they_are(log):
    edges = [("1", "performed_by", "{x}", 1.0), ("3", "performed_by", "{x}", 1.0)]
    ((own, words),) = fitted(log, knowledge(edges)).because(history(log, 1), np.array([3], np.int32))
    assert words.format(because="A") == "by {x}, as is A"
    assert own == 1


def test_a_cap_keeps_the_heaviest_and_of_equal_ones_the_newest(log):
    edges = [(str(track), "has_tag", "t", 1.0) for track in range(1, TRACKS + 1)] + [("3", "has_tag", "u", 5.0)]
    edges.append(("1", "has_tag", "u", 1.0))
    channel = fitted(log, knowledge(edges), fan_out=2, in_damping=0.0)
    assert np.flatnonzero(channel.score(history(log, 1)).matrix.toarray()[0]).tolist() == [3, 5, 6]


def test_a_node_with_very_many_edges_costs_as_much_as_its_cap(log):
    num_tracks = 50_000
    hub = [(str(track), "has_tag", "t", 1.0) for track in range(1, num_tracks + 1)]
    channel = fitted(log, knowledge(hub, num_tracks), fan_out=50)
    found = channel.score(history(log, 1)).matrix
    assert found.nnz == 50
    assert np.isfinite(found.data).all()
    assert channel.steps.matrix.nnz == num_tracks + 50


def test_tracks_that_nobody_played_are_reached_and_later_ones_are_not():
    world = planted_world()
    assert world.graph_track not in world.sequences.track_E
    rows = encode(world.sequences, np.array([world.graph_user]), np.array([world.now]))
    for tracks, is_reached in ((world.graph_track, True), (world.graph_track - 1, False)):
        seen = replace(world.knowledge, artist_T=world.knowledge.artist_T[: tracks + 1])
        seen = replace(seen, graph=world.knowledge.graph.before(world.now, tracks))
        found = best(recall.make("graph").fit(world.sequences, world.now, seen), rows, 100, only="unheard")
        assert (world.graph_track in found.track_BN) == is_reached


def test_without_a_graph_nothing_is_proposed(log):
    channel = fitted(log, replace(knowledge(), graph=KnowledgeGraph()), learn_weights=True)
    assert channel.score(history(log, 1, 2, 0)).matrix.nnz == 0
    assert channel.because(history(log, 1), np.array([3], np.int32)) == [(0, "")]


def test_the_reason_of_a_slate_is_the_path():
    world = planted_world()
    channel = recall.make("graph").fit(world.sequences, world.now, world.knowledge)
    rows = encode(world.sequences, np.array([world.graph_user]), np.array([world.now]))
    candidates = best(channel, rows, 3, only="unheard", name="graph")
    stats = None  # no ranker is asked here
    pipeline = Pipeline(
        channels={"graph": channel}, quotas={"window": {"graph": 3}}, next_quota=3, stats=stats, rankers={}
    )
    reason = explain_slate(pipeline, rows, top(candidates, rows, 3))[0][0]
    assert reason.because == world.favourite_track
    words = in_words(reason, {world.favourite_track: "Favourite"})
    assert words == "by Linked Artist, featured with Favourite Artist, and you play Favourite"


def test_weights_are_learned_from_what_people_came_to_play():
    """Users of each group come to play what shares their tag; who performs says nothing."""
    rng = np.random.default_rng(2)
    num_users, num_tracks, num_groups = 60, 120, 6
    tag_T = rng.integers(0, num_groups, num_tracks + 1)
    artist_T = rng.integers(0, 20, num_tracks + 1)
    plays = []
    for user in range(1, num_users + 1):
        liked = np.flatnonzero(tag_T[1:] == user % num_groups) + 1
        plays += [(user, track, day) for track in rng.permutation(liked)[:12] for day in (int(rng.integers(1, 40)),)]
    user_E, track_E, day_E = np.array(plays).T
    size = len(plays)
    log = from_events(
        user_E.astype(np.int32),
        track_E.astype(np.int32),
        NOW - day_E * ONE_DAY_MS,
        np.full(size, 2, np.int8),
        np.full(size, np.nan, np.float32),
        num_users=num_users,
        num_tracks=num_tracks,
    )
    edges = [(str(track), "performed_by", f"a{artist_T[track]}", 1.0) for track in range(1, num_tracks + 1)]
    edges += [(str(track), "has_tag", f"t{tag_T[track]}", 1.0) for track in range(1, num_tracks + 1)]
    edges += [("a1", "similar_artist", "gone", 1.0)]
    known = knowledge(edges, num_tracks)
    channel = recall.make("graph")
    set_R = channel.relation_weights(known.graph.relations)
    learned_R = learn(set_R, 0.5, channel._arrived, log, NOW, known)
    ratio = dict(zip(known.graph.relations, (learned_R / set_R).tolist(), strict=True))
    assert ratio["has_tag"] > 2 * ratio["performed_by"]
    assert ratio["similar_artist"] > 0, "a relation that no walk uses stays"
    np.testing.assert_array_equal(learn(set_R, 0.5, channel._arrived, log, NOW, known), learned_R)
