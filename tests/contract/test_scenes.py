"""The laws of scenes: whatever a scene promises besides, its slates are clean, repeatable and nobody else's business."""

from dataclasses import replace
from importlib import import_module

import msgspec
import numpy as np
import pytest

from contract.settings import fields_of, other_values
from ritornello import scenes
from ritornello.config import RankConfig
from ritornello.contracts import Float32, History, Int32, RankBatch
from ritornello.data.logged_scenes import LoggedScenes
from ritornello.data.sequence import encode
from ritornello.rank.logistic import Logistic, LogisticConfig
from ritornello.rerank.rules import Block, Rules
from ritornello.scenes import SCENES, Asked, Scene
from ritornello.scenes.onboarding import answer
from ritornello.schema import ONE_DAY_MS, PADDING
from sittings import after

K = 12
every_scene = pytest.mark.parametrize("name", SCENES)

# What a scene is asked beside the user: a seed, a theme, a playlist of the planted world.
WANTED: dict[str, dict[str, object]] = {
    "similar": {"seeds": ("artist:A-artist-1",)},
    "playlists": {"playlist": "A mix"},
    "themed": {"theme": "C or the 2020s"},
}


def config_of(name: str) -> type[msgspec.Struct]:
    module, _, attribute = SCENES[name].partition(":")
    config: type[msgspec.Struct] = getattr(import_module(module), attribute).Config
    return config


def asked(world, scene: Scene) -> History:
    """Return everybody's history, nobody's first, at the moment that the scene answers from."""
    users = np.arange(world.sequences.num_users + 1)
    return encode(world.sequences, users, np.full(len(users), scene.moment(world.now)))


@pytest.fixture(scope="session")
def ask(facts):
    """Return what a scene is asked, with rules where given; nothing but rules where it is asked plainly."""

    def of(name: str, *, plainly: bool = False, **rules: object) -> Asked:
        return Asked(facts=facts, rules=Rules(**rules), **({} if plainly else WANTED.get(name, {})))

    return of


class Odd(Logistic):
    """A ranker of offers with a will of its own."""

    def score(self, batch: RankBatch) -> Float32:
        return np.where(batch.track_BN != PADDING, np.sin(batch.track_BN), -np.inf).astype(np.float32)


class Torn(Logistic):
    """A ranker of offers that thinks the opposite on the radio, and does not care where the scene is unknown."""

    def score(self, batch: RankBatch) -> Float32:
        home_BN, radio_BN = np.moveaxis(batch.feature_BNF[..., -2:], -1, 0)
        is_candidate_BN = batch.track_BN != PADDING
        return np.where(is_candidate_BN, (home_BN - radio_BN) * np.sin(batch.track_BN), -np.inf).astype(np.float32)


@pytest.fixture
def offering(pipeline):
    """The pipeline with a ranker of offers, which the planted world's log has none to learn from for."""
    return replace(pipeline, rankers={**pipeline.rankers, "offered": Odd(LogisticConfig())})


@every_scene
@pytest.mark.parametrize("plainly", [False, True])
def test_slates_are_k_wide_distinct_and_without_dislikes(name, plainly, world, pipeline, ask):
    scene = scenes.make(name)
    history = asked(world, scene)
    slate = scene.recommend(pipeline, history, K, ask(name, plainly=plainly))
    assert slate.track_BK.shape == slate.score_BK.shape == slate.heard_BK.shape == (len(history), K)
    assert len(slate.title_B) == len(slate.note_B) == len(slate.description_B) == len(history)
    for track_K, channel_KC in zip(slate.track_BK, slate.channel_BKC, strict=True):
        size = np.count_nonzero(track_K)
        assert (track_K[:size] > 0).all()
        assert len(set(track_K[:size].tolist())) == size > 0
        assert channel_KC[:size].any(axis=1).all()
        assert not channel_KC[size:].any()
    assert world.disliked_track not in slate.track_BK[world.disliking_user]


@every_scene
def test_the_same_request_gives_the_same_slate_alone_or_in_company(name, world, pipeline, ask):
    scene = scenes.make(name)
    history = asked(world, scene)
    first, second = (scenes.make(name).recommend(pipeline, history, K, ask(name)) for _ in range(2))
    np.testing.assert_array_equal(first.track_BK, second.track_BK)
    for row in range(0, len(history), 3):
        alone = scene.recommend(pipeline, history.rows(slice(row, row + 1)), K, ask(name))
        assert alone.track_BK[0].tolist() == first.track_BK[row].tolist()
        assert (alone.title_B[0], alone.note_B[0]) == (first.title_B[row], first.note_B[row])


@every_scene
def test_what_comes_after_the_moment_changes_nothing(name, world, pipeline):
    scene = scenes.make(name)
    at = scene.moment(world.now)
    assert at <= world.now
    history = asked(world, scene)
    assert (history.at_BL < at).all()


@every_scene
def test_blocked_and_unplayable_tracks_are_gone_until_the_block_ends(name, world, pipeline, ask, facts):
    scene = scenes.make(name)
    history = asked(world, scene)
    usual = scene.recommend(pipeline, history, K, ask(name)).track_BK
    shown = np.unique(usual[usual > 0])
    artists = facts.of("artist", shown)
    artist = int(np.bincount(artists[artists > 0]).argmax())
    block = Block(kind="artist", id=facts.groups["artist"].ids[artist - 1], until=int(history.as_of_B[0]) + ONE_DAY_MS)
    blocked = scene.recommend(pipeline, history, K, ask(name, blocks=(block,))).track_BK
    assert artist not in facts.of("artist", blocked[blocked > 0])
    over = msgspec.structs.replace(block, until=int(history.as_of_B[0]))
    np.testing.assert_array_equal(scene.recommend(pipeline, history, K, ask(name, blocks=(over,))).track_BK, usual)
    is_playable_T = facts.is_playable_T.copy()
    is_playable_T[shown[0]] = False
    fewer = replace(ask(name), facts=replace(facts, is_playable_T=is_playable_T))
    assert shown[0] not in scene.recommend(pipeline, history, K, fewer).track_BK


