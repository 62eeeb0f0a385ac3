"""Index: the vectors of all tracks, searched by inner product; exact and approximate behind one interface.

An index gives each query the tracks whose vectors agree with it most. `exact` looks at every vector, `ann` at the few lists
whose centre agrees with the query. Changing an index (`add`, `remove`) while others search it is not safe: change a copy
and publish it (see swap.py). Q queries, B rows, K found tracks (interests, where it stands before D), D dimensions,
N tracks of the index.
"""

from pathlib import Path
from typing import Protocol, Self, cast

from ritornello import plugins
from ritornello.contracts import Float32, Int32
from ritornello.index.filter import Filter
from ritornello.index.found import Found


class Index(Protocol):
    """What every index can do; `version` names the training whose vectors it holds."""

    version: str

    def __len__(self) -> int:
        """Return the number of tracks."""
        ...

    def build(self, track_N: Int32, vector_ND: Float32) -> Self:
        """Take these tracks in place of all others."""
        ...

    def search(self, query_QD: Float32, k: int, allowed: Filter | None = None) -> Found:
        """Return each query's best `k` tracks by inner product; a query of zeros is a query like any other."""
        ...

    def search_many(self, query_BKD: Float32, k: int, allowed: Filter | None = None) -> Found:
        """Return each row's best `k` tracks by their best product with the row's vectors; vectors of zeros are absent."""
        ...

    def add(self, track_N: Int32, vector_ND: Float32) -> None:
        """Add tracks; one that is here already gets the new vector."""
        ...

    def remove(self, track_N: Int32) -> None:
        """Forget tracks; unknown ones are skipped."""
        ...

    def save(self, folder: Path) -> None:
        """Write the index into a folder."""
        ...

    def load(self, folder: Path, *, mmap: bool = True) -> Self:
        """Read what `save` wrote; mapped, processes share the memory, and `add` and `remove` are refused."""
        ...


INDEXES = {
    "exact": "ritornello.index.exact:Exact",
    "ann": "ritornello.index.ann:Ann",
}


def make(name: str, settings: dict[str, object] | None = None) -> Index:
    """Build the empty index of that name, or of a "module:Class" path, with its defaults overridden by `settings`.

    Raises:
        ValueError: for a name that is neither, or a setting the index does not have.
    """
    component = plugins.find("index", name, INDEXES)
    return cast(Index, plugins.configured(component, settings, where=f"index.{name}"))
