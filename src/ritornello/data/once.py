"""Once: what is read of a history, kept as long as the history lives, for all the parts of a request that ask for it."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

from ritornello.contracts import History

T = TypeVar("T")


def once(read: Callable[[History], T]) -> Callable[[History], T]:
    """Read a history the first time and remember the answer, which nobody may change."""
    known: WeakKeyDictionary[History, T] = WeakKeyDictionary()

    @wraps(read)
    def reading(history: History) -> T:
        if history not in known:
            known[history] = read(history)
        return known[history]

    return reading
