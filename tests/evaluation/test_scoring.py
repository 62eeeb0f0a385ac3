"""Scores by hand, parts that add up, and errors that keep a user's windows together."""

import numpy as np
import pytest

from ritornello.evaluation.scoring import Scores, Targets, score, summarise


@pytest.fixture
def targets() -> Targets:
    """User 7 plays tracks 1 (again) and 2; user 9 plays track 3."""
    return Targets(
        user_R=np.array([7, 9], np.int32),
        row_P=np.array([0, 0, 1]),
        track_P=np.array([1, 2, 3], np.int32),
        is_repeat_P=np.array([True, False, False]),
    )


LISTS = np.array([[5, 1, 0], [3, 3 + 1, 2]], np.int32)


def test_scores_by_hand(targets: Targets) -> None:
    scores = score(LISTS, targets, is_warm_T=np.array([False, True, True, True, True]))
    assert scores.value_R["recall@10"].tolist() == [0.5, 1.0]
    assert scores.value_R["mrr@100"].tolist() == [0.5, 1.0]
    ideal = 1.0 + 1.0 / np.log2(3)
    assert scores.value_R["ndcg@10"] == pytest.approx([(1.0 / np.log2(3)) / ideal, 1.0])
    # Tracks 1 to 4 are the catalogue; 5 is unknown to it.
    assert scores.overall["coverage@10"] == 1.0


def test_padding_and_unknown_tracks_miss(targets: Targets) -> None:
    assert not targets.hits(np.zeros((2, 4), np.int32)).any()
    assert not targets.hits(np.full((2, 4), 1_000, np.int32)).any()


def test_a_kind_of_target_keeps_only_the_rows_that_have_it(targets: Targets) -> None:
    repeat = targets.only("repeat")
    assert (repeat.user_R.tolist(), repeat.row_P.tolist(), repeat.track_P.tolist()) == ([7], [0], [1])
    assert targets.rows_with("new").tolist() == [0, 1]
    assert targets.only("all").count_R.tolist() == [2, 1]


def test_hits_of_the_halves_add_up(targets: Targets) -> None:
    total = targets.hits(LISTS).sum()
    halves = [targets.only(which).hits(LISTS[targets.rows_with(which)]).sum() for which in ("repeat", "new")]
    assert total == sum(halves) == 2


def test_windows_of_one_user_count_as_one_witness() -> None:
    def window(user: int, value: float) -> Scores:
        return Scores(
            user_R=np.array([user, 2], np.int32), value_R={"x": np.array([value, 0.0])}, overall={"coverage@10": value}
        )

    once = summarise([window(1, 1.0)])
    again = summarise([window(1, 1.0), window(1, 1.0)])
    others = summarise(
        [
            window(1, 1.0),
            Scores(
                user_R=np.array([3, 4], np.int32), value_R={"x": np.array([1.0, 0.0])}, overall={"coverage@10": 0.5}
            ),
        ]
    )
    assert again["x"] == once["x"] == 0.5
    assert again["users"] == 4
    assert again["x_se"] > others["x_se"]
    assert others["coverage@10"] == 0.75
