"""The knowledge graph: what is joined to what, what is left out and counted, and what a moment knows of it."""

import numpy as np
import polars as pl
import pytest

from ritornello.data.graph import Graph, name_of
from ritornello.data.graph_edges import build_graph
from ritornello.data.ingest import ingest
from ritornello.data.parts import PART_FILE, parts_of
from ritornello.data.prepare import load_prepared, prepare
from ritornello.data.simulate import simulate
from ritornello.data.sources.simulator.world import make_world
from ritornello.data.tables import TRIPLES, empty_tables

USERS = pl.DataFrame({"user_id": [7, 8]})
TRACKS = pl.DataFrame({"track_id": ["a", "b", "c"], "artist_name": ["X", None, None], "artist_id": ["x", "y", None]})
BARE = TRACKS.with_columns(pl.lit(None, pl.String).alias(name) for name in ("artist_id", "artist_name"))

Triple = tuple[str | None, str | None, str | None, float | None]


def built(*triples: Triple, tracks: pl.DataFrame = TRACKS, **tables: pl.DataFrame) -> tuple[Graph, dict]:
    schema = {"head": pl.String, "relation": pl.String, "tail": pl.String, "weight": pl.Float64}
    given = {TRIPLES: pl.DataFrame(list(triples), schema=schema, orient="row"), **tables}
    empty = empty_tables()
    rows = {name: pl.concat([empty[name], table.lazy()], how="diagonal_relaxed") for name, table in given.items()}
    return build_graph(empty | rows, USERS, tracks)


def said(graph: Graph) -> set[tuple[object, str, object]]:
    """Return the edges with names for numbers: tracks as they are, users below 0."""

    def shown(node: int) -> object:
        if node <= graph.num_tracks:
            return "abc"[node - 1]
        first_other = graph.num_tracks + graph.num_users + 1
        return graph.num_tracks - node if node < first_other else name_of(node - first_other, *names(graph))

    edges = zip(graph.head_E.tolist(), graph.relation_E.tolist(), graph.tail_E.tolist(), strict=True)
    return {(shown(head), graph.relations[relation], shown(tail)) for head, relation, tail in edges}


def names(graph: Graph) -> tuple[np.ndarray, np.ndarray]:
    return graph.name_start_X, graph.name_bytes


def test_ids_are_joined_by_what_they_say_and_else_by_what_the_relation_implies():
    graph, counts = built(
        ("a", "track.performed_by", "x", None),
        ("track:b", "performed_by", "artist:x", 2.0),
        ("x", "artist.featured_with", "y", None),
        ("track:c", "featured_with", "artist:y", None),
        ("7", "follows", "x", None),
        ("8", "likes", "c", None),
        ("1", "film.film.genre", "2", None),
        ("a", "track.has_mood", "calm", None),
        tracks=BARE,
    )
    assert said(graph) == {
        ("a", "performed_by", "x"),
        ("b", "performed_by", "x"),
        ("x", "featured_with", "y"),
        ("c", "featured_with", "y"),
        (-1, "follows", "x"),
        (-2, "likes", "c"),
        ("1", "film.film.genre", "2"),
        ("a", "track.has_mood", "calm"),
    }
    assert counts["nodes"] == {"artist": 2, "entity": 3}
    assert counts["left_out"] == {}
    assert sorted(graph.weight_E.tolist()) == [1.0] * 7 + [2.0]


def test_what_is_left_out_is_counted_by_reason():
    graph, counts = built(
        ("a", "performed_by", "x", 0.5),
        ("a", "performed_by", "x", 3.0),
        ("a", "performed_by", "x", 1.0),
        ("nobody", "performed_by", "x", None),
        ("99", "follows", "x", None),
        ("x", "similar_artist", "x", None),
        ("x", "similar_artist", "y", float("nan")),
        ("x", "similar_artist", "y", float("inf")),
        ("x", "similar_artist", "y", 0.0),
        ("x", "similar_artist", "y", -1.0),
        ("x", "similar_artist", "y", 1e300),
        (None, "similar_artist", "y", None),
        ("x", None, "y", None),
        tracks=BARE,
    )
    assert said(graph) == {("a", "performed_by", "x")}
    assert graph.weight_E.tolist() == [3.0]
    assert counts["left_out"] == {
        "missing id": 2,
        "said twice": 2,
        "to itself": 1,
        "unknown track": 1,
        "unknown user": 1,
        "weight out of range": 5,
    }


