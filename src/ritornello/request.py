"""Requests against a workspace: from external ids and a moment to slates and back to external ids.

U users asked for, K slate length.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl

from ritornello import scenes
from ritornello.artifacts import Workspace
from ritornello.bundle import Bundle, load_current
from ritornello.contracts import History, Int32, Only, Slate
from ritornello.data.facts import Facts, of_catalogue
from ritornello.data.prepare import Prepared, load_prepared
from ritornello.data.sequence import encode
from ritornello.pipeline import Pipeline, batches
from ritornello.reasons import explain_slate, in_words
from ritornello.rerank.rules import Rules
from ritornello.scenes import NOTHING, Asked, Scene, as_ruled
from ritornello.scenes.likeness import Likeness, embed_names
from ritornello.scenes.onboarding import answer
from ritornello.scenes.plain import Plain
from ritornello.scenes.playlists import Playlists, PlaylistsConfig, RankedPlaylists
from ritornello.schema import (
    ARTIST_NAME,
    CHANNELS,
    HEARD,
    PADDING,
    RANK,
    REASON,
    SCORE,
    TITLE,
    TRACK_ID,
    TRACK_IDX,
    USER_ID,
)
from ritornello.text import TextModel


@dataclass(frozen=True)
class Served:
    """An opened workspace: prepared arrays, the served bundle, and what scenes read of the catalogue, by a text model too."""

    prepared: Prepared
    bundle: Bundle
    likeness: Likeness | None = None

    @cached_property
    def facts(self) -> Facts:
        """The facts of the catalogue, read when a scene first asks."""
        return of_catalogue(self.prepared.tracks, self.prepared.knowledge.graph)


def open_workspace(workspace: Workspace, text_model: TextModel | None = None) -> Served:
    """Open what is needed to answer requests.

    Raises:
        ValueError: when the workspace is not prepared or has no bundle that fits.
    """
    prepared = load_prepared(workspace)
    served = Served(prepared, load_current(workspace, prepared))
    return served if text_model is None else replace(served, likeness=embed_names(text_model, served.facts))


def newest_moment(prepared: Prepared) -> int:
    """Return the moment just after the newest event: all that the workspace knows is older."""
    return int(prepared.sequences.at_E.max()) + 1


def recommend(
    served: Served,
    user_U: Int32,
    k: int,
    *,
    at: int,
    scene: str = "none",
    only: Only = "any",
    familiarity: float | None = None,
    asked: Asked | None = None,
) -> tuple[History, Slate]:
    """Return the histories of the users as of `at`, or as of the moment the scene answers from, and their slates.

    Raises:
        ValueError: when `k` is below 1 or above the catalogue, or the scene, or what is asked of it, is unknown.
    """
    settings: dict[str, object] = {} if familiarity is None else {"familiarity": familiarity}

    def history_at(moment: int) -> History:
        return encode(served.prepared.sequences, user_U, np.full(len(user_U), moment, np.int64))

    asked = asked or Asked(facts=served.facts, likeness=served.likeness)
    return recommend_from(
        served.bundle.pipeline, history_at, k, at=at, scene=scene, only=only, settings=settings, asked=asked
    )


def recommend_from(
    pipeline: Pipeline,
    history_at: Callable[[int], History],
    k: int,
    *,
    at: int,
    scene: str,
    only: Only,
    settings: dict[str, object],
    asked: Asked = NOTHING,
) -> tuple[History, Slate]:
    """Return histories and slates wherever the histories come from: the log, or the log and what has happened since.

    Raises:
        ValueError: when `k` is below 1 or above the catalogue, the scene is unknown, or it does not take a setting.
    """
    check_k(k, pipeline)
    check_wish(scene, only, settings)
    if scene == "none":
        asked = replace(asked, rules=Rules(playable=False))  # it takes no rules of a request
    made: Scene = Plain(only) if scene == "none" else scenes.make(scene, settings)
    return answer(made, pipeline, history_at(made.moment(at, asked.time_zone)), k, as_ruled(asked, at))


def rank_playlists(served: Served, user_U: Int32, k: int, *, at: int, asked: Asked | None = None) -> RankedPlaylists:
    """Return the playlists that suit the users as of `at`."""
    history = encode(served.prepared.sequences, user_U, np.full(len(user_U), at, np.int64))
    asked = asked or Asked(facts=served.facts)
    return Playlists(PlaylistsConfig()).rank(served.bundle.pipeline, history, k, asked)


def check_wish(scene: str, only: Only, settings: dict[str, object]) -> None:
    """Refuse what a scene does not take.

    Raises:
        ValueError: always naming what is allowed.
    """
    if scene == "none":
        if settings:
            raise ValueError(f"scene none takes no {', '.join(settings)}: allowed is only (any, heard, unheard)")
        return
    scenes.make(scene, settings)
    if only != "any":
        raise ValueError(f"only is {only}: allowed with scene {scene} is any")


def check_k(k: int, pipeline: Pipeline) -> None:
    """Refuse a list length that cannot be met.

    Raises:
        ValueError: always naming the allowed range.
    """
    num_tracks = len(pipeline.stats.value_TF) - 1
    if not 1 <= k <= num_tracks:
        raise ValueError(f"-k is {k}: allowed are 1 to {num_tracks}, the number of tracks in the catalogue")


def to_table(served: Served, user_ids: pl.Series, history: History, slate: Slate) -> pl.DataFrame:
    """Return slates as rows: user_id, rank, track_id, score, heard, channels, reason."""
    row_P, slot_P = np.nonzero(slate.track_BK != PADDING)
    track_P = slate.track_BK[row_P, slot_P]
    names = track_names(served.prepared)
    reasons = [
        in_words(reason, names)
        for rows, part in split_slate(history, slate)
        for row in explain_slate(served.bundle.pipeline, rows, part)
        for reason in row
    ]
    channel_names = np.array(slate.channels)
    return pl.DataFrame(
        {
            USER_ID: user_ids.gather(row_P),
            RANK: (slot_P + 1).astype(np.int32),
            TRACK_ID: served.prepared.track_ids.gather(track_P - 1),
            SCORE: slate.score_BK[row_P, slot_P],
            HEARD: slate.heard_BK[row_P, slot_P],
            CHANNELS: [",".join(channel_names[is_on_C]) for is_on_C in slate.channel_BKC[row_P, slot_P]],
            REASON: reasons,
        }
    )


def split_slate(history: History, slate: Slate) -> list[tuple[History, Slate]]:
    """Cut histories and slates into the pipeline's batches, so that long histories of few pad nobody else."""
    parts, start = [], 0
    for rows in batches(history):
        chosen = slice(start, start + len(rows))
        parts.append(
            (
                rows,
                Slate(
                    channels=slate.channels,
                    track_BK=slate.track_BK[chosen],
                    score_BK=slate.score_BK[chosen],
                    heard_BK=slate.heard_BK[chosen],
                    channel_BKC=slate.channel_BKC[chosen],
                ),
            )
        )
        start += len(rows)
    return parts


def track_names(prepared: Prepared) -> dict[int, str]:
    """Return a readable name by track row: artist and title, or the id."""
    title, artist = prepared.tracks[TITLE].cast(pl.String), prepared.tracks[ARTIST_NAME].cast(pl.String)
    shown = pl.when(title.is_null()).then(prepared.track_ids.cast(pl.String))
    names = pl.select(shown.otherwise(pl.concat_str(artist.fill_null("?"), pl.lit(" - "), title))).to_series()
    return dict(zip(prepared.tracks[TRACK_IDX].to_list(), names.to_list(), strict=True))
