"""Users who come: created once however often, known by what they picked until they are by what they play, in their own day."""

from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest

from ritornello.artifacts import Workspace
from ritornello.scenes import SCENES
from ritornello.scenes.onboarding import BEGUN, ENOUGH_EVENTS, PICKED
from ritornello.schema import ONE_DAY_MS, ONE_HOUR_MS, ONE_MINUTE_MS
from ritornello.serve.tokens import give_token

USER = "newcomer"
PICKS = ["artist:B-artist-1", "artist:B-artist-2"]


def create(client, status=200, **body):
    answer = client.post("/v1/users", json={"user_id": USER, **body})
    assert answer.status_code == status, answer.text
    return answer.json()


def ask(client, **wish):
    answer = client.post("/v1/recommend", json={"user_id": USER, "k": 12, **wish})
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(slate):
    return [track["track_id"] for track in slate["tracks"]]


def test_a_user_is_created_once_however_often(client):
    assert create(client) == {"user_id": USER, "picks": [], "time_zone": "UTC"}
    full = create(client, picks=[*PICKS, PICKS[0]], time_zone="Asia/Tokyo")
    assert full == {"user_id": USER, "picks": PICKS, "time_zone": "Asia/Tokyo"}
    assert create(client) == create(client, picks=PICKS) == full, "what is not said stays as it was"
    assert create(client, picks=[])["picks"] == []


@pytest.mark.parametrize("scene", ["none", *SCENES])
def test_picks_personalise_the_first_slates_of_every_scene(client, world, scene):
    plain = ids(ask(client, scene=scene))
    create(client, picks=PICKS)
    slate = ask(client, scene=scene)
    assert PICKED in slate["notes"][0]
    assert not any(track["heard"] for track in slate["tracks"])
    of_taste = {world.track_ids[row - 1] for row in world.drifted_to}
    assert len(of_taste & set(ids(slate))) > len(of_taste & set(plain))
    client.delete(f"/v1/users/{USER}")
    assert ids(ask(client, scene=scene)) == plain


def test_picks_count_less_with_every_event_and_then_no_more(client, clock):
    def play(number):
        at = clock.now - (ENOUGH_EVENTS - number) * ONE_MINUTE_MS
        client.post("/v1/events", json={"user_id": USER, "track_id": f"A-{1 + number % 5:02}", "at": at})

    create(client, picks=PICKS)
    for number in range(ENOUGH_EVENTS - 1):
        play(number)
    picked = ask(client)
    assert picked["notes"] == [BEGUN]
    create(client, picks=[])
    assert ids(ask(client)) != ids(picked)
    create(client, picks=PICKS)
    play(ENOUGH_EVENTS - 1)
    last = ask(client)
    assert last["notes"] == []
    create(client, picks=[])
    assert ids(ask(client)) == ids(last)


def test_picks_that_the_catalogue_has_lost_are_left_out(client):
    plain = ask(client, scene="daily_mix")
    state = client.app.state.service.state
    state.change_profile(USER, lambda profile: msgspec.structs.replace(profile, picks=("artist:gone",))).result()
    lost = ask(client, scene="daily_mix")
    assert (ids(lost), lost["notes"]) == (ids(plain), plain["notes"])


def test_an_explanation_knows_the_picks(client):
    asked = {"user_id": USER, "track_id": "B-01"}
    before = client.get("/v1/explain", params=asked).json()["lines"]
    create(client, picks=PICKS)
    after = client.get("/v1/explain", params=asked).json()["lines"]
    assert after[0] == before[0] == "never played by this user"
    assert after != before


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"picks": ["artist:nobody"]}, "allowed are ids, or kind:id"),
        ({"picks": ["x"] * 101}, "$.picks"),
        ({"time_zone": "Mars/Olympus"}, "allowed are IANA names"),
        ({"time_zone": ""}, "$.time_zone"),
        ({"name": "Alice"}, "unknown field `name`"),
    ],
)
def test_what_cannot_be_is_one_line(client, body, said):
    assert said in create(client, status=400, **body)["error"]
    assert create(client) == {"user_id": USER, "picks": [], "time_zone": "UTC"}


def test_nobody_creates_another(client, root):
    token = give_token(Workspace(root), "pair-1", is_operator=False)
    headers = {"Authorization": f"Bearer {token}"}
    assert client.post("/v1/users", json={"user_id": USER}, headers=headers).status_code == 403
    assert client.post("/v1/users", json={"user_id": "pair-1"}, headers=headers).status_code == 200


def test_what_a_user_told_is_exported(client):
    create(client, picks=PICKS, time_zone="Asia/Tokyo")
    profile = client.get(f"/v1/users/{USER}/export").json()["profile"]
    assert (profile["picks"], profile["time_zone"]) == (PICKS, "Asia/Tokyo")


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/Los_Angeles"])
def test_the_daily_mix_stays_through_the_users_own_day(client, clock, zone):
    user = "favourite-user"

    def mix(**wish):
        body = {"user_id": user, "scene": "daily_mix", "k": 20, **wish}
        return ids(client.post("/v1/recommend", json=body).json())

    local = datetime.fromtimestamp(clock.now / 1000, ZoneInfo(zone))
    midnight = int(local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp() * 1000) + ONE_DAY_MS
    clock.now = midnight
    first = mix(time_zone=zone)
    client.post("/v1/users", json={"user_id": user, "time_zone": zone})
    for hours in range(0, 24, 3):
        clock.now = midnight + hours * ONE_HOUR_MS
        client.post("/v1/events", json={"user_id": user, "track_id": "B-01"})
        assert mix() == first
    clock.now = midnight + ONE_DAY_MS - 2
    assert mix() == first
    clock.now = midnight + ONE_DAY_MS
    assert mix() != first


def test_the_time_zone_of_the_request_comes_before_that_of_the_user(client, clock):
    clock.now -= clock.now % ONE_DAY_MS - 20 * ONE_HOUR_MS  # in Tokyo it is tomorrow, at five in the morning
    today, tomorrow = ids(ask(client, scene="daily_mix")), ids(ask(client, scene="daily_mix", time_zone="Asia/Tokyo"))
    assert today != tomorrow
    create(client, time_zone="Asia/Tokyo")
    assert ids(ask(client, scene="daily_mix")) == tomorrow
    assert ids(ask(client, scene="daily_mix", time_zone="UTC")) == today
    bad = client.post("/v1/recommend", json={"user_id": USER, "time_zone": "Mars/Olympus"})
    assert (bad.status_code, "allowed are IANA names" in bad.json()["error"]) == (400, True)
