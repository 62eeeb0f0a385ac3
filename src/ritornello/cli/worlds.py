"""Invented worlds: making one, how like real logs they are, and the story told on one."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ritornello.artifacts import Workspace
from ritornello.cli.files import check_target
from ritornello.cli.options import JsonFile, Root
from ritornello.cli.terminal import progress_bars


def simulate(
    root: Root,
    users: Annotated[int | None, typer.Option(help="Listeners; default 2,000.")] = None,
    tracks: Annotated[int | None, typer.Option(help="Tracks of the invented catalogue; default 10,000.")] = None,
    days: Annotated[int | None, typer.Option(help="Days of the log; default 60.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed is another world; default 1.")] = None,
    preset: Annotated[str, typer.Option(help="default, quick_skips, plain, or no_MECHANISM.")] = "default",
    catalogue: Annotated[
        Path | None, typer.Option(help="A table of tracks to build the world over: Parquet or CSV.")
    ] = None,
    processes: Annotated[int | None, typer.Option(help="Default: one per core.", min=1)] = None,
    override: Annotated[
        list[str], typer.Option("--set", help="Change a rule, as in switches.drift=false; may be repeated.")
    ] = [],  # noqa: B006  # typer copies it
) -> None:
    """Invent listeners and let them listen: a log with impressions, skips and likes, and the truth beside it."""
    from ritornello.data.simulate import simulate as make
    from ritornello.data.sources.simulator.world import make_world

    world = make_world(preset, override, listeners=users, tracks=tracks, days=days, seed=seed)
    with progress_bars() as progress:
        made = make(Workspace(root), world, given=catalogue, processes=processes, progress=progress)
    typer.echo(f"{made.label}: {made.events:,} events, {made.plays:,} plays of {world.listeners:,} listeners")
    typer.echo(f"the world and the truth about its listeners are in {made.folder}; no model reads them")


def calibrate(
    seed: Annotated[int, typer.Option(help="Seed of the worlds that are measured.")] = 1,
    plots: Annotated[Path | None, typer.Option(help="A folder for SVG pictures of the distributions.")] = None,
    real: Annotated[
        Path | None, typer.Option(help="For --plots: what benchmarks/real_statistics.py --json wrote.")
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Simulate the worlds that the calibration targets name, and lay their figures beside the real ones."""
    from ritornello.evaluation import calibration, calibration_plots, calibration_report, report

    check_target("--json", json_file)
    calibration_plots.check(plots, real)
    with progress_bars() as progress:
        worlds = calibration.observe_worlds(seed=seed, progress=progress)
    checks = calibration.compare(worlds)
    calibration_report.show(checks, Console())
    if json_file is not None:
        report.write_json(calibration_report.as_figures(checks), json_file)
    if plots is not None:
        for path in calibration_plots.draw(worlds, calibration_plots.read_real(real), plots):
            typer.echo(f"drawn: {path}")


def demo(
    data: Annotated[
        Path | None, typer.Option(help="A log of your own, Parquet or CSV; default: a small simulated world.")
    ] = None,
    folder: Annotated[Path, typer.Option(help="Where the workspace goes.")] = Path("demo-world"),
) -> None:
    """Tell the whole story on a small world, or on a log of your own."""
    from ritornello.demo import run

    with progress_bars() as progress:
        figures = run(folder, data, progress, Console())
    typer.echo(f"workspace: {folder}  (figures: {json.dumps(figures)})")
