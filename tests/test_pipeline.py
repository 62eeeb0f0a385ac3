"""The one composition: its lists keep their promises, twice the same, without torch, in any company."""

import subprocess
import sys

import msgspec
import numpy as np
import pytest

from ritornello.bundle import write_pipeline
from ritornello.config import Config
from ritornello.contracts import History
from ritornello.data.sequence import encode
from ritornello.pipeline import batches, join, trim
from ritornello.recall import CHANNELS

# Trains nothing: what a bundle needs to be served. Modules that only training needs are blocked.
SERVE = """
import sys
for blocked in ("torch", "implicit", "ray"):
    sys.modules[blocked] = None
from pathlib import Path
import msgspec, numpy as np
from ritornello import rank
from ritornello.bundle import read_pipeline
from ritornello.config import Config
from ritornello.data.sequence import encode
from ritornello.data.sources.planted import planted_world
folder = Path(sys.argv[1])
config = msgspec.json.decode((folder / "config.json").read_bytes(), type=Config)
pipeline, world = read_pipeline(folder, config), planted_world()
user_B = np.arange(world.sequences.num_users + 1)
slate = pipeline.recommend(encode(world.sequences, user_B, np.full(len(user_B), world.now)), 10)
np.savez(folder / "slate.npz", track_BK=slate.track_BK, score_BK=slate.score_BK)
assert not any(name in sys.modules and sys.modules[name] for name in ("torch", "implicit", "ray"))
"""


@pytest.fixture(scope="module")
def everybody(world) -> History:
    user_B = np.arange(world.sequences.num_users + 1)
    return encode(world.sequences, user_B, np.full(len(user_B), world.now))


def test_the_default_configuration_has_every_channel_and_both_rankers(pipeline):
    assert set(pipeline.channels) == set(Config().recall.channels) <= set(CHANNELS)
    assert set(pipeline.rankers) == {"window", "next"}, "the planted world has too few new plays for an unheard ranker"


@pytest.mark.parametrize("task", ["window", "next", "unknown"])
@pytest.mark.parametrize("only", ["any", "heard", "unheard"])
def test_slates_are_k_wide_distinct_best_first_and_marked(pipeline, everybody, task, only):
    slate = pipeline.recommend(everybody, 15, task=task, only=only)
    assert slate.track_BK.shape == slate.score_BK.shape == slate.heard_BK.shape == (len(everybody), 15)
    assert slate.channel_BKC.shape == (len(everybody), 15, len(pipeline.channels))
    for row in range(len(everybody)):
        size = np.count_nonzero(slate.track_BK[row])
        track_K = slate.track_BK[row, :size].tolist()
        mine = set(everybody.track_BL[row].tolist())
        assert len(set(track_K)) == size
        assert 0 not in track_K
        assert (np.diff(slate.score_BK[row, :size]) <= 0).all()
        assert np.isneginf(slate.score_BK[row, size:]).all()
        if only != "heard":  # what was heard is listed whether or not a channel would bring it up
            assert slate.channel_BKC[row, :size].any(axis=1).all(), "somebody proposed every track"
        assert not slate.channel_BKC[row, size:].any()
        disliked = everybody.track_BL[row, everybody.action_BL[row] == 5].tolist()
        heard = [track in mine for track in track_K if track not in disliked]
        assert slate.heard_BK[row, :size][~np.isin(track_K, disliked)].tolist() == heard
        assert only == "any" or (slate.heard_BK[row, :size] == (only == "heard")).all()


def test_the_same_request_twice_gives_the_same_slate(pipeline, everybody):
    first, second = pipeline.recommend(everybody, 10), pipeline.recommend(everybody, 10)
    np.testing.assert_array_equal(first.track_BK, second.track_BK)
    np.testing.assert_array_equal(first.score_BK, second.score_BK)


def test_everything_that_a_user_heard_is_in_the_heard_list(pipeline, world):
    history = encode(world.sequences, np.array([world.favourite_user]), np.array([world.now]))
    slate = pipeline.recommend(history, 60, only="heard")
    assert set(slate.track_BK[0]) - {0} == set(history.track_BL[0].tolist())


def test_more_than_there_is_leaves_padding(pipeline, everybody):
    slate = pipeline.recommend(everybody, 500)
    assert slate.track_BK.shape == (len(everybody), 500)
    assert (slate.track_BK[:, -1] == 0).all()


def test_the_favourite_is_in_the_list_and_the_newcomer_is_answered(pipeline, world):
    history = encode(world.sequences, np.array([world.favourite_user, 0]), np.full(2, world.now))
    slate = pipeline.recommend(history, 8)
    assert world.favourite_track in slate.track_BK[0]
    assert (slate.track_BK[1] > 0).all()


def test_a_batch_is_cut_into_parts_that_lose_nothing(everybody):
    parts = list(batches(everybody, 7))
    assert sum(map(len, parts)) == len(everybody)
    np.testing.assert_array_equal(np.concatenate([part.user_B for part in parts]), everybody.user_B)
    assert trim(everybody.rows(slice(0, 1))).track_BL.tolist() == [[0]]
    assert join([], ("popular",), 4).track_BK.shape == (0, 4)


def test_it_serves_with_torch_blocked(pipeline, small_config, everybody, tmp_path):
    write_pipeline(tmp_path, pipeline)
    (tmp_path / "config.json").write_bytes(msgspec.json.encode(small_config))
    subprocess.run([sys.executable, "-W", "error", "-c", SERVE, str(tmp_path)], check=True)
    expected = pipeline.recommend(everybody, 10)
    with np.load(tmp_path / "slate.npz") as served:
        np.testing.assert_array_equal(served["track_BK"], expected.track_BK)
        np.testing.assert_allclose(served["score_BK"], expected.score_BK, rtol=1e-6)


def test_every_module_but_the_torch_blocks_is_imported_with_torch_blocked():
    code = (
        "import sys, pkgutil, importlib\nsys.modules['torch'] = None\nimport ritornello\n"
        "for module in pkgutil.walk_packages(ritornello.__path__, 'ritornello.'):\n"
        "    if not module.name.startswith('ritornello.nn'):\n"
        "        importlib.import_module(module.name)\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_given_tracks_are_ranked_alone_and_as_they_are_among_all(pipeline, everybody):
    track_S = np.array([2, 5, 9, 30], np.int32)
    rows = trim(everybody.rows(slice(0, 5)))
    ranked = pipeline.rank_among(rows, track_S)
    assert ranked.track_BN.shape == (5, 4)
    assert all(set(row.tolist()) == set(track_S.tolist()) for row in ranked.track_BN)
    assert (np.diff(ranked.score_BN, axis=1) <= 0).all()
    every = pipeline.rank(rows, task="window")
    for row in range(5):
        usual = dict(zip(every.track_BN[row].tolist(), every.score_BN[row].tolist(), strict=True))
        scored = dict(zip(ranked.track_BN[row].tolist(), ranked.score_BN[row].tolist(), strict=True))
        proposed = [track for track in scored if track in usual]
        assert proposed
        np.testing.assert_allclose(
            [scored[track] for track in proposed], [usual[track] for track in proposed], rtol=1e-5
        )
