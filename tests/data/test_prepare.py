"""Prepare: the arrays say what the log says, and numbers never know the future."""

import json
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ritornello.artifacts import Workspace
from ritornello.data import graph, shards, split
from ritornello.data.ingest import ingest
from ritornello.data.prepare import load_prepared, prepare
from ritornello.data.sequence import Sequences
from ritornello.data.sources import bulk, planted
from ritornello.data.sources.planted import planted_world

ARRAYS = ("start_U", "track_E", "at_E", "action_E", "play_ratio_E", "session_E")


def same(left: Sequences, right: Sequences) -> None:
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), err_msg=name)
        assert getattr(left, name).dtype == getattr(right, name).dtype
    assert left.num_tracks == right.num_tracks


def prepared_of(workspace: Workspace, *files, catalogue=()):
    ingest(workspace, list(files))
    ingest(workspace, list(catalogue), kind="catalogue")
    prepare(workspace)
    return load_prepared(workspace)


def test_files_of_the_planted_world_give_the_planted_sequences(workspace, tmp_path):
    planted.write_world(tmp_path)
    tables = [tmp_path / "tracks.parquet", tmp_path / "triples.parquet"]
    prepared = prepared_of(workspace, tmp_path / "events.parquet", catalogue=tables)
    world = planted_world()
    for name in graph.ARRAYS:
        np.testing.assert_array_equal(getattr(prepared.knowledge.graph, name), getattr(world.knowledge.graph, name))
    same(prepared.sequences, world.sequences)
    assert prepared.user_ids.to_list() == world.user_ids.to_list()
    assert prepared.track_ids.to_list() == world.track_ids.to_list()
    np.testing.assert_array_equal(prepared.knowledge.artist_T, world.knowledge.artist_T)


def test_many_small_ranges_give_the_same_as_one(workspace, tmp_path, monkeypatch):
    planted.write_world(tmp_path)
    whole = prepared_of(workspace, tmp_path / "events.parquet", tmp_path / "events.parquet")
    monkeypatch.setattr(shards.assign_shards, "__kwdefaults__", {"shard_events": 100})
    monkeypatch.setattr(shards, "CHUNK_EVENTS", 64)
    monkeypatch.setattr("ritornello.data.log.BATCH_EVENTS", 77)
    prepare(workspace)
    same(load_prepared(workspace).sequences, whole.sequences)


@pytest.mark.parametrize("future", ["deleted", "shuffled"])
def test_the_future_changes_no_number_of_the_past(tmp_path, write, future):
    world = planted_world()
    moment = int(world.events["timestamp"].quantile(0.6))
    artist = pl.col("track_id").str.slice(0, 3).alias("artist_id")
    log = world.events.with_columns(artist)
    past, later = log.filter(pl.col("timestamp") < moment), log.filter(pl.col("timestamp") >= moment)
    shuffled = later.with_columns(
        pl.col(name).shuffle(seed=seed) for seed, name in enumerate(("user_id", "track_id", "artist_id"))
    )
    other = past if future == "deleted" else pl.concat([shuffled, past])
    full = prepared_of(Workspace(tmp_path / "full"), write(log.to_dict(), "full.parquet"))
    cut = prepared_of(Workspace(tmp_path / "cut"), write(other.to_dict(), "cut.parquet"))
    known_users, known_tracks = past["user_id"].n_unique(), past["track_id"].n_unique()
    assert 0 < known_tracks < len(full.track_ids)
    assert cut.user_ids[:known_users].equals(full.user_ids[:known_users])
    assert cut.track_ids[:known_tracks].equals(full.track_ids[:known_tracks])
    np.testing.assert_array_equal(
        cut.knowledge.artist_T[: known_tracks + 1], full.knowledge.artist_T[: known_tracks + 1]
    )
    users = slice(0, known_users + 2)
    before_cut, before_full = split.before(cut.sequences, moment), split.before(full.sequences, moment)
    np.testing.assert_array_equal(before_cut.start_U[users], before_full.start_U[users])
    for name in ARRAYS[1:]:
        np.testing.assert_array_equal(getattr(before_cut, name), getattr(before_full, name))


EVENTS = st.lists(
    st.tuples(st.integers(1, 4), st.integers(0, 6), st.integers(1, 5), st.sampled_from(["play", "like"])), min_size=1
)


