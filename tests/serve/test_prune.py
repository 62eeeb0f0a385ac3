"""Pruning: the rows of the live state go down once the log has them, and no answer changes."""

import pytest

from ritornello.artifacts import Workspace
from ritornello.data.ingest import ingest
from ritornello.data.prepare import prepare
from ritornello.scenes import SCENES
from ritornello.schema import ONE_DAY_MS, ONE_MINUTE_MS, Action
from ritornello.serve.export import export_events
from ritornello.serve.prune import WINDOW_DAYS, prune
from ritornello.serve.state import LiveEvent
from ritornello.serve.state.sqlite import open_state

USERS = ("pair-1", "favourite-user", "newcomer")


def post(client, **event):
    answer = client.post("/v1/events", json=event)
    assert answer.status_code == 200, answer.text
    return answer.json()


def learn(client, root, tmp_path, clock) -> None:
    """Put the live events into the log, as the next training does, and let the service take it in."""
    workspace = Workspace(root)
    export_events(workspace, tmp_path / "live.parquet")
    ingest(workspace, [tmp_path / "live.parquet"], now_ms=clock.now)
    prepare(workspace)
    follower = client.app.state.service.follower
    follower.check()
    follower.refresh(rests=False)


def answers(client) -> list[object]:
    """Return what everybody is told once all is taken in: slates of every scene, and events without where they are kept."""
    client.app.state.service.follower.refresh(rests=False)
    found: list[object] = []
    for user in USERS:
        for scene in ("none", *SCENES):
            slate = client.post("/v1/recommend", json={"user_id": user, "scene": scene, "k": 12}).json()
            found.append([slate["at"], slate["notes"], slate["tracks"]])
        events = client.get(f"/v1/users/{user}/export").json()["events"]
        found.append(
            [(event["track_id"], event["at"], event["action"]) for event in events if event["action"] != "impression"]
        )
    return found


@pytest.fixture
def lived(client, root, tmp_path, clock):
    """A service with events of every kind, which the log has; the clock is where they are old."""
    for place in range(12):
        at = clock.now - place * 7 * ONE_MINUTE_MS
        for user in USERS:
            track = ("pair-first", "favourite", "B-01")[place % 3]
            action = ("play", "play", "like", "unlike")[place % 4]
            played = 1000 * place if action == "play" else None
            post(client, user_id=user, track_id=track, at=at, action=action, played_ms=played, event_id=f"e{place}")
    slate = client.post("/v1/recommend", json={"user_id": "pair-1", "k": 5}).json()
    post(client, user_id="pair-1", action="impression", request_id=slate["request_id"])
    client.delete("/v1/users/pair-1/events", params={"track_id": "pair-first", "at": clock.now})
    client.delete("/v1/users/pair-1/events", params=client.get("/v1/users/pair-1/export").json()["events"][0])
    learn(client, root, tmp_path, clock)
    clock.now += (WINDOW_DAYS + 1) * ONE_DAY_MS
    return client


def rows(root) -> int:
    with open_state(Workspace(root)) as state:
        return state.count_rows()


def test_rows_go_down_and_no_answer_changes(lived, root, clock):
    before, kept_before = answers(lived), rows(root)
    report = prune(Workspace(root), now=clock.now)
    assert report.events == 12 * len(USERS) - 1 + 5, "all but the one that was taken back, and the impressions"
    assert report.leftovers >= 1, "the event behind a mark; the service itself may have let go of the old slates before"
    assert report.kept == rows(root) < kept_before
    assert answers(lived) == before
    assert prune(Workspace(root), now=clock.now).events == 0


def test_what_was_taken_back_stays_away_and_what_is_posted_again_counts_once(lived, root, clock):
    before = answers(lived)
    prune(Workspace(root), now=clock.now)
    again = clock.now - (WINDOW_DAYS + 1) * ONE_DAY_MS
    for user in USERS:  # of pair-1 it was taken back
        assert post(lived, user_id=user, track_id="pair-first", at=again, event_id="e0")["stored"] == 1
    assert answers(lived) == before
    assert prune(Workspace(root), now=clock.now).events == 2
    assert answers(lived) == before


def test_an_id_is_remembered_through_the_window(lived, root, clock):
    clock.now -= 2 * ONE_DAY_MS
    assert prune(Workspace(root), now=clock.now).events == 0
    assert post(lived, user_id="pair-1", track_id="other", event_id="e3")["duplicates"] == 1
    clock.now += 2 * ONE_DAY_MS
    assert prune(Workspace(root), now=clock.now).events > 0


def test_what_the_log_does_not_have_stays(lived, root, clock):
    old = clock.now - (WINDOW_DAYS + 2) * ONE_DAY_MS
    post(lived, user_id="pair-1", track_id="favourite", at=old)
    post(lived, user_id="pair-1", track_id="not-in-the-catalogue", at=old)
    post(lived, user_id="pair-1", track_id="favourite", at=old, action="impression")
    post(lived, user_id="never-seen", track_id="favourite", at=old)
    prune(Workspace(root), now=clock.now)
    with open_state(Workspace(root)) as state:
        left = sorted((event.user_id, event.track_id, event.at) for event in state.every_event())
    assert left == [
        ("never-seen", "favourite", old),
        ("pair-1", "favourite", old),
        ("pair-1", "favourite", old),
        ("pair-1", "not-in-the-catalogue", old),
    ]


def test_the_events_of_a_user_who_was_forgotten_and_came_back_stay(client, root, tmp_path, clock):
    client.delete("/v1/users/pair-1")
    post(client, user_id="pair-1", track_id="favourite", at=clock.now)
    learn(client, root, tmp_path, clock)
    clock.now += (WINDOW_DAYS + 1) * ONE_DAY_MS
    before = answers(client)
    assert prune(Workspace(root), now=clock.now).events == 0, "the log of a forgotten user does not count"
    assert answers(client) == before


def test_an_event_that_is_taken_back_meanwhile_stays_so(root):
    event = LiveEvent(user_id="u", event_id="e", track_id="t", at=5, action=int(Action.PLAY))
    with open_state(Workspace(root)) as state:
        state.add_events([event]).result()
        (old,) = state.old_events(10)
        state.remove_event("u", "t", 5, int(Action.PLAY)).result()
        assert state.drop_events([old]).result() == 0
        assert state.user("u").removed == {("t", 5, int(Action.PLAY))}
        assert state.drop_leftovers(10, 10).result() == 1
        state.add_events([event]).result()
        assert state.user("u").events == []


def test_nothing_goes_where_nothing_is_served(tmp_path, root, clock):
    (root / "bundles" / "current").unlink()
    with pytest.raises(ValueError, match="no trained bundle"):
        prune(Workspace(root), now=clock.now)
