"""Feedback over HTTP: each kind becomes the event that is meant, with its place in the slate, or leans the session."""

import pytest

from ritornello.artifacts import Workspace
from ritornello.schema import ONE_DAY_MS, ONE_MINUTE_MS
from ritornello.serve.tokens import give_token

USER = "favourite-user"


def ask(client, scene="personal_fm", **wish):
    answer = client.post("/v1/recommend", json={"user_id": USER, "k": 12, "scene": scene, **wish})
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(slate):
    return [track["track_id"] for track in slate["tracks"]]


def say(client, kind, status=200, user_id=USER, **body):
    answer = client.post("/v1/feedback", json={"user_id": user_id, "kind": kind, **body})
    assert answer.status_code == status, answer.text
    return answer.json()


def live_events(client):
    return [event for event in client.get(f"/v1/users/{USER}/export").json()["events"] if event["origin"] == "live"]


@pytest.mark.parametrize("kind", ["like", "dislike", "unlike"])
def test_a_verdict_is_the_event_of_that_name_in_its_place(client, kind):
    slate = ask(client)
    third = slate["tracks"][2]
    said = say(client, kind, request_id=slate["request_id"], position=3)
    assert (said["track_id"], said["kind"], said["status"]) == (third["track_id"], kind, "stored")
    (event,) = live_events(client)
    assert event["action"] == kind
    assert event["event_id"] == said["event_id"]
    assert (event["request_id"], event["position"], event["scene"]) == (slate["request_id"], 3, "personal_fm")
    assert event["propensity"] == pytest.approx(third["propensity"])
    again = say(client, kind, request_id=slate["request_id"], track_id=third["track_id"])
    assert again["status"] == "duplicate"


@pytest.mark.parametrize(("kind", "ratio"), [("skip", 0.0), ("finish", 1.0)])
def test_skips_and_finishes_are_plays_of_the_right_length(client, kind, ratio):
    slate = ask(client)
    track = slate["tracks"][0]["track_id"]
    length = client.get(f"/v1/tracks/{track}").json()["track_ms"]
    say(client, kind, request_id=slate["request_id"], track_id=track)
    (event,) = live_events(client)
    assert (event["action"], event["played_ms"], event["track_ms"]) == ("play", int(ratio * length), length)


def test_a_length_is_asked_for_where_nobody_knows_it(client):
    assert "give track_ms" in say(client, "skip", status=400, track_id="not-in-the-catalogue")["error"]
    say(client, "skip", track_id="not-in-the-catalogue", track_ms=100_000, played_ms=39_999)
    (event,) = live_events(client)
    assert (event["played_ms"], event["track_ms"]) == (39_999, 100_000)


def test_three_skips_silence_an_artist_and_a_like_brings_it_back(client, clock):
    slate = ask(client)
    by_artist = [track for track in slate["tracks"] if track["artist"] is not None]
    artist = by_artist[0]["artist"]

    def shown():
        return sum(track["artist"] == artist for track in ask(client)["tracks"])

    assert shown() > 0
    for number in range(3):
        clock.now += ONE_MINUTE_MS
        say(client, "skip", request_id=slate["request_id"], position=by_artist[0]["position"], event_id=str(number))
    assert shown() == 0
    say(client, "like", request_id=slate["request_id"], position=by_artist[0]["position"])
    assert shown() > 0


def test_an_unlike_brings_the_verdict_from_before_the_like_back(client, clock):
    track = ids(ask(client))[0]
    seen = []
    for kind in ("dislike", "like", "unlike"):
        clock.now += ONE_MINUTE_MS
        say(client, kind, track_id=track)
        seen.append(track in ids(ask(client, scene="similar", seeds=["favourite"], k=100)))
    assert seen == [False, True, False]


def test_a_like_that_was_taken_back_is_not_heard(client, clock):
    def heard():
        tracks = ask(client, scene="none", k=100)["tracks"]
        return {track["track_id"] for track in tracks if track["heard"]}

    before = heard()
    new = next(track for track in ids(ask(client, scene="none", only="unheard")) if track not in before)
    say(client, "like", track_id=new)
    assert heard() == before | {new}
    clock.now += 1
    say(client, "unlike", track_id=new)
    assert heard() == before


