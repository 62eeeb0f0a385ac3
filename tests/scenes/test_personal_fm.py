"""Personal FM answers the last event: skips, likes and plays of the running session change what comes next."""

import numpy as np
import pytest

from ritornello import scenes
from ritornello.contracts import History, Slate
from ritornello.data.sequence import encode
from ritornello.data.sources.planted import PlantedWorld
from ritornello.pipeline import Pipeline
from ritornello.schema import ONE_HOUR_MS, Action
from sittings import after

K = 10


def everyone(world: PlantedWorld) -> History:
    users = np.arange(1, world.sequences.num_users + 1)
    return encode(world.sequences, users, np.full(len(users), world.now))


def stream(pipeline: Pipeline, history: History, k: int = K, **settings: object) -> Slate:
    return scenes.make("personal_fm", settings).recommend(pipeline, history, k)


def exposure(pipeline: Pipeline, slate: Slate, artist_B: np.ndarray) -> float:
    """Return the share of shown slots that each row's artist has."""
    shown_BK = slate.track_BK > 0
    is_artist_BK = pipeline.stats.artist_T[slate.track_BK] == artist_B[:, None]
    return float((is_artist_BK & shown_BK).sum() / shown_BK.sum())


def test_after_a_skip_the_next_answer_differs(world: PlantedWorld, pipeline: Pipeline) -> None:
    history = everyone(world)
    first_B = stream(pipeline, history).track_BK[:, 0]
    then = stream(pipeline, after(history, first_B, ratio=0.05))
    assert (then.track_BK[:, 0] != first_B).all()
    assert not (then.track_BK == first_B[:, None]).any()


def test_three_skips_silence_an_artist_and_a_like_brings_it_back(world: PlantedWorld, pipeline: Pipeline) -> None:
    history = everyone(world)
    before = stream(pipeline, history, artist_cap=9)
    artist_B = pipeline.stats.artist_T[before.track_BK[:, 0]]
    heard = history
    for _ in range(3):
        slate = stream(pipeline, heard, artist_cap=9)
        is_artist_BK = pipeline.stats.artist_T[slate.track_BK] == artist_B[:, None]
        own_B = np.where(
            is_artist_BK.any(axis=1),
            slate.track_BK[np.arange(len(slate)), is_artist_BK.argmax(axis=1)],
            before.track_BK[:, 0],
        )
        heard = after(heard, own_B, ratio=0.05)
    usual, tired = exposure(pipeline, before, artist_B), exposure(pipeline, stream(pipeline, heard), artist_B)
    assert tired <= 0.2 * usual
    liked = stream(pipeline, after(heard, before.track_BK[:, 0], action=Action.LIKE), artist_cap=9)
    assert exposure(pipeline, liked, artist_B) >= 0.5 * usual


def test_one_skip_moves_an_artist_down_only(world: PlantedWorld, pipeline: Pipeline) -> None:
    history = everyone(world)
    before = stream(pipeline, history, artist_cap=9)
    artist_B = pipeline.stats.artist_T[before.track_BK[:, 0]]
    once = stream(pipeline, after(history, before.track_BK[:, 0], ratio=0.05), artist_cap=9)
    assert 0 < exposure(pipeline, once, artist_B) < exposure(pipeline, before, artist_B)


def test_a_session_is_forgotten_after_a_pause(world: PlantedWorld, pipeline: Pipeline) -> None:
    history = everyone(world)
    first_B = stream(pipeline, history, explore=0.0).track_BK[:, 0]
    heard = after(history, first_B)
    later = History(
        user_B=heard.user_B,
        as_of_B=heard.as_of_B + ONE_HOUR_MS,
        track_BL=heard.track_BL,
        action_BL=heard.action_BL,
        at_BL=heard.at_BL,
        play_ratio_BL=heard.play_ratio_BL,
        session_BL=heard.session_BL,
    )
    assert not (stream(pipeline, heard).track_BK == first_B[:, None]).any()
    assert (stream(pipeline, later).track_BK == first_B[:, None]).any()
    assert (stream(pipeline, heard, repeats=True).track_BK == first_B[:, None]).any()


def test_a_whole_session_never_repeats(world: PlantedWorld, pipeline: Pipeline) -> None:
    history = everyone(world).rows(slice(0, 6))
    played: list[np.ndarray] = []
    for turn in range(15):
        next_B = stream(pipeline, history, 1).track_BK[:, 0]
        played.append(next_B)
        history = after(history, next_B, ratio=1.0 if turn % 3 else 0.1)
    for tracks in np.array(played).T:
        known = tracks[tracks > 0]
        assert len(set(known.tolist())) == len(known)


def test_where_nothing_is_left_the_session_starts_again_and_says_so(world: PlantedWorld, pipeline: Pipeline) -> None:
    history = everyone(world).rows(slice(0, 2))
    for track in range(1, world.sequences.num_tracks + 1):
        history = after(history, track, ratio=1.0)
    slate = stream(pipeline, history)
    assert (slate.track_BK[:, 0] > 0).all()
    assert all("starts again" in note for note in slate.note_B)


def test_propensities_are_what_chance_does(world: PlantedWorld, pipeline: Pipeline) -> None:
    history = everyone(world)
    slate = stream(pipeline, history, explore=0.25)
    assert slate.propensity_BK is not None
    shown = slate.propensity_BK[slate.track_BK > 0]
    by_rule = np.isclose(shown, 0.75)
    by_chance = (shown > 0) & (shown <= 0.25)
    assert (by_rule | by_chance | (shown == 1.0)).all()
    assert by_chance.mean() == pytest.approx(0.25, abs=0.08)
    sure = stream(pipeline, history, explore=0.0)
    assert sure.propensity_BK is not None
    assert (sure.propensity_BK[sure.track_BK > 0] == 1.0).all()