@settings(max_examples=25, deadline=None)
@given(rows=EVENTS, num_parts=st.integers(1, 3))
def test_prepare_equals_a_plain_construction(tmp_path_factory, rows, num_parts):
    folder = tmp_path_factory.mktemp("law")
    workspace = Workspace(folder / "workspace")
    size = -(-len(rows) // num_parts)
    for part, low in enumerate(range(0, len(rows), size)):
        table = pl.DataFrame(
            rows[low : low + size], schema=("user_id", "timestamp", "track_id", "action"), orient="row"
        )
        table.with_columns(pl.lit(part).alias("part")).write_parquet(folder / f"{part}.parquet")
        ingest(workspace, [folder / f"{part}.parquet"])
    report = prepare(workspace)
    prepared = load_prepared(workspace)
    distinct = list(dict.fromkeys(rows))
    first = [min((at, user) for user, at, *_ in rows if user == one) for one in {user for user, *_ in rows}]
    assert prepared.user_ids.to_list() == [user for _, user in sorted(first)]
    assert (report.events, report.duplicates) == (len(distinct), len(rows) - len(distinct))
    for row, name in enumerate(prepared.user_ids, start=1):
        low, high = prepared.sequences.start_U[row : row + 2]
        expected = sorted((event for event in distinct if event[0] == name), key=lambda event: event[1])
        assert [prepared.track_ids[int(track) - 1] for track in prepared.sequences.track_E[low:high]] == [
            track for _, _, track, _ in expected
        ]
        assert prepared.sequences.at_E[low:high].tolist() == [at * 1000 for _, at, *_ in expected]


def test_events_of_overlapping_exports_count_once(workspace, write):
    columns = {"user_id": [1, 1, 1], "timestamp": [5, 6, 7], "track_id": [1, 2, 1]}
    later = {"user_id": [1, 1], "timestamp": [7, 8], "track_id": [1, 2]}
    ingest(workspace, [write(columns, "first.parquet"), write(later, "second.parquet")])
    report = prepare(workspace)
    assert (report.events, report.duplicates) == (4, 1)


def test_parts_that_disagree_about_identifiers_are_read_as_text(workspace, write):
    numbers = write({"user_id": [7], "timestamp": [5], "track_id": [1]}, "numbers.parquet")
    words = write({"user_id": ["x"], "timestamp": [6], "track_id": [1]}, "words.parquet")
    prepared = prepared_of(workspace, numbers, words)
    assert prepared.user_ids.to_list() == ["7", "x"]
    assert prepared.track_ids.to_list() == [1]


def test_a_length_comes_from_the_event_else_from_the_catalogue_else_it_is_unknown(workspace, write):
    log = {
        "user_id": [1, 1, 1, 1],
        "timestamp": [5, 6, 7, 8],
        "track_id": [1, 2, 3, 3],
        "ms_played": [50, 50, 50, 50],
        "track_ms": [100, None, None, 100],
    }
    catalogue = write({"track_id": [1, 2], "duration_ms": [500, 200]}, "tracks.parquet")
    prepared = prepared_of(workspace, write(log), catalogue=[catalogue])
    np.testing.assert_array_equal(prepared.sequences.play_ratio_E, np.array([0.5, 0.25, np.nan, 0.5], np.float32))


def test_the_newest_catalogue_wins_column_by_column_and_a_log_comes_last(workspace, write):
    log = write(
        {"user_id": [1, 1], "timestamp": [5, 6], "track_id": [1, 3], "artist": ["log", "log"], "genre": ["g", "g"]}
    )
    older = write({"track_id": [1, 2], "title": ["Old", "Two"], "artist": ["older", "older"]}, "older.parquet")
    newer = write({"track_id": [1], "title": ["New"], "artist": [None]}, "newer.csv")
    prepared = prepared_of(workspace, log, catalogue=[older, newer])
    rows = prepared.tracks.select("track_idx", "track_id", "title", "artist_id", "genre").rows()
    assert rows == [(1, 1, "New", "older", "g"), (2, 3, None, "log", "g"), (3, 2, "Two", "older", None)]
    assert prepared.knowledge.artist_T.tolist() == [0, 1, 2, 1]


def test_release_dates_are_read_as_years_dates_or_epochs(workspace, write):
    tracks = {"track_id": [1, 2, 3, 4], "release_date": ["1969", "2020-02-03", "1580688000", "soon"]}
    log = write({"user_id": [1], "timestamp": [5], "track_id": [1]})
    prepared = prepared_of(workspace, log, catalogue=[write(tracks, "tracks.csv")])
    days = [(date(1969, 1, 1) - date(1970, 1, 1)).days, 18295, 18295]
    assert prepared.tracks["released_at"].to_list() == [*(day * 86_400_000 for day in days), None]


def test_a_workspace_that_lacks_something_says_which_command_to_run(workspace):
    with pytest.raises(ValueError, match=r"run `ritornello ingest .* FILE` first"):
        prepare(workspace)
    with pytest.raises(ValueError, match=r"run `ritornello prepare .*` first"):
        load_prepared(workspace)


def test_preparing_twice_gives_the_same_files_and_leaves_nothing_else(workspace, tmp_path):
    planted.write_world(tmp_path)
    first = prepared_of(workspace, tmp_path / "events.parquet")
    before = {path.name: path.read_bytes() for path in first.folder.rglob("*.*")}
    (workspace.root / ".prepared-dead").mkdir()
    prepare(workspace)
    assert {path.name: path.read_bytes() for path in workspace.prepared.rglob("*.*")} == before
    assert json.loads(before["stats.json"])["events"] == len(first.sequences)
    assert {path.name for path in workspace.root.iterdir() if path.name.startswith(".")} <= {".lock"}


def test_impressions_are_counted_and_no_part_of_a_history(workspace, tmp_path):
    rows = [("u", 1_000, "a", "impression"), ("u", 2_000, "a", "play"), ("u", 3_000, "b", "impression")]
    table = pl.DataFrame(rows, schema=["user_id", "at", "track_id", "action"], orient="row")
    table.write_parquet(tmp_path / "log.parquet")
    prepared = prepared_of(workspace, tmp_path / "log.parquet")
    assert prepared.sequences.action_E.tolist() == [2]
    facts = json.loads((prepared.folder / "stats.json").read_text())
    assert (facts["events"], facts["impressions"], facts["duplicates"]) == (1, 2, 0)


def test_a_log_of_impressions_alone_is_refused(workspace, tmp_path):
    table = pl.DataFrame({"user_id": ["u"], "at": [1_000], "track_id": ["a"], "action": ["impression"]})
    table.write_parquet(tmp_path / "log.parquet")
    with pytest.raises(ValueError, match="1 impressions and nothing else"):
        prepared_of(workspace, tmp_path / "log.parquet")


def test_a_bulk_log_has_the_size_asked_for(workspace, tmp_path):
    bulk.write_log(tmp_path / "log.parquet", events=5_000, users=50, tracks=200)
    prepared = prepared_of(workspace, tmp_path / "log.parquet")
    assert len(prepared.sequences) + json.loads((prepared.folder / "stats.json").read_text())["duplicates"] == 5_000
    assert len(prepared.user_ids) == 50
