"""The disk: a folder is replaced whole or not at all, and a bundle that was touched is refused."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ritornello.artifacts import (
    Workspace,
    read_manifest,
    remove_leftovers,
    replace_folder,
    write_atomic,
    write_manifest,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_a_folder_takes_the_place_of_the_old_one(tmp_path):
    for text in ("old", "new"):
        with replace_folder(tmp_path / "target") as fresh:
            (fresh / text).write_text(text)
    assert names(tmp_path) == ["new", "target"]


def test_a_failure_leaves_the_old_folder_and_nothing_else(tmp_path):
    with replace_folder(tmp_path / "target") as fresh:
        (fresh / "old").touch()
    with pytest.raises(RuntimeError), replace_folder(tmp_path / "target") as fresh:
        (fresh / "half").touch()
        raise RuntimeError
    assert names(tmp_path) == ["old", "target"]


def test_leftovers_of_dead_processes_go_and_the_rest_stays(tmp_path):
    (tmp_path / ".target-dead").mkdir()
    (tmp_path / ".current-dead").touch()
    (tmp_path / "target").mkdir()
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["target"]


def test_a_small_file_is_replaced_in_one_step(tmp_path):
    for text in ("old", "new"):
        write_atomic(tmp_path / "deep" / "current", text)
    assert (tmp_path / "deep" / "current").read_text() == "new"
    assert names(tmp_path / "deep") == ["current"]


@pytest.fixture
def bundle(tmp_path) -> Path:
    (tmp_path / "bundle" / "channels").mkdir(parents=True)
    (tmp_path / "bundle" / "channels" / "state.npy").write_bytes(b"numbers")
    write_manifest(tmp_path / "bundle", {"at": 5})
    return tmp_path / "bundle"


def test_a_sealed_bundle_is_read(bundle):
    assert read_manifest(bundle)["at"] == 5


def test_a_changed_or_missing_file_is_named(bundle):
    (bundle / "channels" / "state.npy").write_bytes(b"other numbers")
    with pytest.raises(ValueError, match=r"bundle is corrupt: channels/state.npy"):
        read_manifest(bundle)
    (bundle / "channels" / "state.npy").unlink()
    with pytest.raises(ValueError, match=r"bundle is corrupt: channels/state.npy"):
        read_manifest(bundle)


def test_a_bundle_without_a_readable_manifest_is_refused(bundle, tmp_path):
    with pytest.raises(ValueError, match=r"is no bundle: manifest\.json is missing; run `ritornello train`"):
        read_manifest(tmp_path)
    (bundle / "manifest.json").write_text("{")
    with pytest.raises(ValueError, match=r"manifest\.json cannot be read; train again"):
        read_manifest(bundle)


def test_a_file_that_was_added_to_a_bundle_is_refused(bundle):
    (bundle / "channels" / "other.npy").write_bytes(b"")
    with pytest.raises(ValueError, match=r"bundle is corrupt: channels/other.npy does not belong to it"):
        read_manifest(bundle)


def test_a_bundle_of_another_format_is_stale(bundle):
    manifest = json.loads((bundle / "manifest.json").read_text())
    (bundle / "manifest.json").write_text(json.dumps(manifest | {"format": 99}))
    with pytest.raises(ValueError, match="has format 99, this version reads format 5: the bundle is stale"):
        read_manifest(bundle)


HOLD = """
import sys
from pathlib import Path
from ritornello.artifacts import Workspace
with Workspace(Path(sys.argv[1])).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_writers_do_not_get_in_at_once_and_a_dead_one_lets_go(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match="is in use by another process"), Workspace(tmp_path).lock(timeout_s=0.1):
            pass
        process.kill()
    with Workspace(tmp_path).lock(timeout_s=5):
        pass
