"""Ingest: no row is lost, none is doubled, and whatever cannot be read is told in one line."""

import shutil
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from ritornello.artifacts import Workspace
from ritornello.data import ingest as ingest_module
from ritornello.data.ingest import ingest
from ritornello.data.parts import PART_FILE, parts_of

NOW_MS = 1_750_000_000_000
AT_MS = 1_700_000_000_123


def accepted(workspace: Workspace) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(part / PART_FILE) for part in parts_of(workspace.events)], how="diagonal_relaxed")


def log(**columns: list[object]) -> dict[str, object]:
    size = len(next(iter(columns.values()), [0]))
    return {"user_id": ["u"] * size, "timestamp": [AT_MS] * size, "track_id": ["t"] * size, **columns}


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_every_row_is_accepted_or_quarantined_with_the_first_reason(workspace, write, suffix):
    second = AT_MS // 1000
    columns = {
        "user": ["u", None, "u", "u", "u", "u", "u", "u", "u", "", "u"],
        "ts": [second, second, second, None, float("nan"), -1.0, 1e10, second, second, None, float("inf")],
        "item_id": ["t", "t", None, "t", "t", "t", "t", "t", "t", None, "t"],
        "event": ["PLAY", None, None, None, None, None, None, "hum", "like", None, None],
        "ms_played": [1000, 1, 1, 1, 1, 1, 1, 1, -5, 1, 1],
    }
    report = ingest(workspace, [write(columns, f"log.{suffix}")], now_ms=NOW_MS)
    assert report.accepted == 1
    assert report.rejected == {
        "missing user": 2,
        "missing track": 1,
        "missing or unreadable timestamp": 3,
        "timestamp before 1970": 1,
        "timestamp in the future": 1,
        "unknown action": 1,
        "negative or unreadable played_ms": 1,
    }
    quarantined = pl.read_parquet(report.quarantine[0])
    assert quarantined["file_row"].to_list() == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert quarantined["event"].to_list()[6:8] == ["hum", "like"]
    assert quarantined["ms_played"].to_list()[7] == "-5"


def test_cells_that_are_no_numbers_cost_their_row_only(workspace, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(
        "user_id,timestamp,track_id,track_ms\n1,1700000000,5,200000\n2,yesterday,5,\n3,1700000000,5,long\n"
        "4,1700000000\n5,1700000000,6,200000,beyond,the,header\n"
    )
    report = ingest(workspace, [path])
    assert (report.accepted, sum(report.rejected.values())) == (2, 3)
    assert accepted(workspace)["user_id"].to_list() == [1, 5]


def test_a_row_up_to_a_day_ahead_of_the_clock_is_no_future(workspace, write):
    day = timedelta(days=1) // timedelta(milliseconds=1)
    report = ingest(workspace, [write(log(timestamp=[NOW_MS + day, NOW_MS + day + 1]))], now_ms=NOW_MS)
    assert (report.accepted, report.rejected) == (1, {"timestamp in the future": 1})


MOMENT = datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "moment",
    [
        AT_MS,
        AT_MS * 1000,
        AT_MS / 1000,
        float(AT_MS),
        AT_MS * 1000.0,
        MOMENT,
        MOMENT.replace(tzinfo=None),
        MOMENT.isoformat(),
        "2023-11-14 22:13:20.123",
        "2023-11-14T22:13:20.123Z",
        "2023-11-15T00:13:20.123+02:00",
        str(AT_MS),
        str(AT_MS / 1000),
    ],
)
def test_all_spellings_of_a_moment_agree(workspace, write, moment):
    ingest(workspace, [write(log(timestamp=[moment] * 3))], now_ms=NOW_MS)
    assert accepted(workspace)["at"].to_list() == [AT_MS] * 3


def test_one_absurd_value_does_not_change_the_unit(workspace, write):
    report = ingest(workspace, [write(log(timestamp=[1_700_000_000, 1_700_000_001, 10**18]))], now_ms=NOW_MS)
    assert accepted(workspace)["at"].to_list() == [1_700_000_000_000, 1_700_000_001_000]
    assert report.rejected == {"timestamp in the future": 1}


@pytest.mark.parametrize(
    ("ids", "dtype"),
    [(["1", "22"], pl.Int64), (["1", "022"], pl.String), (["1", "a"], pl.String), (["1", "9" * 20], pl.String)],
)
def test_identifiers_of_a_csv_are_numbers_only_if_all_are(workspace, write, ids, dtype):
    ingest(workspace, [write(log(track_id=ids), "log.csv")])
    assert accepted(workspace)["track_id"].to_list() == [dtype.to_python()(name) for name in ids]
    assert accepted(workspace)["track_id"].dtype == dtype


