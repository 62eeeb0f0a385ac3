"""The live history is what a log with all events in it would give, in whatever order they were posted."""

from dataclasses import fields
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ritornello.artifacts import Workspace
from ritornello.contracts import History
from ritornello.data.labels import play_ratio
from ritornello.data.sequence import encode, from_events
from ritornello.data.sources.planted import PlantedWorld
from ritornello.schema import ONE_MINUTE_MS, Action
from ritornello.serve.history import histories
from ritornello.serve.snapshot import Snapshot, open_snapshot
from ritornello.serve.state import LiveEvent
from ritornello.serve.state.sqlite import SQLiteState

USERS = ("favourite-user", "one-listen", "newcomer")


@pytest.fixture(scope="module")
def snapshot(template: Path) -> Snapshot:
    return open_snapshot(Workspace(template))


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory):
    opened = SQLiteState(tmp_path_factory.mktemp("state") / "state.sqlite")
    yield opened
    opened.close()


@st.composite
def posted(draw: st.DrawFn) -> list[LiveEvent]:
    """Draw distinct events, some at one moment, some between those of the log, in any order."""
    drawn = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["favourite", "pair-first", "A-01", "not-in-the-catalogue"]),
                st.integers(-90_000, 5).map(lambda minutes: minutes * ONE_MINUTE_MS),
                st.sampled_from([Action.PLAY, Action.LIKE, Action.UNLIKE, Action.IMPRESSION, Action.DISLIKE]),
                st.one_of(st.none(), st.integers(0, 300_000)),
                st.one_of(st.none(), st.integers(0, 300_000)),
            ),
            max_size=12,
            unique_by=lambda event: event[:3],
        )
    )
    return [
        LiveEvent(
            user_id="",
            event_id=f"e{place}",
            track_id=track,
            at=moment,
            action=int(action),
            played_ms=played_ms,
            track_ms=track_ms,
        )
        for place, (track, moment, action, played_ms, track_ms) in enumerate(drawn)
    ]


def recomputed(world: PlantedWorld, snapshot: Snapshot, user_id: str, events: list[LiveEvent], at: int) -> History:
    """Return the history from one list of all events, in plain Python and by the encoder of the log."""
    log = world.sequences
    row_of = {name: row for row, name in enumerate(world.track_ids, start=1)}
    length_of = dict(zip(world.tracks["track_id"], world.tracks["track_ms"], strict=True))
    mine, seen = np.flatnonzero(log.user_E == (snapshot.users.row(user_id) or -1)), set()
    rows = list(zip(log.at_E[mine], log.track_E[mine], log.action_E[mine], log.play_ratio_E[mine], strict=True))
    for event in sorted(events, key=lambda event: (event.at, event.event_id)):
        if event.action != Action.IMPRESSION and event.track_id in row_of:
            played_ms = np.array([np.nan if event.played_ms is None else event.played_ms], float)
            track_ms = np.array([event.track_ms or length_of.get(event.track_id) or np.nan], float)
            rows.append((event.at, row_of[event.track_id], event.action, play_ratio(played_ms, track_ms)[0]))
    distinct = [row for row in rows if not (row[:3] in seen or seen.add(row[:3]))]
    at_E, track_E, action_E, ratio_E = zip(*distinct, strict=True) if distinct else ((), (), (), ())
    everything = from_events(
        np.ones(len(distinct), np.int32),
        np.array(track_E, np.int32),
        np.array(at_E, np.int64),
        np.array(action_E, np.int8),
        np.array(ratio_E, np.float32),
        num_users=1,
        num_tracks=log.num_tracks,
    )
    return encode(everything, np.array([1]), np.array([at]))


@given(data=st.data(), user_id=st.sampled_from(USERS), events=posted())
def test_the_order_of_posting_does_not_matter(world, snapshot, state, data, user_id, events):
    logged = world.sequences.at_E[world.sequences.user_E == (snapshot.users.row(user_id) or -1)].tolist()
    mine = [
        msgspec.structs.replace(
            event,
            user_id=user_id,
            at=data.draw(st.sampled_from([world.now + event.at, *logged[-3:]])),  # some at a moment of the log
        )
        for event in events
    ]
    state.writer.submit(lambda connection: connection.execute("DELETE FROM events")).result()
    shuffled = data.draw(st.permutations([*mine, *mine[:3]]))  # some are posted twice
    while shuffled:
        size = data.draw(st.integers(1, len(shuffled)))
        state.add_events(shuffled[:size]).result()
        shuffled = shuffled[size:]
    history_at = histories(snapshot, user_id, state.user(user_id))
    for at in (world.now + 1, world.now - 40_000 * ONE_MINUTE_MS):
        live, expected = history_at(at), recomputed(world, snapshot, user_id, mine, at)
        for field in fields(History):
            if field.name != "user_B":
                one, other = getattr(live, field.name), getattr(expected, field.name)
                assert one.dtype == other.dtype, field.name
                np.testing.assert_array_equal(one, other, err_msg=field.name)


def test_users_keep_their_rows_and_newcomers_have_one_behind_them(world, snapshot):
    assert snapshot.user_row("favourite-user") == world.favourite_user
    assert snapshot.user_row("newcomer") == snapshot.user_row("newcomer") > len(world.user_ids)
    assert snapshot.user_row("newcomer") != snapshot.user_row("another")
