"""Training: what makes a bundle, and which bundle is served."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ritornello.artifacts import Workspace
from ritornello.cli.options import ConfigFile, Overrides, Root
from ritornello.cli.terminal import progress_bars
from ritornello.config import Config, load_config
from ritornello.data.prepare import load_prepared


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
