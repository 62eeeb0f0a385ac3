"""The window protocol: the future changes no list, the parts add up, windows pool."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from ritornello.config import Config
from ritornello.data.prepare import Prepared
from ritornello.evaluation.window import evaluate_window, lists, recommenders_of, score_system
from ritornello.evaluation.window_split import split_window, split_windows
from ritornello.train.fit import fit_pipeline

from .conftest import DAY_MS, MIN_ITEM, MIN_USER, TEST_DAYS

OPTIONS = {"min_item": MIN_ITEM, "min_user": MIN_USER}


def lists_as_of(prepared: Prepared, cut: int, config: Config) -> dict[str, np.ndarray]:
    """Return everybody's lists from every system, by external ids."""
    window = split_window(prepared.sequences, cut, int(TEST_DAYS * DAY_MS), **OPTIONS)
    pipeline = fit_pipeline(window.known, cut, config, prepared.knowledge, tasks=("window",))
    user_U = np.flatnonzero(np.diff(window.known.start_U)).astype(np.int32)
    track_ids = np.r_[[""], prepared.track_ids.to_numpy()]
    return {
        f"{name} {only}": track_ids[lists(recommend, window, user_U, only)]
        for name, recommend in recommenders_of(pipeline).items()
        for only in ("any", "heard", "unheard")
    }


@pytest.fixture(scope="module")
def expected(prepared: Prepared, cut: int, quick_config: Config) -> dict[str, np.ndarray]:
    return lists_as_of(prepared, cut, quick_config)


@pytest.mark.parametrize("future", ["shuffled", "deleted"])
def test_the_future_changes_no_list(
    log: pl.DataFrame,
    prepare_log: Callable[[pl.DataFrame], Prepared],
    cut: int,
    quick_config: Config,
    expected: dict[str, np.ndarray],
    future: str,
) -> None:
    before, after = log.filter(pl.col("timestamp") < cut), log.filter(pl.col("timestamp") >= cut)
    if future == "deleted":  # but one play, so that somebody is left to be judged
        after = after.filter(pl.col("user_id").is_in(before["user_id"].unique().implode())).head(1)
    else:
        after = after.with_columns(pl.col("track_id", "user_id").shuffle(seed=1))
    found = lists_as_of(prepare_log(pl.concat([after, before])), cut, quick_config)
    for name, rows in expected.items():
        np.testing.assert_array_equal(found[name], rows, err_msg=name)


def test_targets_are_the_known_tracks_played_in_the_window(prepared: Prepared, log: pl.DataFrame, cut: int) -> None:
    window = split_window(prepared.sequences, cut, int(TEST_DAYS * DAY_MS), **OPTIONS)
    before = log.filter(pl.col("timestamp") < cut)
    before = before.filter(pl.len().over("track_id") >= MIN_ITEM).filter(pl.len().over("user_id") >= MIN_USER)
    inside = log.filter(pl.col("timestamp").is_between(cut, cut + int(TEST_DAYS * DAY_MS)))
    played = inside.join(before.select("user_id").unique(), on="user_id", how="semi").join(
        before.select("track_id").unique(), on="track_id", how="semi"
    )
    wanted = {(user, track) for user, track in played.select("user_id", "track_id").iter_rows()}
    heard = set(before.select("user_id", "track_id").iter_rows())
    targets = window.targets
    pairs = [
        (prepared.user_ids[int(targets.user_R[row]) - 1], prepared.track_ids[int(track) - 1])
        for row, track in zip(targets.row_P, targets.track_P, strict=True)
    ]
    assert set(pairs) == wanted
    assert len(pairs) == len(wanted)
    assert [pair in heard for pair in pairs] == targets.is_repeat_P.tolist()
    assert 0 < targets.is_repeat_P.sum() < len(pairs)


