"""Group commit: what waits together is one transaction, and nobody is answered before it is on disk."""

import sqlite3
from pathlib import Path
from threading import Event

import pytest

from ritornello.serve.state.group_commit import GroupCommit
from ritornello.serve.state.sqlite import connect


@pytest.fixture
def file(tmp_path: Path):
    connection = connect(tmp_path / "file.sqlite")
    connection.execute("CREATE TABLE numbers (number INTEGER)")
    yield connection
    connection.close()


@pytest.fixture
def writer(file, tmp_path: Path):
    opened = GroupCommit(connect(tmp_path / "file.sqlite"))
    yield opened
    opened.close()


def insert(number: int):
    return lambda connection: connection.execute("INSERT INTO numbers VALUES (?)", (number,)).rowcount


def numbers(file: sqlite3.Connection) -> list[int]:
    return [number for (number,) in file.execute("SELECT number FROM numbers ORDER BY number")]


def hold(begun: Event, go_on: Event):
    """Return work that stays inside its transaction until it is told to go on."""

    def work(_: sqlite3.Connection) -> bool:
        begun.set()
        return go_on.wait(20)

    return work


def test_nobody_is_answered_before_the_commit(writer, file):
    begun, go_on = [Event(), Event()], [Event(), Event()]
    writer.submit(hold(begun[0], go_on[0]))
    assert begun[0].wait(20)
    waiting = [writer.submit(insert(number)) for number in range(5)]
    last = writer.submit(hold(begun[1], go_on[1]))  # in one transaction with those that wait
    go_on[0].set()
    assert begun[1].wait(20)
    assert not any(write.done() for write in waiting)
    assert numbers(file) == []
    go_on[1].set()
    assert [write.result(20) for write in waiting] == [1] * 5
    assert last.result(20)
    assert numbers(file) == [0, 1, 2, 3, 4]


def test_a_failed_write_leaves_nothing_and_its_neighbours_all(writer, file):
    def half(connection: sqlite3.Connection) -> None:
        insert(7)(connection)
        raise KeyError("half way")

    begun, go_on = Event(), Event()
    writer.submit(hold(begun, go_on))
    assert begun.wait(20)
    first, failed, second = writer.submit(insert(1)), writer.submit(half), writer.submit(insert(2))
    go_on.set()
    with pytest.raises(KeyError):
        failed.result(20)
    assert first.result(20) == second.result(20) == 1
    assert numbers(file) == [1, 2]


def test_closing_finishes_what_waits(file, tmp_path):
    writer = GroupCommit(connect(tmp_path / "file.sqlite"))
    writes = [writer.submit(insert(number), is_patient=True) for number in range(1000)]
    writer.close()
    assert all(write.done() for write in writes)
    assert len(numbers(file)) == 1000
