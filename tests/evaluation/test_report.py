"""Figures on the terminal and in a file: every system has its line, in order, within 80 columns."""

import io
import json
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from ritornello.config import Config
from ritornello.data.prepare import Prepared
from ritornello.evaluation.baselines import BASELINES
from ritornello.evaluation.live import evaluate_live
from ritornello.evaluation.report import show, show_slate, write_json
from ritornello.evaluation.window import evaluate_window

from .conftest import MIN_ITEM, MIN_USER, TEST_DAYS

OPTIONS = {"min_item": MIN_ITEM, "min_user": MIN_USER, "test_days": TEST_DAYS, "until_ms": None}


def shown(figures: dict[str, object]) -> list[str]:
    text = io.StringIO()
    show(figures, Console(file=text, width=80))
    return text.getvalue().splitlines()


@pytest.fixture(scope="module")
def window(prepared: Prepared, quick_config: Config) -> dict[str, object]:
    return evaluate_window(prepared, quick_config, cuts=1, rankings=None, **OPTIONS)


@pytest.fixture(scope="module")
def live(prepared: Prepared, quick_config: Config) -> dict[str, object]:
    return evaluate_live(prepared, quick_config, rankings=None, max_rows=100, **OPTIONS)


def test_pipeline_first_then_channels_then_baselines(live: dict[str, object], quick_config: Config) -> None:
    names = [line.split()[0] for line in shown(live) if "(" in line and line[0].islower()]
    order = ["pipeline", *quick_config.recall.channels, *BASELINES]
    assert [name for name in names if name in order] == order


def test_a_window_shows_union_unique_hits_and_seconds(window: dict[str, object]) -> None:
    text = "\n".join(shown(window))
    for words in (
        "unique",
        "union of the channels: recall@500",
        "the same, new tracks: recall@200",
        "seconds: train",
        "standard error",
        "repeats",
    ):
        assert words in text
    assert "\u2026" not in text


def test_lists_made_elsewhere_have_their_line(prepared: Prepared, tmp_path: Path) -> None:
    users, tracks = prepared.user_ids.to_list(), prepared.track_ids.to_list()
    path = tmp_path / "lists.parquet"
    pl.DataFrame({"user_id": users, "rank": 1, "track_id": tracks[: len(users)]}).write_parquet(path)
    text = "\n".join(shown(evaluate_window(prepared, Config(), cuts=1, rankings=path, **OPTIONS)))
    assert "rankings" in text
    assert "all_N" in text
    assert "union" not in text


def test_the_file_holds_every_figure(window: dict[str, object], tmp_path: Path) -> None:
    write_json(window, tmp_path / "figures.json")
    assert json.loads((tmp_path / "figures.json").read_text()) == window


def test_a_list_shows_names_as_they_are() -> None:
    """Brackets in titles are text, not markup."""
    row = {"user_id": "u", "rank": 1, "track_id": "b", "heard": True, "channels": "popular", "reason": "like [x]"}
    text = io.StringIO()
    show_slate(pl.DataFrame([row]), {1: "A", 2: "B [live]"}, pl.Series(["a", "b"]), Console(file=text, width=80))
    assert "B [live]" in text.getvalue()
    assert "like [x]" in text.getvalue()
