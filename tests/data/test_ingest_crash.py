"""A killed ingest, and two at once: run again, and the workspace is the one that nobody disturbed."""

import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from ritornello.artifacts import Workspace
from ritornello.data.ingest import ingest
from ritornello.data.sources import bulk

# Kills itself right before its n-th change to the file system.
SUICIDE = """
import os, signal, sys
from pathlib import Path
from ritornello.artifacts import Workspace
from ritornello.data.ingest import ingest
import ritornello.data.catalogue, ritornello.data.events, ritornello.data.sources.parquet
left, root, *files = int(sys.argv[1]), *sys.argv[2:]
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree", "tempfile.mkdtemp"}
def hook(event, arguments):
    global left
    writes = event == "open" and isinstance(arguments[1], str) and arguments[1][0] in "wax"
    if str(root) in str(arguments) and (event in CHANGES or writes):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
ingest(Workspace(Path(root)), [Path(file) for file in files])
"""


def start(root: Path, files: list[Path], *, changes: int = 0) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", SUICIDE, str(changes), str(root), *map(str, files)]
    return subprocess.Popen(command)


def contents(root: Path) -> dict[str, object]:
    """All that lies in a workspace, hidden leftovers included, locks and paths of origin left out."""
    found: dict[str, object] = {}
    for path in root.rglob("*"):
        if path.suffix == ".parquet":
            found[str(path.relative_to(root))] = pl.read_parquet(path).rows()
        elif path.is_file() and path.name != ".lock":
            found[str(path.relative_to(root))] = path.read_text()
    return found


@pytest.fixture
def files(write) -> list[Path]:
    columns = {"user_id": [1, 2, None], "timestamp": [5, 6, 7], "track_id": [1, 2, 3], "artist": ["a", "b", "c"]}
    return [write(columns, "first.parquet"), write({**columns, "track_id": [4, 5, 6]}, "second.parquet")]


def check_kill(tmp_path: Path, files: list[Path], changes: int) -> bool:
    """Kill one ingest at that change, run again, compare with the twin; returns whether it was killed."""
    root, twin = tmp_path / f"killed-{changes}", tmp_path / f"twin-{changes}"
    process = start(root, files, changes=changes)
    is_killed = process.wait() != 0
    ingest(Workspace(root), files)
    ingest(Workspace(twin), files)
    assert contents(root) == contents(twin)
    return is_killed


@pytest.mark.parametrize("changes", [4, 9])
def test_an_ingest_killed_on_its_way_is_completed_by_the_next(tmp_path, files, changes):
    assert check_kill(tmp_path, files, changes)


@pytest.mark.slow
def test_an_ingest_killed_at_any_change_is_completed_by_the_next(tmp_path, files):
    changes = 1
    while check_kill(tmp_path, files, changes):
        changes += 1
    assert changes > 10


def test_two_ingests_at_once_both_succeed(tmp_path, files):
    root, twin = tmp_path / "shared", tmp_path / "twin"
    both = [start(root, files), start(root, files[::-1])]
    assert [process.wait() for process in both] == [0, 0]
    ingest(Workspace(twin), files)
    assert contents(root).keys() == contents(twin).keys()
    assert {name: rows for name, rows in contents(root).items() if name.endswith("parquet")} == {
        name: rows for name, rows in contents(twin).items() if name.endswith("parquet")
    }


@pytest.mark.slow
@pytest.mark.parametrize("delay_s", [0.0, 0.3, 0.8])
def test_an_ingest_killed_while_it_writes_is_completed_by_the_next(tmp_path, delay_s):
    bulk.write_log(tmp_path / "log.parquet", events=2_000_000, users=1_000, tracks=5_000)
    root, twin = tmp_path / "killed", tmp_path / "twin"
    process = start(root, [tmp_path / "log.parquet"])
    while not list(root.glob("events/.*")):
        time.sleep(0.01)
    time.sleep(delay_s)
    process.kill()
    process.wait()
    for folder in (root, twin):
        ingest(Workspace(folder), [tmp_path / "log.parquet"])
    assert contents(root) == contents(twin)
