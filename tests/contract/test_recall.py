"""The laws of recall: every channel of the table keeps them, with its defaults and with every other setting.

A new channel needs no test here but one line in ANSWERS: whom it answers in the planted world, and what.
"""

from functools import cache
from importlib import import_module

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from contract.settings import ALONGSIDE, fields_of, other_values
from ritornello import recall
from ritornello.artifacts import map_arrays, save_arrays
from ritornello.contracts import Candidates, History
from ritornello.data import split
from ritornello.data.knowledge import Knowledge
from ritornello.data.labels import LISTENS
from ritornello.data.sequence import Sequences, encode, from_events
from ritornello.data.sources.planted import planted_world
from ritornello.recall import CHANNELS, Channel
from ritornello.recall.merge import recall as best

# Whom a channel answers in the planted world, the answer, among which tracks, and how near to the top it has to be.
ANSWERS = {
    "popular": ("unknown_user", "popular_track", "any", 1),
    "fresh": ("unknown_user", "fresh_track", "any", 1),
    "relisten": ("favourite_user", "favourite_track", "any", 1),
    "item2item": ("neighbour_user", "neighbour_track", "unheard", 1),
    "colisten": ("neighbour_user", "neighbour_track", "unheard", 1),
    "transitions": ("pair_user", "pair_second", "any", 1),
    "sessions": ("pair_user", "pair_second", "any", 2),
    "factors": ("neighbour_user", "neighbour_track", "unheard", 1),
    "neighbours": ("neighbour_user", "neighbour_track", "unheard", 1),
    "vector": ("neighbour_user", "neighbour_track", "unheard", 3),
    "interests": ("neighbour_user", "neighbour_track", "unheard", 3),
    "graph": ("graph_user", "graph_track", "unheard", 1),
}

# Fitting these takes a moment: the fast lane has their defaults only.
LEARNED = ("vector", "interests")

VARIANTS = [
    pytest.param(
        name, field, id=f"{name}-{field or 'defaults'}", marks=pytest.mark.slow if name in LEARNED and field else ()
    )
    for name, path in CHANNELS.items()
    for field in (None, *fields_of(getattr(import_module(path.partition(":")[0]), path.partition(":")[2]).Config))
]
every_channel = pytest.mark.parametrize("name", CHANNELS)
every_variant = pytest.mark.parametrize(("name", "field"), VARIANTS)


def config_of(name: str) -> type[msgspec.Struct]:
    module, _, attribute = CHANNELS[name].partition(":")
    config: type[msgspec.Struct] = getattr(import_module(module), attribute).Config
    return config


def fit(name: str, known: Sequences, settings: dict[str, object] | None = None) -> Channel:
    return recall.make(name, settings).fit(known, planted_world().now, known_of(known, planted_world().now))


def known_of(known: Sequences, at: int) -> Knowledge:
    return planted_world().knowledge.before(at, played=known.num_tracks)


@cache
def fitted(name: str, field: str | None = None) -> Channel:
    """Return a channel with its defaults, or with a small value in one field."""
    world = planted_world()
    settings = {} if field is None else {field: sharpest(name, field)}
    return fit(name, split.before(world.sequences, world.now), settings)


def sharpest(name: str, field: str) -> object:
    """Return the smallest of the other values: limits bite there."""
    others = other_values(name, field, fields_of(config_of(name))[field])
    return min(others, key=lambda other: other if isinstance(other, int | float) else 0)


def scores(channel: Channel, history: History) -> NDArray[np.float32]:
    """Return what a channel thinks of every track."""
    given = channel.score(history)
    row_P, track_P = np.divmod(np.arange(len(history) * given.num_columns), given.num_columns)
    return given.at(row_P, track_P).reshape(len(history), -1)


def same_lists(left: Candidates, right: Candidates) -> None:
    """Hold two answers equal; tracks may swap where their scores agree to 1e-5."""
    left_score, right_score = left.channel_score_BNC[:, :, 0], right.channel_score_BNC[:, :, 0]
    np.testing.assert_array_equal(left.track_BN != 0, right.track_BN != 0)
    np.testing.assert_allclose(left_score, right_score, rtol=1e-5, atol=1e-6)
    for row in np.flatnonzero((left.track_BN != right.track_BN).any(axis=1)):
        slot = np.flatnonzero(left.track_BN[row] != right.track_BN[row])
        gap = np.abs(np.diff(left_score[row]))
        is_tied = np.minimum(np.r_[gap, np.inf][slot], np.r_[np.inf, gap][slot]) <= 1e-5 * np.abs(left_score[row][slot])
        assert is_tied.all(), f"row {row}: {left.track_BN[row][slot]} became {right.track_BN[row][slot]}"


