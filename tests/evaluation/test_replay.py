"""Replay: a row sees the log as of its moment and the rows above it, never itself or what comes later."""

from dataclasses import replace as change

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ritornello.config import Config
from ritornello.data.prepare import Prepared
from ritornello.data.sequence import encode
from ritornello.data.split import before
from ritornello.evaluation.live_rows import live_rows
from ritornello.evaluation.replay import append_rows, read_queries, replay
from ritornello.pipeline import Pipeline
from ritornello.train.fit import fit_pipeline

from .conftest import TEST_DAYS

COLUMNS = ("row_id", "user_id", "timestamp", "track_id")


@pytest.fixture(scope="module")
def frozen(prepared: Prepared, quick_config: Config, cut: int) -> Pipeline:
    return fit_pipeline(prepared.sequences, cut, quick_config, prepared.knowledge, tasks=("next",))


@pytest.fixture(scope="module")
def queries(log: pl.DataFrame, cut: int) -> pl.DataFrame:
    """Plays after the cut, some of them of an unknown user, of unknown tracks, or at the same moment as the one before."""
    rows = log.filter(pl.col("timestamp") >= cut).sort("timestamp").head(120).with_row_index("row_id")
    number = pl.col("row_id")
    return rows.with_columns(
        pl.when(number % 7 == 3).then(pl.lit("nobody")).otherwise("user_id").alias("user_id"),
        pl.when(number % 11 == 5).then(pl.lit("unheard-of")).otherwise("track_id").alias("track_id"),
        pl.when(number % 5 == 4).then(pl.col("timestamp").shift(1)).otherwise("timestamp").alias("timestamp"),
    ).select(COLUMNS)


@pytest.fixture(scope="module")
def known(prepared: Prepared, cut: int) -> Prepared:
    """The same log, ended at the cut, with the tracks known by then."""
    sequences = before(prepared.sequences, cut)
    return change(prepared, sequences=sequences, track_ids=prepared.track_ids.head(sequences.num_tracks))


@pytest.mark.parametrize("row", [0, 1, 37, 119])
@pytest.mark.parametrize("track", ["unheard-of", "shuffled"])
def test_a_row_and_later_ones_never_reach_its_list(
    frozen: Pipeline, prepared: Prepared, queries: pl.DataFrame, row: int, track: str
) -> None:
    other = pl.lit(track) if track == "unheard-of" else pl.col("track_id").reverse()
    changed = queries.with_columns(pl.when(pl.col("row_id") >= row).then(other).otherwise("track_id").alias("track_id"))
    assert changed["track_id"][row:].to_list() != queries["track_id"][row:].to_list()
    expected, found = (replay(frozen, prepared, table, 20) for table in (queries, changed))
    assert found.filter(pl.col("row_id") <= row).equals(expected.filter(pl.col("row_id") <= row))


def test_later_rows_learn_from_the_ones_above(frozen: Pipeline, known: Prepared, queries: pl.DataFrame) -> None:
    one_user = queries.with_columns(user_id=pl.lit("nobody"))
    lists = replay(frozen, known, one_user, 20)
    first, last = (lists.filter(pl.col("row_id") == row)["track_id"].to_list() for row in (0, 119))
    assert first != last


def test_an_unknown_user_starts_as_somebody_without_a_history(
    frozen: Pipeline, prepared: Prepared, queries: pl.DataFrame
) -> None:
    newcomer = queries.head(1).with_columns(user_id=pl.lit("nobody"))
    found = replay(frozen, prepared, newcomer, 20)["track_id"]
    nobody = encode(prepared.sequences, np.array([0]), np.array([int(newcomer["timestamp"][0])]))
    slate = frozen.recommend(nobody, 20, task="next")
    assert found.to_list() == prepared.track_ids.gather(slate.track_BK[0][slate.track_BK[0] > 0] - 1).to_list()


def test_a_log_that_holds_the_rows_already_gives_the_same_histories(
    prepared: Prepared, known: Prepared, log: pl.DataFrame, cut: int
) -> None:
    rows = log.filter(pl.col("timestamp") >= cut).sort("timestamp").head(80).with_row_index("row_id").select(COLUMNS)
    queries = read_queries(rows, prepared)
    whole, ended = append_rows(prepared.sequences, queries), append_rows(known.sequences, queries)
    for row in range(len(rows)):
        np.testing.assert_array_equal(encoded(whole, queries, row), encoded(ended, queries, row))