def test_more_and_less_lean_the_session_and_end_with_it(client, clock, world):
    genre = {row["track_id"]: row["genre"] for row in world.tracks.iter_rows(named=True)}

    def rank_of(tracks, wanted):
        places = [place for place, track in enumerate(tracks) if genre[track] == wanted]
        return sum(places) / len(places)

    wish = {"scene": "similar", "seeds": ["favourite"], "k": 30}
    usual = ids(ask(client, **wish))
    wanted = next(track for track in reversed(usual) if genre[track] not in (None, genre[usual[0]]))
    say(client, "more", track_id=wanted)
    more = ids(ask(client, **wish))
    assert rank_of(more, genre[wanted]) < rank_of(usual, genre[wanted])
    say(client, "less", track_id=wanted)
    less = ids(ask(client, **wish))
    assert rank_of(less, genre[wanted]) > rank_of(more, genre[wanted]), "the last word counts"
    clock.now += 29 * ONE_MINUTE_MS
    assert ids(ask(client, **wish)) == less
    clock.now += ONE_MINUTE_MS
    assert ids(ask(client, **wish)) == usual
    assert live_events(client) == [], "a leaning is no event"


def test_what_is_said_today_does_not_change_todays_mix(client, clock):
    clock.now += ONE_DAY_MS
    mix = ids(ask(client, scene="daily_mix"))
    say(client, "less", track_id=mix[0])
    say(client, "dislike", track_id=mix[1])
    assert ids(ask(client, scene="daily_mix")) == mix


def test_leanings_are_exported_and_forgotten(client, clock):
    assert say(client, "more", track_id="favourite", at=clock.now)["status"] == "stored"
    assert say(client, "more", track_id="favourite", at=clock.now)["status"] == "duplicate"
    profile = client.get(f"/v1/users/{USER}/export").json()["profile"]
    assert profile["leanings"] == [{"track_id": "favourite", "at": clock.now, "is_more": True}]
    client.delete(f"/v1/users/{USER}")
    assert client.get(f"/v1/users/{USER}/export").json()["profile"]["leanings"] == []


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("like", {}, "no track is named"),
        ("like", {"position": 1}, "no track is named"),
        ("like", {"request_id": "REQUEST"}, "no track is named"),
        ("like", {"request_id": "nobody's", "position": 1}, "no slate of this user"),
        ("like", {"request_id": "OTHER", "position": 1}, "no slate of this user"),
        ("like", {"request_id": "OTHER", "track_id": "favourite"}, "no slate of this user"),
        ("like", {"request_id": "REQUEST", "position": 13}, "allowed are 1 to 12"),
        ("like", {"request_id": "REQUEST", "track_id": "not-in-the-catalogue"}, "is not in the slate"),
        ("like", {"track_id": "favourite", "played_ms": 5}, "allowed with skip, finish"),
        ("like", {"track_id": "favourite", "at": 10**14}, "from the future"),
        ("more", {"track_id": "favourite", "at": 10**14}, "from the future"),
        (
            "skip",
            {"track_id": "favourite", "track_ms": 1000, "played_ms": 400},
            "are no skip: allowed is less than 40%",
        ),
        ("finish", {"track_id": "favourite", "track_ms": 1000, "played_ms": 899}, "90% or more for a finish"),
        ("adore", {"track_id": "favourite"}, "$.kind"),
    ],
)
def test_what_cannot_be_meant_is_one_line(client, kind, body, said):
    requests = {
        "REQUEST": ask(client)["request_id"],
        "OTHER": client.post("/v1/recommend", json={"user_id": "pair-1", "k": 3}).json()["request_id"],
    }
    named = {name: requests.get(value, value) if name == "request_id" else value for name, value in body.items()}
    error = say(client, kind, status=400, **named)["error"]
    assert said in error
    assert "\n" not in error
    assert live_events(client) == []


def test_a_track_and_a_position_that_differ_are_told(client):
    slate = ask(client)
    error = say(client, "like", status=400, request_id=slate["request_id"], track_id=ids(slate)[0], position=2)["error"]
    assert error.endswith("is at 1")
    assert say(client, "more", status=404, track_id="not-in-the-catalogue")["error"].startswith("unknown track")


def test_a_slate_of_long_ago_still_takes_a_like_by_its_track(client, clock):
    slate = ask(client)
    clock.now += 2 * ONE_DAY_MS
    ask(client)
    assert say(client, "like", request_id=slate["request_id"], track_id=ids(slate)[0])["status"] == "stored"
    say(client, "like", status=400, request_id=slate["request_id"], position=1)


def test_nobody_speaks_for_another(client, root):
    token = give_token(Workspace(root), "pair-1", is_operator=False)
    headers = {"Authorization": f"Bearer {token}"}
    body = {"user_id": USER, "kind": "like", "track_id": "favourite"}
    assert client.post("/v1/feedback", json=body, headers=headers).status_code == 403
    assert client.post("/v1/feedback", json={**body, "user_id": "pair-1"}, headers=headers).status_code == 200
