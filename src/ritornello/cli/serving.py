"""The service: running it, who may ask it, and the live events that it keeps."""

import time
from pathlib import Path
from typing import Annotated

import typer

from ritornello.artifacts import Workspace
from ritornello.cli.files import check_target
from ritornello.cli.options import Root, TextModelFolder, TextSimilarity

MAX_WORKERS = 64


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


def token(
    root: Root,
    user: Annotated[str, typer.Argument(metavar="USER", help="A user id; for an operator, a name.")],
    operator: Annotated[bool, typer.Option("--operator", help="Act for every user, and for the service.")] = False,
) -> None:
    """Give out a token for the service; it is shown once, and only its hash is kept."""
    from ritornello.serve.tokens import give_token

    typer.echo(give_token(Workspace(root), check_user(user), is_operator=operator))


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


def check_user(user: str) -> str:
    """Refuse what is no user id."""
    if not user.strip():
        raise ValueError("USER is blank: allowed is a user id")
    return user


def export(
    root: Root, out: Annotated[Path, typer.Argument(metavar="FILE.parquet", help="For `ritornello ingest`.")]
) -> None:
    """Write the live events of the service as a log, so that the next training learns from them."""
    from ritornello.serve.export import export_events

    check_target("FILE", out)
    typer.echo(f"wrote {export_events(Workspace(root), out):,} events to {out}")


def prune(root: Root) -> None:
    """Let go of old live events that the log has, so that the service's state does not grow for ever."""
    from ritornello.serve.prune import prune as let_go

    report = let_go(Workspace(root), now=int(time.time() * 1000))
    typer.echo(f"let go of {report.events:,} events that the log has, and {report.leftovers:,} leftovers")
    typer.echo(f"kept {report.kept:,} rows: what is newer, what was not ingested and prepared, what was taken back")
