"""The laws of scenes: whatever a scene promises besides, its slates are clean, repeatable and nobody else's business."""

from importlib import import_module

import msgspec
import numpy as np
import pytest

from contract.settings import fields_of, other_values
from ritornello import scenes
from ritornello.contracts import History
from ritornello.data.sequence import encode
from ritornello.scenes import SCENES, Scene

K = 12
every_scene = pytest.mark.parametrize("name", SCENES)


def config_of(name: str) -> type[msgspec.Struct]:
    module, _, attribute = SCENES[name].partition(":")
    config: type[msgspec.Struct] = getattr(import_module(module), attribute).Config
    return config


def asked(world, scene: Scene) -> History:
    """Return everybody's history, nobody's first, at the moment that the scene answers from."""
    users = np.arange(world.sequences.num_users + 1)
    return encode(world.sequences, users, np.full(len(users), scene.moment(world.now)))


@every_scene
def test_slates_are_k_wide_distinct_and_without_dislikes(name, world, pipeline):
    scene = scenes.make(name)
    history = asked(world, scene)
    slate = scene.recommend(pipeline, history, K)
    assert slate.track_BK.shape == slate.score_BK.shape == slate.heard_BK.shape == (len(history), K)
    for track_K, channel_KC in zip(slate.track_BK, slate.channel_BKC, strict=True):
        size = np.count_nonzero(track_K)
        assert (track_K[:size] > 0).all()
        assert len(set(track_K[:size].tolist())) == size > 0
        assert channel_KC[:size].any(axis=1).all()
        assert not channel_KC[size:].any()
    assert world.disliked_track not in slate.track_BK[world.disliking_user]


@every_scene
def test_the_same_request_gives_the_same_slate_alone_or_in_company(name, world, pipeline):
    scene = scenes.make(name)
    history = asked(world, scene)
    first, second = (scenes.make(name).recommend(pipeline, history, K) for _ in range(2))
    np.testing.assert_array_equal(first.track_BK, second.track_BK)
    for row in range(len(history)):
        alone = scene.recommend(pipeline, history.rows(slice(row, row + 1)), K)
        assert alone.track_BK[0].tolist() == first.track_BK[row].tolist()


@every_scene
def test_what_comes_after_the_moment_changes_nothing(name, world, pipeline):
    scene = scenes.make(name)
    at = scene.moment(world.now)
    assert at <= world.now
    history = asked(world, scene)
    assert (history.at_BL < at).all()


@pytest.mark.parametrize(("name", "field"), [(name, field) for name in SCENES for field in fields_of(config_of(name))])
def test_every_setting_changes_an_output(name, field, world, pipeline):
    usual_scene = scenes.make(name)
    history = asked(world, usual_scene)
    usual = usual_scene.recommend(pipeline, history, K).track_BK
    tried = other_values(name, field, fields_of(config_of(name))[field])
    for other in tried:
        if not np.array_equal(scenes.make(name, {field: other}).recommend(pipeline, history, K).track_BK, usual):
            return
    pytest.fail(f"{name}.{field}: {tried} give the default's slates; a setting that does nothing is to go")


def test_the_table_takes_a_class_by_its_path_and_says_what_is_wrong():
    assert isinstance(scenes.make(SCENES["daily_mix"]), type(scenes.make("daily_mix")))
    with pytest.raises(ValueError, match="unknown scene 'nope': allowed are none, daily_mix"):
        scenes.make("nope")
    with pytest.raises(ValueError, match=r"daily_mix.*allowed are familiarity"):
        scenes.make("daily_mix", {"no_such_setting": 1})
