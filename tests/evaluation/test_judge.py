"""The project's figures and the independent judge's agree on the same lists, to the sixth decimal and beyond."""

import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ritornello import metrics
from ritornello.config import Config
from ritornello.data.prepare import Prepared
from ritornello.evaluation.live import evaluate_live
from ritornello.evaluation.window import evaluate_window

from .conftest import MIN_ITEM, MIN_USER, PREPARE, Judge, prepare_file, random_lists

STATS = ("T", "train_events", "users", "items", "test_events", "eval_users", "targets", "repeat_target_share")


def agree(ours: dict[str, float], theirs: dict[str, float]) -> None:
    numbers = {name: value for name, value in theirs.items() if isinstance(value, int | float)}
    assert numbers
    for name, value in numbers.items():
        assert ours[name] == pytest.approx(value, abs=1e-6), name


def check_window(judge: Judge, log: Path, prepared: Prepared, folder: Path, *options: str) -> None:
    stats = json.loads(judge.run("harness.py", "prepare", "--data", log, "--prep", folder / "prep", *options))
    users, items = (pl.read_parquet(folder / "prep" / f"{name}.parquet") for name in ("users", "items"))
    unknown = "unheard-of" if items["track_id"].dtype == pl.String else -1
    path = folder / "lists.parquet"
    random_lists(users["user_id"], items["track_id"], seed=1, unknown=unknown).write_parquet(path)
    theirs = judge.score("harness.py", "--prep", folder / "prep", "--rankings", path)
    figures = evaluate_window(
        prepared,
        Config(),
        until_ms=None,
        test_days=stats["test_days"],
        cuts=1,
        min_item=MIN_ITEM,
        min_user=MIN_USER,
        rankings=path,
    )
    ours = figures["results"]["rankings"]
    assert ours.keys() == theirs.keys()
    for part in theirs:
        agree(ours[part], theirs[part])
    agree(figures["stats"], {name: stats[name] for name in STATS})


def check_live(judge: Judge, log: Path, prepared: Prepared, folder: Path, *options: str) -> None:
    stats = json.loads(judge.run("harness.py", "prepare", "--data", log, "--prep", folder / "prep", *options))
    at = ("--prep", folder / "prep", "--queries", folder / "queries.parquet")
    judge.run("live.py", "queries", "--data", log, "--prep", folder / "prep", "--out", folder / "queries.parquet")
    queries = pl.read_parquet(folder / "queries.parquet")
    path = folder / "lists.parquet"
    some = queries["row_id"].sample(min(600, len(queries)), seed=2)
    unknown = "unheard-of" if queries["track_id"].dtype == pl.String else -1
    random_lists(some, queries["track_id"].unique(), seed=2, unknown=unknown).write_parquet(path)
    theirs = judge.score("live.py", *at, "--rankings", path)
    figures = evaluate_live(
        prepared,
        Config(),
        until_ms=None,
        test_days=stats["test_days"],
        min_item=MIN_ITEM,
        min_user=MIN_USER,
        rankings=path,
    )
    ours = figures["results"]["rankings"]
    agree(ours["all"], theirs)
    for part in ("repeat", "new", "session_start", "in_session"):
        agree(ours[part], theirs[part])
    assert figures["stats"]["rows"] == len(queries)


@pytest.fixture
def log_file(log: pl.DataFrame, tmp_path: Path) -> Path:
    log.write_parquet(tmp_path / "log.parquet")
    return tmp_path / "log.parquet"


@pytest.mark.slow
def test_windows_are_judged_alike(judge: Judge, log_file: Path, prepared: Prepared, tmp_path: Path) -> None:
    check_window(judge, log_file, prepared, tmp_path, *PREPARE)


@pytest.mark.slow
def test_plays_are_judged_alike(judge: Judge, log_file: Path, prepared: Prepared, tmp_path: Path) -> None:
    check_live(judge, log_file, prepared, tmp_path, *PREPARE)


@pytest.mark.slow
@pytest.mark.real
def test_a_real_log_is_judged_alike(judge: Judge, real_log: Path, tmp_path: Path) -> None:
    prepared = prepare_file(real_log, tmp_path / "ws")
    options = ("--test-days", "14", "--min-user", str(MIN_USER))
    check_window(judge, real_log, prepared, tmp_path, *options)
    check_live(judge, real_log, prepared, tmp_path, *options)


def test_metrics_are_those_of_the_judge_on_random_hits(judge: Judge) -> None:
    spec = importlib.util.spec_from_file_location("judge", os.environ["RITORNELLO_HARNESS"])
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rng = np.random.default_rng(0)
    hit_RK = rng.random((200, 100)) < rng.random((200, 1)) ** 3
    count_R = hit_RK.sum(axis=1) + rng.integers(0, 5, 200) + 1
    with np.errstate(divide="ignore"):
        theirs = module.metr(hit_RK, count_R)
    for k in (10, 20, 100):
        np.testing.assert_allclose(metrics.recall_at(hit_RK, count_R, k), theirs[f"recall@{k}"], atol=1e-12)
        np.testing.assert_allclose(metrics.ndcg_at(hit_RK, count_R, k), theirs[f"ndcg@{k}"], atol=1e-12)
    np.testing.assert_allclose(metrics.mrr_at(hit_RK, 100), theirs["mrr@100"], atol=1e-12)
    np.testing.assert_allclose(metrics.hit_at(hit_RK, 10), theirs["hit@10"], atol=1e-12)
