"""The calibration: what is met and what is missed stays as the docs say; its table, its pictures, how logs are observed."""

import importlib.util
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from ritornello.cli import main
from ritornello.data.sources.simulator.world import PRESETS, World
from ritornello.evaluation import calibration, calibration_plots
from ritornello.evaluation.calibration import SAMPLED_SHARE, ZONES, Checked, Observed, observe
from ritornello.evaluation.calibration_plots import PICTURES, draw, read_real
from ritornello.evaluation.calibration_report import as_figures, show
from ritornello.evaluation.calibration_targets import MISSED, TARGETS
from ritornello.evaluation.listening_statistics import Distribution
from ritornello.evaluation.scrobbles import observe_long_histories
from ritornello.schema import Action

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
TINY = World(listeners=40, tracks=200, days=12)


@pytest.mark.slow
def test_what_was_tuned_is_met_and_what_is_missed_is_written_down() -> None:
    checks = calibration.check(seed=1)
    assert [check.target for check in checks] == list(TARGETS)
    assert all(check.is_met for check in checks if check.target.role == "tuned")
    assert [check.target.name for check in checks if not check.is_met] == list(MISSED)


def test_the_written_misses_are_targets_that_nobody_tuned_on() -> None:
    role = {target.name: target.role for target in TARGETS}
    assert len(set(MISSED)) == len(MISSED)
    assert all(role[name] != "tuned" for name in MISSED)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> list[World]:
    """Let the calibration simulate small worlds; return those that it simulates."""
    simulated, simulate = [], calibration.simulate

    def note(world: World) -> pl.DataFrame:
        simulated.append(world)
        return simulate(world)

    monkeypatch.setattr(calibration, "SIZES", dict.fromkeys(calibration.SIZES, TINY))
    monkeypatch.setattr(calibration, "simulate", note)
    return simulated


def test_each_world_is_simulated_once_and_measured_for_its_targets(tiny: list[World]) -> None:
    of_service = tuple(target for target in TARGETS if target.world == "service")
    checks = calibration.check(of_service, seed=4)
    assert [check.target for check in checks] == list(of_service)
    assert [(world.preset, world.seed) for world in tiny] == [("default", 4), ("quick_skips", 4)]
    skips = {check.target.name: check.simulated for check in checks}
    assert 0.2 < skips["volunteers_not_to_the_end_share"] < skips["spotify_not_to_the_end_share"] < 0.7


def test_worlds_say_what_they_are_and_how_they_are_distributed(tiny: list[World]) -> None:
    worlds = calibration.observe_worlds(tuple(target for target in TARGETS if target.preset == "quick_skips"))
    (observed,) = worlds.values()
    assert observed.label == PRESETS["quick_skips"].label
    assert sum(observed.distributions["listened_share"].share) == pytest.approx(1.0)
    assert len(tiny) == 1


@pytest.fixture
def log() -> pl.DataFrame:
    """Sixteen listeners, each with a session of four tracks at noon on a thousand days."""
    rows = [
        (user, day * DAY + 12 * HOUR + play * 3 * MINUTE, 10 * day + play, int(Action.PLAY), 200_000, 200_000)
        for user in range(1, 17)
        for day in range(1_000)
        for play in range(4)
    ]
    names = ["user_id", "at", "track_id", "action", "played_ms", "track_ms"]
    return pl.DataFrame(rows, schema=names, orient="row").cast({"action": pl.Int8})


