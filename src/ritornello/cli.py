"""The command line: one function per command, errors in one line, exit status 0, 1 (failed) or 2 (bad arguments)."""

import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, cast

import polars as pl
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ritornello.artifacts import Workspace
from ritornello.config import Config, load_config
from ritornello.contracts import Only
from ritornello.data.ids import rows_of
from ritornello.data.prepare import Prepared, load_prepared
from ritornello.schema import PLAYLIST_ID, ROW_ID, TIMESTAMP, TRACK_ID, USER_ID

app = typer.Typer(
    name="ritornello",
    help="From a listening log to recommendations that answer the next skip.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
console = Console(stderr=True)

Root = Annotated[
    Path, typer.Argument(metavar="WS", help="The workspace: a folder that holds a log and what is made of it.")
]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="A TOML file; see configs/.")]
Overrides = Annotated[list[str], typer.Option("--set", help="Override one value, as in rank.cuts=4; may be repeated.")]
TextModelFolder = Annotated[
    Path | None,
    typer.Option(
        "--text-model", help="For themed: a folder with a sentence-embedding model (model.onnx, tokenizer.json)."
    ),
]
TextSimilarity = Annotated[
    float | None,
    typer.Option("--text-similarity", help="The least cosine at which words mean a name; default 0.5.", min=0, max=1),
]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")]


