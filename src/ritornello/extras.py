"""Extras: what only some installs have, as torch to train with; what is missing is told in one line, with how to get it."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needing(extra: str, need: str, *, otherwise: str = "") -> Iterator[None]:
    """Import what an extra brings; `need` says who needs what of it, `otherwise` how to do without.

    Raises:
        ValueError: where it cannot be imported.
    """
    try:
        yield
    except ImportError as error:
        way_out = f", or {otherwise}" if otherwise else ""
        raise ValueError(f"{need}: pip install 'ritornello[{extra}]'{way_out} ({error})") from error
