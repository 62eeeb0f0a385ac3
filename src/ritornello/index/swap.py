"""Swap: replace what is served in one step, user tower and index together.

A request takes the snapshot once and asks only that. A later `publish` changes what the next request takes; the snapshot lives
on as long as a search holds it. A user tower and an index of different trainings give vectors that mean different things, so
they are refused together.
"""

from dataclasses import dataclass
from threading import Lock
from typing import Generic, Protocol, TypeVar

from ritornello.index import Index


class Tower(Protocol):
    """Whatever turns users into queries; only its version matters here."""

    @property
    def version(self) -> str:
        """Name of the training it comes from."""
        ...


T = TypeVar("T", bound=Tower)


@dataclass(frozen=True, kw_only=True, slots=True)
class Served(Generic[T]):
    """What one version serves."""

    version: str
    index: Index
    tower: T


class Swap(Generic[T]):
    """The snapshot being served; readers take no lock."""

    def __init__(self, served: Served[T]) -> None:
        self._lock = Lock()
        self._served = checked(served)

    def current(self) -> Served[T]:
        """Return the snapshot of the moment; keep it for the whole request."""
        return self._served

    def publish(self, served: Served[T]) -> Served[T]:
        """Serve this from now on, and return what was served before.

        Raises:
            ValueError: when its parts are of different versions.
        """
        checked(served)
        with self._lock:
            before, self._served = self._served, served
        return before


def checked(served: Served[T]) -> Served[T]:
    """Return a snapshot whose parts are of one version.

    Raises:
        ValueError: when they are not; it says which part is stale.
    """
    parts = {"user tower": served.tower.version, "index": served.index.version}
    stale = [f"the {name} is stale" for name, version in parts.items() if version != served.version]
    if stale:
        found = ", ".join(f"the {name} is of version {version!r}" for name, version in parts.items())
        raise ValueError(
            f"cannot serve version {served.version!r}: {found}; {' and '.join(stale)}, all must be the same"
        )
    return served