def padded(history: History, more: int) -> History:
    """Return the same history with more slots of padding on the left."""

    def pad(array: NDArray[np.generic], fill: float) -> NDArray[np.generic]:
        return np.pad(array, [(0, 0), (more, 0)], constant_values=fill)

    return History(
        user_B=history.user_B,
        as_of_B=history.as_of_B,
        track_BL=pad(history.track_BL, 0),
        action_BL=pad(history.action_BL, 0),
        at_BL=pad(history.at_BL, 0),
        play_ratio_BL=pad(history.play_ratio_BL, np.nan),
        session_BL=pad(history.session_BL, -1),
    )


def heard_by(history: History, row: int) -> set[int]:
    """Return what a row has heard, in plain Python."""
    events = zip(history.track_BL[row].tolist(), history.action_BL[row].tolist(), strict=True)
    return {track for track, action in events if track and action in LISTENS}


@every_variant
def test_lists_are_at_most_k_wide_distinct_and_best_first(name, field, everybody):
    for k in (1, 7, 1000):
        candidates = best(fitted(name, field), everybody, k, name=name)
        assert candidates.channels == (name,)
        assert candidates.track_BN.shape == (len(everybody), k)
        for row in range(len(everybody)):
            check_row(candidates, row)


def check_row(candidates: Candidates, row: int) -> None:
    """Hold one list to its order."""
    track_N = candidates.track_BN[row]
    count = np.count_nonzero(track_N)
    assert (track_N[:count] > 0).all(), "padding lies at the end"
    assert len(set(track_N[:count].tolist())) == count, "each track once"
    assert candidates.channel_rank_BNC[row, :count, 0].tolist() == list(range(1, count + 1))
    assert (np.diff(candidates.score_BN[row, :count]) < 0).all()
    score_N = candidates.channel_score_BNC[row, :count, 0]
    assert (np.diff(score_N) <= 1e-5 * np.abs(score_N[1:]) + 1e-7).all(), "best first"
    assert np.isneginf(candidates.score_BN[row, count:]).all()
    assert not candidates.channel_rank_BNC[row, count:].any()


@every_channel
def test_only_tracks_that_the_channel_knows_are_proposed(name, world, everybody):
    cut = world.now - 30 * 86_400_000
    known = split.before(world.sequences, cut)
    channel = recall.make(name).fit(known, cut, known_of(known, cut))
    candidates = best(channel, everybody, 1000)
    num_known = known_of(known, cut).num_tracks
    assert num_known < world.sequences.num_tracks
    assert candidates.track_BN.max(initial=0) <= num_known
    assert np.isfinite(scores(channel, everybody)).all()


@every_variant
def test_padding_changes_nothing(name, field, everybody):
    channel = fitted(name, field)
    np.testing.assert_allclose(scores(channel, padded(everybody, 9)), scores(channel, everybody), rtol=1e-5, atol=1e-6)
    same_lists(best(channel, padded(everybody, 9), 20), best(channel, everybody, 20))


@every_variant
def test_a_row_alone_is_answered_as_in_a_batch(name, field, world, everybody):
    channel = fitted(name, field)
    together = scores(channel, everybody)
    for row in range(len(everybody)):
        alone = encode(world.sequences, everybody.user_B[row : row + 1], everybody.as_of_B[row : row + 1])
        np.testing.assert_allclose(scores(channel, alone)[0], together[row], rtol=1e-5, atol=1e-6)


@every_variant
def test_the_order_of_the_batch_does_not_matter(name, field, everybody):
    channel = fitted(name, field)
    order = np.random.default_rng(3).permutation(len(everybody))
    for only in ("any", "heard", "unheard"):
        shuffled = best(channel, everybody.rows(order), 10, only=only)
        straight = best(channel, everybody, 10, only=only)
        same_lists(shuffled, rows_of(straight, order))


def rows_of(candidates: Candidates, order: NDArray[np.intp]) -> Candidates:
    return Candidates(
        channels=candidates.channels,
        track_BN=candidates.track_BN[order],
        score_BN=candidates.score_BN[order],
        channel_score_BNC=candidates.channel_score_BNC[order],
        channel_rank_BNC=candidates.channel_rank_BNC[order],
    )


@every_variant
def test_it_survives_the_disk(name, field, tmp_path, everybody):
    channel = fitted(name, field)
    save_arrays(tmp_path / "channel", channel.arrays())
    settings = {} if field is None else {field: sharpest(name, field)}
    loaded = recall.make(name, settings).restore(map_arrays(tmp_path / "channel"))
    np.testing.assert_array_equal(scores(loaded, everybody), scores(channel, everybody))
    assert loaded.arrays().keys() == channel.arrays().keys()
    for key, array in channel.arrays().items():
        np.testing.assert_array_equal(loaded.arrays()[key], array)


@every_channel
def test_two_fits_are_identical(name, known):
    first, second = fit(name, known).arrays(), fit(name, known).arrays()
    assert first.keys() == second.keys()
    for key, array in first.items():
        assert array.dtype != object, "what is saved holds no objects"
        np.testing.assert_array_equal(second[key], array)


