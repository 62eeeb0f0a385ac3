"""Ingest: files become parts of the workspace, each row accepted or quarantined, each file at most once.

A file's part is named by its content, written aside and renamed into place under the workspace lock: a process killed
at any moment leaves all of a file or nothing of it, and running again completes the work.
"""

import hashlib
import logging
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl
from rich.progress import Progress

from ritornello.artifacts import LOCK_S, Workspace, hash_file, remove_leftovers, replace_folder
from ritornello.data.events import mark_events
from ritornello.data.parts import Part, keep_rejected, parts_of, sequence_number, write_facts, write_part
from ritornello.data.sources import Source, find_source
from ritornello.data.tables import find_table, mark_table

Kind = Literal["events", "catalogue"]

DISK_FACTOR = 2.0  # a part is about as large as its file; rejected rows are kept as text
BROKEN = (pl.exceptions.ComputeError, pl.exceptions.NoDataError)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class IngestReport:
    """What an ingest did: rows accepted, rows rejected by reason, and where the rejected ones lie."""

    files: tuple[Path, ...]
    accepted: int
    rejected: dict[str, int]
    already_ingested: tuple[Path, ...]
    quarantine: tuple[Path, ...]


def ingest(
    workspace: Workspace,
    paths: list[Path],
    *,
    source: str = "auto",
    kind: Kind = "events",
    progress: Progress | None = None,
    now_ms: int | None = None,
    lock_s: float = LOCK_S,
) -> IngestReport:
    """Add files to the workspace; a file that is already there changes nothing. `lock_s` is how long to wait for other writers.

    Raises:
        ValueError: when a file cannot be read or lacks a column; the files before it are ingested.
    """
    sources = [find_source(source, checked(path)) for path in paths]
    task = progress.add_task(f"ingest {kind}", total=len(paths)) if progress else None
    parts: dict[Path, Part | None] = {}
    for path, reader in zip(paths, sources, strict=True):
        if path not in parts:
            parts[path] = add_file(workspace, path, reader, kind=kind, now_ms=now_ms, lock_s=lock_s)
        if progress and task is not None:
            progress.advance(task)
    added = [part for part in parts.values() if part]
    return IngestReport(
        files=tuple(path for path, part in parts.items() if part),
        accepted=sum(part.accepted for part in added),
        rejected=dict(sum((Counter(part.rejected) for part in added), Counter())),
        already_ingested=tuple(path for path, part in parts.items() if part is None),
        quarantine=tuple(part.quarantine for part in added if part.quarantine),
    )


def checked(path: Path) -> Path:
    """Return the path of a file with something in it.

    Raises:
        ValueError: when there is no such file.
    """
    if not path.exists():
        raise ValueError(f"{path}: no such file")
    if not path.is_file():
        raise ValueError(f"{path} is a folder; name the files in it")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes)")
    return path


def add_file(
    workspace: Workspace, path: Path, reader: Source, *, kind: Kind, now_ms: int | None, lock_s: float
) -> Part | None:
    """Add one file as one part; None where the workspace has it already."""
    table = None if kind == "events" else table_of(path, reader)
    folder = workspace.events if table is None else workspace.catalogue / table
    name = hashlib.sha256(f"{kind}:{hash_file(path)}".encode()).hexdigest()[:16]
    with workspace.lock(timeout_s=lock_s):
        remove_leftovers(folder)
        remove_leftovers(workspace.quarantine)
        if (folder / name).exists():
            logger.info("ingest %s: already ingested", path)
            return None
        check_disk(workspace, path)
        sequence = max((sequence_number(part) for part in parts_of(folder)), default=0) + 1
        with replace_folder(folder / name) as fresh:
            part = read_into(fresh, path, reader, table=table, now_ms=now_ms)
            part = keep_rejected(part, workspace.quarantine / f"{path.stem}-{name}.parquet")
            write_facts(fresh, sequence=sequence, file=path, part=part)
    logger.info("ingest %s: %d accepted, %d rejected", path, part.accepted, sum(part.rejected.values()))
    return part


def table_of(path: Path, reader: Source) -> str:
    """Return the table of the catalogue that a file holds.

    Raises:
        ValueError: when the file is broken, or is no table of a catalogue.
    """
    try:
        return find_table(path, reader.scan(path).collect_schema().names())
    except BROKEN as error:
        raise ValueError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error


def read_into(fresh: Path, path: Path, reader: Source, *, table: str | None, now_ms: int | None) -> Part:
    """Read a file into a fresh part folder: events, or a `table` of the catalogue.

    Raises:
        ValueError: when the file is broken, has no rows, or lacks a column.
    """
    try:
        raw = reader.scan(path)
        if table is None:
            marked, rows = mark_events(raw, path, is_typed=reader.is_typed, now_ms=now_ms)
        else:
            marked, rows = mark_table(raw, path, table=table, is_typed=reader.is_typed)
        if rows == 0:
            raise ValueError(f"{path} has no rows, only the columns {', '.join(raw.collect_schema().names())}")
        part = write_part(fresh, raw, marked, rows=rows)
    except BROKEN as error:
        raise ValueError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    assert part.accepted + sum(part.rejected.values()) == rows, f"{path}: rows were lost"
    return part


def check_disk(workspace: Workspace, path: Path) -> None:
    """Refuse a file that the disk has no room for.

    Raises:
        ValueError: when less is free than the file may need.
    """
    needed = int(path.stat().st_size * DISK_FACTOR)
    free = shutil.disk_usage(workspace.root).free
    if free < needed:
        raise ValueError(f"{path} needs about {needed:,} bytes of disk in {workspace.root}, which has {free:,} free")
