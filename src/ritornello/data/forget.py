"""Forget: take a user out of the log, rejected rows included; what was made of the log is made anew by the next prepare."""

from pathlib import Path

import polars as pl

from ritornello.artifacts import Workspace, sync
from ritornello.data.parts import PART_FILE, parts_of
from ritornello.schema import EVENT_ALIASES, USER_ID


def forget_user(workspace: Workspace, user_id: str) -> int:
    """Rewrite every part that knows the user; return how many accepted events went.

    A part keeps its name, so that its file, ingested again, changes nothing.
    """
    if not workspace.root.is_dir():
        raise ValueError(f"there is no workspace {workspace.root}: `ritornello ingest` makes one")
    with workspace.lock():
        gone = sum(drop_rows(part / PART_FILE, user_id) for part in parts_of(workspace.events))
        for path in sorted(workspace.quarantine.rglob("*.parquet")):
            drop_rows(path, user_id)
    return gone


def drop_rows(path: Path, user_id: str) -> int:
    """Replace a table by one without the user, in one step; return how many rows went."""
    table = pl.scan_parquet(path, glob=False)
    known = [name for name in EVENT_ALIASES[USER_ID] if name in table.collect_schema()]
    if not known:
        return 0
    is_theirs = pl.col(known[0]).cast(pl.String).eq_missing(pl.lit(user_id))
    gone = int(table.select(is_theirs.sum()).collect().item())
    if gone:
        draft = path.with_name(f".{path.name}-draft")
        table.filter(~is_theirs).sink_parquet(draft)
        draft.replace(path)
        sync(path.parent)
    return gone