def encoded(appended, queries, row):  # type: ignore[no-untyped-def]
    sequences, end_R = appended
    part = slice(row, row + 1)
    return encode(sequences, queries.new_user_R[part], queries.at_R[part], end_B=end_R[part]).track_BL


def test_replay_answers_as_the_live_protocol(
    frozen: Pipeline, prepared: Prepared, known: Prepared, log: pl.DataFrame, cut: int
) -> None:
    """The histories of `evaluate --protocol live` are those of a replay, when no rare track or user is left out."""
    rows = live_rows(prepared.sequences, prepared.user_ids, cut, test_days=TEST_DAYS, min_item=1, min_user=1)
    table = log.filter(pl.col("timestamp") >= cut).sort("timestamp", "user_id", maintain_order=True)
    queries = read_queries(table.with_row_index("row_id").select(COLUMNS), known)
    sequences, end_R = append_rows(known.sequences, queries)
    assert len(rows) > 100
    for row_B, history in rows.batches(np.arange(len(rows)), 64):
        asked_B = rows.row_R[row_B]
        again = encode(sequences, queries.new_user_R[asked_B], queries.at_R[asked_B], end_B=end_R[asked_B])
        np.testing.assert_array_equal(again.session_BL, history.session_BL)
        np.testing.assert_array_equal(again.track_BL, history.track_BL)


@settings(max_examples=25)
@given(
    users=st.lists(st.sampled_from(["user-0001", "user-0002", "nobody", "somebody"]), min_size=1, max_size=12),
    gaps=st.lists(st.integers(0, 2), min_size=12, max_size=12),
)
def test_histories_are_those_of_a_plain_walk(prepared: Prepared, cut: int, users: list[str], gaps: list[int]) -> None:
    """The log goes on while rows come in, and often at the same moment."""
    sequences = prepared.sequences
    at = cut + np.cumsum(gaps[: len(users)]) * 40_000_000
    tracks = [prepared.track_ids[int(number)] for number in (at // 7) % 20]
    table = pl.DataFrame({"row_id": range(len(users)), "user_id": users, "timestamp": at, "track_id": tracks})
    queries = read_queries(table, prepared)
    for row, user in enumerate(users):
        owned = slice(*sequences.start_U[queries.user_R[row] : queries.user_R[row] + 2])
        plays = [
            (int(at), 1, int(track)) for at, track in zip(sequences.at_E[owned], sequences.track_E[owned], strict=True)
        ]
        plays = [play for play in plays if play[0] < at[row]]
        plays += [(int(at[above]), 0, int(queries.track_R[above])) for above in range(row) if users[above] == user]
        expected = [track for *_, track in sorted(plays, key=lambda play: play[:2])]
        track_L = encoded(append_rows(sequences, queries), queries, row)[0]
        assert track_L[track_L > 0].tolist() == expected


@pytest.mark.parametrize(
    ("change_to", "message"),
    [
        (pl.col("timestamp").reverse().alias("timestamp"), r"row_id 1 \(timestamp .*is older than the row above"),
        (
            pl.when(pl.col("row_id") != 6).then("user_id").alias("user_id"),
            "row 7 of the queries has no readable user_id",
        ),
        (pl.when(pl.col("row_id") != 6).then("timestamp").alias("timestamp"), "row 7 .* no readable timestamp"),
    ],
)
def test_bad_queries_are_one_line(
    frozen: Pipeline, prepared: Prepared, log: pl.DataFrame, change_to: pl.Expr, message: str
) -> None:
    rows = log.sort("timestamp").unique("timestamp", maintain_order=True).head(20).with_row_index("row_id")
    with pytest.raises(ValueError, match=message) as raised:
        replay(frozen, prepared, rows.with_columns(change_to), 5)
    assert "\n" not in str(raised.value)


def test_no_rows_give_no_lists(frozen: Pipeline, prepared: Prepared, queries: pl.DataFrame) -> None:
    assert replay(frozen, prepared, queries.head(0), 5).is_empty()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "datetime"])
def test_moments_are_read_in_any_unit(prepared: Prepared, queries: pl.DataFrame, unit: str) -> None:
    moment = pl.col("timestamp")
    expressions = {"s": moment / 1000, "ms": moment, "us": moment * 1000, "datetime": moment.cast(pl.Datetime("ms"))}
    read = read_queries(queries.with_columns(expressions[unit]), prepared)
    np.testing.assert_array_equal(read.at_R, queries["timestamp"].to_numpy())
