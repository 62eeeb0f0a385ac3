"""An unlike undoes a like: whoever liked and unliked is judged as though they had done neither, from the unlike on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ritornello import recall
from ritornello.data import features
from ritornello.data.labels import disliked
from ritornello.data.sequence import Sequences, encode, encode_as_logged, from_events, listens
from ritornello.recall.merge import merge
from ritornello.recall.query import heard, listened
from ritornello.rerank.session import PRAISE, weariness
from ritornello.schema import ONE_MINUTE_MS, Action

NUM_TRACKS = 4
ACTIONS = (Action.PLAY, Action.LIKE, Action.DISLIKE, Action.UNLIKE, Action.PLAYLIST_ADD, Action.SEARCH)
EVENTS = st.lists(st.tuples(st.integers(1, NUM_TRACKS), st.sampled_from(ACTIONS), st.sampled_from([np.nan, 0.1, 1.0])))
FITTED_BY_COUNTS = ("popular", "item2item", "colisten", "transitions", "sessions", "neighbours")


def sequences_of(events: list[tuple[int, Action, float]]) -> Sequences:
    """Return one user's events, a minute apart."""
    tracks, actions, ratios = zip(*events, strict=True) if events else ((), (), ())
    return from_events(
        np.ones(len(events), np.int32),
        np.array(tracks, np.int32),
        ONE_MINUTE_MS * np.arange(1, len(events) + 1),
        np.array(actions, np.int8),
        np.array(ratios, np.float32),
        num_users=1,
        num_tracks=NUM_TRACKS,
    )


def verdicts(events: list[tuple[int, Action, float]]) -> dict[str, object]:
    """Return what is made of one user's events: what they like, dislike, have heard and are tired of, and how often."""
    sequences = sequences_of(events)
    history = encode(sequences, np.array([1]), np.array([ONE_MINUTE_MS * (len(events) + 1)]))
    track_L, action_L = history.track_BL[0], history.action_BL[0]
    return {
        "disliked": disliked(action_L, track_L, history.at_BL[0]).tolist(),
        "disliked, by the log": disliked(sequences.action_E, sequences.track_E, sequences.at_E).tolist(),
        "praised": sorted(track_L[np.isin(action_L, PRAISE)].tolist()),
        "listened": sorted(track_L[listened(history)[0]].tolist()),
        "listened, by the log": sorted(sequences.track_E[listens(sequences)].tolist()),
        "heard": heard(history, NUM_TRACKS + 1).toarray().tolist(),
        "weary": weariness(track_L, action_L, history.play_ratio_BL[0], tired=3.0),
    }


@given(before=EVENTS, between=EVENTS, after=EVENTS, track=st.integers(1, NUM_TRACKS))
def test_like_and_unlike_give_the_verdicts_of_neither(before, between, after, track):
    like, unlike = (track, Action.LIKE, np.nan), (track, Action.UNLIKE, np.nan)
    before, between = (
        [one for one in part if one[:2] != like[:2]] for part in (before, between)
    )  # else it undoes more
    assert verdicts([*before, like, *between, unlike, *after]) == verdicts([*before, *between, *after])


@given(events=EVENTS)
def test_it_is_what_a_plain_construction_says(events):
    sequences = sequences_of(events)
    history = encode(sequences, np.array([1]), np.array([ONE_MINUTE_MS * (len(events) + 1)]))
    for place, (track, action, _) in enumerate(events):
        is_undone = action == Action.LIKE and (track, Action.UNLIKE) in [event[:2] for event in events[place:]]
        assert history.action_BL[0, place] == (Action.UNLIKE if is_undone else action)
    if events:
        raw = encode_as_logged(sequences, np.array([1]), history.as_of_B)
        np.testing.assert_array_equal(raw.action_BL[0], [action for _, action, _ in events])


def test_a_like_counts_until_it_is_taken_back_and_again_when_it_is_given_again():
    events = [(2, action, np.nan) for action in (Action.LIKE, Action.UNLIKE, Action.LIKE)]
    likes = [
        encode(sequences_of(events), np.array([1]), np.array([ONE_MINUTE_MS * at]))
        .action_BL[0]
        .tolist()
        .count(Action.LIKE)
        for at in (1, 2, 3, 4)
    ]
    assert likes == [0, 1, 0, 1]


def with_changed_mind(sequences: Sequences, *, undo: bool) -> Sequences:
    """Let every user like a track of theirs in the middle of a session, and take it back just after."""
    user_U = np.flatnonzero(np.diff(sequences.start_U) > 1)
    place_U = sequences.start_U[user_U]
    track_U = sequences.track_E[sequences.start_U[user_U + 1] - 1]
    more = [(1, Action.LIKE), (2, Action.UNLIKE)][: 1 + undo]
    return from_events(
        np.concatenate([sequences.user_E, *(user_U.astype(np.int32) for _ in more)]),
        np.concatenate([sequences.track_E, *(track_U for _ in more)]),
        np.concatenate([sequences.at_E, *(sequences.at_E[place_U] + later for later, _ in more)]),
        np.concatenate([sequences.action_E, *(np.full(len(user_U), action, np.int8) for _, action in more)]),
        np.concatenate([sequences.play_ratio_E, *(np.full(len(user_U), np.nan, np.float32) for _ in more)]),
        num_users=sequences.num_users,
        num_tracks=sequences.num_tracks,
    )


def everybody(sequences: Sequences, at: int):
    user_B = np.arange(1, sequences.num_users + 1)
    return encode(sequences, user_B, np.full(len(user_B), at))


@pytest.mark.parametrize("name", FITTED_BY_COUNTS)
def test_channels_learn_nothing_from_a_like_that_was_taken_back(name, world):
    history = everybody(world.sequences, world.now)

    def proposed(sequences: Sequences):
        channel = recall.fit(recall.make(name), sequences, world.now, world.knowledge)
        return merge({name: channel}, history, {name: 20})

    plain, undone, liked = (
        proposed(sequences)
        for sequences in (
            world.sequences,
            with_changed_mind(world.sequences, undo=True),
            with_changed_mind(world.sequences, undo=False),
        )
    )
    np.testing.assert_array_equal(undone.track_BN, plain.track_BN)
    np.testing.assert_allclose(undone.channel_score_BNC, plain.channel_score_BNC, rtol=1e-6)
    assert not np.array_equal(liked.channel_score_BNC, plain.channel_score_BNC), "a like that stands is learned from"


def test_features_of_listens_do_not_know_a_like_that_was_taken_back(world, pipeline):
    columns = ("own_listens", "own_activation_0.5", "own_newest_hours", "artist_listens")
    plain = everybody(world.sequences, world.now)
    candidates, _ = pipeline.propose(plain)

    def described(sequences: Sequences):
        batch = features.build(everybody(sequences, world.now), candidates, pipeline.stats, pipeline.spaces)
        return batch.feature_BNF[:, :, [batch.feature_names.index(name) for name in columns]]

    before = described(world.sequences)
    np.testing.assert_array_equal(described(with_changed_mind(world.sequences, undo=True)), before)
    assert not np.array_equal(described(with_changed_mind(world.sequences, undo=False)), before)
