"""Logged slates: what was offered together, and what became of it, on offers made by hand."""

import numpy as np
import polars as pl

from ritornello.data.impressions import MOST_SCENES, WIDTH, Slates, answers, lay_out, offer_outcomes
from ritornello.data.outcomes import OUTCOMES
from ritornello.data.sequence import from_events
from ritornello.schema import (
    AT,
    ONE_HOUR_MS,
    ONE_MINUTE_MS,
    POSITION,
    PROPENSITY,
    REQUEST_ID,
    SCENE,
    TRACK_IDX,
    USER_IDX,
    Action,
)

NAN = np.nan
START = 50 * 24 * ONE_HOUR_MS
COLUMNS = {
    USER_IDX: pl.Int32,
    REQUEST_ID: pl.String,
    AT: pl.Int64,
    TRACK_IDX: pl.Int32,
    POSITION: pl.Int32,
    PROPENSITY: pl.Float32,
    SCENE: pl.String,
}


def laid_out(
    *offers: tuple[int, str | None, int, int, int | None, float | None], scenes: tuple[str | None, ...] = ()
) -> Slates:
    rows = [(*offer, scene) for offer, scene in zip(offers, scenes or [None] * len(offers), strict=True)]
    return lay_out(pl.DataFrame(rows, schema=COLUMNS, orient="row"))


def test_offers_of_one_request_are_a_slate_and_those_without_stand_alone():
    slates = laid_out(
        (1, "a", 100, 6, 1, None),
        (1, "a", 103, 5, 2, 0.1),  # once more in the same slate: the first counts
        (1, "a", 100, 5, 0, 0.5),
        (2, "a", 90, 7, None, None),  # another's request of the same name
        (1, None, 50, 5, 3, 0.25),
        (1, None, 50, 6, None, None),
    )
    assert slates.user_Q.tolist() == [1, 1, 2, 1]
    assert slates.at_Q.tolist() == [50, 50, 90, 100]
    assert slates.track_QN.tolist() == [[5, 0], [6, 0], [7, 0], [5, 6]]
    assert slates.position_QN.tolist() == [[3, -1], [-1, -1], [-1, -1], [0, 1]]
    assert slates.at_QN.tolist() == [[50, 0], [50, 0], [90, 0], [100, 100]]
    np.testing.assert_array_equal(slates.propensity_QN, [[0.25, NAN], [NAN, NAN], [NAN, NAN], [0.5, NAN]])
    assert slates.between(50, 100).track_QN.tolist() == [[5, 0], [6, 0], [7, 0]]
    assert len(slates.between(101, 200)) == 0


def test_the_first_places_of_a_long_slate_are_kept():
    slates = laid_out(*((1, "a", 100, 40 - place, place, None) for place in range(WIDTH + 5)))
    assert slates.track_QN.tolist() == [[40 - place for place in range(WIDTH)]]
    assert len(laid_out()) == 0


def test_the_scene_of_a_slate_is_that_of_its_first_offer():
    slates = laid_out(
        (1, "a", 100, 5, 0, None),
        (1, "a", 101, 6, 1, None),
        (1, "b", 200, 5, 0, None),
        (2, "c", 300, 5, 0, None),
        (2, "d", 400, 5, 0, None),
        scenes=("home", "radio", "radio", None, ""),
    )
    assert slates.scenes == ("radio", "home")
    assert slates.scene_Q.tolist() == [2, 1, 0, 0]
    assert slates.between(150, 350).scene_Q.tolist() == [1, 0]
    assert slates.sample(2, 0).scenes == slates.scenes
    assert laid_out((1, "a", 100, 5, 0, None)).scenes == ()


def test_only_the_most_frequent_scenes_are_told_apart():
    names = tuple(f"scene {number:02}" for number in range(MOST_SCENES + 3))
    offers = [(1, f"{name} {time}", time, 5, 0, None) for name in names for time in (1, 2)]
    of_offer = tuple(name for name in names for _ in (1, 2))
    rare = (1, "rare", 3, 5, 0, None)
    slates = laid_out(*offers, rare, scenes=(*of_offer, "a rare one"))
    assert slates.scenes == names[:MOST_SCENES]
    assert slates.scene_Q[-1] == 0
    assert np.bincount(slates.scene_Q).tolist() == [7, *[2] * MOST_SCENES]


