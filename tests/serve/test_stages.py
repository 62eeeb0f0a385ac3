"""Stages add up to the slate that they are parts of, and measuring changes no answer."""

import time

import numpy as np
import pytest

from ritornello.artifacts import Workspace
from ritornello.bundle import load_current
from ritornello.data.prepare import load_prepared
from ritornello.data.sequence import encode
from ritornello.reasons import explain_slate
from ritornello.serve.stages import MERGE, RANK, RECALL, RERANK, measured, stage, timed


def test_a_stage_counts_what_the_stages_inside_it_do_not():
    with measured() as seconds:
        time.sleep(0.02)
        with stage("outer"):
            for _ in range(2):
                with stage("inner"):
                    time.sleep(0.03)
            time.sleep(0.04)
    assert list(seconds) == ["inner", "outer", RERANK]
    assert seconds["inner"] >= 0.06
    assert seconds["outer"] >= 0.04
    assert sum(seconds.values()) >= 0.12
    assert seconds["outer"] + seconds[RERANK] < sum(seconds.values()) - 0.05


def test_a_stage_is_told_even_where_it_fails():
    with pytest.raises(KeyError), measured() as seconds, stage("part"):
        raise KeyError("part")
    assert seconds.keys() == {"part", RERANK}


@pytest.fixture
def everybody(world):
    user_B = np.arange(world.sequences.num_users + 1)
    return encode(world.sequences, user_B, np.full(len(user_B), world.now))


@pytest.mark.parametrize("only", ["any", "heard", "unheard"])
def test_measuring_changes_no_answer_and_counts_every_stage(only, root, everybody):
    workspace = Workspace(root)
    pipeline = load_current(workspace, load_prepared(workspace)).pipeline
    expected = pipeline.recommend(everybody, 10, only=only)
    watched = timed(pipeline)
    started = time.perf_counter()
    with measured() as seconds:
        slate = watched.recommend(everybody, 10, only=only)
    took = time.perf_counter() - started
    np.testing.assert_array_equal(slate.track_BK, expected.track_BK)
    np.testing.assert_array_equal(slate.score_BK, expected.score_BK)
    assert explain_slate(watched, everybody, slate) == explain_slate(pipeline, everybody, expected)
    assert seconds.keys() == {RECALL, MERGE, RANK, RERANK}
    assert all(part > 0 for part in seconds.values())
    assert 0.5 * took < sum(seconds.values()) <= took
    among = np.array([1, 2, 3], np.int32)
    np.testing.assert_array_equal(
        watched.rank_among(everybody, among).track_BN, pipeline.rank_among(everybody, among).track_BN
    )
