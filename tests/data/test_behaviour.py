"""Histories by behaviour: which events belong where, which are kept, and how batches are put together."""

from dataclasses import fields

import numpy as np
import pytest

from ritornello.contracts import History
from ritornello.data import behaviour
from ritornello.data.behaviour import AGE, BACK, DOMAINS, GAP, NUM_BACK, SHARE, Domain, behaviour_of, nothing
from ritornello.data.sequence import encode, from_events
from ritornello.schema import ONE_DAY_MS, ONE_HOUR_MS, ONE_MINUTE_MS, Action

NOW = 100 * ONE_DAY_MS
NAN = np.nan
# user, hours before NOW, track, action, listened share
ROWS = [
    (1, 50.0, 1, Action.PLAY, 1.0),
    (1, 49.9, 2, Action.PLAY, 0.1),
    (1, 49.8, 1, Action.LIKE, NAN),
    (1, 30.0, 3, Action.SEARCH, NAN),
    (1, 30.0 - 1 / 60, 3, Action.PLAY, NAN),
    (1, 20.0, 4, Action.PLAYLIST_ADD, NAN),
    (1, 19.9, 4, Action.DOWNLOAD, NAN),
    (1, 19.8, 5, Action.SHARE, NAN),
    (1, 19.7, 5, Action.COMMENT, NAN),
    (1, 1.0, 6, Action.DISLIKE, NAN),
    (1, 0.5, 7, Action.PLAY, 0.6),
    (2, 5.0, 9, Action.PLAY, 0.9),
    (2, 4.0, 8, Action.PLAYLIST_REMOVE, NAN),
]


def history_of(rows: list[tuple[int, float, int, int, float]], num_users: int = 2) -> History:
    user_E, hours_E, track_E, action_E, ratio_E = (np.array(column) for column in zip(*rows, strict=True))
    sequences = from_events(
        user_E.astype(np.int32),
        track_E.astype(np.int32),
        np.round(NOW - hours_E * ONE_HOUR_MS).astype(np.int64),
        action_E.astype(np.int8),
        ratio_E.astype(np.float32),
        num_users=num_users,
        num_tracks=9,
    )
    return encode(sequences, np.arange(1, num_users + 1), np.full(num_users, NOW))


def test_every_event_lies_in_the_domain_of_its_behaviour():
    found = behaviour_of(history_of(ROWS))
    assert tuple(found) == DOMAINS
    assert {name: domain.track_BL.tolist() for name, domain in found.items()} == {
        "play": [[1, 3, 7], [0, 0, 9]],  # a play of unknown length is no skip
        "like": [[1], [0]],
        "add": [[4], [0]],
        "share": [[4, 5, 5], [0, 0, 0]],
        "search": [[3], [0]],
        "skip": [[2, 6], [0, 0]],
    }


def test_what_is_told_of_an_event():
    plays = behaviour_of(history_of(ROWS))["play"]
    np.testing.assert_allclose(plays.age_BL[0], [50.0, 30.0 - 1 / 60, 0.5], rtol=1e-6)
    assert plays.feature_BLF[0, :, 0].tolist() == [Action.PLAY] * 3
    # fifths of the track from 1, 0 for unknown: all of it, unknown, and 0.6 is the fourth fifth
    assert plays.feature_BLF[0, :, SHARE].tolist() == [5, 0, 4]
    # doublings of a minute since the event before it, whatever that was: none; 1 minute: floor(log2 2) + 1 = 2;
    # 30 minutes: floor(log2 31) + 1 = 5
    assert plays.feature_BLF[0, :, GAP].tolist() == [0, 2, 5]
    # 3000, 1799 and 30 minutes: floor(log2 3001) + 1 = 12, floor(log2 1800) + 1 = 11, floor(log2 31) + 1 = 5
    assert plays.feature_BLF[0, :, AGE].tolist() == [12, 11, 5]
    # sessions: 50 h, 30 h, 20 h, 1 h and 0.5 h ago, a pause of half an hour being the end of one
    assert plays.feature_BLF[0, :, BACK].tolist() == [4, 3, 0]
    assert not plays.feature_BLF[1, :2].any()


def test_sessions_are_counted_back_to_the_last_table_row():
    rows = [(1, 100.0 - hour, 1, Action.PLAY, 1.0) for hour in range(0, 30, 2)]
    back_L = behaviour_of(history_of(rows, num_users=1))["play"].feature_BLF[0, :, BACK]
    assert back_L.tolist() == [NUM_BACK - 1] * 8 + [6, 5, 4, 3, 2, 1, 0]


def test_the_newest_events_of_each_domain_are_kept(monkeypatch):
    monkeypatch.setattr(behaviour, "LENGTHS", behaviour.LENGTHS | {"play": 2, "share": 1})
    found = behaviour_of(history_of(ROWS))
    assert found["play"].track_BL.tolist() == [[3, 7], [0, 9]]
    assert found["share"].track_BL.tolist() == [[5], [0]]
    assert found["skip"].track_BL.tolist() == [[2, 6], [0, 0]]
    np.testing.assert_allclose(found["play"].age_BL, [[30.0 - 1 / 60, 0.5], [0.0, 5.0]], rtol=1e-6)


def test_who_has_done_nothing_has_one_empty_slot():
    found = behaviour_of(history_of(ROWS).rows(slice(0, 0)))
    assert all(domain.track_BL.shape == (0, 1) for domain in found.values())
    quiet = behaviour_of(history_of([(2, 1.0, 1, Action.PLAYLIST_REMOVE, NAN)]))
    for domain in quiet.values():
        assert domain.track_BL.tolist() == [[0], [0]]
        assert not domain.feature_BLF.any()


def test_rows_and_trimming():
    plays = behaviour_of(history_of(ROWS))["play"]
    second = plays.rows(np.array([1]))
    assert second.track_BL.tolist() == [[0, 0, 9]]
    assert second.trim().track_BL.tolist() == [[9]]
    assert second.trim().age_BL.tolist() == [[5.0]]
    assert second.trim().feature_BLF.shape == (1, 1, plays.feature_BLF.shape[2])
    assert plays.trim().track_BL.shape == plays.track_BL.shape
    emptied = nothing(plays)
    assert emptied.track_BL.shape == plays.track_BL.shape
    assert emptied.trim().track_BL.tolist() == [[0], [0]]
    assert not any(getattr(emptied, part.name).any() for part in fields(Domain))


def test_batches_below_each_other_are_as_one_batch():
    history = history_of(ROWS)
    whole = behaviour_of(history)
    stacked = behaviour.stack_behaviour([behaviour_of(history.rows(slice(row, row + 1))) for row in (0, 1)])
    for name in DOMAINS:
        for part in fields(Domain):
            np.testing.assert_array_equal(getattr(stacked[name], part.name), getattr(whole[name], part.name))


@pytest.mark.parametrize("before", [0, 3])
def test_padding_before_a_history_changes_nothing(before):
    history = history_of(ROWS)
    filled = {"play_ratio_BL": NAN, "session_BL": -1}
    arrays = {part.name: getattr(history, part.name) for part in fields(History)}
    for name in [name for name in arrays if name.endswith("BL")]:
        arrays[name] = np.pad(arrays[name], [(0, 0), (before, 0)], constant_values=filled.get(name, 0))
    found, expected = behaviour_of(History(**arrays)), behaviour_of(history)
    for name in DOMAINS:
        for part in fields(Domain):
            np.testing.assert_array_equal(getattr(found[name], part.name), getattr(expected[name], part.name))
    assert history.as_of_B[0] - history.at_BL[0, -1] == 30 * ONE_MINUTE_MS