def test_a_cycle_is_a_graph_like_any_other():
    graph, _ = built(*[(x, "similar_artist", y, None) for x, y in ("xy", "yz", "zx", "yx")], tracks=TRACKS[:0])
    assert len(graph.head_E) == 4


def test_every_table_says_its_edges_and_tracks_say_theirs():
    tracks = TRACKS.with_columns(album_id=pl.lit("l"), genre=pl.lit("g"), language=pl.lit("fi"), era=pl.lit("1990s"))
    graph, counts = built(
        tracks=tracks,
        playlist_tracks=pl.DataFrame({"playlist_id": ["p", "p"], "track_id": ["a", "gone"]}),
        playlists=pl.DataFrame({"playlist_id": ["p"], "title": ["Evening"]}),
        videos=pl.DataFrame({"video_id": ["v", "w"], "track_id": ["b", None]}),
        posts=pl.DataFrame({"post_id": ["m"], "track_id": ["c"], "artist_id": ["x"]}),
        albums=pl.DataFrame({"album_id": ["l"], "album_title": ["Long"], "artist_id": ["x"]}),
        artists=pl.DataFrame({"artist_id": ["y"], "artist_name": ["Y"], "genre": ["g"], "entity_id": ["55"]}),
    )
    found = said(graph)
    assert {("a", "in_playlist", "Evening"), ("v", "video_of", "b"), ("m", "mentions", "c")} <= found
    assert {("m", "mentions", "X"), ("Long", "performed_by", "X"), ("Y", "same_as", "55")} <= found
    assert {("a", "performed_by", "X"), ("b", "performed_by", "Y"), ("c", "on_album", "Long")} <= found
    assert counts["edges"]["has_genre"] == 4
    assert counts["edges"]["has_era"] == counts["edges"]["has_language"] == 3
    assert counts["left_out"] == {"unknown track": 1}


def test_a_moment_knows_no_later_track_user_or_playlist():
    playlists = pl.DataFrame({"playlist_id": ["p", "q"], "made_at": [100, 200]})
    member = [("a", "in_playlist", "p", None), ("b", "in_playlist", "q", None), ("c", "in_playlist", "p", None)]
    graph, _ = built(*member, ("7", "likes", "a", None), ("8", "likes", "a", None), playlists=playlists)
    whole, cut = graph.known(2), graph.before(150, 2).known(1)
    assert (len(whole.head_E), whole.num_nodes) == (7, 1 + 3 + 4 + 2)
    edges = zip(cut.head_E.tolist(), cut.tail_E.tolist(), strict=True)
    # Nodes: tracks 1, 2; then artists x, y and playlists p, q as 3, 4, 5, 6; then the one user, 7.
    assert set(edges) == {(1, 3), (2, 4), (1, 5), (7, 1)}
    assert (cut.num_tracks, cut.num_others, cut.num_users) == (2, 4, 1)


def test_an_empty_graph_has_no_edges():
    assert len(Graph().known(5).head_E) == 0
    graph, counts = built(tracks=BARE)
    assert len(graph.before(0, 1).known(1).head_E) == 0
    assert counts == {"nodes": {}, "edges": {}, "left_out": {}}


def test_it_survives_the_disk_mapped(tmp_path):
    graph, _ = built(("a", "performed_by", "Bj\u00f6rk", None))
    graph.save(tmp_path)
    loaded = Graph.load(tmp_path)
    assert isinstance(loaded.head_E, np.memmap)
    assert said(loaded) == said(graph)
    assert ("a", "performed_by", "Bj\u00f6rk") in said(loaded)