MAX_DAYS = 36_500
MAX_LOOP_DAYS = 90
MAX_WORKERS = 64
SIMULATED_PROTOCOLS = ("closed_loop", "off_policy")
LAST_MOMENT = 253_402_300_800_000  # the year 10000, in UTC ms


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """Show progress bars on the terminal's error stream."""
    columns = (TextColumn("{task.description:<18}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=not console.is_terminal) as progress:
        yield progress


@app.command()
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


@app.command()
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

    if json_file is not None:
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


@app.command()
def ingest(
    root: Root,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Parquet or CSV files.")],
    format_name: Annotated[str, typer.Option("--format", help="auto, parquet or csv.")] = "auto",
    kind: Annotated[str, typer.Option("--as", help="events or catalogue.")] = "events",
) -> None:
    """Add listening logs, or the tables of a catalogue, to a workspace."""
    from ritornello.data.ingest import ingest as add

    if kind not in ("events", "catalogue"):
        raise ValueError(f"--as is {kind!r}: allowed are events, catalogue")
    with progress_bars() as progress:
        report = add(
            Workspace(root),
            files,
            source=format_name,
            kind=cast(Literal["events", "catalogue"], kind),
            progress=progress,
        )
    typer.echo(f"accepted {report.accepted:,} rows from {len(report.files)} file(s)")
    for path in report.already_ingested:
        typer.echo(f"already ingested, nothing to do: {path}")
    for reason, count in sorted(report.rejected.items()):
        typer.echo(f"rejected {count:,} rows: {reason}")
    for path in report.quarantine:
        typer.echo(f"rejected rows are kept in {path}")


@app.command()
def prepare(root: Root) -> None:
    """Number users and tracks and write the log as mapped arrays."""
    from ritornello.data.prepare import prepare as make

    with progress_bars() as progress:
        report = make(Workspace(root), progress=progress)
    typer.echo(f"prepared {report.events:,} events of {report.users:,} users on {report.tracks:,} tracks")
    typer.echo(f"graph: {sum(report.graph['edges'].values()):,} edges")
    for reason, count in report.graph["left_out"].items():
        typer.echo(f"left {count:,} edges out of the graph: {reason}")
    if report.impressions:
        typer.echo(
            f"left {report.impressions:,} impressions out of the histories: rankers learn from them what offers come to"
        )
    if report.duplicates:
        typer.echo(f"dropped {report.duplicates:,} exact duplicates")


@app.command()
def train(
    root: Root,
    config_file: ConfigFile = None,
    override: Overrides = [],  # noqa: B006  # typer copies it
    update: Annotated[
        bool,
        typer.Option("--update", help="Go on from the published bundle: rankers stay, all else learns what is new."),
    ] = False,
) -> None:
    """Train recall and ranking on the whole log and publish the bundle."""
    if update:
        update_bundle(root, load_config(config_file, override) if config_file or override else None)
        return
    from ritornello.bundle import publish
    from ritornello.request import newest_moment
    from ritornello.runs import Run, running
    from ritornello.train.fit import fit_pipeline

    config = load_config(config_file, override)
    workspace = Workspace(root)
    prepared = load_prepared(workspace)
    at = newest_moment(prepared)
    with progress_bars() as progress, running(Run(folder=workspace.runs, progress=progress)):
        pipeline = fit_pipeline(
            prepared.sequences, at, config, prepared.knowledge, slates=prepared.slates, progress=progress
        )
    version = publish(workspace, pipeline, config, prepared, at)
    typer.echo(
        f"published bundle {version}: channels {', '.join(pipeline.channels)}; rankers {', '.join(pipeline.rankers)}"
    )


def update_bundle(root: Path, asked: Config | None) -> None:
    """Bring the published bundle up to date, and say how."""
    from ritornello.update import update

    with progress_bars() as progress:
        done = update(Workspace(root), asked, progress=progress)
    typer.echo(f"updated bundle {done.before}: {done.events:,} new events, {done.tracks:,} new tracks")
    ranked = datetime.fromtimestamp(done.ranked_at / 1000, UTC)
    typer.echo(
        f"published bundle {done.version}: channels {', '.join(done.pipeline.channels)}; rankers of {ranked:%Y-%m-%d} "
        f"{', '.join(done.pipeline.rankers) or 'none'}"
    )


@app.command()
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
    if json_file is not None:
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


@app.command()
def recommend(
    root: Root,
    scene: Annotated[
        str, typer.Option(help="none (the plain ranked list), daily_mix, personal_fm, similar, playlists or themed.")
    ] = "none",
    user: Annotated[str | None, typer.Option(help="One user id.")] = None,
    users: Annotated[Path | None, typer.Option(help="A Parquet file with a column user_id.")] = None,
    k: Annotated[int, typer.Option("-k", help="Tracks per list.")] = 30,
    at: Annotated[
        str | None, typer.Option(help="As seen just before this moment; default: after the newest event.")
    ] = None,
    only: Annotated[str, typer.Option(help="any, heard or unheard tracks; for --scene none.")] = "any",
    familiarity: Annotated[float | None, typer.Option(help="Share of heard tracks, 0 to 1; for scenes.")] = None,
    seed: Annotated[
        list[str],
        typer.Option(help="For similar: a track, artist:ID or album:ID; else what a newcomer picks. Repeatable."),
    ] = [],  # noqa: B006
    theme: Annotated[
        str, typer.Option(help="For themed: kind:name (genre:jazz, era:1990s, ...), interest:1, or a sentence.")
    ] = "",
    playlist: Annotated[
        str, typer.Option(help="For playlists: the id of the one to go on with; default: rank them.")
    ] = "",
    block: Annotated[
        list[str], typer.Option(help="Leave out a track:ID, artist:ID, album:ID or genre:NAME. Repeatable.")
    ] = [],  # noqa: B006
    hide_heard_days: Annotated[float, typer.Option(help="Leave out what was heard in so many days.", min=0)] = 0.0,
    explicit: Annotated[bool, typer.Option(help="Whether tracks marked as explicit are welcome.")] = True,
    time_zone: Annotated[
        str, typer.Option(help="For daily_mix: whose day it is, as in Europe/Paris; default: UTC.")
    ] = "",
    text_model: TextModelFolder = None,
    text_similarity: TextSimilarity = None,
    out: Annotated[
        Path | None, typer.Option(help="A .parquet file or, for one list, .jspf, .m3u8, .xspf; default: print.")
    ] = None,
) -> None:
    """Recommend tracks to one user or to many."""
    from ritornello import listing, request
    from ritornello.scenes import Asked
    from ritornello.scenes.days import UTC_ZONE
    from ritornello.text import open_text_model

    check_recommend(scene, only, familiarity)
    given: dict[str, object] = {"--seed": seed, "--theme": theme, "--playlist": playlist, "--block": block}
    given |= {"--time-zone": time_zone, "--hide-heard-days": hide_heard_days, "--no-explicit": not explicit}
    listing.check_asked(scene, given | {"--text-model": text_model})
    if out is not None:
        listing.check_out(out, is_one=users is None, scene=scene, playlist=playlist)
        check_target("--out", out)
    rules = listing.read_rules(block, hide_heard_days, explicit=explicit)
    served = request.open_workspace(Workspace(root), open_text_model(text_model, text_similarity))
    user_ids = who_asks(served.prepared, user, users, is_for_all=scene in listing.FOR_ALL, has_seeds=bool(seed))
    user_U = rows_of(user_ids, served.prepared.user_ids)
    at_ms = request.newest_moment(served.prepared) if at is None else parse_moment(at)
    if at_ms < served.bundle.at:
        console.print(
            f"note: bundle {served.bundle.version} has learned from events newer than --at; train with less to look back"
        )
    asked = None
    if scene != "none":
        asked = Asked(
            facts=served.facts,
            likeness=served.likeness,
            rules=rules,
            seeds=tuple(seed),
            theme=theme,
            playlist=playlist,
            time_zone=time_zone or UTC_ZONE,
        )
    with progress_bars():
        if scene == "playlists" and not playlist:
            ranked = request.rank_playlists(served, user_U, k, at=at_ms, asked=asked)
            table, lines = listing.playlists_table(served, user_ids, ranked), listing.notes(ranked.note_B)
        else:
            history, slate = request.recommend(
                served, user_U, k, at=at_ms, scene=scene, only=cast(Only, only), familiarity=familiarity, asked=asked
            )
            table, lines = request.to_table(served, user_ids, history, slate), listing.told(slate)
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if table.is_empty():
        console.print("nothing to recommend: the log holds no listens up to that moment, or the rules leave nothing")
    if out is None:
        show_lists(table, served.prepared)
    elif out.suffix == ".parquet":
        write_parquet(table, out)
        typer.echo(f"wrote {len(table):,} rows for {len(user_ids):,} users to {out}")
    else:
        typer.echo(f"wrote {listing.write_list(served, slate, user or '', at_ms, out):,} tracks to {out}")


@app.command()
def replay(
    root: Root,
    queries: Annotated[
        Path, typer.Argument(metavar="QUERIES.parquet", help="row_id, user_id, timestamp, track_id in time order.")
    ],
    out: Annotated[Path, typer.Option(help="Write row_id, rank, track_id here.")],
    k: Annotated[int, typer.Option("-k", help="Tracks per row.")] = 100,
) -> None:
    """Answer each row from what came before it, then learn it."""
    from ritornello import request
    from ritornello.evaluation.replay import replay as run

    check_target("--out", out)
    served = request.open_workspace(Workspace(root))
    request.check_k(k, served.bundle.pipeline)
    table = read_parquet(queries, (ROW_ID, USER_ID, TIMESTAMP, TRACK_ID))
    with progress_bars() as progress:
        lists = run(served.bundle.pipeline, served.prepared, table, k, progress=progress)
    write_parquet(lists, out)
    typer.echo(f"answered {len(table):,} rows, wrote {out}")


@app.command()
def explain(
    root: Root,
    user: Annotated[str, typer.Option(help="A user id.")],
    track: Annotated[str, typer.Option(help="A track id.")],
) -> None:
    """Say why a track is, or is not, in a user's list."""
    from ritornello import request
    from ritornello.explain import explain as tell

    served = request.open_workspace(Workspace(root))
    for line in tell(served, user, track):
        typer.echo(line)


@app.command()
def bundles(
    root: Root,
    action: Annotated[str, typer.Argument(metavar="list|publish|rollback")] = "list",
    version: Annotated[str | None, typer.Argument(help="For publish: the version to serve.")] = None,
) -> None:
    """List the trained bundles, serve one of them, or go back to the one before."""
    from ritornello.bundle import list_bundles, switch

    workspace = Workspace(root)
    if action == "publish" and not version:
        raise ValueError(f"bundles publish needs a VERSION: `ritornello bundles {root}` lists them")
    if action != "publish" and version is not None:
        raise ValueError(f"bundles {action} takes no VERSION, found {version!r}")
    if action == "list":
        for name, is_current in list_bundles(workspace):
            typer.echo(f"{'*' if is_current else ' '} {name}")
    elif action in ("publish", "rollback"):
        typer.echo(f"serving {switch(workspace, version if action == 'publish' else None)}")
    else:
        raise ValueError(f"bundles {action!r}: allowed are list, publish VERSION, rollback")


@app.command()
def serve(
    root: Root,
    host: Annotated[
        str, typer.Option(help="Where to listen; beyond loopback every request needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535)] = 8765,
    workers: Annotated[int, typer.Option(help="Processes that share the port.", min=1, max=MAX_WORKERS)] = 1,
    text_model: TextModelFolder = None,
    text_similarity: TextSimilarity = None,
) -> None:
    """Serve slates and take events over HTTP; the address /openapi.json describes every route."""
    from ritornello.serve.run import serve as run
    from ritornello.text import open_text_model

    run(root, host=host, port=port, workers=workers, text_model=open_text_model(text_model, text_similarity))


@app.command()
def token(
    root: Root,
    user: Annotated[str, typer.Argument(metavar="USER", help="A user id; for an operator, a name.")],
    operator: Annotated[bool, typer.Option("--operator", help="Act for every user, and for the service.")] = False,
) -> None:
    """Give out a token for the service; it is shown once, and only its hash is kept."""
    from ritornello.serve.tokens import give_token

    typer.echo(give_token(Workspace(root), check_user(user), is_operator=operator))


@app.command()
def forget(root: Root, user: Annotated[str, typer.Argument(metavar="USER", help="A user id.")]) -> None:
    """Delete a user: live events, tokens, and their rows of the log."""
    from ritornello.data.forget import forget_user
    from ritornello.serve.state.sqlite import open_state

    workspace = Workspace(root)
    with open_state(workspace) as state:
        live = state.forget(check_user(user)).result()
    logged = forget_user(workspace, user)
    typer.echo(f"deleted {live:,} live events and {logged:,} events of the log")
    if logged:
        typer.echo(f"run `ritornello prepare {root}` and `ritornello train {root}`: the arrays still hold the old log")


@app.command()
def export(
    root: Root, out: Annotated[Path, typer.Argument(metavar="FILE.parquet", help="For `ritornello ingest`.")]
) -> None:
    """Write the live events of the service as a log, so that the next training learns from them."""
    from ritornello.serve.export import export_events

    check_target("FILE", out)
    typer.echo(f"wrote {export_events(Workspace(root), out):,} events to {out}")


@app.command()
def prune(root: Root) -> None:
    """Let go of old live events that the log has, so that the service's state does not grow for ever."""
    from ritornello.serve.prune import prune as let_go

    report = let_go(Workspace(root), now=int(time.time() * 1000))
    typer.echo(f"let go of {report.events:,} events that the log has, and {report.leftovers:,} leftovers")
    typer.echo(f"kept {report.kept:,} rows: what is newer, what was not ingested and prepared, what was taken back")


@app.command()
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


@app.command()
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

    if json_file is not None:
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


def evaluate_simulated(  # what stands apart from the protocols on real logs
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

    if json_file is not None:
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


def check_recommend(scene: str, only: str, familiarity: float | None) -> None:
    """Refuse options that contradict each other."""
    if only not in ("any", "heard", "unheard"):
        raise ValueError(f"--only is {only!r}: allowed are any, heard, unheard")
    if only != "any" and scene != "none":
        raise ValueError(f"--only {only} goes with --scene none; a scene has --familiarity")
    if familiarity is not None and (scene == "none" or not 0 <= familiarity <= 1):
        raise ValueError(f"--familiarity is {familiarity}: allowed are 0 to 1, with a scene")


def check_user(user: str) -> str:
    """Refuse what is no user id."""
    if not user.strip():
        raise ValueError("USER is blank: allowed is a user id")
    return user


def check_target(option: str, path: Path) -> None:
    """Refuse a file that could not be written, before the work and not after it."""
    if not path.name or path.is_dir():
        raise ValueError(f"{option} is {path}: a folder; allowed is the name of a file")
    if not path.parent.is_dir():
        raise ValueError(f"{option}: there is no folder {path.parent}")


def check_days(days: float) -> None:
    """Refuse a window that has no length, or one that no calendar holds."""
    if not 0 < days <= MAX_DAYS:
        raise ValueError(f"--test-days is {days}: allowed are numbers above 0, up to {MAX_DAYS:,}")


def who_asks(
    prepared: Prepared, user: str | None, users: Path | None, *, is_for_all: bool, has_seeds: bool
) -> pl.Series:
    """Return the user ids asked for, that of nobody where a scene answers all and nobody is named.

    Raises:
        ValueError: when both or neither are given, or a single user is unknown and has picked nothing to begin with.
    """
    if is_for_all and user is None and users is None:
        return pl.Series(USER_ID, [""])
    user_ids = read_users(user, users)
    unknown = int((rows_of(user_ids, prepared.user_ids) == 0).sum())
    if user is not None and unknown and not has_seeds:
        raise ValueError(f"unknown user {user!r}: the log has {len(prepared.user_ids):,} other users")
    if unknown:
        console.print(f"{unknown:,} of {len(user_ids):,} users are unknown: they get what suits a newcomer")
    return user_ids


def show_lists(table: pl.DataFrame, prepared: Prepared) -> None:
    """Print lists of tracks, or of playlists."""
    from ritornello.evaluation.report import show_playlists, show_slate
    from ritornello.request import track_names

    if PLAYLIST_ID in table.columns:
        show_playlists(table, Console())
    else:
        show_slate(table, track_names(prepared), prepared.track_ids, Console())


def read_users(user: str | None, users: Path | None) -> pl.Series:
    """Return the user ids asked for."""
    if (user is None) == (users is None):
        raise ValueError("recommend takes either --user ID or --users FILE.parquet")
    if users is not None:
        user_ids = read_parquet(users, (USER_ID,))[USER_ID]
        if user_ids.null_count():
            raise ValueError(f"{users}: {user_ids.null_count():,} of {len(user_ids):,} rows have no {USER_ID}")
        return user_ids.unique(maintain_order=True)
    return pl.Series(USER_ID, [user])


def read_parquet(path: Path, columns: tuple[str, ...]) -> pl.DataFrame:
    """Read some columns of a Parquet file.

    Raises:
        ValueError: when it is missing, no Parquet file, or lacks a column.
    """
    if not path.is_file():
        raise ValueError(f"no file at {path}")
    try:
        table = pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"{path} is no readable Parquet file: {str(error).splitlines()[0]}") from error
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}; found {', '.join(table.columns) or 'no columns'}")
    return table.select(columns)


def write_parquet(table: pl.DataFrame, path: Path) -> None:
    """Write a table beside its final name and rename it, so that no half file is left behind."""
    draft = path.with_name(f".{path.name}.part")
    try:
        table.write_parquet(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def parse_moment(text: str) -> int:
    """Return UTC ms of epoch seconds or an ISO date.

    >>> parse_moment("1420535985"), parse_moment("2015-01-06T09:19:45")
    (1420535985000, 1420535985000)
    """
    at = read_number(text)
    if at is None:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise ValueError(
                f"{text!r} is no moment: allowed are epoch seconds, or an ISO date such as 2015-01-06T09:19:45"
            ) from error
        at = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    if not 0 <= at < LAST_MOMENT:
        raise ValueError(
            f"{text!r} is no moment of a log: allowed are 1970-01-01 to 9999-12-31 (are these milliseconds?)"
        )
    return at


def read_number(text: str) -> int | None:
    """Return UTC ms of epoch seconds, None where the text is no number."""
    try:
        return int(float(text) * 1000)
    except (ValueError, OverflowError):
        return None


def one_line(error: Exception) -> str:
    """Return a message as one line that a terminal shows as it is, whatever a file or an option put into it."""
    text = " ".join(str(error).split())
    return escape("".join(character if character.isprintable() else "?" for character in text))


def main() -> None:
    """Run the command line; a user's mistake is one line and exit status 2, a failure one line and 1."""
    try:
        app(standalone_mode=True)
    except ValueError as error:
        console.print(f"[bold red]error:[/] {one_line(error)}", highlight=False, soft_wrap=True)
        sys.exit(2)
    except BrokenProcessPool:
        console.print("[bold red]failed:[/] a worker process died, perhaps for want of memory: try fewer --processes")
        sys.exit(1)
    except (OSError, pl.exceptions.PolarsError) as error:
        console.print(f"[bold red]failed:[/] {one_line(error)}", highlight=False, soft_wrap=True)
        sys.exit(1)
