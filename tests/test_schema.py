"""The vocabulary: numbers that are stored never change, names agree with each other."""

from ritornello.data.labels import LISTENS
from ritornello.schema import (
    ACTION_NAMES,
    AT,
    EVENT_ALIASES,
    EVENT_SCHEMA,
    ONE_DAY_MS,
    ONE_HOUR_MS,
    PADDING,
    TRACK_ALIASES,
    TRACK_ID,
    TRACK_SCHEMA,
    USER_ID,
    Action,
)


def test_the_numbers_of_actions_are_those_on_disk():
    stored = {
        "impression": 1, "play": 2, "like": 3, "unlike": 4, "dislike": 5, "playlist_add": 6,
        "playlist_remove": 7, "download": 8, "share": 9, "comment": 10, "search": 11,
    }  # fmt: skip
    assert stored == ACTION_NAMES
    assert PADDING not in ACTION_NAMES.values()
    assert set(LISTENS) <= set(Action)


def test_every_column_is_known_by_its_own_name_first():
    for aliases, columns in (
        (EVENT_ALIASES, [USER_ID, TRACK_ID, *EVENT_SCHEMA]),
        (TRACK_ALIASES, [TRACK_ID, *TRACK_SCHEMA]),
    ):
        assert set(aliases) == set(columns)
        for name, known in aliases.items():
            assert known[0] == name
    assert "timestamp" in EVENT_ALIASES[AT]


def test_units():
    assert ONE_DAY_MS == 24 * ONE_HOUR_MS == 86_400_000
