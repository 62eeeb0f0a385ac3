"""Days: where a listener's own day begins, and which day it is, in a time zone with its summer times.

A day may have 23 or 25 hours. Where a midnight does not exist the day begins at the moment of the leap, where there are two
at the first of them.
"""

from datetime import UTC, date, datetime, tzinfo
from zoneinfo import ZoneInfo

UTC_ZONE = "UTC"
EPOCH = date(1970, 1, 1).toordinal()


def zone_of(name: str) -> tzinfo:
    """Return the zone of that IANA name.

    Raises:
        ValueError: when there is no such zone.
    """
    if name == UTC_ZONE:
        return UTC  # known everywhere, with or without a data base of zones
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # an unknown name, no name of a zone, a folder of zones
        raise ValueError(f"time zone {name!r} is unknown: allowed are IANA names, as in Europe/Paris") from error


def start_of_day(at: int, zone: str) -> int:
    """Return the moment at which the day of a moment began, all in UTC ms.

    >>> start_of_day(90_000_000, "UTC")
    86400000
    """
    local = datetime.fromtimestamp(at / 1000, zone_of(zone))
    return int(local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).timestamp()) * 1000


def day_number(at: int, zone: str) -> int:
    """Return the date of a moment, counted in days from 1970.

    >>> day_number(90_000_000, "UTC")
    1
    """
    return datetime.fromtimestamp(at / 1000, zone_of(zone)).date().toordinal() - EPOCH
