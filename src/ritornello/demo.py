"""The whole story in one run: a log, its preparation, training, evaluation on what came later, and a mix to read."""

import shutil
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from ritornello import request
from ritornello.artifacts import Workspace
from ritornello.bundle import publish
from ritornello.config import Config, RankConfig
from ritornello.data.ingest import ingest
from ritornello.data.prepare import Prepared, load_prepared, prepare
from ritornello.data.simulate import simulate, simulated_mark
from ritornello.data.sources.simulator.generate import num_cores
from ritornello.data.sources.simulator.world import World
from ritornello.evaluation import loop_report, report
from ritornello.evaluation.closed_loop import evaluate_loop
from ritornello.evaluation.window import evaluate_window
from ritornello.train.fit import fit_pipeline

MARK = ".ritornello-demo"
# The simulated world is young: one earlier window to learn from, and a demo that is over in minutes.
WORLD = World(listeners=2_000, tracks=10_000, days=60)
SMALL = Config(rank=RankConfig(cuts=1, next_cuts=1, next_plays=1500))
LOOP_LISTENERS = 250
LOOP_DAYS = 4
LOOP_POLICIES = ("random", "popular", "frozen", "live")


def run(folder: Path, data: Path | None, progress: Progress, console: Console) -> dict[str, float]:
    """Run every step on a simulated world, or on `data`; return the headline figures."""
    workspace = Workspace(folder)
    config = SMALL if data is None else Config()
    empty_demo_folder(folder)
    if data is None:
        console.print("[bold]1 of 5[/] simulate: a small world of invented listeners, artists and titles")
        made = simulate(workspace, WORLD, progress=progress)
        console.print(f"  {made.label}: {made.events:,} events, {made.plays:,} plays")
    else:
        console.print(f"[bold]1 of 5[/] your log: {data}")
        ingested = ingest(workspace, [data], progress=progress)
        console.print(f"  {ingested.accepted:,} rows accepted, {sum(ingested.rejected.values()):,} rejected")
    console.print("[bold]2 of 5[/] prepare: users and tracks numbered, the log as mapped arrays")
    facts = prepare(workspace, progress=progress)
    console.print(f"  {facts.events:,} events of {facts.users:,} users on {facts.tracks:,} tracks")
    prepared = load_prepared(workspace)
    console.print("[bold]3 of 5[/] evaluate: train on all but the last two weeks, predict them")
    figures = evaluate_window(
        prepared,
        config,
        until_ms=None,
        test_days=14.0,
        cuts=1,
        min_item=5,
        min_user=10,
        rankings=None,
        progress=progress,
    )
    console.print("[bold]4 of 5[/] train: the same on the whole log, published as a bundle")
    at = request.newest_moment(prepared)
    pipeline = fit_pipeline(
        prepared.sequences, at, config, prepared.knowledge, slates=prepared.slates, progress=progress
    )
    version = publish(workspace, pipeline, config, prepared, at)
    console.print(f"  bundle {version}")
    console.print("[bold]5 of 5[/] results, and a daily mix")
    report.show(figures | simulated_mark(workspace), console)
    if data is None:
        loop_report.show(play(workspace, progress), console)
    show_mix(workspace, prepared, console)
    results = figures["results"]
    assert isinstance(results, dict)
    overall = results["pipeline"]["all"]
    return {name: round(float(overall[name]), 4) for name in ("ndcg@10", "recall@100")}


def play(workspace: Workspace, progress: Progress) -> dict[str, object]:
    """Let the bundle and simpler policies play against some of the world's listeners."""
    return evaluate_loop(
        workspace,
        policies=LOOP_POLICIES,
        days=LOOP_DAYS,
        scene="none",
        listeners=LOOP_LISTENERS,
        processes=num_cores(),
        progress=progress,
    )


def empty_demo_folder(folder: Path) -> None:
    """Start afresh, but only in a folder that an earlier demo made.

    Raises:
        ValueError: when the folder holds something else.
    """
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).is_file():
            raise ValueError(f"{folder} holds something that no demo made: name another folder with --folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text("made by `ritornello demo`; it is emptied at the next run\n")


def show_mix(workspace: Workspace, prepared: Prepared, console: Console) -> None:
    """Print the daily mix of the user with the most listens."""
    user = int(np.argmax(np.diff(prepared.sequences.start_U)))
    served = request.open_workspace(workspace)
    user_ids = prepared.user_ids.slice(user - 1, 1)
    at = request.newest_moment(prepared)
    history, slate = request.recommend(served, np.array([user], np.int32), 15, at=at, scene="daily_mix")
    table = request.to_table(served, user_ids, history, slate)
    console.print(f"\ndaily mix of user {user_ids[0]}")
    report.show_slate(table, request.track_names(prepared), prepared.track_ids, console)
