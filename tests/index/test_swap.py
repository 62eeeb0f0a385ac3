"""Hot swap: versions stay together, readers are never disturbed."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event

import numpy as np
import pytest
from numpy.typing import NDArray

from ritornello import index
from ritornello.contracts import Float32
from ritornello.index import INDEXES
from ritornello.index.swap import Served, Swap

NUM_VERSIONS = 5
NUM_THREADS = 4
NUM_SEARCHES = 10_000
SIZE = 64


@dataclass(frozen=True)
class Tower:
    """Asks for the one direction that stands for its version."""

    version: str

    def query(self) -> Float32:
        return np.eye(NUM_VERSIONS, dtype=np.float32)[None, int(self.version)]


def served(name: str, version: int) -> Served[Tower]:
    """Make a version whose best track is 1 + version, where its own tower asks; any other tower finds another."""
    track_N = np.arange(1, SIZE + 1, dtype=np.int32)
    vector_ND = np.full((SIZE, NUM_VERSIONS), 0.1, np.float32)
    vector_ND[(np.arange(NUM_VERSIONS) * 7 + version * 11) % SIZE, np.arange(NUM_VERSIONS)] = 1
    vector_ND[:, version] = 0.1
    vector_ND[version, version] = 2
    made = index.make(name, {"small": 8, "probes": 1000, "probes_many": 1000} if name == "ann" else None).build(
        track_N, vector_ND
    )
    made.version = str(version)
    return Served(version=str(version), index=made, tower=Tower(str(version)))


@pytest.mark.parametrize("name", INDEXES)
def test_searches_see_one_version_while_versions_are_swapped(name: str) -> None:
    versions = [served(name, version) for version in range(NUM_VERSIONS)]
    for tower in range(NUM_VERSIONS):
        for other in versions:
            answer = int(other.index.search(versions[tower].tower.query(), 1).track_QK[0, 0])
            assert (answer == tower + 1) == (other is versions[tower]), "only its own index knows a tower's answer"
    swap, is_over = Swap(versions[0]), Event()

    def ask(num: int) -> NDArray[np.intp]:
        seen_V = np.zeros(NUM_VERSIONS, np.intp)
        for _ in range(num):
            now = swap.current()
            assert now.index.search(now.tower.query(), 1).track_QK.tolist() == [[int(now.version) + 1]]
            seen_V[int(now.version)] += 1
        return seen_V

    def publish() -> int:
        num_swaps = 0
        while not is_over.is_set():
            num_swaps += 1
            swap.publish(versions[num_swaps % NUM_VERSIONS])
            is_over.wait(0.0002)
        return num_swaps

    with ThreadPoolExecutor(NUM_THREADS + 1) as pool:
        publishing = pool.submit(publish)
        asking = [pool.submit(ask, NUM_SEARCHES // NUM_THREADS) for _ in range(NUM_THREADS)]
        try:
            seen_V = np.sum([one.result() for one in asking], axis=0)
        finally:
            is_over.set()
        assert publishing.result() > 50
    assert seen_V.sum() == NUM_SEARCHES
    assert (seen_V > 0).all()


def test_publish_gives_back_what_was_served_and_that_keeps_working() -> None:
    first, second = served("exact", 1), served("exact", 2)
    swap = Swap(first)
    held = swap.current()
    assert swap.publish(second) is first
    assert swap.current() is second
    assert held.index.search(held.tower.query(), 1).track_QK.tolist() == [[2]]


@pytest.mark.parametrize(
    ("tower", "other", "stale"),
    [
        ("1", "2", "the user tower is stale,"),
        ("2", "1", "the index is stale,"),
        ("1", "0", "the user tower is stale and"),
    ],
)
def test_parts_of_different_versions_are_refused(tower: str, other: str, stale: str) -> None:
    swap = Swap(served("exact", 1))
    before = swap.current()
    wrong = served("exact", 2)
    wrong.index.version = other
    found = f"the user tower is of version '{tower}', the index is of version '{other}'"
    with pytest.raises(ValueError, match=f"cannot serve version '2': {found}; {stale}"):
        swap.publish(Served(version="2", index=wrong.index, tower=Tower(tower)))
    assert swap.current() is before
