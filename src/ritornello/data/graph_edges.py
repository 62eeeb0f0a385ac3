"""From the tables of a catalogue to the graph: edges are collected, joined to nodes, and checked; what is left out is counted.

A node is written `kind:id` until it has its number. Left out are edges with an identifier missing, of a track or a user that
the workspace does not have, from a node to itself, with a weight that is not above 0 and at most a million, and those
said twice (the heavier stays). Nothing forbids cycles.
"""

import re

import numpy as np
import polars as pl

from ritornello.contracts import Int64
from ritornello.data.graph import ALBUM, ALWAYS, ARTIST, ENTITY, KINDS, PLAYLIST, RELATIONS, TRACK, USER, Graph
from ritornello.data.tables import ALBUMS, ARTISTS, PLAYLIST_TRACKS, PLAYLISTS, POSTS, TRIPLES, VIDEOS, Tables
from ritornello.schema import (
    ALBUM_ID,
    ALBUM_TITLE,
    ARTIST_ID,
    ARTIST_NAME,
    ENTITY_ID,
    ERA,
    GENRE,
    HEAD,
    LANGUAGE,
    MADE_AT,
    PLAYLIST_ID,
    POST_ID,
    RELATION,
    RELEASED_AT,
    TAIL,
    TITLE,
    TRACK_ID,
    USER_ID,
    VIDEO_ID,
    WEIGHT,
)

NAME, MOMENT, KIND, LEFT_OUT = "name", "moment", "kind", "left_out"
NODE, HEAD_NODE, TAIL_NODE = "node", "head_node", "tail_node"
EXPLICIT = rf"^(?:{'|'.join(KINDS)}):.+"  # an id that says its kind
ANY_KIND = r"^[a-z]+:"
HEAVIEST = 1e6  # products of a few weights have to stay finite
QUALIFIED = re.compile(rf"({'|'.join(KINDS)})\.(.+)")  # a relation that says the kind of its heads

Counts = dict[str, int]


def build_graph(tables: Tables, users: pl.DataFrame, tracks: pl.DataFrame) -> tuple[Graph, dict[str, Counts]]:
    """Return the graph of a catalogue, and counts: nodes by kind, edges by relation, edges left out by reason.

    `users` and `tracks` are the numbered ones, in the order of their rows.
    """
    said = pl.concat([of_triples(tables[TRIPLES]), *of_tables(tables), *of_tracks(tracks)]).collect()
    others = other_nodes(said, tables, tracks)
    own = [rows_as_nodes(TRACK, tracks[TRACK_ID], 1), rows_as_nodes(USER, users[USER_ID], len(tracks) + 1)]
    first_other = len(tracks) + len(users) + 1
    nodes = pl.concat([*own, others.select(HEAD, numbered_from(first_other))])
    edges, left_out = sound_edges(joined_to(joined_to(said, nodes, HEAD), nodes, TAIL))
    relations = edges[RELATION].unique().sort()
    name_start_X, name_bytes = packed(others[NAME])
    id_start_X, id_bytes = packed(others[HEAD].str.replace(ANY_KIND, ""))
    graph = Graph(
        relations=tuple(relations.to_list()),
        num_tracks=len(tracks),
        num_users=len(users),
        known_tracks=len(tracks),
        head_E=edges[HEAD_NODE].to_numpy(),
        tail_E=edges[TAIL_NODE].to_numpy(),
        relation_E=relations.search_sorted(edges[RELATION]).to_numpy().astype(np.int32),
        weight_E=edges[WEIGHT].cast(pl.Float32).to_numpy(),
        kind_X=others[KIND].cast(pl.Enum(KINDS)).to_physical().to_numpy().astype(np.int8),
        appeared_at_X=others[MOMENT].fill_null(ALWAYS).to_numpy(),
        name_start_X=name_start_X,
        name_bytes=name_bytes,
        id_start_X=id_start_X,
        id_bytes=id_bytes,
    )
    return graph, {"nodes": count_by(others[KIND]), "edges": count_by(edges[RELATION]), "left_out": left_out}


def sound_edges(joined: pl.DataFrame) -> tuple[pl.DataFrame, Counts]:
    """Return the edges to keep, by relation and nodes, and how many are left out for which reason."""
    reason = reason_of().alias(LEFT_OUT)
    left_out = count_by(joined.select(reason).to_series().drop_nulls())
    sound = joined.filter(reason.is_null()).sort(WEIGHT, descending=True, maintain_order=True)
    edges = sound.unique([HEAD_NODE, RELATION, TAIL_NODE], keep="first", maintain_order=True)
    if len(edges) < len(sound):
        left_out["said twice"] = len(sound) - len(edges)
    return edges.sort(RELATION, HEAD_NODE, TAIL_NODE), left_out


