"""Forgetting takes a user out of every part of the log, rejected rows included, and nobody else."""

import polars as pl
import pytest

from ritornello.artifacts import Workspace
from ritornello.data.forget import forget_user
from ritornello.data.ingest import ingest
from ritornello.data.parts import PART_FILE, parts_of


def test_a_user_goes_and_the_others_stay(tmp_path, write):
    columns = {"user_id": ["u", "v", "u"], "timestamp": [5, 6, None], "track_id": ["a", "b", "c"]}
    workspace, file = Workspace(tmp_path / "ws"), write(columns, "log.parquet")
    ingest(workspace, [file])
    assert forget_user(workspace, "u") == 1
    assert ingest(workspace, [file]).already_ingested == (file,)
    kept = pl.read_parquet(parts_of(workspace.events)[0] / PART_FILE)
    assert kept["user_id"].to_list() == ["v"]
    rejected = [pl.read_parquet(path) for path in workspace.quarantine.rglob("*.parquet")]
    assert sum(len(table) for table in rejected) == 0
    assert forget_user(workspace, "u") == 0


def test_whole_numbers_are_users_too(tmp_path, write):
    workspace = Workspace(tmp_path / "ws")
    ingest(workspace, [write({"user_id": [1, 2], "timestamp": [5, 6], "track_id": [1, 1]}, "log.parquet")])
    assert forget_user(workspace, "1") == 1


def test_nowhere_is_told(tmp_path):
    with pytest.raises(ValueError, match="there is no workspace"):
        forget_user(Workspace(tmp_path / "nowhere"), "u")
