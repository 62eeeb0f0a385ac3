"""Before a bundle is served it is asked: one that fails, or recommends nothing, is never published and says so in one line."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ritornello import bundle, smoke
from ritornello.artifacts import Workspace, read_manifest, write_manifest
from ritornello.config import Config, RecallConfig
from ritornello.contracts import Slate
from ritornello.data.ingest import ingest
from ritornello.data.prepare import Prepared, load_prepared, prepare
from ritornello.data.sources.planted import write_world
from ritornello.pipeline import Pipeline


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, world, pipeline, small_config) -> Path:
    folder = tmp_path_factory.mktemp("smoke")
    write_world(folder)
    workspace = Workspace(folder / "ws")
    ingest(workspace, [folder / "tracks.parquet"], kind="catalogue")
    ingest(workspace, [folder / "events.parquet"], now_ms=world.now)
    prepare(workspace)
    bundle.publish(workspace, pipeline, small_config, load_prepared(workspace), world.now)
    return workspace.root


@pytest.fixture
def workspace(template: Path, tmp_path: Path) -> Workspace:
    return Workspace(Path(shutil.copytree(template, tmp_path / "ws")))


@pytest.fixture
def prepared(workspace: Workspace) -> Prepared:
    return load_prepared(workspace)


def change_array(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    np.save(path, change(np.load(path)))


def change_stats(folder: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    change_array(folder / "stats" / "value_TF.npy", change)


def lose_a_column(folder: Path) -> None:
    change_stats(folder, lambda value_TF: value_TF[:, :-1])


def lose_tracks(folder: Path) -> None:
    change_stats(folder, lambda value_TF: value_TF[:20])


def shorten_a_channel(folder: Path) -> None:
    for path in (folder / "channels" / "item2item").glob("*.npy"):
        change_array(path, lambda array: array[: len(array) // 2])


def lose_numbers(folder: Path) -> None:
    for path in (folder / "rankers").glob("*.npz"):
        with np.load(path) as archive:
            arrays = {name: archive[name] for name in archive.files}
        np.savez(path, **{**arrays, "scales": arrays["scales"] * np.nan})


def lose_a_tree(folder: Path) -> None:
    path = folder / "rankers" / "window.npz"
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    np.savez(path, **{**arrays, "booster_0": arrays["booster_0"][:100]})


DAMAGES = (lose_a_column, lose_tracks, shorten_a_channel, lose_numbers, lose_a_tree)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_draft_is_never_published(damage, workspace, prepared, pipeline, small_config, world, monkeypatch):
    """The damage is done before the manifest is written, so that only an answer can tell."""
    write = bundle.write_pipeline

    def write_damaged(folder: Path, written: Pipeline) -> None:
        write(folder, written)
        damage(folder)

    before, known = bundle.current_version(workspace), bundle.list_bundles(workspace)
    monkeypatch.setattr(bundle, "write_pipeline", write_damaged)
    with pytest.raises(ValueError, match=r"^bundle \S+ is not published: ") as refused:
        bundle.publish(workspace, pipeline, small_config, prepared, world.now + 1)
    assert "\n" not in str(refused.value)
    assert bundle.current_version(workspace) == before
    assert bundle.list_bundles(workspace) == known
    assert not (workspace.bundles / ".draft").exists()
    monkeypatch.undo()
    assert bundle.publish(workspace, pipeline, small_config, prepared, world.now) == before


@pytest.mark.parametrize("damage", [lose_a_column, lose_numbers])
def test_nobody_changes_over_to_a_bundle_that_does_not_answer(
    damage, workspace, prepared, pipeline, small_config, world
):
    first = bundle.current_version(workspace)
    second = bundle.publish(workspace, pipeline, small_config, prepared, world.now + 1)
    folder = workspace.bundles / first
    facts = {name: value for name, value in read_manifest(folder).items() if name not in ("format", "files")}
    (folder / "manifest.json").unlink()
    damage(folder)
    write_manifest(folder, facts)
    os.utime(folder / "manifest.json", (0, 0))  # as old as it was: it is the one before the served one
    for version in (first, None):
        with pytest.raises(ValueError, match="is not published: scene none"):
            bundle.switch(workspace, version)
    assert bundle.current_version(workspace) == second


def test_a_bundle_that_has_nothing_for_newcomers_may_be_served(workspace, prepared, pipeline, world):
    own = replace(pipeline, channels={"relisten": pipeline.channels["relisten"]}, rankers={})
    version = bundle.publish(workspace, own, Config(recall=RecallConfig(channels=("relisten",))), prepared, world.now)
    assert bundle.current_version(workspace) == version


def test_a_pipeline_that_recommends_nothing_is_told(prepared, pipeline):
    silent = replace(pipeline, quotas={task: {} for task in pipeline.quotas}, channels={})
    with pytest.raises(ValueError, match="scene none"):
        smoke.check(silent, prepared)


@pytest.mark.parametrize(
    ("track_BK", "score_BK", "said"),
    [
        ([[0, 0], [0, 0]], [[1, 1], [1, 1]], "nothing to anybody"),
        ([[1, 9], [0, 0]], [[1, 1], [1, 1]], "allowed are rows 1 to 8"),
        ([[1, -2], [0, 0]], [[1, 1], [1, 1]], "allowed are rows 1 to 8"),
        ([[1, 2], [0, 0]], [[1, np.nan], [1, 1]], "no numbers"),
        ([[1, 1], [2, 0]], [[1, 1], [1, -np.inf]], "a track twice"),
        ([[1, 2], [3, 0]], [[1, 1], [1, -np.inf]], ""),
    ],
)
def test_what_cannot_be_shown_is_named(track_BK, score_BK, said):
    track_BK = np.array(track_BK, np.int32)
    slate = Slate(
        channels=("popular",),
        track_BK=track_BK,
        score_BK=np.array(score_BK, np.float32),
        heard_BK=np.zeros(track_BK.shape, bool),
        channel_BKC=np.ones((*track_BK.shape, 1), bool),
    )
    assert said in smoke.fault(slate, 8)
    assert bool(smoke.fault(slate, 8)) == bool(said)
