"""The ranking ladder on a real log: every ranker learns from the same examples and orders the same candidates.

    python benchmarks/ranking.py --data events.parquet --out values.parquet --cuts 0,14,28,42 --seeds 0,1,2
    python benchmarks/recall_channels.py report values.parquet --peers FOLDER --beside trees

Rolling windows end at T, T - 14 days, ...; the channels are fitted once a window and moment, then every ranker on what they
proposed. Values are kept by user, so that systems are compared pair by pair.
"""

import json
from pathlib import Path
from time import perf_counter
from typing import Annotated

import msgspec
import polars as pl
import typer

from recall_channels import SCHEMA, live_values, opened, show, window_values, windows_of
from ritornello.config import Config, RankConfig, load_config
from ritornello.evaluation.live import answers_of
from ritornello.evaluation.window import PIPELINE, recommenders_of, score_system
from ritornello.rank import reads_history
from ritornello.train.fit import TASKS, fit_rankers, learn_from

app = typer.Typer(add_completion=False)


@app.command()
def measure(  # noqa: PLR0913, PLR0917 - the command line itself
    data: Annotated[Path, typer.Option(exists=True, help="Listening events as Parquet, or a workspace.")],
    out: Annotated[Path, typer.Option(help="Parquet file of values; rows are added.")],
    rankers: Annotated[
        str, typer.Option(help="NAME or NAME:LABEL={settings as JSON}, several with ;")
    ] = "trees;multipath",
    seeds: Annotated[str, typer.Option(help="For rankers whose result hangs on one.")] = "1,2,3",
    cuts: Annotated[str, typer.Option(help="Days before T, one window each.")] = "0,14,28,42",
    config: Annotated[Path | None, typer.Option(help="As for ritornello train.")] = None,
    until: Annotated[float | None, typer.Option(help="T in epoch seconds; default: test days before the end.")] = None,
    test_days: float = 14.0,
    min_item: int = 5,
    min_user: int = 10,
    live_rows_each: Annotated[int, typer.Option(help="Score the next play too, on so many plays a window.")] = 0,
) -> None:
    """Fit and score rankers."""
    base = load_config(config, [])
    chosen = [parsed(one) for one in rankers.split(";")]
    collecting = next((name for name, _, _ in chosen if reads_history(name)), chosen[0][0])
    with opened(data) as prepared:
        for cut, window, rows in windows_of(
            prepared, cuts, until, test_days=test_days, min_item=min_item, min_user=min_user
        ):
            started = perf_counter()
            tasks = TASKS if live_rows_each else ("window", "unheard")
            learned = learn_from(
                window.known, window.at, with_ranker(base, collecting, {}), prepared.knowledge, tasks=tasks
            )
            print(f"cut {cut}: channels and examples in {perf_counter() - started:.0f} s", flush=True)
            for name, label, settings in chosen:
                for seed in [int(one) for one in seeds.split(",")] if reads_history(name) else [1]:
                    started = perf_counter()
                    own = settings if name == "logistic" else settings | {"seed": seed}
                    pipeline = fit_rankers(learned, with_ranker(base, name, own))
                    found = [("fit seconds", "", perf_counter() - started, 1)]
                    found += window_values(prepared, score_system(recommenders_of(pipeline)[PIPELINE], window))
                    if live_rows_each:
                        found += live_values(prepared, rows, answers_of(pipeline)[PIPELINE], live_rows_each)
                    table = pl.DataFrame([(label, seed, cut, *row) for row in found], schema=SCHEMA, orient="row")
                    pl.concat([pl.read_parquet(out), table] if out.exists() else [table]).write_parquet(out)
                    show(table)


def parsed(text: str) -> tuple[str, str, dict[str, object]]:
    """Return a ranker's name, its label and its settings."""
    name, _, rest = text.partition(":")
    label, _, settings = rest.partition("=")
    return name, label or name, json.loads(settings) if settings else {}


def with_ranker(config: Config, name: str, settings: dict[str, object]) -> Config:
    """Return a configuration with that ranker for every task."""
    usual = config.rank.settings if name == config.rank.model else {}  # those of another model mean nothing to it
    by_task = {task: usual.get(task, {}) | settings for task in TASKS}
    rank = msgspec.structs.replace(config.rank, model=name, settings=by_task)
    assert isinstance(rank, RankConfig)
    return msgspec.structs.replace(config, rank=rank)


if __name__ == "__main__":
    app()