def count_by(value: pl.Series) -> Counts:
    """Return how often each value comes."""
    return dict(value.value_counts().sort(value.name).iter_rows())


def key(kind: str, column: str) -> pl.Expr:
    """Write an identifier with its kind."""
    return pl.format(kind + ":{}", pl.col(column))


def of_triples(triples: pl.LazyFrame) -> pl.LazyFrame:
    """Read triples; ids that do not say their kind are of the one that the relation implies."""
    names = triples.select(pl.col(RELATION).drop_nulls().unique()).collect().to_series().to_list()
    meanings = pl.LazyFrame(
        [(name, *meaning_of(name)) for name in names],
        schema=dict.fromkeys(("raw", "means", "from", "to"), pl.String),
        orient="row",
    )
    joined = triples.join(meanings, left_on=RELATION, right_on="raw", how="left", maintain_order="left")
    return joined.select(
        with_kind(HEAD, "from"), pl.col("means").alias(RELATION), with_kind(TAIL, "to"), pl.col(WEIGHT).fill_null(1.0)
    )


def with_kind(column: str, implied: str) -> pl.Expr:
    """Return identifiers with the kind that they say, else the implied one."""
    says = pl.col(column).str.contains(EXPLICIT)
    return pl.when(says).then(column).otherwise(pl.format("{}:{}", implied, column)).alias(column)


def meaning_of(relation: str) -> tuple[str, str, str]:
    """Return a relation's name and the kinds of bare heads and tails.

    >>> meaning_of("track.performed_by"), meaning_of("artist.has_genre")
    (('performed_by', 'track', 'artist'), ('has_genre', 'artist', 'genre'))
    >>> meaning_of("track.has_mood"), meaning_of("film.film.genre")
    (('track.has_mood', 'track', 'entity'), ('film.film.genre', 'entity', 'entity'))
    """
    qualified = QUALIFIED.fullmatch(relation)
    kind, bare = qualified.groups() if qualified else (None, relation)
    if bare in RELATIONS:
        head, tail = RELATIONS[bare]
        return bare, kind or head, tail
    return relation, kind or ENTITY, ENTITY


def edges(rows: pl.LazyFrame, relation: str, head: pl.Expr, tail: pl.Expr) -> pl.LazyFrame:
    """Return one relation's edges, of the rows that have both ends."""
    said = rows.select(head.alias(HEAD), pl.lit(relation).alias(RELATION), tail.alias(TAIL), pl.lit(1.0).alias(WEIGHT))
    return said.drop_nulls()


def of_tables(tables: Tables) -> list[pl.LazyFrame]:
    """Return what the tables beside tracks say."""
    artists, posts = tables[ARTISTS], tables[POSTS]
    in_playlist = tables[PLAYLIST_TRACKS]
    return [
        edges(in_playlist, "in_playlist", key(TRACK, TRACK_ID), key(PLAYLIST, PLAYLIST_ID)),
        edges(tables[VIDEOS], "video_of", key("video", VIDEO_ID), key(TRACK, TRACK_ID)),
        edges(posts, "mentions", key("post", POST_ID), key(TRACK, TRACK_ID)),
        edges(posts, "mentions", key("post", POST_ID), key(ARTIST, ARTIST_ID)),
        edges(tables[ALBUMS], "performed_by", key(ALBUM, ALBUM_ID), key(ARTIST, ARTIST_ID)),
        edges(artists, "has_genre", key(ARTIST, ARTIST_ID), key("genre", GENRE)),
        edges(artists, "has_language", key(ARTIST, ARTIST_ID), key("language", LANGUAGE)),
        edges(artists, "same_as", key(ARTIST, ARTIST_ID), key(ENTITY, ENTITY_ID)),
    ]


def of_tracks(tracks: pl.DataFrame) -> list[pl.LazyFrame]:
    """Return what the tracks' own columns say."""
    columns = {
        ARTIST_ID: ("performed_by", ARTIST),
        ALBUM_ID: ("on_album", ALBUM),
        GENRE: ("has_genre", "genre"),
        LANGUAGE: ("has_language", "language"),
        ERA: ("has_era", "era"),
    }
    return [
        edges(tracks.lazy(), relation, key(TRACK, TRACK_ID), key(kind, column))
        for column, (relation, kind) in columns.items()
        if column in tracks.columns
    ]


