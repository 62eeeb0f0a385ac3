"""The closed loop: the order that any sane world has, a planted regression, luck that is shared, truth that stays apart."""

import shutil
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from evaluation.loop_world import CONFIG, make_workspace, publish_bundle
from ritornello.artifacts import Workspace
from ritornello.contracts import Float32, RankBatch
from ritornello.data.prepare import load_prepared, prepare
from ritornello.data.sequence import encode
from ritornello.data.simulate import simulate, world_folder
from ritornello.data.sources.simulator.generate import read_world
from ritornello.data.sources.simulator.policy import Ask, Events, Offer
from ritornello.data.sources.simulator.world import make_world
from ritornello.evaluation import closed_loop, loop_report
from ritornello.evaluation.ab import compare
from ritornello.evaluation.closed_loop import (
    SERVED,
    Entered,
    Loop,
    choose_listeners,
    evaluate_loop,
    live_in,
    open_loop,
    run_loop,
)
from ritornello.evaluation.loop_figures import ALL, GROUPS, NEWCOMER, figures_of
from ritornello.evaluation.loop_history import LoopHistory
from ritornello.evaluation.off_policy_check import TARGETS, check_off_policy
from ritornello.rank import Ranker

pytestmark = pytest.mark.slow
DAYS = 4


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("loop") / "ws")


def opened(workspace: Workspace, *policies: str, scene: str = "none") -> Entered:
    return open_loop(Loop(root=workspace.root, policies=policies, days=DAYS, scene=scene))


@pytest.fixture(scope="module")
def lived(workspace: Workspace) -> pl.DataFrame:
    entered = opened(workspace, "oracle", "random", "popular", "relisten", "item2item", "live", "frozen")
    return live_in(entered, choose_listeners(entered.world, 400))


def test_the_oracle_beats_popular_tracks_and_these_beat_random_ones(lived: pl.DataFrame) -> None:
    figures = figures_of(lived, ("oracle", "popular", "random"), reference="random")["results"]
    minutes = {name: of_group[ALL]["minutes_per_session"] for name, of_group in figures.items()}  # type: ignore[attr-defined]
    assert minutes["oracle"]["low"] > minutes["popular"]["high"]
    assert minutes["popular"]["low"] > minutes["random"]["high"]


class Flipped:
    """A ranker that puts the worst first."""

    def __init__(self, ranker: Ranker) -> None:
        self.ranker = ranker

    def score(self, batch: RankBatch) -> Float32:
        return -self.ranker.score(batch)


def test_a_ranker_with_a_flipped_sign_is_caught(workspace: Workspace) -> None:
    entered = opened(workspace, "live")
    shop = entered.shops[SERVED]
    flipped = {task: Flipped(ranker) for task, ranker in shop.pipeline.rankers.items()}
    assert flipped, "the bundle has a ranker"
    worse = replace(shop, pipeline=replace(shop.pipeline, rankers=flipped))
    entered = replace(
        entered,
        shops=entered.shops | {"flipped": worse},
        loop=replace(entered.loop, policies=("live", "flipped")),
    )
    table = live_in(entered, choose_listeners(entered.world, 250))
    against = figures_of(table, ("live", "flipped"), reference="live")["against"]
    lost = against["live"]["flipped"][ALL]["minutes_per_session"]  # type: ignore[index]
    assert lost["high"] < 0


def test_the_same_policy_lives_the_same_life_whoever_is_beside_it(workspace: Workspace) -> None:
    entered = opened(workspace, "popular", "random")
    id_U = choose_listeners(entered.world, 60)
    whole = live_in(entered, id_U).drop("seconds").sort("policy", "user_id")
    parts = pl.concat([live_in(entered, id_U[:25]), live_in(entered, id_U[25:])]).drop("seconds")
    assert whole.equals(parts.sort("policy", "user_id"))


def test_processes_change_nothing(workspace: Workspace) -> None:
    loop = Loop(root=workspace.root, policies=("random",), days=2, scene="none")
    id_U = choose_listeners(make_world("default", listeners=500), 330)
    one, two = (pl.concat(run_loop(loop, id_U, processes=count)).drop("seconds") for count in (1, 2))
    assert len(one) == len(id_U)
    assert one.equals(two)


def test_a_frozen_bundle_never_learns_and_a_live_one_does(lived: pl.DataFrame) -> None:
    by_policy = {name: lived.filter(pl.col("policy") == name) for name in ("live", "frozen")}
    newcomers = {name: table.filter(NEWCOMER) for name, table in by_policy.items()}
    assert newcomers["live"]["offered_repeats"].sum() > 0
    assert not by_policy["live"]["minutes"].equals(by_policy["frozen"]["minutes"])


def test_relisten_offers_what_was_heard_and_random_does_not(lived: pl.DataFrame) -> None:
    figures = figures_of(lived, ("relisten", "random"), reference="random")["results"]
    assert figures["relisten"]["heavy"]["repeat_share"]["value"] > 0.95  # type: ignore[index]
    assert figures["random"][ALL]["repeat_share"]["value"] < 0.3  # type: ignore[index]


