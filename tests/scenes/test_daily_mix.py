"""The daily mix keeps its promise on the planted world, for every user of it at once."""

from dataclasses import replace

import numpy as np
import pytest

from ritornello import scenes
from ritornello.config import Config, RankConfig, RecallConfig
from ritornello.contracts import History, Slate
from ritornello.data.sequence import encode
from ritornello.data.sources.planted import PlantedWorld, planted_world
from ritornello.pipeline import Pipeline
from ritornello.schema import ONE_DAY_MS, PADDING
from ritornello.train.fit import fit_pipeline

CONFIG = Config(
    recall=RecallConfig(channels=("popular", "relisten", "item2item", "neighbours"), quota=60),
    rank=RankConfig(cuts=2, window_days=7.0, settings={"window": {"num_trees": 10, "min_examples_in_leaf": 5}}),
)


@pytest.fixture(scope="module")
def world() -> PlantedWorld:
    return planted_world()


@pytest.fixture(scope="module")
def pipeline(world: PlantedWorld) -> Pipeline:
    return fit_pipeline(world.sequences, world.now, CONFIG, world.knowledge, tasks=("window",))


def history_at(world: PlantedWorld, at: int) -> History:
    users = np.arange(world.sequences.num_users + 1, dtype=np.int32)
    return encode(world.sequences, users, np.full(len(users), at, np.int64))


def mix(world: PlantedWorld, pipeline: Pipeline, at: int, k: int = 20, **settings: object) -> Slate:
    scene = scenes.make("daily_mix", settings)
    return scene.recommend(pipeline, history_at(world, scene.moment(at)), k)


def test_tracks_are_distinct_and_padding_comes_last(world: PlantedWorld, pipeline: Pipeline) -> None:
    slate = mix(world, pipeline, world.now)
    for row in slate.track_BK:
        tracks = row[row != PADDING]
        assert len(set(tracks.tolist())) == len(tracks)
        assert np.all(row[len(tracks) :] == PADDING)
    assert (slate.track_BK != PADDING).sum(axis=1).min() >= 10


def test_no_artist_exceeds_the_cap(world: PlantedWorld, pipeline: Pipeline) -> None:
    slate = mix(world, pipeline, world.now, artist_cap=1)
    for row in slate.track_BK:
        artists = world.knowledge.artist_T[row[row != PADDING]]
        known = artists[artists != 0]
        assert len(set(known.tolist())) == len(known)


def test_a_disliked_track_never_appears(world: PlantedWorld, pipeline: Pipeline) -> None:
    for day in range(5):
        slate = mix(world, pipeline, world.now + day * ONE_DAY_MS, k=40, artist_cap=40)
        assert world.disliked_track not in slate.track_BK[world.disliking_user]


def test_the_same_day_gives_the_same_list_and_the_next_day_another(world: PlantedWorld, pipeline: Pipeline) -> None:
    midnight = world.now - world.now % ONE_DAY_MS
    morning = mix(world, pipeline, midnight + 1)
    evening = mix(world, pipeline, midnight + ONE_DAY_MS - 1)
    tomorrow = mix(world, pipeline, midnight + ONE_DAY_MS)
    assert np.array_equal(morning.track_BK, evening.track_BK)
    assert not np.array_equal(morning.track_BK, tomorrow.track_BK)


def test_a_user_alone_gets_the_list_of_the_batch(world: PlantedWorld, pipeline: Pipeline) -> None:
    scene = scenes.make("daily_mix")
    history = history_at(world, scene.moment(world.now))
    together = scene.recommend(pipeline, history, 20)
    row = world.favourite_user
    alone = scene.recommend(pipeline, history.rows(slice(row, row + 1)), 20)
    assert np.array_equal(alone.track_BK[0], together.track_BK[row])


def test_the_knob_moves_the_share_of_heard_tracks(world: PlantedWorld, pipeline: Pipeline) -> None:
    shares = [
        float(mix(world, pipeline, world.now, k=10, familiarity=knob, artist_cap=40).heard_BK.mean())
        for knob in (0.0, 0.5, 1.0)
    ]
    assert shares[0] < shares[1] < shares[2]


def test_a_pipeline_without_a_ranker_still_makes_a_mix(world: PlantedWorld, pipeline: Pipeline) -> None:
    slate = mix(world, replace(pipeline, rankers={}), world.now)
    assert (slate.track_BK != PADDING).any(axis=1).all()


def test_an_unknown_scene_or_setting_is_one_clear_line() -> None:
    with pytest.raises(ValueError, match="unknown scene 'radio': allowed are none, daily_mix"):
        scenes.make("radio")
    with pytest.raises(ValueError, match="allowed are familiarity"):
        scenes.make("daily_mix", {"familiar": 1})
    with pytest.raises(ValueError, match="familiarity"):
        scenes.make("daily_mix", {"familiarity": 2.0})
