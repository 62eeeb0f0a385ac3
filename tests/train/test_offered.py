"""The ranker of offers, from logged slates to a published bundle and the scenes that ask it."""

import shutil
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from fastapi.testclient import TestClient

from evaluation.loop_world import make_workspace
from ritornello import scenes
from ritornello.artifacts import Workspace
from ritornello.bundle import load_current, publish
from ritornello.cli import main
from ritornello.config import Config, RankConfig, RecallConfig
from ritornello.contracts import Float32, RankBatch
from ritornello.data.behaviour import behaviour_of
from ritornello.data.impressions import no_slates
from ritornello.data.logged_scenes import LoggedScenes
from ritornello.data.prepare import load_prepared
from ritornello.data.sequence import encode
from ritornello.evaluation.closed_loop import Loop, choose_listeners, live_in, open_loop
from ritornello.pipeline import standardised
from ritornello.rank.network import Network, chances
from ritornello.rank.occlusion import own_tracks_that_moved
from ritornello.request import newest_moment
from ritornello.schema import PADDING
from ritornello.serve.app import create_app
from ritornello.train.fit import fit_pipeline, learn_from, scenes_of
from ritornello.update import update

SMALL: dict[str, object] = {"width": 8, "hidden": [16, 8], "epochs": 2}
CONFIG = Config(
    recall=RecallConfig(channels=("popular", "relisten", "item2item", "colisten"), quota=60),
    rank=RankConfig(
        model="mean_pool", settings={"next": SMALL, "offered": SMALL}, cuts=2, next_cuts=1, window_days=7.0
    ),
)

pytestmark = pytest.mark.slow


