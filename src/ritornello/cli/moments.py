"""Moments as options give them."""

from datetime import UTC, datetime

from ritornello.schema import LAST_MOMENT


def parse_moment(text: str) -> int:
    """Return UTC ms of epoch seconds or an ISO date.

    >>> parse_moment("1420535985"), parse_moment("2015-01-06T09:19:45")
    (1420535985000, 1420535985000)
    """
    at = read_number(text)
    if at is None:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise ValueError(
                f"{text!r} is no moment: allowed are epoch seconds, or an ISO date such as 2015-01-06T09:19:45"
            ) from error
        at = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    if not 0 <= at < LAST_MOMENT:
        raise ValueError(
            f"{text!r} is no moment of a log: allowed are 1970-01-01 to 9999-12-31 (are these milliseconds?)"
        )
    return at


def read_number(text: str) -> int | None:
    """Return UTC ms of epoch seconds, None where the text is no number."""
    try:
        return int(float(text) * 1000)
    except (ValueError, OverflowError):
        return None