def reason_of() -> pl.Expr:
    """Return the first reason to leave an edge out, null where there is none."""
    unknown = {
        f"unknown {kind}": pl.any_horizontal(
            pl.col(node).is_null() & pl.col(end).str.starts_with(f"{kind}:")
            for end, node in ((HEAD, HEAD_NODE), (TAIL, TAIL_NODE))
        )
        for kind in (TRACK, USER)
    }
    reasons = {
        "missing id": pl.any_horizontal(pl.col(HEAD, RELATION, TAIL).is_null()),
        **unknown,
        "to itself": pl.col(HEAD) == pl.col(TAIL),
        "weight out of range": ~(pl.col(WEIGHT).is_finite() & (pl.col(WEIGHT) > 0) & (pl.col(WEIGHT) <= HEAVIEST)),
    }
    return pl.coalesce(pl.when(condition).then(pl.lit(name)) for name, condition in reasons.items())


def rows_as_nodes(kind: str, ids: pl.Series, first: int) -> pl.DataFrame:
    """Number the rows of the log as nodes."""
    written = pl.select(pl.format(kind + ":{}", ids.cast(pl.String)).alias(HEAD))
    return written.with_columns(numbered_from(first))


def numbered_from(first: int) -> pl.Expr:
    """Number rows."""
    return (pl.int_range(pl.len()) + first).cast(pl.Int32).alias(NODE)


def joined_to(said: pl.DataFrame, nodes: pl.DataFrame, end: str) -> pl.DataFrame:
    """Look up the node at one end of each edge."""
    return said.join(
        nodes.rename({HEAD: end, NODE: HEAD_NODE if end == HEAD else TAIL_NODE}),
        on=end,
        how="left",
        maintain_order="left",
    )


def other_nodes(said: pl.DataFrame, tables: Tables, tracks: pl.DataFrame) -> pl.DataFrame:
    """Return every node that is no track and no user, by kind and id, with its name and the moment it came to be."""
    ends = pl.concat([said[HEAD], said[TAIL]]).drop_nulls().unique().sort()
    others = ends.to_frame(HEAD).with_columns(pl.col(HEAD).str.extract(r"^([a-z]+):").alias(KIND))
    others = others.filter(~pl.col(KIND).is_in([TRACK, USER]))
    described = pl.concat(
        [
            describe(tables[ARTISTS], key(ARTIST, ARTIST_ID), ARTIST_NAME),
            describe(tracks.lazy(), key(ARTIST, ARTIST_ID), ARTIST_NAME),
            describe(tables[ALBUMS], key(ALBUM, ALBUM_ID), ALBUM_TITLE, RELEASED_AT),
            describe(tables[PLAYLISTS], key(PLAYLIST, PLAYLIST_ID), TITLE, MADE_AT),
            describe(tables[VIDEOS], key("video", VIDEO_ID), TITLE, MADE_AT),
            describe(tables[POSTS], key("post", POST_ID), None, MADE_AT),
        ]
    ).collect()
    known = described.group_by(HEAD).agg(pl.col(NAME).drop_nulls().first(), pl.col(MOMENT).drop_nulls().first())
    named = others.join(known, on=HEAD, how="left", maintain_order="left")
    return named.with_columns(pl.coalesce(NAME, pl.col(HEAD).str.replace(ANY_KIND, "")).alias(NAME))


def describe(rows: pl.LazyFrame, node: pl.Expr, name: str | None, moment: str | None = None) -> pl.LazyFrame:
    """Return what a table says of its nodes."""
    shown = pl.lit(None, pl.String) if name is None else pl.col(name)
    came = pl.lit(None, pl.Int64) if moment is None else pl.col(moment)
    return rows.select(node.alias(HEAD), shown.alias(NAME), came.alias(MOMENT)).drop_nulls(HEAD)


def packed(names: pl.Series) -> tuple[Int64, np.ndarray[tuple[int], np.dtype[np.uint8]]]:
    """Return texts as one run of bytes and where each begins."""
    length_X = names.str.len_bytes().to_numpy()
    joined = "".join(names.to_list()).encode()
    return np.r_[0, np.cumsum(length_X)].astype(np.int64), np.frombuffer(joined, np.uint8)
