"""Days of listeners: each begins at its own midnight, whatever the clocks do."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ritornello import scenes
from ritornello.data.sequence import encode
from ritornello.scenes import Asked
from ritornello.scenes.days import day_number, start_of_day, zone_of
from ritornello.schema import ONE_DAY_MS, ONE_HOUR_MS

# Summer times on both sides of the world, a midnight that is leapt over, one that comes twice, half hours, a day left out.
ZONES = [
    "UTC",
    "Asia/Tokyo",
    "Asia/Kolkata",
    "America/Los_Angeles",
    "Europe/London",
    "Africa/Cairo",
    "America/Havana",
    "Australia/Lord_Howe",
    "Pacific/Apia",
]


def ms(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


@given(at=st.integers(ms("2000-01-01"), ms("2035-01-01")), zone=st.sampled_from(ZONES))
def test_a_day_begins_on_its_own_date_and_not_before(at, zone):
    began = start_of_day(at, zone)
    assert began <= at
    assert day_number(began, zone) == day_number(at, zone)
    assert day_number(began - 1, zone) < day_number(at, zone)
    assert start_of_day(began, zone) == began


@pytest.mark.parametrize(
    ("zone", "morning", "began"),
    [
        ("Asia/Tokyo", "2026-03-10 08:00", "2026-03-09 15:00"),
        ("America/Los_Angeles", "2026-01-10 08:00", "2026-01-10 08:00"),
        ("Europe/London", "2026-03-30 08:00", "2026-03-29 23:00"),
        ("Africa/Cairo", "2026-04-24 08:00", "2026-04-23 22:00"),
        ("America/Havana", "2026-11-01 08:00", "2026-11-01 04:00"),
    ],
)
def test_days_begin_when_they_do_there(zone, morning, began):
    assert start_of_day(ms(morning, zone), zone) == ms(began)


@pytest.mark.parametrize(("date", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_days_with_a_change_of_clocks_are_shorter_or_longer(date, hours):
    noon = ms(f"{date} 12:00", "Europe/London")
    tomorrow = ms(f"{datetime.fromisoformat(date).date() + timedelta(days=1)} 12:00", "Europe/London")
    days = [start_of_day(at, "Europe/London") for at in (noon, tomorrow)]
    assert days[1] - days[0] == hours * ONE_HOUR_MS


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles", "Europe/London"])
def test_the_daily_mix_is_that_of_the_listeners_day(zone, world, pipeline, facts):
    scene = scenes.make("daily_mix")
    user_B = np.arange(world.sequences.num_users + 1, dtype=np.int32)

    def mix(at: int):
        moment = scene.moment(at, zone)
        history = encode(world.sequences, user_B, np.full(len(user_B), moment))
        return scene.recommend(pipeline, history, 20, Asked(facts=facts, time_zone=zone)).track_BK

    midnight = scene.moment(world.now, zone)
    assert datetime.fromtimestamp(midnight / 1000, ZoneInfo(zone)).hour == 0
    tomorrow = scene.moment(midnight + 30 * ONE_HOUR_MS, zone)
    np.testing.assert_array_equal(mix(midnight), mix(tomorrow - 1))
    assert not np.array_equal(mix(midnight), mix(midnight - 1))
    assert not np.array_equal(mix(midnight), mix(tomorrow))


def test_two_midnights_in_one_day_of_utc_are_two_days(world, pipeline, facts):
    scene = scenes.make("daily_mix")
    zone = "Europe/London"
    days = [scene.moment(ms(f"2036-03-{day} 12:00", zone), zone) for day in (30, 31)]
    assert len({at // ONE_DAY_MS for at in days}) == 1, "the clocks change: both midnights are of the 30th in UTC"
    histories = [encode(world.sequences, np.array([1]), np.array([at])) for at in days]
    lists = [scene.recommend(pipeline, one, 20, Asked(facts=facts, time_zone=zone)).track_BK for one in histories]
    assert not np.array_equal(*lists)


@pytest.mark.parametrize(
    "name", ["Mars/Olympus", "", "Europe", "../../etc/passwd", "/etc/passwd", "Europe/Par\0is", "x" * 300]
)
def test_a_zone_that_does_not_exist_is_told(name):
    with pytest.raises(ValueError, match="is unknown: allowed are IANA names"):
        zone_of(name)


def test_utc_needs_no_data_base_of_zones():
    assert zone_of("UTC") is UTC
