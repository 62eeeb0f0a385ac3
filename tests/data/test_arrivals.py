"""Tracks that come after the log was prepared get rows behind those that had appeared; no row that is in use moves."""

import polars as pl
import pytest

from ritornello.artifacts import Workspace
from ritornello.data.arrivals import arrange, extend
from ritornello.data.ingest import ingest
from ritornello.data.prepare import Prepared, load_prepared, prepare
from ritornello.data.sources.planted import write_world
from ritornello.schema import APPEARED_AT, FIRST_AT, TRACK_ID, TRACK_IDX

NOW = 100
NOBODY = pl.DataFrame(schema={TRACK_ID: pl.String, FIRST_AT: pl.Int64})


def prepared_tracks() -> pl.DataFrame:
    """Return two tracks that have appeared, one that will, and one without a date."""
    return pl.DataFrame(
        {
            TRACK_ID: ["a", "b", "later", "undated"],
            FIRST_AT: [10, None, None, None],
            APPEARED_AT: [10, 50, 500, None],
            "released_at": [None, 50, 500, None],
            TRACK_IDX: [1, 2, 3, 4],
        },
        schema_overrides={TRACK_IDX: pl.Int32, FIRST_AT: pl.Int64},
    )


def came(**released_at: int | None) -> pl.DataFrame:
    rows = {TRACK_ID: list(released_at), "released_at": list(released_at.values())}
    return pl.DataFrame(rows, schema={TRACK_ID: pl.String, "released_at": pl.Int64})


def played(**first_at: int) -> pl.DataFrame:
    return pl.DataFrame({TRACK_ID: list(first_at), FIRST_AT: list(first_at.values())})


def arranged(*others: pl.DataFrame, least: int = 2, now: int = NOW) -> list[str]:
    tracks = arrange(prepared_tracks(), *others, now, least=least)
    assert tracks[TRACK_IDX].to_list() == list(range(1, len(tracks) + 1))
    known = tracks[APPEARED_AT].fill_null(10**9)
    assert known.is_sorted(), "what had appeared by a moment is a range of rows"
    return tracks[TRACK_ID].to_list()


def test_nothing_new_changes_nothing():
    tracks = prepared_tracks()
    assert arrange(tracks, came(), NOBODY, NOW, least=2) is tracks


def test_what_has_come_lies_behind_what_had_appeared_and_before_what_has_not():
    assert arranged(came(z=90, new=20, future=900, bare=None), NOBODY) == [
        "a",
        "b",
        "new",
        "z",
        "later",
        "future",
        "bare",
        "undated",
    ]


def test_a_first_play_makes_a_track_appear():
    assert arranged(came(), played(undated=70)) == ["a", "b", "undated", "later"]
    assert arranged(came(bare=None), played(bare=60, undated=70)) == ["a", "b", "bare", "undated", "later"]


def test_the_order_does_not_hang_on_the_order_of_the_files():
    assert arranged(came(x=20, w=20, v=30), NOBODY) == arranged(came(v=30, x=20, w=20), NOBODY)


def test_rows_that_a_bundle_knows_stay_whatever_the_clock_says():
    assert arranged(came(new=5), NOBODY, least=3, now=20)[:3] == ["a", "b", "later"]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, world) -> Prepared:
    folder = tmp_path_factory.mktemp("arrivals")
    write_world(folder)
    workspace = Workspace(folder / "ws")
    ingest(workspace, [folder / "tracks.parquet"], kind="catalogue")
    ingest(workspace, [folder / "triples.parquet"], kind="catalogue")
    ingest(workspace, [folder / "events.parquet"], now_ms=world.now)
    prepare(workspace)
    return load_prepared(workspace)


def test_events_and_edges_tell_of_the_same_tracks_as_before(prepared):
    more = pl.DataFrame({TRACK_ID: ["A-99"], "artist_id": ["A-artist-1"], "released_at": [0]})
    tracks = arrange(prepared.tracks, more, NOBODY, int(prepared.sequences.at_E.max()) + 1, least=10)
    extended = extend(prepared, tracks)
    row = extended.track_ids.to_list().index("A-99") + 1
    assert len(extended.track_ids) == extended.sequences.num_tracks == extended.knowledge.num_tracks == len(tracks)
    assert (
        extended.knowledge.artist_T[row] == extended.knowledge.artist_T[extended.track_ids.to_list().index("A-01") + 1]
    )
    heard = [one.track_ids.gather(one.sequences.track_E - 1) for one in (prepared, extended)]
    assert heard[0].equals(heard[1])
    assert edges(prepared) == edges(extended)


def edges(prepared: Prepared) -> set[tuple[str, str]]:
    """Return the edges by name: tracks by their ids, other nodes by how far behind the tracks they lie."""
    graph = prepared.knowledge.graph
    assert len(graph.head_E)

    def name(node: int) -> str:
        return str(prepared.track_ids[node - 1]) if node <= graph.num_tracks else f"+{node - graph.num_tracks}"

    return {(name(head), name(tail)) for head, tail in zip(graph.head_E.tolist(), graph.tail_E.tolist(), strict=True)}