def test_the_history_of_the_loop_is_the_history_of_the_log(workspace: Workspace) -> None:
    prepared = load_prepared(workspace)
    known = prepared.sequences
    user_B = np.array([3, 0, 7], np.int32)
    at_B = np.full(3, int(known.at_E.max()) + 1)
    grown = LoopHistory(known, user_B)
    plain = grown.encode(np.arange(3), at_B, is_live=True)
    expected = encode(known, user_B, at_B)
    for name in ("track_BL", "action_BL", "at_BL", "session_BL", "play_ratio_BL"):
        assert np.array_equal(getattr(plain, name), getattr(expected, name), equal_nan=name == "play_ratio_BL"), name
    row_R, track_R = np.array([0, 1, 1]), np.array([5, 6, 7], np.int32)
    played = np.array([1_000, 2_000, -1])
    grown.add(
        row_R, track_R, at_B[0] + np.array([0, 0, 60_000]), np.array([2, 2, 3], np.int8), played, np.full(3, 4_000)
    )
    later = grown.encode(np.arange(3), at_B + 100_000, is_live=True)
    assert later.track_BL[1, -2:].tolist() == [6, 7]
    assert later.track_BL[0, -1] == 5
    assert later.play_ratio_BL[1, -2] == 0.5
    assert np.isnan(later.play_ratio_BL[1, -1])
    frozen = grown.encode(np.arange(3), at_B + 100_000, is_live=False)
    assert np.array_equal(frozen.track_BL, plain.track_BL)
    for _ in range(70):  # more than the first width holds
        grown.add(
            np.array([2]), np.array([9], np.int32), at_B[:1] + 1, np.array([2], np.int8), np.array([1]), np.array([2])
        )
    assert (grown.encode(np.array([2]), at_B[:1] + 100, is_live=True).track_BL == 9).sum() >= 70


@pytest.mark.parametrize("scene", ["daily_mix", "personal_fm"])
def test_a_scene_plays_too(scene: str, workspace: Workspace) -> None:
    entered = opened(workspace, "live", scene=scene)
    table = live_in(entered, choose_listeners(entered.world, 60))
    assert table["offered_plays"].sum() > 100


def test_every_table_says_that_it_is_simulated(workspace: Workspace) -> None:
    figures = evaluate_loop(
        workspace, policies=("oracle", "random", "popular"), days=1, scene="none", listeners=100, processes=1
    )
    text = printed(figures)
    assert figures["simulated"] == read_world(world_folder(workspace)).label
    assert "simulated" in str(figures["simulated"])
    assert text.count("simulated") >= 3
    assert all(group in text for group in GROUPS)
    assert set(figures["regret"]) == {"random", "popular"}  # type: ignore[call-overload]


def printed(figures: dict[str, object]) -> str:
    stream = StringIO()
    loop_report.show(figures, Console(file=stream, width=200))
    return stream.getvalue()


def test_an_ab_test_stops_early_and_names_the_better_side(workspace: Workspace) -> None:
    figures = compare(workspace, "random", "oracle", days=2, scene="none", listeners=450, processes=1)
    assert figures["winner"] == "oracle"
    assert figures["listeners"] < figures["most_listeners"]  # type: ignore[operator]
    stream = StringIO()
    loop_report.show_ab(figures, Console(file=stream, width=120))
    assert "simulated" in stream.getvalue()
    assert "may stop" in stream.getvalue()
    minutes = [figures["results"][side]["all"]["minutes_per_session"]["value"] for side in ("random", "oracle")]
    apart = figures["against"]["random"]["oracle"]["all"]
    assert apart["minutes_per_session"]["value"] == pytest.approx(minutes[1] - minutes[0])
    assert apart["skip_rate"]["high"] < 0, "the oracle is skipped less"


def test_a_bundle_against_itself_is_undecided(workspace: Workspace) -> None:
    figures = compare(workspace, "current", "live", days=1, scene="none", listeners=230, processes=1)
    assert figures["winner"] == "undecided"


