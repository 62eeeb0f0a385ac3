"""Playlists go on with what goes with them, and the best ones for a user are of the user's taste."""

import numpy as np
import pytest

from ritornello import scenes
from ritornello.contracts import History
from ritornello.data.facts import Facts, Groups
from ritornello.data.sequence import encode
from ritornello.data.sources.planted import PlantedWorld
from ritornello.data.sparse import sum_pairs
from ritornello.pipeline import Pipeline
from ritornello.scenes import Asked
from ritornello.scenes.continuation import ContinuationConfig, continued
from ritornello.scenes.playlists import Playlists, PlaylistsConfig


def history_of(world: PlantedWorld, *users: int) -> History:
    return encode(world.sequences, np.array(users), np.full(len(users), world.now))


def test_a_playlist_goes_on_with_its_own_taste_and_without_itself(
    world: PlantedWorld, pipeline: Pipeline, facts: Facts
) -> None:
    scene = scenes.make("playlists")
    slate = scene.recommend(pipeline, history_of(world, 0, 1), 6, Asked(facts=facts, playlist="A mix"))
    own = facts.find("playlist", "A mix")
    assert slate.title_B == ("A Mix, continued",) * 2
    assert np.isin(slate.track_BK, world.drifted_from).all()
    assert not np.isin(slate.track_BK, own).any()


def test_a_playlist_that_stands_alone_falls_back_and_says_so(
    world: PlantedWorld, pipeline: Pipeline, facts: Facts
) -> None:
    history = history_of(world, world.drifted_user)
    slate = scenes.make("playlists").recommend(pipeline, history, 6, Asked(facts=facts, playlist="lone"))
    assert "no other playlist shares a track" in slate.note_B[0]
    assert (slate.track_BK > 0).all()


def test_playlists_are_ranked_by_what_the_user_is_likely_to_play(
    world: PlantedWorld, pipeline: Pipeline, facts: Facts
) -> None:
    ranked = Playlists(PlaylistsConfig()).rank(pipeline, history_of(world, world.drifted_user), 3, Asked(facts=facts))
    names = [facts.groups["playlist"].names[place - 1] for place in ranked.playlist_BK[0]]
    assert names[0].startswith("B ")
    assert (np.diff(ranked.score_BK[0]) <= 0).all()


def test_without_playlists_the_ranked_list_stands_in(world: PlantedWorld, pipeline: Pipeline) -> None:
    slate = scenes.make("playlists").recommend(pipeline, history_of(world, 1), 6)
    assert "the catalogue has no playlists" in slate.note_B[0]
    assert (slate.track_BK > 0).all()


def test_an_unknown_playlist_is_one_clear_line(world: PlantedWorld, pipeline: Pipeline, facts: Facts) -> None:
    with pytest.raises(ValueError, match="no playlist 'none': allowed are the ids of 10 playlists, such as"):
        scenes.make("playlists").recommend(pipeline, history_of(world, 1), 6, Asked(facts=facts, playlist="none"))


def groups(*members: tuple[int, ...], size: int) -> Groups:
    row_E = np.repeat(np.arange(len(members)), [len(tracks) for tracks in members])
    track_E = np.concatenate([np.array(tracks) for tracks in members])
    names = tuple(str(row) for row in range(len(members)))
    return Groups(
        ids=names, names=names, member_GT=sum_pairs(row_E, track_E, np.ones(len(row_E)), (len(members), size))
    )


def test_votes_come_from_other_playlists_and_rare_tracks_say_more() -> None:
    playlists = groups((1, 2, 3), (1, 4), (2, 5), (2, 6), (2, 7), (3, 8), size=9)
    nothing = Groups()
    query_QT = sum_pairs(np.zeros(2, int), np.array([1, 2]), np.ones(2), (1, 9))
    config = ContinuationConfig(artist=0.0, album=0.0)
    score_T = continued(playlists, query_QT, config, artists=nothing, albums=nothing).toarray()[0]
    assert score_T[3] == score_T.max()  # shares both tracks
    assert score_T[4] > score_T[5] > 0  # track 1 is rarer than track 2
    assert score_T[8] == 0
    assert (score_T[[1, 2]] == 0).all()


def test_a_playlist_does_not_vote_for_itself() -> None:
    playlists = groups((1, 2), (2, 3), size=4)
    query_QT = sum_pairs(np.zeros(2, int), np.array([1, 2]), np.ones(2), (1, 4))
    config = ContinuationConfig(artist=0.0, album=0.0)
    scored = continued(playlists, query_QT, config, artists=Groups(), albums=Groups())
    assert scored.indices.tolist() == [3]


def test_artists_raise_what_no_playlist_knows() -> None:
    playlists = groups((1, 2), (2, 3), size=6)
    artists = groups((1, 3), (2,), (4, 5), size=6)
    query_QT = sum_pairs(np.zeros(1, int), np.array([1]), np.ones(1), (1, 6))
    scored = continued(playlists, query_QT, ContinuationConfig(), artists=artists, albums=Groups())
    assert set(scored.indices.tolist()) == {2, 3}