def replace_rank(config: Config, **changes: object) -> Config:
    """Return a configuration whose rankers learn otherwise."""
    return msgspec.structs.replace(config, rank=msgspec.structs.replace(config.rank, **changes))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A simulated workspace whose served bundle has networks for the next play and for offers."""
    workspace = make_workspace(tmp_path_factory.mktemp("offers") / "ws", listeners=150, tracks=300)
    prepared = load_prepared(workspace)
    at = newest_moment(prepared)
    pipeline = fit_pipeline(
        prepared.sequences, at, CONFIG, prepared.knowledge, tasks=("next", "offered"), slates=prepared.slates
    )
    publish(workspace, pipeline, CONFIG, prepared, at)
    return workspace, prepared, pipeline


@pytest.fixture(scope="module")
def history(trained):
    """The histories of some listeners at the end of the log."""
    _, prepared, _ = trained
    users = np.arange(1, 13)
    return encode(prepared.sequences, users, np.full(len(users), newest_moment(prepared)))


def test_slates_of_the_log_are_prepared_in_order_of_time(trained):
    _, prepared, _ = trained
    slates = prepared.slates
    assert len(slates) > 100
    assert (np.diff(slates.at_Q) >= 0).all()
    assert ((slates.track_QN != PADDING) == (slates.at_QN > 0)).all()
    assert (slates.user_Q > 0).all()
    assert sorted(slates.scenes) == ["home", "radio"]
    assert (slates.scene_Q > 0).all()


def test_offers_come_out_as_the_log_says(trained):
    _, prepared, _ = trained
    learned = learn_from(
        prepared.sequences,
        newest_moment(prepared),
        CONFIG,
        prepared.knowledge,
        tasks=("offered",),
        slates=prepared.slates,
    )
    for part in learned.examples["offered"]:
        played_S = part.outcome_ST[:, 0] > 0
        assert 0.2 < played_S.mean() < 0.9
        assert np.isnan(part.outcome_ST[~played_S, 1:]).all(), "what was not played has no other outcome"
        assert (part.position_S >= 0).all()
        assert part.requests is not None
        assert part.request_S.max() + 1 == len(part.requests)


def test_every_moment_gives_as_many_slates_however_many_moments_were_asked_for(trained):
    _, prepared, _ = trained
    few = replace_rank(CONFIG, cuts=50, slates=40)
    learned = learn_from(
        prepared.sequences, newest_moment(prepared), few, prepared.knowledge, tasks=("offered",), slates=prepared.slates
    )
    parts = [part.requests for part in learned.examples["offered"]]
    assert 1 < len(parts) < few.rank.cuts, "the log is too short for so many"
    assert {len(part) for part in parts if part is not None} == {few.rank.slates // len(parts)}


def test_a_bundle_keeps_the_ranker_of_offers_and_where_tracks_lie(trained, history):
    workspace, prepared, pipeline = trained
    served = load_current(workspace, prepared).pipeline
    batch, other = pipeline.propose(history, task="next")[1], served.propose(history, task="next")[1]
    np.testing.assert_array_equal(other.spaces.place_TD, batch.spaces.place_TD)
    for mean_SD, expected_SD in zip(other.spaces.mean_ASD, batch.spaces.mean_ASD, strict=True):
        np.testing.assert_array_equal(mean_SD, expected_SD)
    np.testing.assert_array_equal(served.rankers["next"].score(other), pipeline.rankers["next"].score(batch))
    assert served.scenes == pipeline.scenes == LoggedScenes(names=prepared.slates.scenes, known_as=CONFIG.rank.scenes)
    for scene in ("home", "radio", "nowhere"):
        found_BN = served.rankers["offered"].score(served.in_scene(other, scene))
        expected_BN = pipeline.rankers["offered"].score(pipeline.in_scene(batch, scene))
        np.testing.assert_array_equal(found_BN, expected_BN)


def test_an_offer_is_worth_its_links(trained, history):
    _, _, pipeline = trained
    batch = pipeline.in_scene(pipeline.propose(history, task="next")[1], "radio")
    ranker = pipeline.rankers["offered"]
    assert isinstance(ranker, Network)
    play, finish, like, add, skip, _ = np.moveaxis(chances(ranker.logits(batch), ranker.calibration_2T), -1, 0)
    is_candidate_BN = batch.track_BN != PADDING
    expected_BN = finish + like + add - skip
    np.testing.assert_allclose(ranker.score(batch)[is_candidate_BN], expected_BN[is_candidate_BN], atol=1e-5)
    assert 0 < play[is_candidate_BN].min() < play[is_candidate_BN].max() < 1


def test_a_scene_leans_to_what_is_worth_offering(trained, history):
    _, _, pipeline = trained

    def worth(utility: float) -> float:
        scene = scenes.make("personal_fm", {"utility": utility, "explore": 0.0})
        slate = scene.recommend(pipeline, history, 10)
        candidates, batch = pipeline.propose(history, task="next")
        value_BN = standardised(pipeline.rankers["offered"].score(pipeline.in_scene(batch, "personal_fm")))
        is_shown_BN = np.array(
            [np.isin(row, shown) for row, shown in zip(candidates.track_BN, slate.track_BK, strict=True)]
        )
        return float(value_BN[is_shown_BN & np.isfinite(value_BN)].mean())

    assert worth(3.0) > worth(1.0) > worth(0.0)


def test_the_scene_alone_moves_what_an_offer_is_worth(trained, history):
    _, _, pipeline = trained
    batch = pipeline.propose(history, task="next")[1]
    is_candidate_BN = batch.track_BN != PADDING

    def worth(scene: str) -> Float32:
        return standardised(pipeline.rankers["offered"].score(pipeline.in_scene(batch, scene)))[is_candidate_BN]

    np.testing.assert_array_equal(worth("personal_fm"), worth("radio"))
    np.testing.assert_array_equal(worth("daily_mix"), worth("home"))
    np.testing.assert_array_equal(worth("themed"), worth(""))
    for other in ("home", "nowhere"):
        assert np.abs(worth("radio") - worth(other)).max() > 0.01


@pytest.fixture
def asked_in(monkeypatch):
    """What the ranker of offers was told of the scene (home, radio) with each batch."""
    told = []
    score = Network.score

    def listening(self, batch: RankBatch) -> Float32:
        if "scene_home" in batch.feature_names:
            column_S = [batch.feature_names.index(name) for name in ("scene_home", "scene_radio")]
            told.extend(np.unique(batch.feature_BNF[batch.track_BN != PADDING][:, column_S], axis=0).tolist())
        return score(self, batch)

    monkeypatch.setattr(Network, "score", listening)
    return told


HOME, RADIO = [1.0, 0.0], [0.0, 1.0]
in_both_scenes = pytest.mark.parametrize(("scene", "told"), [("daily_mix", HOME), ("personal_fm", RADIO)])


@in_both_scenes
def test_the_command_line_asks_in_its_scene(scene, told, trained, asked_in, tmp_path, monkeypatch):
    workspace, prepared, _ = trained
    out = tmp_path / "list.parquet"
    asked = ["recommend", workspace.root, "--user", prepared.user_ids[6], "--scene", scene, "-k", "5", "--out", out]
    monkeypatch.setattr("sys.argv", ["ritornello", *map(str, asked)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    assert asked_in == [told]


@in_both_scenes
def test_the_service_asks_in_its_scene_before_and_after_what_has_just_happened(scene, told, trained, asked_in):
    workspace, prepared, _ = trained
    user = prepared.user_ids[6]
    with TestClient(create_app(workspace.root), base_url="http://127.0.0.1") as client:
        asked_in.clear()
        for _ in range(2):
            answer = client.post("/v1/recommend", json={"user_id": user, "scene": scene, "k": 5})
            assert answer.status_code == 200, answer.text
            client.post("/v1/events", json={"user_id": user, "track_id": answer.json()["tracks"][0]["track_id"]})
    assert asked_in == [told, told]


@in_both_scenes
def test_the_closed_loop_asks_in_its_scene(scene, told, trained, asked_in):
    workspace, _, _ = trained
    entered = open_loop(Loop(root=workspace.root, policies=("live",), days=1, scene=scene))
    live_in(entered, choose_listeners(entered.world, 20))
    assert asked_in
    assert all(found == told for found in asked_in)


def test_an_update_keeps_the_scenes_that_the_ranker_knows(trained, tmp_path):
    workspace, _, pipeline = trained
    copy = Workspace(shutil.copytree(workspace.root, tmp_path / "ws"))
    slates = load_prepared(copy).slates
    replace(slates, scenes=tuple(reversed(slates.scenes))).save(copy.prepared / "slates.npz")
    assert update(copy, None).pipeline.scenes == pipeline.scenes


@pytest.mark.parametrize(("names", "missing"), [(("home",), ["personal_fm"]), (("home", "radio"), []), ((), [])])
def test_a_scene_that_the_log_knows_by_no_name_is_told(names, missing, caplog):
    known = scenes_of(replace(no_slates(), scenes=names), CONFIG)
    assert known.number("daily_mix") == ("home" in names)
    assert [scene for scene in ("daily_mix", "personal_fm") if scene in caplog.text] == missing


def test_an_own_track_moves_the_score_by_what_leaving_it_out_changes(trained, history):
    _, _, pipeline = trained
    one = history.rows(slice(0, 1))
    batch = pipeline.propose(one, task="next")[1]
    ranker = pipeline.rankers["next"]
    assert isinstance(ranker, Network)
    track_M, change_M = own_tracks_that_moved(ranker, batch, 0)
    assert len(track_M) > 1
    assert np.abs(change_M).max() > 0
    behaviour = behaviour_of(one)
    is_kept_BL = behaviour["play"].track_BL != track_M[0]
    blanked = {
        name: replace(
            domain,
            track_BL=np.where(domain.track_BL != track_M[0], domain.track_BL, PADDING).astype(np.int32),
        )
        for name, domain in behaviour.items()
    }
    assert not is_kept_BL.all()

    def score(parts: dict[str, object]) -> Float32:
        return ranker.order(ranker.logits(batch, parts), batch)[0, 0]

    np.testing.assert_allclose(change_M[0], score(behaviour) - score(blanked), atol=1e-5)


def test_standard_scores_have_mean_0_and_deviation_1_and_padding_stays():
    score_BN = np.array([[1.0, 2.0, 3.0, -np.inf], [5.0, 5.0, -np.inf, -np.inf]], np.float32)
    found_BN = standardised(score_BN)
    np.testing.assert_allclose(found_BN[0, :3], [-1.2247, 0.0, 1.2247], atol=1e-4)
    np.testing.assert_array_equal(found_BN[1], [0.0, 0.0, -np.inf, -np.inf])
    assert found_BN[0, 3] == -np.inf