def test_a_sampled_log_has_a_few_whole_sessions_in_many_time_zones(log: pl.DataFrame) -> None:
    kept = observe(log, "scrobbles_sampled")
    sessions = kept.group_by("user_id", pl.col("track_id") // 10).agg(pl.len(), pl.col("at").min())
    assert sessions["len"].unique().to_list() == [4]
    assert SAMPLED_SHARE * 0.85 < sessions.height / 16_000 < SAMPLED_SHARE * 1.15
    hours = sessions.select("user_id", (pl.col("at") % DAY // HOUR).alias("hour")).unique()
    assert hours.height == 16
    assert {user: hour - 12 for user, hour in hours.iter_rows()} == {
        user: ZONES[user % len(ZONES)] for user in range(1, 17)
    }


def test_long_histories_keep_their_clock(log: pl.DataFrame) -> None:
    assert observe(log, "scrobbles_long").equals(observe_long_histories(log))


@pytest.fixture
def checks() -> list[Checked]:
    """Three targets, one of each role, the first of them met."""
    one_each = [next(target for target in TARGETS if target.role == role) for role in ("tuned", "checked", "held_back")]
    return [Checked(target=target, simulated=target.target * (1 + 9 * place)) for place, target in enumerate(one_each)]


def test_the_table_counts_what_is_met_by_what_was_known(checks: list[Checked]) -> None:
    text = io.StringIO()
    show(checks, Console(file=text, width=200))
    assert [line for line in text.getvalue().splitlines() if line.endswith(" met")] == [
        "tuned: 1 of 1 met",
        "held (v1): 0 of 1 met",
        "held back: 0 of 1 met",
    ]
    assert all(check.target.name in text.getvalue() for check in checks)
    text = io.StringIO()
    show(checks[:1], Console(file=text, width=200))
    assert "held back" not in text.getvalue()


def test_the_file_says_simulated_and_holds_the_bounds(checks: list[Checked]) -> None:
    figures = json.loads(json.dumps(as_figures(checks)))
    assert figures["simulated"] == {"default": PRESETS["default"].label}
    assert [row["is_met"] for row in figures["checks"]] == [True, False, False]
    assert all(row["low"] <= row["target"] <= row["high"] for row in figures["checks"])


def distributed(*share: float) -> dict[str, Distribution]:
    edge = [1.0, *(2.0 + number for number in range(len(share)))]
    return {picture.distribution: Distribution(edge=edge, share=list(share)) for picture in PICTURES.values()}


@pytest.fixture
def worlds() -> dict[tuple[str, str], Observed]:
    used = {world for picture in PICTURES.values() for world in picture.worlds}
    return {
        (preset, observed): Observed(
            label=PRESETS[preset].label, figures={}, distributions=distributed(0.5, 0.0, 0.3, 0.2)
        )
        for preset, observed in used
    }


@pytest.fixture
def real_file(tmp_path: Path) -> Path:
    path = tmp_path / "real.json"
    binned = {key: {"edge": one.edge, "share": one.share} for key, one in distributed(0.9, 0.1).items()}
    path.write_text(json.dumps({"date": "2026-01-01", "distributions": {"30music": binned, "situnes": binned}}))
    return path


def test_pictures_name_the_world_and_the_real_log(
    worlds: dict[tuple[str, str], Observed], real_file: Path, tmp_path: Path
) -> None:
    alone = {path.stem: path.read_text() for path in draw(worlds, {}, tmp_path / "alone")}
    beside = {path.stem: path.read_text() for path in draw(worlds, read_real(real_file), tmp_path / "deep" / "beside")}
    assert set(alone) == set(beside) == set(PICTURES)
    for name, picture in PICTURES.items():
        labels = [f"<!-- {PRESETS[preset].label} -->" for preset, _ in picture.worlds]
        assert all(label in alone[name] and label in beside[name] for label in labels)
        assert "<!-- real: " in beside[name]
        assert "<!-- real: " not in alone[name]


def test_the_same_figures_make_the_same_plain_bytes(
    worlds: dict[tuple[str, str], Observed], real_file: Path, tmp_path: Path
) -> None:
    once, again = (draw(worlds, read_real(real_file), tmp_path / name) for name in ("once", "again"))
    for first, second in zip(once, again, strict=True):
        text = first.read_bytes()
        assert text == second.read_bytes()
        assert text.isascii()
        assert text.endswith(b"\n")
        assert b"<dc:date>" not in text
    turned = {key: replace(one, distributions=distributed(0.2, 0.3, 0.5)) for key, one in worlds.items()}
    other = draw(turned, read_real(real_file), tmp_path / "other")
    assert all(first.read_bytes() != one.read_bytes() for first, one in zip(once, other, strict=True))


def test_what_no_world_has_is_not_drawn(worlds: dict[tuple[str, str], Observed], tmp_path: Path) -> None:
    of_service = {key: one for key, one in worlds.items() if key[1] == "service"}
    assert [path.name for path in draw(of_service, {}, tmp_path)] == ["listened_share.svg"]


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "cannot be read"),
        (lambda path: path.write_text("{"), "cannot be read"),
        (lambda path: path.write_text('{"statistics": {}}'), "cannot be read"),
        (
            lambda path: path.write_text('{"distributions": {"30music": {"x": {"edge": [1, 2], "share": [1, 2]}}}}'),
            "30music.x has 2 edges and 2 bins",
        ),
    ],
)
def test_a_wrong_file_of_real_figures_is_refused(write: Callable[[Path], object], message: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    write(path)
    with pytest.raises(ValueError, match=message) as refused:
        calibration_plots.check(tmp_path / "plots", path)
    assert "\n" not in str(refused.value)


def test_what_cannot_be_drawn_is_refused_before_the_work(monkeypatch: pytest.MonkeyPatch, real_file: Path) -> None:
    calibration_plots.check(None, None)
    calibration_plots.check(real_file.parent, real_file)
    with pytest.raises(ValueError, match="a file; allowed is a folder"):
        calibration_plots.check(real_file, None)
    with pytest.raises(ValueError, match="--plots DIR says where to"):
        calibration_plots.check(None, real_file)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"install `ritornello\[page\]`"):
        calibration_plots.check(real_file.parent, None)


def test_the_command_writes_pictures_and_figures(
    tiny: list[World], monkeypatch: pytest.MonkeyPatch, real_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, figures = real_file.parent / "plots", real_file.parent / "figures.json"
    arguments = ["calibrate", "--plots", str(folder), "--real", str(real_file), "--json", str(figures)]
    monkeypatch.setattr("sys.argv", ["ritornello", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    assert sorted(path.stem for path in folder.iterdir()) == sorted(PICTURES)
    assert len(json.loads(figures.read_text())["checks"]) == len(TARGETS)
    assert capsys.readouterr().out.count("drawn: ") == len(PICTURES)
    assert len(tiny) == 4
