"""`train --update` goes on from the published bundle, in whatever rows its tracks are now, or says why it cannot."""

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from ritornello import bundle, recall
from ritornello.artifacts import Workspace, map_arrays
from ritornello.cli import main
from ritornello.data.ids import rows_of
from ritornello.data.ingest import ingest
from ritornello.data.prepare import Prepared, load_prepared, prepare
from ritornello.data.sources.planted import write_world
from ritornello.nn import loop
from ritornello.recall.vector import Vector
from ritornello.request import newest_moment
from ritornello.schema import ONE_DAY_MS
from ritornello.train.fit import fit_pipeline
from ritornello.train.recall import fit_recall
from ritornello.update import move, open_earlier, update


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, world) -> Path:
    """The planted world's tables; its log in two parts, the later one of a week."""
    folder = tmp_path_factory.mktemp("files")
    write_world(folder)
    events = pl.read_parquet(folder / "events.parquet")
    is_early = moment() < edge(world)
    events.filter(is_early).write_parquet(folder / "early.parquet")
    events.filter(~is_early).write_parquet(folder / "late.parquet")
    return folder


def moment() -> pl.Expr:
    """Return the moment of a row of the log, in UTC ms."""
    return pl.col("timestamp").dt.epoch("ms")


def edge(world) -> int:
    return int(world.now - 7 * ONE_DAY_MS)


@pytest.fixture(scope="module")
def template(files: Path, world, small_config) -> Path:
    """A workspace whose bundle is a week old."""
    workspace = Workspace(files / "ws")
    ingest(workspace, [files / "tracks.parquet"], kind="catalogue")
    ingest(workspace, [files / "early.parquet"], now_ms=world.now)
    prepare(workspace)
    prepared = load_prepared(workspace)
    at = newest_moment(prepared)
    pipeline = fit_pipeline(prepared.sequences, at, small_config, prepared.knowledge)
    bundle.publish(workspace, pipeline, small_config, prepared, at)
    return workspace.root


@pytest.fixture
def workspace(template: Path, files: Path, tmp_path: Path, world) -> Workspace:
    """The workspace a week later: the log goes on, and nothing was trained."""
    workspace = Workspace(Path(shutil.copytree(template, tmp_path / "ws")))
    ingest(workspace, [files / "late.parquet"], now_ms=world.now)
    prepare(workspace)
    return workspace


@pytest.fixture
def refused(workspace: Workspace, monkeypatch, capsys) -> Callable[..., str]:
    """Return the one line with which an update is refused; what was served goes on."""

    def ask(*options: str) -> str:
        before = bundle.current_version(workspace)
        monkeypatch.setattr("sys.argv", ["ritornello", "train", str(workspace.root), "--update", *options])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 2
        assert bundle.current_version(workspace) == before
        (line,) = capsys.readouterr().err.strip().splitlines()
        return line

    return ask


def test_what_is_counted_is_that_of_a_full_training_and_rankers_stay(workspace, small_config):
    before = bundle.load_current(workspace, load_prepared(workspace))
    done = update(workspace, None)
    prepared = load_prepared(workspace)
    at = newest_moment(prepared)
    after = bundle.load_current(workspace, prepared)
    assert (after.version, after.at, after.ranked_at) == (done.version, at, before.at)
    assert done.events == int((prepared.sequences.at_E >= before.at).sum()) > 0
    full = fit_recall(prepared.sequences, at, small_config, prepared.knowledge)
    for name, channel in full.channels.items():
        if not isinstance(channel, recall.Resumed):
            for key, array in channel.arrays().items():
                np.testing.assert_array_equal(after.pipeline.channels[name].arrays()[key], array, err_msg=name)
    np.testing.assert_array_equal(after.pipeline.stats.value_TF, full.stats.value_TF)
    assert after.pipeline.quotas == before.pipeline.quotas
    assert after.pipeline.rankers.keys() == before.pipeline.rankers.keys()
    for task, ranker in before.pipeline.rankers.items():
        for key, array in ranker.arrays().items():
            np.testing.assert_array_equal(after.pipeline.rankers[task].arrays()[key], array)


def test_towers_go_on_from_their_weights_and_learn_what_is_new(workspace, monkeypatch):
    prepared = load_prepared(workspace)
    earlier, row_of = open_earlier(workspace, prepared)
    begun = []
    train = loop.train

    def watched(model, task, **rest):
        begun.append(({name: value.clone() for name, value in model.state_dict().items()}, task))
        return train(model, task, **rest)

    monkeypatch.setattr(loop, "train", watched)
    update(workspace, None)
    ((weights, task),) = begun
    stored = map_arrays(workspace.bundles / earlier.version / bundle.WEIGHTS / "vector")
    for name in ("user.log_scale", "own.values.0", "item.attributes.artist.weight"):
        found, kept = weights[name].numpy(), stored[name]
        np.testing.assert_array_equal(found[: len(kept)] if kept.ndim else found, kept)
    row_T = row_of["track"][1:]
    np.testing.assert_array_equal(weights["item.track.weight"].numpy()[row_T], stored["item.track.weight"][1:])
    assert task.steps_per_epoch < 6, "the windows without anything new are left out"
    after = bundle.load_current(workspace, prepared)
    new = map_arrays(workspace.bundles / after.version / bundle.WEIGHTS / "vector")
    assert not np.array_equal(new["user.log_scale"], stored["user.log_scale"])


