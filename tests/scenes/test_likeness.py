"""What a text model adds to a sentence: words that are no name are taken for the names that they are like, and that is told."""

from dataclasses import replace

import numpy as np
import pytest

from ritornello import scenes
from ritornello.contracts import History
from ritornello.data.facts import Facts, Groups
from ritornello.data.sequence import encode
from ritornello.data.sparse import sum_pairs
from ritornello.scenes import Asked
from ritornello.scenes.likeness import Likeness, Meant, embed_names
from ritornello.scenes.sentences import MOST_EMBEDDED, understand
from ritornello.text import TextModel
from text_folder import write_text_model

TAGS = {"rainy": (1, 2, 3), "quiet": (3, 4), "zydeco": (5,)}


def groups_of(members: dict[str, tuple[int, ...]]) -> Groups:
    row_P, track_P = zip(*((row, one) for row, tracks in enumerate(members.values()) for one in tracks), strict=True)
    member_GT = sum_pairs(np.array(row_P), np.array(track_P), np.ones(len(row_P)), (len(members), 7))
    return Groups(ids=tuple(members), names=tuple(members), member_GT=member_GT)


@pytest.fixture
def wet() -> Facts:
    """Facts of six tracks with tags, one of them in a language that the catalogue names by its code."""
    bare = Facts()
    return replace(bare, groups={**bare.groups, "tag": groups_of(TAGS), "language": groups_of({"fr": (2,)})})


@pytest.fixture
def likeness(wet: Facts, tmp_path) -> Likeness:
    return embed_names(TextModel(write_text_model(tmp_path / "model")), wet)


def test_a_synonym_in_another_language_lands_on_its_tag(wet: Facts, likeness: Likeness) -> None:
    understood = understand("Pluie, quiet", wet, likeness)
    tracks = [aspect.track_S.tolist() for aspect in understood.aspects]
    assert tracks == [[1, 2, 3], [3, 4]]
    assert [aspect.name for aspect in understood.aspects] == ["rainy", "quiet"]
    assert 'understood by name: tag quiet; understood by likeness: "Pluie" as tag rainy (0.9' in understood.in_words()
    assert understood.missed == []
    assert understand("Pluie, quiet", wet, None).missed == ["pluie"]


def test_a_language_known_by_its_code_is_named_in_words(wet: Facts, likeness: Likeness) -> None:
    assert likeness.nearest("french")[0].kind == "language"
    assert {meant.kind for meant in likeness.nearest("french")} == {"language"}
    assert likeness.nearest("french")[0].similarity == pytest.approx(1, abs=1e-6)


def test_nothing_less_alike_than_the_stated_similarity_is_meant(wet: Facts, likeness: Likeness, tmp_path) -> None:
    (meant,) = likeness.nearest("pluie")
    assert meant == Meant(kind="tag", row=0, similarity=meant.similarity)
    strict = embed_names(TextModel(tmp_path / "model", meant.similarity + 0.001), wet)
    assert strict.nearest("pluie") == []
    assert understand("pluie", wet, strict).missed == ["pluie"]
    loose = embed_names(TextModel(tmp_path / "model", 0.0), wet)
    alike = [one.similarity for one in loose.nearest("pluie")]
    assert alike == sorted(alike, reverse=True)
    assert alike[0] == meant.similarity


def test_a_track_counts_by_the_likest_of_the_names_that_a_phrase_means(wet: Facts, likeness: Likeness) -> None:
    (aspect,) = understand("pluie calme", wet, likeness).aspects
    fit_of = dict(zip(aspect.track_S.tolist(), aspect.fit_S.tolist(), strict=True))
    best, second = likeness.nearest("pluie calme")
    assert {best.row, second.row} == {0, 1}
    assert fit_of[3] == best.similarity
    assert {fit_of[1], fit_of[4]} == {best.similarity, second.similarity}
    assert "tag rainy" in aspect.told
    assert "tag quiet" in aspect.told


def test_phrases_end_with_their_clause(wet: Facts, likeness: Likeness) -> None:
    apart = understand("pluie, calme", wet, likeness)
    assert [aspect.name for aspect in apart.aspects] == ["rainy", "quiet"]
    assert '"pluie" as tag rainy' in apart.in_words()
    assert '"calme" as tag quiet' in apart.in_words()


def test_a_sentence_costs_a_bounded_time(wet: Facts, likeness: Likeness) -> None:
    understood = understand("nothing, " * MOST_EMBEDDED + "pluie", wet, likeness)
    assert understood.aspects == []
    assert understood.missed[-1] == "pluie"
    assert understand("nothing, " * (MOST_EMBEDDED - 1) + "pluie", wet, likeness).aspects[0].name == "rainy"


def test_the_names_with_the_most_tracks_have_vectors(wet: Facts, likeness: Likeness, monkeypatch) -> None:
    monkeypatch.setattr("ritornello.scenes.likeness.MAX_NAMES", 2)
    assert embed_names(likeness.model, wet).group_N == (("tag", 0), ("tag", 1))
    monkeypatch.undo()
    assert len(likeness.group_N) == 4


def test_the_scene_plays_what_a_sentence_means_and_says_so(world, pipeline, facts, tmp_path) -> None:
    likeness = embed_names(TextModel(write_text_model(tmp_path / "model")), facts)
    history: History = encode(world.sequences, np.array([0]), np.array([world.now]))

    def list_of(asked: Asked) -> tuple[list[int], str]:
        slate = scenes.make("themed").recommend(pipeline, history, 5, asked)
        return slate.track_BK[0].tolist(), slate.note_B[0]

    tracks, note = list_of(Asked(facts=facts, theme="calme", likeness=likeness))
    assert np.isin([track for track in tracks if track], facts.find("tag", "quiet")).all()
    assert 'understood by likeness: "calme" as tag quiet (0.9' in note
    assert list_of(Asked(facts=facts, theme="calme", likeness=likeness)) == (tracks, note)
    assert "nothing in the catalogue fits" in list_of(Asked(facts=facts, theme="calme"))[1]