@every_scene
def test_what_was_heard_lately_can_be_hidden(name, world, pipeline, ask):
    scene = scenes.make(name)
    history = asked(world, scene)
    slate = scene.recommend(pipeline, history, K, ask(name, hide_heard_days=10_000.0))
    assert not slate.heard_BK.any()
    assert (slate.track_BK > 0).any()


@every_scene
def test_no_known_artist_exceeds_the_cap(name, world, pipeline, ask):
    scene = scenes.make(name, {"artist_cap": 1})
    slate = scene.recommend(pipeline, asked(world, scene), K, ask(name))
    for track_K in slate.track_BK:
        artists = pipeline.stats.artist_T[track_K[track_K > 0]]
        assert np.bincount(artists[artists > 0]).max(initial=0) <= 1


@every_scene
def test_the_knob_moves_the_share_of_heard_tracks(name, world, pipeline, ask):
    shares = []
    for knob in (0.0, 1.0):
        scene = scenes.make(name, {"familiarity": knob})
        slate = scene.recommend(pipeline, asked(world, scene), 4, ask(name))
        shares.append(slate.heard_BK[slate.track_BK > 0].mean())
    assert shares[0] < shares[1]


@every_scene
def test_newcomers_and_small_catalogues_are_told_what_they_got(name, world, pipeline, ask):
    scene = scenes.make(name)
    nobody = asked(world, scene).rows(slice(0, 1))
    slate = scene.recommend(pipeline, nobody, 60, ask(name, plainly=True))
    assert "no listening history yet" in slate.note_B[0]
    size = np.count_nonzero(slate.track_BK[0])
    assert 0 < size < 60
    assert "of 60 tracks" in slate.note_B[0] or "at most 50 tracks" in slate.note_B[0]


@pytest.mark.parametrize("name", [name for name in SCENES if name not in ("similar", "playlists")])
def test_newcomers_get_a_list_from_the_artists_that_they_pick(name, world, pipeline, facts):
    scene = scenes.make(name)
    nobody = asked(world, scene).rows(slice(0, 1))
    picked = Asked(facts=facts, seeds=("artist:B-artist-1", "artist:B-artist-2"))
    history, slate = answer(scene, pipeline, nobody, K, picked)
    assert history.track_BL.any()
    assert not slate.heard_BK.any()
    assert "what you picked" in slate.note_B[0]
    of_taste = np.isin(slate.track_BK[0], world.drifted_to)
    without = scene.recommend(pipeline, nobody, K, Asked(facts=facts))
    assert of_taste.sum() > np.isin(without.track_BK[0], world.drifted_to).sum()


@pytest.mark.parametrize(("name", "field"), [(name, field) for name in SCENES for field in fields_of(config_of(name))])
def test_every_setting_changes_an_output(name, field, world, offering, ask):
    tried = other_values(name, field, fields_of(config_of(name))[field])
    for plainly in (False, True):
        usual_scene = scenes.make(name)
        history = after(asked(world, usual_scene), world.drifted_to[0], ratio=0.05)
        usual = usual_scene.recommend(offering, history, 6, ask(name, plainly=plainly)).track_BK
        for other in tried:
            slate = scenes.make(name, {field: other}).recommend(offering, history, 6, ask(name, plainly=plainly))
            if not np.array_equal(slate.track_BK, usual):
                return
    pytest.fail(f"{name}.{field}: {tried} give the default's slates; a setting that does nothing is to go")


@pytest.mark.parametrize("name", ["daily_mix", "personal_fm"])
def test_a_scene_is_told_to_the_ranker_of_offers_by_the_name_that_the_log_knows(name, world, pipeline, ask):
    scene = scenes.make(name)
    history = asked(world, scene)

    def slate(*names: str, **known_as: str) -> Int32:
        known = LoggedScenes(names=names, known_as=known_as)
        torn = replace(pipeline, rankers={**pipeline.rankers, "offered": Torn(LogisticConfig())}, scenes=known)
        return scene.recommend(torn, history, K, ask(name)).track_BK

    usual = RankConfig().scenes[name]
    home, radio = slate("home", "radio", **{name: "home"}), slate("home", "radio", **{name: "radio"})
    assert not np.array_equal(home, radio), "rank.scenes changes what is shown"
    np.testing.assert_array_equal(slate("home", "radio", **RankConfig().scenes), {"home": home, "radio": radio}[usual])
    np.testing.assert_array_equal(slate(name, "radio", **{name: "radio"}), home)  # its own name goes before
    unknown = slate("home", "radio")
    np.testing.assert_array_equal(unknown, slate("home", "radio", **{name: "a scene that the log does not have"}))
    assert not np.array_equal(unknown, home)


def test_the_table_takes_a_class_by_its_path_and_says_what_is_wrong():
    assert isinstance(scenes.make(SCENES["daily_mix"]), type(scenes.make("daily_mix")))
    with pytest.raises(ValueError, match="unknown scene 'nope': allowed are none, daily_mix"):
        scenes.make("nope")
    with pytest.raises(ValueError, match=r"daily_mix.*allowed are familiarity"):
        scenes.make("daily_mix", {"no_such_setting": 1})