def test_rows_that_have_moved_keep_what_was_learned(workspace, world, tmp_path):
    """Somebody plays, long before anybody else did, a track that the bundle does not know: every other row moves."""
    old = load_prepared(workspace)
    early = pl.DataFrame({"user_id": ["early-bird"], "timestamp": [0.0], "track_id": ["older"]})
    early = early.with_columns(timestamp=pl.lit(int(world.sequences.at_E.min()) - ONE_DAY_MS))
    early.write_parquet(tmp_path / "earlier.parquet")
    ingest(workspace, [tmp_path / "earlier.parquet"], now_ms=world.now)
    prepare(workspace)
    prepared = load_prepared(workspace)
    with pytest.raises(ValueError, match="the bundle is stale"):
        bundle.load_current(workspace, prepared)
    earlier, row_of = open_earlier(workspace, prepared)
    ids = earlier.tracks["track_id"]
    np.testing.assert_array_equal(row_of["track"][1:], rows_of(ids, prepared.track_ids))
    assert not np.array_equal(row_of["track"], np.arange(len(ids) + 1))
    update(workspace, None)
    vector = bundle.load_current(workspace, prepared).pipeline.channels["vector"]
    assert isinstance(vector, Vector)
    alike = [
        same(vector, prepared, ids[row], earlier.pipeline.channels["vector"].track_TE[row + 1]) for row in range(20)
    ]
    assert np.mean(alike) > 0.7, "tracks point where they did, as far as a week and other luck go"
    assert old.track_ids[0] != prepared.track_ids[0]


def same(vector: Vector, prepared: Prepared, track_id: str, before_E: np.ndarray) -> float:
    """Return the cosine between where a track points now and where it did."""
    row = int(rows_of(pl.Series([track_id]), prepared.track_ids)[0])
    return float(vector.track_TE[row, :-1] @ before_E[:-1])


def test_an_update_that_was_cut_off_leaves_what_was_served_and_is_repeated(workspace, monkeypatch):
    before = bundle.current_version(workspace)
    with monkeypatch.context() as patch:
        patch.setattr(loop.Checkpoint, "remove", cut_off)
        with pytest.raises(KeyboardInterrupt):
            update(workspace, None)
    assert bundle.current_version(workspace) == before
    assert list(workspace.runs.glob("vector-*.safetensors"))
    other = Workspace(Path(shutil.copytree(workspace.root, workspace.root.parent / "other")))
    shutil.rmtree(other.runs)
    assert update(workspace, None).version == update(other, None).version, "gone on, or begun anew: the same bundle"


def cut_off(self: loop.Checkpoint) -> None:
    raise KeyboardInterrupt


def test_an_update_goes_on_from_an_update(workspace):
    first = update(workspace, None)
    second = update(workspace, None)
    assert (second.before, second.events, second.tracks) == (first.version, 0, 0)
    assert second.ranked_at == first.ranked_at


def test_the_command_says_what_it_did(workspace, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["ritornello", "train", str(workspace.root), "--update"])
    with pytest.raises(SystemExit, match="0"):
        main()
    said = capsys.readouterr().out
    assert "new events" in said
    assert f"published bundle {bundle.current_version(workspace)}" in said


def test_without_a_bundle_there_is_nothing_to_go_on_from(workspace, refused):
    shutil.rmtree(workspace.bundles)
    assert "has no bundle to go on from" in refused()


def test_another_configuration_is_refused_and_the_same_one_is_not(workspace, small_config, refused):
    assert "recall.quota is 20, asked for is 200" in refused("--set", "recall.next_quota=80")
    update(workspace, small_config)
    with pytest.raises(ValueError, match=r"rank.next_plays is 400, asked for is 7"):
        update(
            workspace,
            msgspec.structs.replace(small_config, rank=msgspec.structs.replace(small_config.rank, next_plays=7)),
        )


def test_another_log_is_refused(workspace, files, tmp_path, refused, world):
    shutil.rmtree(workspace.events)
    is_old = moment() < edge(world) - 20 * ONE_DAY_MS
    pl.read_parquet(files / "early.parquet").filter(is_old).write_parquet(tmp_path / "old.parquet")
    ingest(workspace, [tmp_path / "old.parquet"], now_ms=world.now)
    prepare(workspace)
    assert "it is another log" in refused()


def test_another_catalogue_is_refused(workspace, files, tmp_path, refused, world):
    for folder in (workspace.events, workspace.catalogue):
        shutil.rmtree(folder)
    events = pl.read_parquet(files / "late.parquet").with_columns(track_id=pl.lit("other-") + pl.col("track_id"))
    events.write_parquet(tmp_path / "others.parquet")
    ingest(workspace, [tmp_path / "others.parquet"], now_ms=world.now)
    prepare(workspace)
    assert "the catalogue is another one" in refused()


def test_rankers_that_would_read_other_features_are_refused(workspace, refused):
    shutil.rmtree(workspace.catalogue)
    prepare(workspace)
    assert "they would read other features" in refused()


def test_rows_are_moved_by_where_they_are_now():
    value_SE = np.array([[0.0], [1], [2], [3]], np.float32)
    assert move(value_SE, np.array([0, 3, 0, 1], np.int32)).tolist() == [[0], [3], [0], [1]]