@pytest.mark.parametrize("dtype", [pl.Int16, pl.UInt32, pl.UInt64, pl.Float64])
def test_whole_numbers_of_any_width_are_the_same_identifiers(workspace, write, dtype):
    ingest(workspace, [write(log(user_id=pl.Series([7, 8], dtype=dtype), track_id=["1", "2"]))])
    assert accepted(workspace)["user_id"].cast(pl.String).to_list() == ["7", "8"]
    assert accepted(workspace)["track_id"].dtype == pl.String


@pytest.mark.parametrize(("name", "separator"), [("log.csv", ","), ("log.csv", ";"), ("log.tsv", "\t")])
def test_a_csv_is_read_as_the_same_parquet(workspace, write, tmp_path, name, separator):
    columns = log(user_id=[3, 4, 5], action=["like", "play", None], played_ms=[None, 5, 6], scene=["a", None, "b"])
    other = Workspace(tmp_path / "other")
    ingest(workspace, [write({**columns, "track_id": [1, 2, 3]}, name, separator=separator)])
    ingest(other, [write({**columns, "track_id": [1, 2, 3]})])
    assert accepted(workspace).equals(accepted(other))


def test_the_same_bytes_are_ingested_once_under_any_name(workspace, write, tmp_path):
    path = write(log())
    copy = Path(shutil.copy(path, tmp_path / "copy.parquet"))
    first = ingest(workspace, [path, path])
    again = ingest(workspace, [copy])
    assert (first.accepted, first.files) == (1, (path,))
    assert (again.accepted, again.files, again.already_ingested) == (0, (), (copy,))
    assert len(accepted(workspace)) == 1


def test_parts_keep_the_order_of_ingest(workspace, write):
    for number in range(5):
        ingest(workspace, [write(log(user_id=[f"user-{number}"]))])
    assert accepted(workspace)["user_id"].to_list() == [f"user-{number}" for number in range(5)]


def refused(workspace: Workspace, path: Path, **options: object) -> str:
    with pytest.raises(ValueError) as error:
        ingest(workspace, [path], **options)
    assert not parts_of(workspace.events)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_missing_column_names_what_was_found_and_what_is_allowed(workspace, write):
    path = write({"user_id": [1], "when": [2], "track_id": [3]})
    message = refused(workspace, path)
    assert str(path) in message
    assert "no column for at" in message
    assert "found user_id, when, track_id" in message
    assert "listened_at" in message


def test_a_file_that_is_no_log_is_refused_in_one_line(workspace, write, tmp_path):
    (tmp_path / "empty.csv").touch()
    (tmp_path / "fake.parquet").write_text("user_id,timestamp,track_id\n")
    (tmp_path / "log.xyz").write_text("?")
    (tmp_path / "header.csv").write_text("user_id,timestamp,track_id\n")
    whole = write(log(track_id=[str(number) for number in range(1000)])).read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    none = pl.Schema({"user_id": pl.Int64, "timestamp": pl.Int64, "track_id": pl.Int64})
    none.to_frame().write_parquet(tmp_path / "none.parquet")
    assert "is empty (0 bytes)" in refused(workspace, tmp_path / "empty.csv")
    assert "not a Parquet file" in refused(workspace, tmp_path / "fake.parquet")
    assert "allowed are parquet, csv" in refused(workspace, tmp_path / "log.xyz")
    assert "has no rows, only the columns user_id, timestamp, track_id" in refused(workspace, tmp_path / "header.csv")
    assert "cannot be read" in refused(workspace, tmp_path / "cut.parquet")
    assert "has no rows" in refused(workspace, tmp_path / "none.parquet")
    assert "no such file" in refused(workspace, tmp_path / "nowhere.csv")
    assert "is a folder" in refused(workspace, tmp_path)
    assert "unknown format 'tape': allowed are auto, parquet, csv" in refused(
        workspace, tmp_path / "header.csv", source="tape"
    )


def test_a_column_of_a_type_that_cannot_be_read_is_refused(workspace, write):
    assert "column user_id has type List" in refused(workspace, write(log(user_id=[[1]])))
    assert "column timestamp has type Boolean" in refused(workspace, write(log(timestamp=[True])))


def test_a_typo_in_the_last_file_leaves_the_first_alone(workspace, write, tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        ingest(workspace, [write(log()), tmp_path / "typo.parquet"])
    assert not parts_of(workspace.events)


def test_a_full_disk_is_told_before_anything_is_written(workspace, write, monkeypatch):
    usage = namedtuple("usage", ["free"])
    monkeypatch.setattr(ingest_module.shutil, "disk_usage", lambda _: usage(free=10))
    assert "which has 10 free" in refused(workspace, write(log()))


def test_nested_columns_that_nobody_asked_for_do_no_harm(workspace, write):
    report = ingest(workspace, [write(log(track_id=["t", None], tags=[["a"], ["b"]]))])
    assert pl.read_parquet(report.quarantine[0])["tags"].to_list() == [["b"]]
