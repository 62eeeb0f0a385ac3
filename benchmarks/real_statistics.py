"""Measure how people listen in the real logs: the target column of the simulator's calibration, and what its plots need."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from ritornello.evaluation.listening_statistics import (
    LISTENED_SHARES,
    Distribution,
    histogram,
    listening_distributions,
    listening_statistics,
)
from ritornello.evaluation.scrobbles import observe_long_histories
from ritornello.evaluation.service_statistics import rating_statistics
from ritornello.schema import ACTION, AT, ONE_SECOND_MS, PLAYED_MS, TIMESTAMP, TRACK_ID, TRACK_MS, USER_ID, Action

LOGS = {"30music": "30music_sample10", "lfm1b": "lfm1b_long_histories"}
RATED = "situnes"
# The second log has an order but no clock: what reads one is left out.
CLOCK_FREE = ("repeat_share", "twice_in_a_row", "return_plays", "user_", "early_", "late_")


def read_scrobbles(folder: Path) -> pl.DataFrame:
    """Read a real log as events; how much was listened is not known."""
    log = pl.read_parquet(folder / "events.parquet").sort(USER_ID, TIMESTAMP, maintain_order=True)
    return log.select(
        USER_ID,
        (pl.col(TIMESTAMP) * ONE_SECOND_MS).alias(AT),
        TRACK_ID,
        pl.lit(int(Action.PLAY), pl.Int8).alias(ACTION),
        pl.lit(None, pl.Int64).alias(PLAYED_MS),
        pl.lit(None, pl.Int64).alias(TRACK_MS),
    )


def read_ratings(folder: Path) -> pl.DataFrame:
    """Read listened share and rating where the length of the track and the listened time are known."""
    tracks = pl.read_parquet(folder / "tracks.parquet").filter(pl.col("i_id_c") >= 0)
    lengths = tracks.select(pl.col("i_id_c").cast(pl.Int64).alias("item_id"), pl.col("duration").alias(TRACK_MS))
    rated = pl.read_parquet(folder / "interactions.parquet").join(lengths, on="item_id", how="left")
    share = (pl.col("duration") * ONE_SECOND_MS / pl.col(TRACK_MS)).clip(0.0, 1.0)
    return rated.select(share.alias("listened_share"), pl.col("rating").cast(pl.Float64)).drop_nulls()


def measure_statistics(data: Path) -> dict[str, dict[str, float]]:
    """Return the figures of each real set, by its short name."""
    sampled, long = (read_scrobbles(data / folder) for folder in LOGS.values())
    of_long = listening_statistics(observe_long_histories(long))  # cleaned by the same rule as simulated histories
    rated = read_ratings(data / RATED)
    return {
        "30music": listening_statistics(sampled),
        "lfm1b": {name: value for name, value in of_long.items() if name.startswith(CLOCK_FREE)},
        RATED: rating_statistics(rated["listened_share"].to_numpy(), rated["rating"].to_numpy()),
    }


def measure_distributions(data: Path) -> dict[str, dict[str, Distribution]]:
    """Return the binned distributions of each real set; only the first log has a clock."""
    shares = read_ratings(data / RATED)["listened_share"].to_numpy()
    binned = listening_distributions(read_scrobbles(data / LOGS["30music"]))
    del binned["listened_share"]
    return {"30music": binned, RATED: {"listened_share": histogram(shares, LISTENED_SHARES)}}


def main(
    data: Annotated[Path, typer.Option(help="The folder that holds 30music_sample10, lfm1b_long_histories, situnes.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write figures and distributions here.")] = None,
) -> None:
    """Print the figures of the real sets as JSON."""
    statistics = measure_statistics(data)
    print(json.dumps(statistics, indent=1))
    if json_file is not None:
        binned = {
            name: {key: asdict(value) for key, value in of_set.items()}
            for name, of_set in measure_distributions(data).items()
        }
        facts = {"date": datetime.now(UTC).date().isoformat(), "statistics": statistics, "distributions": binned}
        json_file.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
