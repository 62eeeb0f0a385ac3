"""Themes find what they name, fit beats fame, and what cannot be found is said."""

import numpy as np
import pytest

from ritornello import scenes
from ritornello.contracts import History, Slate
from ritornello.data.facts import Facts
from ritornello.data.sequence import encode
from ritornello.data.sources.planted import PlantedWorld
from ritornello.pipeline import Pipeline
from ritornello.scenes import Asked
from ritornello.scenes.themes import find_theme


def history_of(world: PlantedWorld, user: int) -> History:
    return encode(world.sequences, np.array([user]), np.array([world.now]))


def themed(pipeline: Pipeline, facts: Facts, history: History, theme: str, k: int = 12, **settings: object) -> Slate:
    return scenes.make("themed", settings).recommend(pipeline, history, k, Asked(facts=facts, theme=theme))


def shown(slate: Slate) -> np.ndarray:
    return slate.track_BK[0][slate.track_BK[0] > 0]


@pytest.mark.parametrize("theme", ["genre:A", "Genre: a", "interest", ""])
def test_a_theme_holds_what_it_names(theme: str, world: PlantedWorld, pipeline: Pipeline, facts: Facts) -> None:
    slate = themed(pipeline, facts, history_of(world, world.neighbour_user), theme)
    assert np.isin(shown(slate), world.drifted_from).all()
    assert slate.title_B[0] in ("A", "Your A")
    assert "12 tracks" in slate.description_B[0]


def test_an_artists_theme_is_not_capped(world: PlantedWorld, pipeline: Pipeline, facts: Facts) -> None:
    slate = themed(pipeline, facts, history_of(world, 0), "artist:B-Artist-1")
    assert len(shown(slate)) == 4
    assert "4 of 12 tracks" in slate.note_B[0]


def test_a_sentence_is_matched_by_names_tags_and_titles(world: PlantedWorld, pipeline: Pipeline, facts: Facts) -> None:
    slate = themed(pipeline, facts, history_of(world, 0), "rainy evening, quiet, from the 20s", k=5)
    quiet = facts.find("tag", "quiet")
    assert np.isin(shown(slate), quiet).all()
    assert slate.title_B == ("Quiet, 2020s",)
    assert "nothing in the catalogue is called rainy, evening, from" in slate.note_B[0]
    nights = find_theme("nights", facts, history_of(world, 0))
    assert nights is not None
    assert set(nights.track_N.tolist()) >= set(facts.find("playlist", "A nights").tolist())


def test_where_nothing_fits_the_ranked_list_stands_in(world: PlantedWorld, pipeline: Pipeline, facts: Facts) -> None:
    slate = themed(pipeline, facts, history_of(world, 1), "xylophones")
    assert "nothing in the catalogue fits" in slate.note_B[0]
    assert len(shown(slate)) == 12


@pytest.mark.parametrize(
    ("theme", "message"),
    [
        ("genre:polka", "no genre 'polka': allowed are "),
        ("interest:first", "interest 'first': allowed are numbers from 1"),
        ("language:french", "no language 'french': allowed are none: the catalogue has none"),
    ],
)
def test_a_kinds_name_that_is_not_there_is_one_clear_line(
    theme: str, message: str, world: PlantedWorld, pipeline: Pipeline, facts: Facts
) -> None:
    with pytest.raises(ValueError, match=message):
        themed(pipeline, facts, history_of(world, 1), theme)


def test_the_second_interest_of_who_has_two_differs_from_the_first(
    world: PlantedWorld, pipeline: Pipeline, facts: Facts
) -> None:
    first, second = (
        themed(pipeline, facts, history_of(world, world.drifted_user), theme) for theme in ("interest:1", "interest:2")
    )
    assert first.title_B == ("Your B",)
    assert second.title_B == ("Your A",)
