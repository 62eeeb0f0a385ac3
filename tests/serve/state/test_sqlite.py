"""Live state in SQLite: kept when told so, each event once, a failure of one write is nobody else's."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from ritornello.artifacts import Workspace
from ritornello.rerank.standing import StandingRules
from ritornello.schema import Action
from ritornello.serve.state import Holder, LiveEvent, Profile, ShownSlate
from ritornello.serve.state.sqlite import SQLiteState, open_state


def event(number: int, user_id: str = "u", **more: object) -> LiveEvent:
    return LiveEvent(
        user_id=user_id, event_id=f"e{number}", track_id="t", at=1000 + number, action=int(Action.PLAY), **more
    )


@pytest.fixture
def state(tmp_path: Path):
    with open_state(Workspace(tmp_path)) as opened:
        yield opened


def test_events_come_back_by_time_whatever_order_they_came_in(state):
    assert state.add_events([event(3), event(1)]).result() == [True, True]
    assert state.add_events([event(2), event(1)]).result() == [True, False]
    assert [found.event_id for found in state.user("u").events] == ["e1", "e2", "e3"]
    assert state.user("somebody else").events == []


def test_every_column_comes_back(state):
    full = event(1, played_ms=5, track_ms=9, scene="s", source="web", request_id="r", position=2, propensity=0.25)
    state.add_events([full]).result()
    assert state.user("u").events == [full]
    assert list(state.every_event()) == list(state.events_of("u")) == [full]
    assert list(state.events_of("v")) == []


def test_what_was_acknowledged_is_there_for_whoever_opens_the_file(state, tmp_path):
    state.add_events([event(1)]).result()
    with open_state(Workspace(tmp_path)) as other:
        assert other.user("u").events == [event(1)]
        assert other.add_events([event(1), event(2)]).result() == [False, True]
    assert len(state.user("u").events) == 2


def test_posts_at_once_keep_every_event_exactly_once(state):
    with ThreadPoolExecutor(8) as pool:
        batches = [[event(number) for number in range(start, start + 20)] for start in range(0, 400, 10)]
        kept = [future.result() for future in pool.map(state.add_events, batches)]
    assert sum(map(sum, kept)) == len(state.user("u").events) == 410


def test_a_write_that_fails_takes_no_other_with_it(state):
    good = state.add_events([event(1)])
    bad = state.writer.submit(lambda connection: connection.execute("INSERT INTO events (user_id) VALUES ('u')"))
    broken = state.writer.submit(lambda connection: int("no number"))
    last = state.add_events([event(2)])
    assert good.result() == last.result() == [True]
    for failed in (bad, broken):
        with pytest.raises((sqlite3.IntegrityError, ValueError)):
            failed.result()
    assert len(state.user("u").events) == 2


def test_who_goes_away_does_not_stop_the_writer(state):
    for number in range(50):
        state.add_events([event(number)]).cancel()
    assert state.add_events([event(99)]).result() == [True]


def test_a_removed_event_stays_away_under_any_id(state):
    state.add_events([event(1)]).result()
    again = LiveEvent(user_id="u", event_id="another", track_id="t", at=1001, action=int(Action.PLAY))
    assert state.remove_event("u", "t", 1001, int(Action.PLAY)).result() == 1
    assert state.remove_event("u", "t", 1001, int(Action.PLAY)).result() == 0
    state.add_events([event(1), again]).result()
    assert state.user("u").events == []
    assert state.user("u").removed == {("t", 1001, int(Action.PLAY))}
    assert list(state.every_event()) == []


def test_forgetting_leaves_nothing_of_a_user_and_all_of_the_others(state):
    state.add_events([event(1), event(1, "v")]).result()
    state.add_token("hash", Holder(user_id="u", is_operator=False)).result()
    assert state.forget("u").result() == 1
    assert state.user("u").events == []
    assert state.user("u").is_forgotten
    assert state.holder("hash") is None
    assert len(state.user("v").events) == 1


def test_what_a_user_has_told_is_changed_in_one_step_by_whoever_does_so(state, tmp_path):
    def one_more(profile: Profile) -> Profile:
        days = profile.rules.hide_heard_days + 1
        return msgspec.structs.replace(profile, rules=StandingRules(hide_heard_days=days))

    def refuse(_: Profile) -> Profile:
        raise KeyError("no")

    with open_state(Workspace(tmp_path)) as other:
        written = [keeper.change_profile("u", one_more) for keeper in (state, other) * 20]
        assert max(write.result().rules.hide_heard_days for write in written) == 40
    with pytest.raises(KeyError):
        state.change_profile("u", refuse).result()
    assert state.user("u").profile.rules == StandingRules(hide_heard_days=40)
    assert state.user("v").profile == Profile()
    state.forget("u").result()
    assert state.user("u").profile == Profile()


def test_a_file_that_is_no_database_is_told(tmp_path):
    (tmp_path / "state.sqlite").write_text("something else " * 100)
    with pytest.raises(ValueError, match="cannot be used as live state"):
        SQLiteState(tmp_path / "state.sqlite")
    with pytest.raises(ValueError, match="there is no workspace"), open_state(Workspace(tmp_path / "nowhere")):
        pass


def test_a_patient_write_goes_along_with_the_next(state):
    slate = ShownSlate(request_id="r", user_id="u", at=5, scene="none", track_ids=["t"], propensities=[None])
    shown = state.show(slate)
    assert not shown.done()
    assert state.shown("r").result() == slate
    assert shown.done()
    assert state.show(slate).result(timeout=20) is None


def test_a_full_disk_is_told_and_what_was_kept_stays(state):
    state.add_events([event(1)]).result()

    def limit(connection: sqlite3.Connection, pages: int) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    state.writer.submit(lambda connection: limit(connection, 1)).result()  # as small as it is now
    big = [event(number, source="x" * 200) for number in range(2, 2000)]
    with pytest.raises(sqlite3.OperationalError, match="full"):
        state.add_events(big).result()
    state.writer.submit(lambda connection: limit(connection, 10**6)).result()
    assert state.add_events(big).result() == [True] * len(big)
    assert len(state.user("u").events) == 1 + len(big)


def test_whoever_stops_reading_in_the_middle_blocks_nobody(state):
    state.add_events([event(number) for number in range(500)]).result()
    reading = state.every_event()
    next(reading)
    reading.close()
    state.add_events([event(999)]).result()
    assert len(list(state.every_event())) == 501