def test_prepare_builds_it_from_files_and_reports_it(workspace, write):
    ingest(workspace, [write({"user_id": [7, 8], "timestamp": [1000, 2000], "track_id": [1, 2]})])
    tables = [
        write({"track_id": [1, 2], "artist_id": ["x", "x"]}, "tracks.csv"),
        write({"head": [1, 2, 3], "relation": ["track.has_tag"] * 3, "tail": ["t"] * 3}, "triples.parquet"),
        write({"playlist_id": [5, 5], "track_id": [1, 2], "position": [1, None]}, "playlist_tracks.parquet"),
    ]
    ingest(workspace, tables, kind="catalogue")
    report = prepare(workspace)
    assert report.graph["edges"] == {"has_tag": 2, "in_playlist": 2, "performed_by": 2}
    assert report.graph["left_out"] == {"unknown track": 1}
    graph = load_prepared(workspace).knowledge.graph
    assert (graph.num_tracks, graph.num_users, len(graph.head_E)) == (2, 2, 6)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_vectors_of_one_length_are_kept_as_given_and_others_counted(workspace, write, suffix):
    ingest(workspace, [write({"user_id": [7] * 5, "timestamp": [1, 2, 3, 4, 5], "track_id": [1, 2, 3, 4, 5]})])
    vectors = [[1.0, 2.0], [3.0, 4.0], [5.0], [6.0, float("nan")], None]
    given = vectors if suffix == "parquet" else [str(vector) for vector in vectors]
    ingest(workspace, [write({"track_id": [1, 2, 3, 4, 5], "embedding": given}, f"t.{suffix}")], kind="catalogue")
    report = prepare(workspace)
    given_TV = load_prepared(workspace).knowledge.given_TV
    if suffix == "csv":
        assert given_TV.shape == (6, 0)
        return
    assert given_TV.tolist() == [[0, 0], [1, 2], [3, 4], [0, 0], [0, 0], [0, 0]]
    assert report.vectors == {"known": 2, "another length": 1, "not finite": 1}


def test_rows_of_triples_without_an_end_are_quarantined(workspace, write):
    columns = {"head": ["a", None, "b", "c"], "relation": ["r", "r", None, "r"], "tail": ["x", "y", "z", None]}
    report = ingest(workspace, [write(columns, "kg.csv")], kind="catalogue")
    assert report.accepted == 1
    assert report.rejected == {"missing head": 1, "missing relation": 1, "missing tail": 1}
    assert pl.read_parquet(report.quarantine[0])["file_row"].to_list() == [2, 3, 4]
    assert ingest(workspace, [write(columns, "copy.csv")], kind="catalogue").files == ()


TABLES = {
    "triples": {"head": ["a"], "relation": ["r"], "tail": ["x"], "weight": [0.5]},
    "playlist_tracks": {"playlist_id": [1], "track_id": [2], "added_ts": [3]},
    "videos": {"video_id": ["v"], "track_id": [2], "title": ["t"], "made_at": [1_700_000_000]},
    "posts": {"post_id": ["m"], "track_id": [2], "text": ["t"]},
    "tracks": {"track_id": [2], "album_id": ["l"], "artist_id": ["x"]},
    "albums": {"album_id": ["l"], "artist_id": ["x"], "album_name": ["Long"]},
    "playlists": {"playlist_id": [1], "playlist_name": ["Evening"]},
    "artists": {"artist_id": ["x"], "artist_name": ["X"]},
}


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_told_by_its_columns(workspace, write, table):
    ingest(workspace, [write(TABLES[table], "any.parquet")], kind="catalogue")
    assert [folder.name for folder in workspace.catalogue.iterdir()] == [table]
    (part,) = parts_of(workspace.catalogue / table)
    assert len(pl.read_parquet(part / PART_FILE)) == 1


def test_a_file_that_is_no_table_is_refused_with_what_was_found_and_what_is_allowed(workspace, write):
    with pytest.raises(ValueError, match=r"found tag_id, tag; allowed are triples \(head, relation, tail\); .*tracks"):
        ingest(workspace, [write({"tag_id": [1], "tag": ["calm"]})], kind="catalogue")


def test_a_simulated_workspace_has_the_tables_of_its_world(workspace):
    simulate(workspace, make_world("default", listeners=10, tracks=400, days=5), processes=1)
    report = prepare(workspace)
    assert {"artists", "albums", "posts", "tracks", "triples", "videos"} <= {
        folder.name for folder in workspace.catalogue.iterdir()
    }
    assert {"performed_by", "written_by", "similar_artist", "has_era", "video_of"} <= report.graph["edges"].keys()
    unlike = "weight out of range"  # in a tiny world the nearest artist may be an unlike one
    assert report.graph["left_out"].keys() <= {"said twice", unlike}
