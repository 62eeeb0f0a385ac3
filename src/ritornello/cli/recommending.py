"""Recommendations: lists for one user or for many, for every row of a table, and why a track is in one."""

from pathlib import Path
from typing import Annotated, cast

import polars as pl
import typer
from rich.console import Console

from ritornello.artifacts import Workspace, write_table
from ritornello.cli.files import check_target, read_parquet
from ritornello.cli.moments import parse_moment
from ritornello.cli.options import Root, TextModelFolder, TextSimilarity
from ritornello.cli.terminal import console, progress_bars
from ritornello.contracts import Only
from ritornello.data.ids import rows_of
from ritornello.data.prepare import Prepared
from ritornello.schema import PLAYLIST_ID, ROW_ID, TIMESTAMP, TRACK_ID, USER_ID


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
        write_table(out, table)
        typer.echo(f"wrote {len(table):,} rows for {len(user_ids):,} users to {out}")
    else:
        typer.echo(f"wrote {listing.write_list(served, slate, user or '', at_ms, out):,} tracks to {out}")


def check_recommend(scene: str, only: str, familiarity: float | None) -> None:
    """Refuse options that contradict each other."""
    if only not in ("any", "heard", "unheard"):
        raise ValueError(f"--only is {only!r}: allowed are any, heard, unheard")
    if only != "any" and scene != "none":
        raise ValueError(f"--only {only} goes with --scene none; a scene has --familiarity")
    if familiarity is not None and (scene == "none" or not 0 <= familiarity <= 1):
        raise ValueError(f"--familiarity is {familiarity}: allowed are 0 to 1, with a scene")


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


def show_lists(table: pl.DataFrame, prepared: Prepared) -> None:
    """Print lists of tracks, or of playlists."""
    from ritornello.evaluation.report import show_playlists, show_slate
    from ritornello.request import track_names

    if PLAYLIST_ID in table.columns:
        show_playlists(table, Console())
    else:
        show_slate(table, track_names(prepared), prepared.track_ids, Console())


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
    write_table(out, lists)
    typer.echo(f"answered {len(table):,} rows, wrote {out}")


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