def test_slates_come_back_from_disk_and_old_ones_have_no_scene(tmp_path):
    slates = laid_out((1, "a", 100, 5, 0, 0.5), (2, "b", 200, 6, 1, None), scenes=("home", "r\u00e4dio"))
    slates.save(tmp_path / "slates.npz")
    found = Slates.load(tmp_path / "slates.npz")
    assert found.scenes == slates.scenes == ("home", "r\u00e4dio")
    for name in set(Slates.__slots__) - {"scenes"}:
        np.testing.assert_array_equal(getattr(found, name), getattr(slates, name))
    with np.load(tmp_path / "slates.npz") as archive:
        np.savez(tmp_path / "old.npz", **{name: archive[name] for name in archive if not name.startswith("scene")})
    old = Slates.load(tmp_path / "old.npz")
    assert (old.scenes, old.scene_Q.tolist(), old.user_Q.tolist()) == ((), [0, 0], [1, 2])


def test_a_play_within_half_an_hour_answers_an_offer():
    minute = ONE_MINUTE_MS
    plays = [
        (1, 100 + 10, 5, 0.1),  # the first play after the offer counts
        (1, 100 + 20, 5, 1.0),
        (1, 100 + 31, 6, 1.0),  # too late
        (1, 100 - 1, 7, 1.0),  # before the offer
        (1, 100, 8, 0.95),  # at once
        (1, 100 + 30, 9, NAN),  # just in time, for an unknown time
        (2, 100 + 5, 3, 1.0),  # somebody else
    ]
    user_E, minute_E, track_E, ratio_E = (np.array(column) for column in zip(*plays, strict=True))
    sequences = from_events(
        user_E.astype(np.int32),
        track_E.astype(np.int32),
        START + minute_E.astype(np.int64) * minute,
        np.full(len(plays), Action.PLAY, np.int8),
        ratio_E.astype(np.float32),
        num_users=2,
        num_tracks=9,
    )
    at = START + 100 * minute
    offers = [(1, "a", at, track, track, None) for track in (3, 5, 6, 7, 8, 9)]
    slates = laid_out(*offers, (2, "b", at, 3, 0, None))
    outcome_QNT = offer_outcomes(sequences, slates, answers(sequences, slates))
    assert outcome_QNT.shape == (2, 6, len(OUTCOMES))
    of = {name: outcome_QNT[..., place] for place, name in enumerate(OUTCOMES)}
    # the padding behind the one offer of the second slate is unknown
    np.testing.assert_array_equal(of["play"], [[0, 1, 0, 0, 1, 1], [1, *[NAN] * 5]])
    np.testing.assert_array_equal(of["finish"], [[NAN, 0, NAN, NAN, 1, NAN], [1, *[NAN] * 5]])
    np.testing.assert_array_equal(of["skip"], [[NAN, 1, NAN, NAN, 0, NAN], [0, *[NAN] * 5]])
    np.testing.assert_allclose(of["share"], [[NAN, 0.1, NAN, NAN, 0.95, NAN], [1, *[NAN] * 5]], rtol=1e-6)
    assert np.isnan(of["like"]).all()


def test_a_scene_that_came_later_is_not_known_before():
    nothing = np.zeros((3, 1))
    slates = Slates(
        user_Q=np.array([1, 1, 2], np.int32),
        at_Q=np.array([10, 20, 30], np.int64),
        scene_Q=np.array([2, 0, 1], np.int8),
        track_QN=nothing.astype(np.int32),
        at_QN=nothing.astype(np.int64),
        position_QN=nothing.astype(np.int32),
        propensity_QN=nothing.astype(np.float32),
        scenes=("radio", "home"),
    )
    early, late = slates.before(30), slates.before(31)
    assert (early.scenes, early.scene_Q.tolist()) == (("home",), [1, 0])
    assert (late.scenes, late.scene_Q.tolist()) == (slates.scenes, [2, 0, 1])
    assert len(slates.before(10)) == 0 and slates.before(10).scenes == ()
