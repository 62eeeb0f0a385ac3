"""Lists made elsewhere: places are kept, and every mistake is told in one line."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ritornello.data.ids import rows_of
from ritornello.evaluation.rankings import lists_of_rows, lists_of_users

USER_IDS, TRACK_IDS = pl.Series(["u1", "u2", "u3"]), pl.Series(["a", "b", "c"])
ALL = np.array([1, 2, 3], np.int32)


def write(folder: Path, **columns: object) -> Path:
    pl.DataFrame(columns).write_parquet(folder / "lists.parquet")
    return folder / "lists.parquet"


def test_ranks_order_a_list_and_unknown_tracks_keep_their_place(tmp_path: Path) -> None:
    path = write(
        tmp_path, user_id=["u2", "u2", "u2", "x"], rank=[30, 10, 20, 1], track_id=["b", "c", "unheard-of", "a"]
    )
    track_RK, missing = lists_of_users(path, USER_IDS, TRACK_IDS, ALL)
    assert track_RK[1, :4].tolist() == [3, 0, 2, 0]
    assert not track_RK[[0, 2]].any()
    assert missing == 2


def test_only_the_first_hundred_places_count(tmp_path: Path) -> None:
    ids = pl.Series(range(150))
    path = write(tmp_path, user_id=["u1"] * 150, rank=range(150), track_id=ids)
    track_RK, _ = lists_of_users(path, USER_IDS, ids, ALL)
    assert track_RK[0].tolist() == list(range(1, 101))


def test_text_and_whole_numbers_are_compared_as_text() -> None:
    assert rows_of(pl.Series(["7", "07", "x"]), pl.Series([5, 7])).tolist() == [2, 0, 0]
    assert rows_of(pl.Series([7], dtype=pl.Int32), pl.Series([5, 7])).tolist() == [2]


GOOD = {"user_id": ["u1", "u1"], "rank": [1, 2], "track_id": ["a", "b"]}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (GOOD | {"track_id": ["a", "a"]}, "user u1 with track a"),
        ({"user_id": ["u1"], "track_id": ["a"]}, "no column rank"),
        (GOOD | {"rank": [1, None]}, "1 rows have no rank"),
        (GOOD | {"rank": ["10", "9"]}, "rank has type String"),
        (GOOD | {"rank": [1.0, float("nan")]}, "rank has type Float64"),
        (GOOD | {"track_id": [["a"], ["b"]]}, "track_id has type List"),
    ],
)
def test_bad_lists_of_users_are_one_line(tmp_path: Path, columns: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        lists_of_users(write(tmp_path, **columns), USER_IDS, TRACK_IDS, ALL)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"row_id": [4, 4], "rank": [1, 2], "track_id": ["a", "a"]}, "row 4 has track a twice"),
        ({"row_id": [4] * 101, "rank": range(101), "track_id": [str(n) for n in range(101)]}, "row 4 has 101 tracks"),
        ({"row_id": ["x"], "rank": [1], "track_id": ["a"]}, "row_id has type String"),
    ],
)
def test_bad_lists_of_rows_are_one_line(tmp_path: Path, columns: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        lists_of_rows(write(tmp_path, **columns), TRACK_IDS, np.array([4]))
    assert "\n" not in str(raised.value)


def test_a_file_that_is_no_parquet_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "lists.parquet").write_text("user_id,rank,track_id\n")
    with pytest.raises(ValueError, match="no readable Parquet") as raised:
        lists_of_users(tmp_path / "lists.parquet", USER_IDS, TRACK_IDS, ALL)
    assert "\n" not in str(raised.value)
    with pytest.raises(ValueError, match="no such file"):
        lists_of_users(tmp_path / "absent.parquet", USER_IDS, TRACK_IDS, ALL)
