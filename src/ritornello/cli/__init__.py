"""The command line: one function per command, errors in one line, exit status 0, 1 (failed) or 2 (bad arguments)."""

import sys
from concurrent.futures.process import BrokenProcessPool

import polars as pl
import typer

from ritornello.cli import data, evaluating, recommending, serving, training, worlds
from ritornello.cli.terminal import console, one_line

COMMANDS = (  # in the order in which they are listed
    worlds.simulate,
    worlds.calibrate,
    data.ingest,
    data.prepare,
    training.train,
    evaluating.evaluate,
    recommending.recommend,
    recommending.replay,
    recommending.explain,
    training.bundles,
    serving.serve,
    serving.token,
    serving.forget,
    serving.export,
    serving.prune,
    worlds.demo,
    evaluating.ab,
)

app = typer.Typer(
    name="ritornello",
    help="From a listening log to recommendations that answer the next skip.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in COMMANDS:
    app.command()(command)


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
