"""Parts: one immutable folder per ingested file, named by the file's content, in the order of their ingest."""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from ritornello.artifacts import sync
from ritornello.schema import ACTION, ARTIST_ID, ARTIST_NAME, AT, FIRST_AT, GENRE, TITLE, TRACK_ID, Action

PART_FILE = "part-00000.parquet"
DESCRIBED_FILE = "described.parquet"
REJECTED_FILE = "rejected.parquet"
FACTS_FILE = "part.json"

CLEAN = "clean."  # prefix of a clean column beside the raw ones
REJECTED_FOR = "rejected_for"
FILE_ROW = "file_row"

# What a log may say about its tracks. Not their length: a later event must not tell it about an earlier one.
DESCRIBING = (TITLE, ARTIST_ID, ARTIST_NAME, GENRE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What became of one file; `quarantine` is None where no row was rejected."""

    accepted: int
    rejected: dict[str, int]
    quarantine: Path | None


def parts_of(folder: Path) -> list[Path]:
    """List the parts of a table, oldest ingest first; what a dead process left half-written is hidden: not listed."""
    if not folder.is_dir():
        return []
    folders = (part for part in folder.iterdir() if part.is_dir() and not part.name.startswith("."))
    return sorted(folders, key=sequence_number)


def sequence_number(part: Path) -> int:
    """Return a part's place in the order of ingest.

    Raises:
        ValueError: when the part is damaged.
    """
    try:
        return int(json.loads((part / FACTS_FILE).read_text(encoding="utf-8"))["sequence"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(part, error) from error


def damaged(part: Path, error: Exception) -> ValueError:
    """Say that a part cannot be read, and the way out."""
    cause = str(error).splitlines()[0]
    return ValueError(f"{part} is damaged ({cause}): move it out of the workspace and ingest its file again")


def rows_in(part: Path) -> int:
    """Count the rows of a part.

    Raises:
        ValueError: when the part is damaged.
    """
    return count(part, pl.len())


def impressions_in(part: Path) -> int:
    """Count the impressions among the events of a part.

    Raises:
        ValueError: when the part is damaged.
    """
    return count(part, (pl.col(ACTION) == Action.IMPRESSION).sum())


def count(part: Path, number: pl.Expr) -> int:
    """Return a number of a part."""
    try:
        return int(pl.scan_parquet(part / PART_FILE, glob=False).select(number).collect().item())
    except (OSError, pl.exceptions.PolarsError) as error:
        raise damaged(part, error) from error


def write_facts(folder: Path, *, sequence: int, file: Path, part: Part) -> None:
    """Write what is known about a part beside it."""
    facts = {"sequence": sequence, "file": str(file), "accepted": part.accepted, "rejected": part.rejected}
    (folder / FACTS_FILE).write_text(json.dumps(facts, indent=1), encoding="utf-8")


def write_part(folder: Path, raw: pl.LazyFrame, marked: pl.LazyFrame, *, rows: int) -> Part:
    """Stream marked rows into a folder: accepted ones, what they say about tracks, and rejected ones as they came.

    One pass each: polars buffers without bound when one pass feeds several files.
    """
    clean = [name.removeprefix(CLEAN) for name in marked.collect_schema() if name.startswith(CLEAN)]
    kept = [name for name in clean if AT not in clean or name not in DESCRIBING]
    is_accepted = pl.col(REJECTED_FOR).is_null()
    accepted = marked.filter(is_accepted).select(pl.col(CLEAN + name).alias(name) for name in clean)
    accepted.select(kept).sink_parquet(folder / PART_FILE)
    if len(kept) < len(clean):
        described_tracks(accepted).sink_parquet(folder / DESCRIBED_FILE)
    num_accepted = pl.scan_parquet(folder / PART_FILE).select(pl.len()).collect().item()
    if num_accepted == rows:
        return Part(accepted=rows, rejected={}, quarantine=None)
    rejected = marked.with_row_index(FILE_ROW, offset=1).filter(~is_accepted)
    rejected.select(FILE_ROW, REJECTED_FOR, *as_it_came(raw.collect_schema())).sink_parquet(folder / REJECTED_FILE)
    reasons = pl.scan_parquet(folder / REJECTED_FILE).group_by(REJECTED_FOR).len().sort(REJECTED_FOR).collect()
    return Part(accepted=num_accepted, rejected=dict(reasons.iter_rows()), quarantine=folder / REJECTED_FILE)


def as_it_came(schema: pl.Schema) -> list[pl.Expr]:
    """Return the raw columns as text; what has no text form keeps its own."""
    return [
        pl.col(name) if dtype.is_nested() or dtype == pl.Binary else pl.col(name).cast(pl.String)
        for name, dtype in schema.items()
    ]


def described_tracks(accepted: pl.LazyFrame) -> pl.LazyFrame:
    """Return what a log says about its tracks, with the first moment of each statement."""
    said = [name for name in DESCRIBING if name in accepted.collect_schema()]
    stated = accepted.filter(pl.any_horizontal(pl.col(said).is_not_null()))
    return stated.group_by(TRACK_ID, *said).agg(pl.col(AT).min().alias(FIRST_AT))


def keep_rejected(part: Part, target: Path) -> Part:
    """Move a part's rejected rows, if there are any, into quarantine, safely on disk."""
    if part.quarantine is None:
        return part
    target.parent.mkdir(parents=True, exist_ok=True)
    with part.quarantine.open("rb") as file:
        os.fsync(file.fileno())
    part.quarantine.replace(target)
    sync(target.parent, recursive=False)
    return replace(part, quarantine=target)
