"""Evaluation: how well predictions fit what came later, in a log or in an invented world."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ritornello.artifacts import Workspace
from ritornello.cli.files import check_target
from ritornello.cli.moments import parse_moment
from ritornello.cli.options import ConfigFile, JsonFile, Overrides, Root
from ritornello.cli.terminal import progress_bars
from ritornello.config import load_config
from ritornello.data.prepare import load_prepared

MAX_DAYS = 36_500
MAX_LOOP_DAYS = 90
SIMULATED_PROTOCOLS = ("closed_loop", "off_policy")


def evaluate(
    root: Root,
    protocol: Annotated[
        str, typer.Option(help="window, live; in a simulated world closed_loop, off_policy.")
    ] = "window",
    until: Annotated[
        str | None, typer.Option(help="The cut T: epoch seconds or ISO date; default: the log's end less the window.")
    ] = None,
    test_days: Annotated[
        float | None, typer.Option(help="Length of the window after T (default 14), or of the closed loop (default 7).")
    ] = None,
    cuts: Annotated[int, typer.Option(help="Number of cuts, each one window earlier.", min=1)] = 1,
    min_item: Annotated[int, typer.Option(help="Tracks need so many events before T.")] = 5,
    min_user: Annotated[int, typer.Option(help="Users need so many events before T.")] = 10,
    rankings: Annotated[Path | None, typer.Option(help="Score these lists instead of training.")] = None,
    policies: Annotated[
        str, typer.Option(help="For closed_loop: who plays, separated by commas.")
    ] = "oracle,random,popular,relisten,item2item,frozen,live",
    scene: Annotated[str, typer.Option(help="For closed_loop: none, or the scene that the bundle serves.")] = "none",
    listeners: Annotated[int, typer.Option(help="For closed_loop and off_policy.", min=20)] = 1000,
    config_file: ConfigFile = None,
    override: Overrides = [],  # noqa: B006
    json_file: JsonFile = None,
) -> None:
    """Train as of a moment, predict what came after it, and print how well; or let policies play in a simulated world."""
    from ritornello.data.simulate import simulated_mark
    from ritornello.evaluation import live, report, window

    if protocol in SIMULATED_PROTOCOLS:
        given: dict[str, object] = {
            "--until": until,
            "--rankings": rankings,
            "--config": config_file,
            "--set": override or None,
            "--cuts": cuts if cuts > 1 else None,
            "--test-days": test_days if protocol == "off_policy" else None,
        }
        refuse_options(protocol, given)
        evaluate_simulated(
            Workspace(root), protocol, policies, scene, listeners=listeners, days=test_days, json_file=json_file
        )
        return
    test_days = 14.0 if test_days is None else test_days

    if protocol == "live" and cuts > 1:
        raise ValueError(f"--cuts is {cuts}: the live protocol has one cut; run it again with another --until")
    check_days(test_days)
    check_target("--json", json_file)
    config = load_config(config_file, override)
    prepared = load_prepared(Workspace(root))
    mark = simulated_mark(Workspace(root))
    until_ms = None if until is None else parse_moment(until)
    with progress_bars() as progress:
        if protocol == "window":
            figures = window.evaluate_window(
                prepared,
                config,
                until_ms=until_ms,
                test_days=test_days,
                cuts=cuts,
                min_item=min_item,
                min_user=min_user,
                rankings=rankings,
                progress=progress,
            )
        elif protocol == "live":
            figures = live.evaluate_live(
                prepared,
                config,
                until_ms=until_ms,
                test_days=test_days,
                min_item=min_item,
                min_user=min_user,
                rankings=rankings,
                progress=progress,
            )
        else:
            raise ValueError(f"--protocol is {protocol!r}: allowed are window, live, {', '.join(SIMULATED_PROTOCOLS)}")
    figures |= mark
    report.show(figures, Console())
    if json_file is not None:
        report.write_json(figures, json_file)


def evaluate_simulated(
    workspace: Workspace,
    protocol: str,
    policies: str,
    scene: str,
    *,
    listeners: int,
    days: float | None,
    json_file: Path | None,
) -> None:
    """Run a protocol that needs a simulated world, and print what came out."""
    from ritornello.data.simulate import world_folder
    from ritornello.data.sources.simulator.generate import num_cores
    from ritornello.evaluation import loop_report, report
    from ritornello.evaluation.closed_loop import evaluate_loop
    from ritornello.evaluation.off_policy_check import check_off_policy

    check_target("--json", json_file)
    with progress_bars() as progress:
        if protocol == "off_policy":
            figures = check_off_policy(world_folder(workspace), listeners=listeners, progress=progress)
        else:
            figures = evaluate_loop(
                workspace,
                policies=tuple(name.strip() for name in policies.split(",") if name.strip()),
                days=whole_days(7.0 if days is None else days),
                scene=scene,
                listeners=listeners,
                processes=num_cores(),
                progress=progress,
            )
    loop_report.show(figures, Console())
    if json_file is not None:
        report.write_json(figures, json_file)


def ab(
    root: Root,
    side_a: Annotated[
        str, typer.Argument(metavar="A", help="A bundle's version, current, or a policy such as popular.")
    ],
    side_b: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    scene: Annotated[str, typer.Option(help="none, or the scene that bundles serve.")] = "none",
    days: Annotated[int, typer.Option(help="How long each listener's test lasts.", min=1, max=MAX_LOOP_DAYS)] = 7,
    listeners: Annotated[int, typer.Option(help="Listeners at most.", min=1)] = 2000,
    json_file: JsonFile = None,
) -> None:
    """Compare two bundles on simulated listeners; stops as soon as an always-valid interval allows."""
    from ritornello.data.sources.simulator.generate import num_cores
    from ritornello.evaluation import ab as test
    from ritornello.evaluation import loop_report, report

    check_target("--json", json_file)
    with progress_bars() as progress:
        figures = test.compare(
            Workspace(root),
            side_a,
            side_b,
            days=days,
            scene=scene,
            listeners=listeners,
            processes=num_cores(),
            progress=progress,
        )
    loop_report.show_ab(figures, Console())
    if json_file is not None:
        report.write_json(figures, json_file)


def refuse_options(protocol: str, given: dict[str, object]) -> None:
    """Refuse options that a protocol would ignore."""
    for option, value in given.items():
        if value is not None:
            raise ValueError(f"{option} does not go with --protocol {protocol}, found {value}")


def whole_days(days: float) -> int:
    """Return a number of days for the closed loop, which lives by whole days."""
    if not 1 <= days <= MAX_LOOP_DAYS or days != int(days):
        raise ValueError(f"--test-days is {days:g}: the closed loop takes whole days from 1 to {MAX_LOOP_DAYS}")
    return int(days)


def check_days(days: float) -> None:
    """Refuse a window that has no length, or one that no calendar holds."""
    if not 0 < days <= MAX_DAYS:
        raise ValueError(f"--test-days is {days}: allowed are numbers above 0, up to {MAX_DAYS:,}")
