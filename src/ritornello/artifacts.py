"""The workspace on disk: where things lie, how they are written so that a crash loses nothing, and bundles with hashes.

A bundle is one immutable folder. Its manifest names the hash of every file and of the track ids it was trained on; a bundle
that was changed, or that belongs to other ids, is refused with a message that says which side is stale.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from filelock import FileLock, Timeout
from numpy.typing import NDArray

LOCK_S = 600.0  # how long a writer of a workspace waits for others
FORMAT = 5  # raise it with every change to what a bundle holds, so that an older bundle is told, not misread


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder that holds a log, its prepared arrays and its bundles."""

    root: Path

    @property
    def events(self) -> Path:
        """Accepted events: one folder of Parquet parts per ingested file."""
        return self.root / "events"

    @property
    def catalogue(self) -> Path:
        """Tables about tracks, artists and the rest."""
        return self.root / "catalogue"

    @property
    def quarantine(self) -> Path:
        """Rejected rows as they came, with the reason: one Parquet file per ingested file."""
        return self.root / "quarantine"

    @property
    def prepared(self) -> Path:
        """Mapped arrays and id tables made from events and catalogue."""
        return self.root / "prepared"

    @property
    def runs(self) -> Path:
        """What training measured, epoch by epoch, and the checkpoints of a run that was cut off."""
        return self.root / "runs"

    @property
    def bundles(self) -> Path:
        """One folder per trained version, and `current`, which names the served one."""
        return self.root / "bundles"

    @contextmanager
    def lock(self, *, timeout_s: float = LOCK_S) -> Iterator[None]:
        """Hold the workspace for one writer; the operating system frees it when a process dies.

        Raises:
            ValueError: when another process holds it for longer than `timeout_s`, or it is no folder.
        """
        if self.root.exists() and not self.root.is_dir():
            raise ValueError(f"{self.root} is a file: a workspace is a folder")
        self.root.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.root / ".lock", timeout=timeout_s):
                yield
        except Timeout as error:
            raise ValueError(
                f"{self.root} is in use by another process for over {timeout_s:.0f} s: wait for it to end, or stop it"
            ) from error


@contextmanager
def replace_folder(target: Path) -> Iterator[Path]:
    """Give an empty folder to fill; it takes the place of `target` when the block ends well, and vanishes otherwise."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield fresh
        sync(fresh)
        if target.exists():
            stale = Path(tempfile.mkdtemp(prefix=f".stale-{target.name}-", dir=target.parent))
            target.rename(stale / target.name)
            fresh.rename(target)
            shutil.rmtree(stale)
        else:
            fresh.rename(target)
        sync(target.parent, recursive=False)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def remove_leftovers(parent: Path) -> None:
    """Delete what dead processes left half-written in a folder; call it under the lock, when no live one writes there."""
    for path in parent.glob(".*-*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def write_atomic(path: Path, text: str) -> None:
    """Replace a small file in one step: a reader sees the old text or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    sync(path.parent, recursive=False)


def write_table(path: Path, table: pl.DataFrame) -> None:
    """Write a Parquet file beside its final name and rename it, so that no half file is left behind."""
    draft = path.with_name(f".{path.name}.part")
    try:
        table.write_parquet(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def sync(folder: Path, *, recursive: bool = True) -> None:
    """Force a folder's entries, and its files where `recursive`, to disk."""
    for path in [*(folder.rglob("*") if recursive else ()), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def save_arrays(folder: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write arrays into a folder, one .npy file each."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def map_arrays(folder: Path) -> dict[str, NDArray[np.generic]]:
    """Map what `save_arrays` wrote, by name; processes that serve the same bundle share the memory."""
    paths = sorted(folder.glob("*.npy"))
    return {path.stem: np.asarray(np.load(path, mmap_mode="r", allow_pickle=False)) for path in paths}


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path, facts: dict[str, object]) -> None:
    """Seal a bundle: `facts` and the hash of every file beside the manifest."""
    files = {str(path.relative_to(folder)): hash_file(path) for path in sorted(folder.rglob("*")) if path.is_file()}
    (folder / "manifest.json").write_text(
        json.dumps({"format": FORMAT, **facts, "files": files}, indent=1, sort_keys=True)
    )


def read_manifest(folder: Path) -> dict[str, object]:
    """Read a bundle's manifest and check every file against it.

    Raises:
        ValueError: when the bundle is missing, unreadable, of another format, or a file was changed.
    """
    path = folder / "manifest.json"
    if not path.is_file():
        raise ValueError(f"{folder} is no bundle: manifest.json is missing; run `ritornello train` to make one")
    try:
        manifest: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
        files = dict(manifest["files"])  # type: ignore[call-overload]  # what is no mapping is refused just below
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"bundle {folder.name} is corrupt: manifest.json cannot be read; train again") from error
    if manifest.get("format") != FORMAT:
        raise ValueError(
            f"bundle {folder.name} has format {manifest.get('format')}, this version reads format {FORMAT}: the bundle is "
            "stale, train again"
        )
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {"manifest.json"}
    if unknown := sorted(found - files.keys()):
        raise ValueError(
            f"bundle {folder.name} is corrupt: {unknown[0]} does not belong to it; remove it or train again"
        )
    for name, expected in files.items():
        if not (folder / name).is_file() or hash_file(folder / name) != expected:
            raise ValueError(f"bundle {folder.name} is corrupt: {name} is not the file that was written; train again")
    return manifest