@every_channel
def test_it_learns_from_mapped_arrays(name, known, tmp_path):
    known.save(tmp_path)
    for key, array in fit(name, Sequences.load(tmp_path)).arrays().items():
        np.testing.assert_array_equal(array, fitted(name).arrays()[key])


@every_channel
def test_scoring_leaves_the_channel_and_the_history_alone(name, everybody):
    channel = fitted(name)
    before = {key: array.copy() for key, array in channel.arrays().items()}
    track_BL = everybody.track_BL.copy()
    best(channel, everybody, 10, only="unheard")
    for key, array in channel.arrays().items():
        np.testing.assert_array_equal(array, before[key])
    np.testing.assert_array_equal(everybody.track_BL, track_BL)


@every_channel
@pytest.mark.parametrize("only", ["any", "heard", "unheard"])
def test_users_with_little_or_no_history_are_answered(name, only, world):
    hard = (world.unknown_user, 10_000, world.one_listen_user, world.short_user, world.tied_user)
    for users in (*([user] for user in hard), []):
        history = encode(world.sequences, np.array(users, np.int32), np.full(len(users), world.now))
        assert best(fitted(name), history, 5, only=only).track_BN.shape == (len(users), 5)


@every_channel
def test_a_log_of_one_play_can_be_learned_from(name, world):
    one = from_events(
        np.array([1], np.int32),
        np.array([1], np.int32),
        np.array([world.now - 1]),
        np.array([2], np.int8),
        np.array([np.nan], np.float32),
        num_users=1,
        num_tracks=1,
    )
    history = encode(one, np.array([1, 0]), np.full(2, world.now))
    candidates = best(fit(name, one), history, 3)
    assert candidates.track_BN.max(initial=0) <= known_of(one, world.now).num_tracks


@every_channel
def test_a_filter_keeps_the_right_tracks_and_all_of_them(name, everybody):
    channel = fitted(name)
    free, heard, unheard = (best(channel, everybody, 1000, only=only) for only in ("any", "heard", "unheard"))
    for row in range(len(everybody)):
        mine = heard_by(everybody, row)
        lists = [{*candidates.track_BN[row].tolist()} - {0} for candidates in (free, heard, unheard)]
        assert lists[1] <= mine
        assert not lists[2] & mine
        assert lists[0] == lists[1] | lists[2]


@every_channel
def test_the_future_changes_nothing(name, world):
    cut = world.now - 20 * 86_400_000
    rng = np.random.default_rng(5)
    full = world.sequences
    is_future_E = full.at_E >= cut
    other_track_E = np.where(is_future_E, rng.integers(1, full.num_tracks + 1, len(full)), full.track_E)
    other = from_events(
        full.user_E,
        other_track_E.astype(np.int32),
        full.at_E,
        full.action_E,
        full.play_ratio_E,
        num_users=full.num_users,
        num_tracks=full.num_tracks,
    )
    user_B = np.arange(1, full.num_users + 1)
    results = []
    for sequences in (full, other):
        channel = recall.make(name).fit(known := split.before(sequences, cut), cut, known_of(known, cut))
        results.append(scores(channel, encode(sequences, user_B, np.full(len(user_B), cut))))
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize(("name", "field"), [variant.values for variant in VARIANTS if variant.values[1]])
def test_every_setting_changes_an_output(name, field, known, everybody):
    default = fields_of(config_of(name))[field]
    alongside = ALONGSIDE.get((name, field), {})
    usual = scores(fit(name, known, alongside) if alongside else fitted(name), everybody)
    tried = other_values(name, field, default)
    for other in tried:
        if not np.allclose(scores(fit(name, known, alongside | {field: other}), everybody), usual, rtol=1e-6, atol=0):
            return
    pytest.fail(f"{name}.{field}: {default!r} and {tried} give the same scores; a setting that does nothing is to go")


@every_channel
def test_it_finds_its_planted_answer(name, world):
    assert name in ANSWERS, f"say in ANSWERS which answer of the planted world {name!r} has to find"
    who, what, only, within = ANSWERS[name]
    history = encode(world.sequences, np.array([getattr(world, who)]), np.array([world.now]))
    found = best(fitted(name), history, within, only=only).track_BN[0].tolist()
    assert getattr(world, what) in found


@every_channel
def test_a_wrong_setting_is_refused_with_what_is_allowed(name):
    with pytest.raises(ValueError, match=f"recall.{name}.*allowed are"):
        recall.make(name, {"no_such_setting": 1})


def test_the_table_takes_a_class_by_its_path_and_says_what_is_wrong():
    assert isinstance(recall.make(CHANNELS["popular"]), type(recall.make("popular")))
    with pytest.raises(ValueError, match="unknown recall channel 'nope': allowed are popular"):
        recall.make("nope")