def test_events_at_both_ends_of_a_window_count(prepared: Prepared) -> None:
    """The newest event is at the very end of the last window, and events at a cut are not known before it."""
    newest = int(prepared.sequences.at_E.max())
    window = split_windows(prepared.sequences, None, test_days=TEST_DAYS, cuts=1, **OPTIONS)[0]
    assert window.end == newest
    at = int(prepared.sequences.at_E[len(prepared.sequences) // 2])
    assert split_window(prepared.sequences, at, 0, **{**OPTIONS, "min_user": 1}).known.at_E.max() < at


def test_parts_add_up_and_cuts_pool(prepared: Prepared, quick_config: Config) -> None:
    figures = evaluate_window(
        prepared, quick_config, until_ms=None, test_days=TEST_DAYS, cuts=2, rankings=None, **OPTIONS
    )
    cuts = figures["cuts"]
    assert [one["stats"]["T"] for one in cuts][1] == pytest.approx(cuts[0]["stats"]["T"] - TEST_DAYS * 86_400)
    pooled = figures["results"]
    assert list(pooled) == ["pipeline", *quick_config.recall.channels]
    for name, parts in pooled.items():
        assert list(parts) == ["all", "all_R", "all_N", "repeat", "new"]
        for part, summary in parts.items():
            each = [one["results"][name][part] for one in cuts]
            users = [one["users"] for one in each]
            assert summary["users"] == sum(users)
            assert summary["ndcg@10"] == pytest.approx(np.average([one["ndcg@10"] for one in each], weights=users))
        assert 0.0 < parts["all"]["coverage@100"] <= 1.0
    assert sum(figures["union"]["unique_hits"].values()) > 0
    assert figures["union"]["recall@500"] <= figures["union"]["recall@1000"] <= 1.0
    for union in (figures["union"], figures["union"]["new"]):
        assert 0.0 < union["recall@200"] <= union["recall@500"] <= union["recall@1000"]
        assert list(union["channels"]) == list(quick_config.recall.channels)
        for alone in union["channels"].values():
            assert 0.0 <= alone["recall@200"] <= alone["recall@500"] <= alone["recall@1000"] <= 1.0
    assert figures["union"]["new"]["channels"]["relisten"]["recall@1000"] == 0.0
    # What is judged in all is what came back and what was new, so the whole lies between its halves.
    parts = pooled["pipeline"]
    assert parts["repeat"]["recall@100"] >= parts["all_R"]["recall@100"]


def test_a_perfect_recommender_scores_one(prepared: Prepared, cut: int) -> None:
    window = split_window(prepared.sequences, cut, int(TEST_DAYS * DAY_MS), **OPTIONS)
    targets = window.targets
    wanted = {int(user): targets.track_P[targets.row_P == row] for row, user in enumerate(targets.user_R)}
    repeats = {int(user): targets.is_repeat_P[targets.row_P == row] for row, user in enumerate(targets.user_R)}

    def recommend(history, only):  # type: ignore[no-untyped-def]
        track_BK = np.zeros((len(history), 100), np.int32)
        for row, user in enumerate(history.user_B):
            kept = np.ones(len(wanted[user]), bool) if only == "any" else repeats[user] == (only == "heard")
            found = wanted[user][kept][:100]
            track_BK[row, : len(found)] = found
        return track_BK

    parts = score_system(recommend, window)
    for name in ("all", "repeat", "new"):
        assert parts[name].value_R["ndcg@100"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"until_ms": 0}, "no targets in the window at 0"),
        ({"cuts": 0}, "cuts"),
        ({"test_days": 0.0}, "test_days"),
        ({"cuts": 2, "rankings": "lists.parquet"}, "found 2 cuts"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line(
    prepared: Prepared, quick_config: Config, changed: dict[str, object], message: str
) -> None:
    options: dict[str, object] = {"until_ms": None, "test_days": TEST_DAYS, "cuts": 1, "rankings": None, **OPTIONS}
    with pytest.raises(ValueError, match=message) as raised:
        evaluate_window(prepared, quick_config, **{**options, **changed})
    assert "\n" not in str(raised.value)
