"""A radio stays near its seed, leaves the seed itself out, and listens to the user as much as it is told to."""

import numpy as np
import pytest

from ritornello import scenes
from ritornello.contracts import History, Slate
from ritornello.data.facts import Facts
from ritornello.data.sequence import encode
from ritornello.data.sources.planted import PlantedWorld
from ritornello.pipeline import Pipeline
from ritornello.scenes import Asked


def history_of(world: PlantedWorld, user: int) -> History:
    return encode(world.sequences, np.array([user]), np.array([world.now]))


def radio(pipeline: Pipeline, facts: Facts, history: History, *seeds: str, **settings: object) -> Slate:
    return scenes.make("similar", settings).recommend(pipeline, history, 8, Asked(facts=facts, seeds=seeds))


def taste_share(world: PlantedWorld, slate: Slate, taste: tuple[int, ...]) -> float:
    return float(np.isin(slate.track_BK[0], taste).mean())


@pytest.mark.parametrize("seed", ["A-05", "track:A-05", "artist:A-artist-2"])
def test_a_radio_plays_the_taste_of_its_seed(seed: str, world: PlantedWorld, pipeline: Pipeline, facts: Facts) -> None:
    slate = radio(pipeline, facts, history_of(world, 0), seed)
    assert taste_share(world, slate, world.drifted_from) >= 0.75
    assert "follows the seed alone" in slate.note_B[0]
    seed_row = facts.find("track", "A-05")[0]
    assert seed.startswith("artist") or seed_row not in slate.track_BK


def test_the_users_taste_decides_as_much_as_it_is_told(world: PlantedWorld, pipeline: Pipeline, facts: Facts) -> None:
    history = history_of(world, world.drifted_user)
    alone = radio(pipeline, facts, history, "popular", personal=0.0)
    personal = radio(pipeline, facts, history, "popular", personal=1.0)
    assert taste_share(world, personal, world.drifted_to) > taste_share(world, alone, world.drifted_to)


def test_a_seed_that_nobody_played_is_told_by_its_catalogue(
    world: PlantedWorld, pipeline: Pipeline, facts: Facts
) -> None:
    slate = radio(pipeline, facts, history_of(world, 0), "unplayed")
    assert "nobody has played the seed" in slate.note_B[0]
    known = slate.track_BK[0][slate.track_BK[0] > 0]
    assert len(known) > 0
    assert set(facts.of("genre", known)) == set(facts.of("genre", np.array([world.unplayed_track])))


def test_without_a_seed_it_follows_the_newest_listen(world: PlantedWorld, pipeline: Pipeline, facts: Facts) -> None:
    slate = radio(pipeline, facts, history_of(world, world.pair_user))
    assert slate.title_B == ("More like Pair-First",)
    assert world.pair_second in slate.track_BK[0]


def test_an_unknown_seed_is_one_clear_line(world: PlantedWorld, pipeline: Pipeline, facts: Facts) -> None:
    with pytest.raises(ValueError, match="seed 'artist:none': found no such artist; allowed are ids, or kind:id"):
        radio(pipeline, facts, history_of(world, 1), "artist:none")
