"""Data: from files to a prepared workspace."""

from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from ritornello.artifacts import Workspace
from ritornello.cli.options import Root
from ritornello.cli.terminal import progress_bars


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
