"""What was said in a session counts until a pause ends the session, whether plays or words fill it."""

import pytest

from ritornello.rerank.rules import Rules
from ritornello.schema import ONE_MINUTE_MS, Action
from ritornello.serve.asking import leaning, of_session
from ritornello.serve.state import Leaning, LiveEvent, LiveUser, Profile

SAID = Leaning(track_id="t", at=100 * ONE_MINUTE_MS, is_more=True)


def user(*minutes: int, said: tuple[Leaning, ...] = (SAID,)) -> LiveUser:
    events = [
        LiveEvent(user_id="u", event_id=str(at), track_id="x", at=at * ONE_MINUTE_MS, action=int(Action.PLAY))
        for at in minutes
    ]
    return LiveUser(events=events, removed=frozenset(), is_forgotten=False, profile=Profile(leanings=said))


@pytest.mark.parametrize(
    ("minutes", "moment", "holds"),
    [
        ((), 101, True),
        ((), 129, True),
        ((), 130, False),
        ((), 100, False),
        ((120, 140), 160, True),
        ((120, 140), 170, False),
        ((70, 80), 129, True),
        ((140,), 141, False),
        ((140, 150), 120, True),
    ],
)
def test_it_holds_as_long_as_the_session_runs(minutes, moment, holds):
    assert of_session(user(*minutes), moment * ONE_MINUTE_MS) == ([SAID] if holds else [])


def test_words_keep_a_session_going_too():
    later = Leaning(track_id="s", at=SAID.at + 25 * ONE_MINUTE_MS, is_more=False)
    said = of_session(user(said=(SAID, later)), later.at + 25 * ONE_MINUTE_MS)
    assert said == [SAID, later]
    assert leaning(Rules(more=("m",)), said) == Rules(more=("m", "t"), less=("s",))