@pytest.mark.parametrize(
    ("sides", "said"),
    [(("popular", "popular"), "are both popular"), (("nobody", "popular"), "is no bundle and no policy")],
)
def test_sides_that_make_no_test_are_refused(workspace: Workspace, sides: tuple[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        compare(workspace, *sides, days=1, scene="none", listeners=300, processes=1)


def test_off_policy_estimates_stand_beside_the_truth(workspace: Workspace) -> None:
    figures = check_off_policy(world_folder(workspace), listeners=400)
    results = figures["results"]
    assert set(results) == set(TARGETS)  # type: ignore[call-overload]
    for name, found in results.items():  # type: ignore[attr-defined]
        truth = found["closed_loop"]
        for estimator in ("ips", "snips", "dr"):
            error = np.hypot(found[estimator]["standard_error"], truth["standard_error"])
            assert abs(found[estimator]["value"] - truth["value"]) < 5 * error, (name, estimator)
    logged = results["logging"]  # type: ignore[index]
    assert logged["ips"]["value"] == pytest.approx(logged["closed_loop"]["value"], rel=1e-9)
    assert "simulated" in printed(figures)


def test_no_step_before_the_loop_opens_the_truth(workspace: Workspace, tmp_path: Path) -> None:
    """Prepare, train and publish give the same bundle, byte for byte, where the truth and the world are gone."""
    blind = Workspace(tmp_path / "blind")
    shutil.copytree(workspace.root, blind.root)
    shutil.rmtree(world_folder(blind))
    seen: list[str] = []
    sys.addaudithook(lambda event, args: seen.append(str(args[0])) if event == "open" else None)
    prepare(blind)
    version = publish_bundle(blind, CONFIG)
    assert not [path for path in seen if "/simulated/" in path or "truth" in path]
    assert (workspace.bundles / version / "manifest.json").is_file(), "the same bundle as with the truth beside it"


def test_the_log_in_the_workspace_holds_nothing_hidden(workspace: Workspace) -> None:
    allowed = {"user_id", "track_id", "at", "action", "played_ms", "track_ms", "scene", "source", "request_id"}
    allowed |= {"position", "propensity"}
    for part in workspace.events.glob("*/part-*.parquet"):
        assert set(pl.read_parquet_schema(part)) == allowed


def test_a_workspace_with_another_world_or_log_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds another world"):
        simulate(workspace, make_world("default", listeners=30, tracks=100, days=3), processes=1)
    logged = Workspace(tmp_path / "logged")
    shutil.copytree(workspace.events, logged.events)
    with pytest.raises(ValueError, match="holds a log already"):
        simulate(logged, make_world("default", listeners=30, tracks=100, days=3), processes=1)


def test_simulating_again_changes_nothing(tmp_path: Path) -> None:
    world = make_world("default", listeners=30, tracks=100, days=5)
    first = simulate(Workspace(tmp_path / "ws"), world, processes=1)
    before = sorted(path.name for path in (tmp_path / "ws" / "events").iterdir())
    assert simulate(Workspace(tmp_path / "ws"), world, processes=1) == first
    assert sorted(path.name for path in (tmp_path / "ws" / "events").iterdir()) == before


def test_a_world_over_a_given_catalogue_logs_its_ids(tmp_path: Path) -> None:
    names = pl.DataFrame(
        {
            "track_id": [f"song-{number}" for number in range(60)],
            "title": [f"Song {number}" for number in range(60)],
            "artist_name": [f"Artist {number // 6}" for number in range(60)],
        }
    )
    names.write_parquet(tmp_path / "mine.parquet")
    workspace = Workspace(tmp_path / "ws")
    simulate(
        workspace, make_world("default", listeners=40, tracks=60, days=10), given=tmp_path / "mine.parquet", processes=1
    )
    prepare(workspace)
    prepared = load_prepared(workspace)
    assert set(prepared.track_ids) == set(names["track_id"])
    assert len(prepared.sequences) > 100


class NothingToOffer:
    """A policy that never has an answer."""

    def offer(self, ask: Ask) -> Offer:
        return Offer(track_R=np.full(len(ask.row_R), -1, np.int32), propensity_R=np.full(len(ask.row_R), np.nan))

    def observe(self, events: Events) -> None:
        """Learn nothing."""


def test_to_offer_nothing_is_no_way_to_win(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    entered = opened(workspace, "popular", "live")
    entered = replace(entered, loop=replace(entered.loop, policies=("popular", "nothing", "live")))
    made = closed_loop.make_policy
    monkeypatch.setattr(
        closed_loop, "make_policy", lambda name, *rest: NothingToOffer() if name == "nothing" else made(name, *rest)
    )
    table = live_in(entered, choose_listeners(entered.world, 250))
    against = figures_of(table, ("popular", "nothing", "live"), reference="popular")["against"]
    assert against["popular"]["nothing"][ALL]["minutes_per_session"]["value"] < 0  # type: ignore[index]
    assert against["popular"]["live"][ALL]["minutes_per_session"]["low"] > 0  # type: ignore[index]


def test_a_world_keeps_the_catalogue_that_it_was_built_over(tmp_path: Path) -> None:
    table = pl.DataFrame({"track_id": range(60), "artist_name": [f"Artist {number // 6}" for number in range(60)]})
    table.write_parquet(tmp_path / "mine.parquet")
    workspace, world = Workspace(tmp_path / "ws"), make_world("default", listeners=20, days=5)
    simulate(workspace, world, given=tmp_path / "mine.parquet", processes=1)
    table.head(30).write_parquet(tmp_path / "mine.parquet")
    assert len(opened(workspace, "random").catalogue) == 60
    with pytest.raises(ValueError, match="holds another world"):
        simulate(workspace, world, given=tmp_path / "mine.parquet", processes=1)


def test_a_world_too_small_for_estimates_says_so(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "ws")
    simulate(workspace, make_world("default", listeners=20, tracks=50, days=1), processes=1)
    with pytest.raises(ValueError, match="needs 2 days and 2 listeners or more"):
        check_off_policy(world_folder(workspace), listeners=10)
