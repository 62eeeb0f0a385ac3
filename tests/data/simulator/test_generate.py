"""What is written of a world: the same bytes whoever writes them, truth beside every event, and a name for its rules."""

import hashlib
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ritornello.data.sources.simulator import generate as module
from ritornello.data.sources.simulator.catalogue import build_catalogue
from ritornello.data.sources.simulator.generate import (
    EVENTS,
    TRUTH,
    WORLD_FILE,
    Generated,
    generate,
    live_through,
    read_world,
    shards,
)
from ritornello.data.sources.simulator.listeners import listener_keys, sessions_a_day
from ritornello.data.sources.simulator.log import LogRows, event_table, truth_table
from ritornello.data.sources.simulator.world import VERSION, make_world
from ritornello.schema import ACTION, TRACK_ID, USER_ID

SIZES = {"listeners": 600, "tracks": 1_000, "days": 10}
WORLD = make_world("default", **SIZES)
TINY = make_world("default", listeners=40, tracks=300, days=12)

# ---- The digest of a tiny world's log by VERSION. A new one means other rules: raise VERSION, then write it down here. ----
DIGESTS = {3: "d946881cf96bfeb191241c26dd02997c636350173f13d0baa76eeacca6a7589b"}


def digest(rows: LogRows) -> str:
    """Return a hash of a log with its truth; real numbers count to three decimals, as processors differ beyond.

    Appeal is left out: it comes from 32-bit sums, and what changes it changes what is played.
    """
    found = hashlib.sha256()
    for field in fields(LogRows):
        if field.name == "appeal_R":
            continue
        array_R = getattr(rows, field.name)
        is_real = np.issubdtype(array_R.dtype, np.floating)
        whole_R = np.rint(np.nan_to_num(array_R.astype(np.float64), nan=-1e6) * 1e3) if is_real else array_R
        found.update(field.name.encode() + whole_R.astype("<i8").tobytes())
    return found.hexdigest()


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Generated:
    return generate(WORLD, tmp_path_factory.mktemp("one"), processes=1)


@pytest.mark.slow
def test_the_same_world_gives_the_same_bytes_on_any_number_of_processes(written, tmp_path):
    again = generate(WORLD, tmp_path / "two", processes=2)
    assert (again.events, again.plays) == (written.events, written.plays)
    one, two = bytes_of(written.folder), bytes_of(again.folder)
    assert list(one) == list(two)
    assert [name for name in one if one[name] != two[name]] == []


@pytest.mark.slow
def test_another_seed_gives_another_log(written, tmp_path):
    other = generate(make_world("default", **SIZES, seed=2), tmp_path / "other", processes=1)
    one, two = bytes_of(written.folder), bytes_of(other.folder)
    assert not {name for name in one if one[name] == two.get(name)}


@pytest.mark.slow
def test_truth_stands_beside_every_event(written):
    num_plays = 0
    for file, id_B in zip(written.event_files, shards(WORLD), strict=True):
        _, rows = live_through(WORLD, build_catalogue(WORLD), id_B)
        events = pl.read_parquet(file)
        assert_frame_equal(events, event_table(rows))
        assert_frame_equal(pl.read_parquet(written.folder / TRUTH / f"events-{file.name}"), truth_table(rows))
        listeners = pl.read_parquet(written.folder / TRUTH / f"listeners-{file.name}")
        assert listeners[USER_ID].to_list() == id_B.tolist()
        num_plays += (events[ACTION] == "play").sum()
    assert written.plays == num_plays
    assert written.events == pl.scan_parquet(written.folder / EVENTS).select(pl.len()).collect().item()


@pytest.mark.slow
def test_the_log_speaks_of_the_written_tracks(written):
    tracks, events = pl.read_parquet(written.tracks_file), pl.read_parquet(written.folder / EVENTS)
    heard = events.join(tracks, on=TRACK_ID, how="left")
    assert len(tracks) == WORLD.tracks
    assert (heard["track_ms"] == heard["track_ms_right"]).all()
    assert (heard["released_at"] <= heard["at"]).all()
    hidden = {"appeal", "patience", "intent", "energy", "quality"}
    assert not hidden & set(events.columns) | hidden & set(tracks.columns)


@pytest.mark.slow
def test_a_world_reads_back(written):
    described = read_world(written.folder)
    assert described.world == WORLD
    assert (described.label, described.version, described.rules) == (WORLD.label, VERSION, WORLD.rules_hash)
    assert (described.events, described.plays) == (written.events, written.plays)
    assert described.given is None


@pytest.fixture
def world_file(written, tmp_path) -> Path:
    """A copy of the description, to be damaged."""
    path = tmp_path / WORLD_FILE
    path.write_bytes((written.folder / WORLD_FILE).read_bytes())
    return path


def refusal(folder: Path) -> str:
    with pytest.raises(ValueError, match=r"simulat") as refused:
        read_world(folder)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"skip_cost": 1.0', '"skip_cost": 2.0', "was made by rules"),
        (f'"version": {VERSION}', f'"version": {VERSION + 1}', "was made by rules"),
        ('"skip_cost"', '"skip_price"', "is damaged"),
        ("}", "", "is damaged"),
    ],
)
def test_a_changed_description_is_refused(world_file, old, new, words):
    text = world_file.read_text()
    assert old in text
    world_file.write_text(text.replace(old, new))
    assert words in refusal(world_file.parent)


@pytest.mark.slow
def test_the_size_may_be_read_from_the_description(world_file):
    world_file.write_text(world_file.read_text().replace('"seed": 1', '"seed": 3'))
    assert read_world(world_file.parent).world.seed == 3


def test_a_missing_description_says_what_to_run(tmp_path):
    assert "ritornello simulate" in refusal(tmp_path / "nowhere")


@pytest.mark.parametrize("listeners", [1, 3, 50, 5_000])
def test_shards_part_the_listeners_the_busiest_first(listeners, monkeypatch):
    monkeypatch.setattr(module, "SHARD_SESSIONS", 20_000)
    world = make_world("default", listeners=listeners)
    parts = shards(world)
    assert np.sort(np.concatenate(parts)).tolist() == list(range(1, listeners + 1))
    assert all((np.diff(id_B) > 0).all() for id_B in parts)
    rates = [sessions_a_day(world, listener_keys(world, id_B)) for id_B in parts]
    assert all(more.min() >= less.max() for more, less in pairwise(rates))
    busiest = max(rate_B.max() for rate_B in rates) * world.days
    assert listeners < 5_000 or (len(parts) > 4 and max(r.sum() for r in rates) * world.days < 20_000 + busiest)


def test_the_rules_in_code_are_those_of_the_version():
    _, rows = live_through(TINY, build_catalogue(TINY), np.arange(1, TINY.listeners + 1))
    assert len(rows.at_R) > 1_000
    assert digest(rows) == DIGESTS.get(VERSION), "the rules have changed: raise VERSION and pin its digest"
