"""Playlists and tags for the planted world: three a taste, and one that shares no track with any other."""

import polars as pl

from ritornello.data.facts import Facts, of_catalogue
from ritornello.data.graph_edges import build_graph
from ritornello.data.sources.planted import PlantedWorld, track_table
from ritornello.data.tables import PLAYLIST_TRACKS, PLAYLISTS, TRIPLES, empty_tables
from ritornello.schema import TRACK_ID, USER_ID


def playlist_tables() -> dict[str, pl.DataFrame]:
    """Return who is on which playlist, their titles, and tags as triples."""
    lists = {
        f"{taste} {kind}": [f"{taste}-{number:02}" for number in range(first, last)]
        for taste in "ABC"
        for kind, first, last in (("mix", 1, 7), ("hours", 3, 12), ("nights", 5, 15))
    }
    lists["lone"] = ["tied-1", "tied-2"]
    members = pl.DataFrame(
        [(name, track, None) for name, tracks in lists.items() for track in tracks],
        schema={"playlist_id": pl.String, "track_id": pl.String, "position": pl.Int64},
        orient="row",
    )
    heads = pl.DataFrame({"playlist_id": list(lists), "title": [name.title() for name in lists]})
    heads = heads.with_columns(pl.lit(None, pl.String).alias("description"), pl.lit(None, pl.Int64).alias("made_at"))
    tags = pl.DataFrame(
        [(f"{taste}-{number:02}", "has_tag", "quiet", 1.0) for taste in "AC" for number in range(1, 5)],
        schema={"head": pl.String, "relation": pl.String, "tail": pl.String, "weight": pl.Float64},
        orient="row",
    )
    return {PLAYLIST_TRACKS: members, PLAYLISTS: heads, TRIPLES: tags}


def planted_facts(world: PlantedWorld) -> Facts:
    """Build the facts as an opened workspace would."""
    tracks = world.track_ids.to_frame().join(track_table(), on=TRACK_ID, how="left", maintain_order="left")
    tracks = tracks.with_columns(pl.lit(None, pl.String).alias("album_id"))
    users = world.user_ids.to_frame(USER_ID)
    tables = empty_tables() | {name: table.lazy() for name, table in playlist_tables().items()}
    graph, _ = build_graph(tables, users, tracks)
    return of_catalogue(tracks, graph)
