"""Compare Ritornello with tuned peers on the same windows of a listening log, judged by an independent harness.

python benchmarks/window_peers.py --harness HARNESS.py --data EVENTS.parquet --name 30music
"""

import hashlib
import tomllib
from itertools import count
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from comparison import DRAWS, against_best_peer, summarise
from peer_lists import load_harness
from report import Report, Section, as_markdown, describe_machine, write
from window import ONLY, Scored, Settings, Window, run

HERE = Path(__file__).parent
DAY_S = 86_400


def read_peers(path: Path, name: str) -> list[str]:
    """Return the tuned peers of a data set, in file order."""
    tables = tomllib.loads(path.read_text())
    if name not in tables:
        raise typer.BadParameter(f"{path.name} has no peers for {name!r}; it has {', '.join(sorted(tables))}")
    return [str(peer["model"]) for peer in tables[name]]


def newest_cut(settings: Settings) -> float:
    """Return T of the newest window that fits, as the harness would choose it."""
    events = load_harness(settings.harness).load_events(settings.data)
    return float(events["timestamp"].max()) - settings.test_days * DAY_S


def run_windows(settings: Settings, windows: list[Window], peers: list[str], console: Console) -> dict[str, Scored]:
    """Run every window under one progress bar."""
    steps_a_window = 1 + 3 + len(ONLY) + len(peers) + 1 + len(peers)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    scored, started = {}, count()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=steps_a_window * len(windows))

        def told(step: str) -> None:
            progress.update(task, completed=next(started), description=step)

        for window in windows:
            scored[window.label] = run(settings, window, peers, told)
        told("done")
    return scored


def section(title: str, values: pl.DataFrame, seed: int) -> Section:
    """Summarise some rows and compare on them."""
    summaries = summarise(values)
    return Section(title=title, summaries=summaries, ratios=against_best_peer(values, summaries, seed))


def make_report(settings: Settings, name: str, scored: dict[str, Scored], seed: int) -> Report:
    """Gather the pooled section, one section a window, the costs and what the harness said."""
    sections = [section(label, window.values, seed) for label, window in scored.items()]
    pooled = section("All windows pooled", pl.concat(window.values for window in scored.values()), seed)
    run_facts: dict[str, str | int | float] = {
        "data": name,
        **describe_machine(),
        "threads": settings.threads,
        "config": "default" if settings.config is None else settings.config.name,
        "test_days": settings.test_days,
        "min_user": settings.min_user,
        "min_item": settings.min_item,
        "bootstrap_draws": DRAWS,
        "seed": seed,
        "harness_sha256": hashlib.sha256(settings.harness.read_bytes()).hexdigest()[:12],
    }
    return Report(
        run=run_facts,
        windows={label: window.stats for label, window in scored.items()},
        sections=[pooled, *sections],
        costs={label: window.costs for label, window in scored.items()},
        harness_scores={label: window.harness_scores for label, window in scored.items()},
    )


def main(  # noqa: PLR0913, PLR0917 - the command line itself
    harness: Annotated[Path, typer.Option(exists=True, help="The judge: harness.py.")],
    data: Annotated[Path, typer.Option(exists=True, help="Listening events as Parquet.")],
    name: Annotated[str, typer.Option(help="Name of the data set; picks its peers and names the results.")],
    test_days: float = 14,
    min_user: int = 10,
    min_item: int = 5,
    split_ts: Annotated[
        float | None, typer.Option(help="T of cut 0 in epoch seconds; default: as the harness.")
    ] = None,
    cuts: Annotated[str, typer.Option(help="Days before T, one window each.")] = "0,14,28,42",
    out: Annotated[Path, typer.Option(help="Folder for NAME.json and NAME.md.")] = HERE / "results",
    peers: Annotated[Path, typer.Option(help="Tuned settings.")] = HERE / "peers.toml",
    work: Annotated[Path, typer.Option(help="Scratch folder; peers' lists are kept there.")] = HERE / ".work",
    ritornello: Annotated[str, typer.Option(help="The ritornello command.")] = "ritornello",
    config: Annotated[Path | None, typer.Option(help="Passed to ritornello train.")] = None,
    threads: int = 1,
    seed: int = 0,
) -> None:
    """Print and write quality, time and memory of Ritornello and of the tuned peers, per window and pooled."""
    settings = Settings(
        harness=harness.resolve(),
        data=data.resolve(),
        test_days=test_days,
        min_user=min_user,
        min_item=min_item,
        ritornello=ritornello,
        config=config,
        threads=threads,
    )
    models, newest_s, console = read_peers(peers, name), split_ts or newest_cut(settings), Console()
    windows = [
        Window(label=f"T - {cut} d", cut_s=newest_s - float(cut) * DAY_S, folder=work / name / f"cut_{cut}")
        for cut in cuts.split(",")
    ]
    try:
        report = make_report(settings, name, run_windows(settings, windows, models, console), seed)
    except (RuntimeError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    write(report, out)
    console.print(as_markdown(report), markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
