"""Logged slates: what a service offered, where in the list, with what chance, and what became of it.

Impressions are no part of a listener's history; they are what a ranker can learn from that no other log tells: what was
offered and passed over. I impressions, Q slates, N places of a slate, T outcomes, E events.
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ritornello.artifacts import Workspace
from ritornello.contracts import Float32, Int8, Int32, Int64
from ritornello.data import ids
from ritornello.data.log import Log
from ritornello.data.outcomes import OUTCOMES, PLAY, outcomes_of_plays
from ritornello.data.parts import PART_FILE, parts_of
from ritornello.data.sequence import Sequences
from ritornello.schema import (
    ACTION,
    AT,
    PADDING,
    POSITION,
    PROPENSITY,
    REQUEST_ID,
    SCENE,
    TRACK_ID,
    TRACK_IDX,
    USER_ID,
    USER_IDX,
    Action,
)

ANSWER_MS = 30 * 60_000  # a play of the track so long after its offer is an answer to it
NEWEST = 2_000_000  # impressions that are kept: a ranker learns from a sample of them, and memory stays bounded
WIDTH = 20  # places of a slate that are kept
MOST_SCENES = 15  # that are told apart: a column of features each, and a name is whatever a client sends


@dataclass(frozen=True, kw_only=True, slots=True)
class Slates:
    """What was offered together, in order of time; `at_Q` is the moment of the first offer, 0 in `track_QN` is PADDING.

    `scene_Q` counts `scenes`, the names of the log's scenes, from 1; 0 is unknown.
    """

    user_Q: Int32
    at_Q: Int64
    scene_Q: Int8
    track_QN: Int32
    at_QN: Int64
    position_QN: Int32
    propensity_QN: Float32
    scenes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.user_Q)

    def between(self, start: int, end: int) -> "Slates":
        """Return the slates that were begun in [start, end)."""
        return self.rows(slice(*np.searchsorted(self.at_Q, (start, end))))

    def before(self, at: int) -> "Slates":
        """Return the slates that were begun before a moment, with the scenes that were known by then."""
        earlier = self.rows(slice(int(np.searchsorted(self.at_Q, at))))
        known_S = np.flatnonzero(np.bincount(earlier.scene_Q, minlength=len(self.scenes) + 1)[1:])
        number_S = np.zeros(len(self.scenes) + 1, np.int8)
        number_S[1 + known_S] = np.arange(1, len(known_S) + 1)
        return replace(
            earlier, scene_Q=number_S[earlier.scene_Q], scenes=tuple(self.scenes[place] for place in known_S)
        )

    def rows(self, row: NDArray[np.intp] | slice) -> "Slates":
        """Return some of them."""
        return replace(self, **{name: getattr(self, name)[row] for name in ARRAYS})

    def save(self, path: Path) -> None:
        """Write all arrays as one file."""
        arrays = {name: getattr(self, name) for name in ARRAYS}
        np.savez(path, **arrays, scenes=np.array(self.scenes, dtype=str))

    @classmethod
    def load(cls, path: Path) -> "Slates":
        """Read what `save` wrote; what an older version prepared has none, or none of known scenes."""
        if not path.is_file():
            return no_slates()
        with np.load(path, allow_pickle=False) as archive:
            if "scenes" not in archive:
                old = {name: archive[name] for name in ARRAYS if name != "scene_Q"}
                return cls(**old, scene_Q=np.zeros(len(old["user_Q"]), np.int8), scenes=())
            return cls(**{name: archive[name] for name in ARRAYS}, scenes=tuple(archive["scenes"].tolist()))

    def sample(self, number: int, seed: int) -> "Slates":
        """Return at most so many of them, drawn by chance, in order of time."""
        if len(self) <= number:
            return self
        return self.rows(np.sort(np.random.default_rng(seed).choice(len(self), number, replace=False)))


ARRAYS = tuple(field.name for field in fields(Slates) if field.name != "scenes")


def no_slates() -> Slates:
    """Return the slates of a log without impressions."""
    nothing = np.zeros((0, 1))
    return Slates(
        user_Q=np.zeros(0, np.int32),
        at_Q=np.zeros(0, np.int64),
        scene_Q=np.zeros(0, np.int8),
        track_QN=nothing.astype(np.int32),
        at_QN=nothing.astype(np.int64),
        position_QN=nothing.astype(np.int32),
        propensity_QN=nothing.astype(np.float32),
        scenes=(),
    )


def read_slates(workspace: Workspace, log: Log, user_ids: pl.Series, track_ids: pl.Series) -> Slates:
    """Read the newest impressions of a workspace as slates; those without a request stand for a slate of one."""
    if not log.num_impressions:
        return no_slates()
    scans = [pl.scan_parquet(part / PART_FILE, glob=False) for part in parts_of(workspace.events)]
    columns = (
        ids.as_text(pl.col(USER_ID), log.user_type),
        ids.as_text(pl.col(TRACK_ID), log.track_type),
        *(pl.col(AT), pl.col(REQUEST_ID), pl.col(POSITION), pl.col(SCENE)),
        pl.col(PROPENSITY).cast(pl.Float32, strict=False),
    )
    offers = pl.concat([scan.filter(pl.col(ACTION) == Action.IMPRESSION).select(columns) for scan in scans])
    newest = offers.top_k(NEWEST, by=AT).collect(engine="streaming")
    numbered = newest.with_columns(
        pl.Series(USER_IDX, ids.rows_of(newest[USER_ID], user_ids)),
        pl.Series(TRACK_IDX, ids.rows_of(newest[TRACK_ID], track_ids)),
    ).filter((pl.col(USER_IDX) != PADDING) & (pl.col(TRACK_IDX) != PADDING))
    return lay_out(numbered)


def lay_out(offers: pl.DataFrame) -> Slates:
    """Group numbered offers by request; of a track that was offered twice in one the first counts.

    The scene of a slate is that of its first offer.
    """
    scenes = frequent_scenes(offers[SCENE])
    alone = pl.format("{} {}", pl.col(AT), pl.col(TRACK_IDX))
    slate = pl.struct(USER_IDX, pl.coalesce(REQUEST_ID, alone)).rank("dense").alias("slate")
    table = (
        offers.with_columns(slate, numbered(offers[SCENE], scenes))
        .sort("slate", AT, POSITION, TRACK_IDX)
        .unique(["slate", TRACK_IDX], keep="first", maintain_order=True)
        .with_columns(
            pl.int_range(pl.len()).over("slate").alias("place"),
            pl.col(AT).min().over("slate").alias("began"),
        )
        .filter(pl.col("place") < WIDTH)
        .with_columns(pl.struct("began", USER_IDX, "slate").rank("dense").alias("row") - 1)
    )
    row_I, place_I = table["row"].to_numpy().astype(np.intp), table["place"].to_numpy().astype(np.intp)
    shape = (int(row_I.max(initial=-1)) + 1, int(place_I.max(initial=0)) + 1)

    def spread(column: str, fill: float, dtype: type[np.generic]) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
        grid = np.full(shape, fill, dtype)
        grid[row_I, place_I] = table[column].fill_null(fill).to_numpy()
        return grid

    user_QN, at_QN = spread(USER_IDX, 0, np.int32), spread(AT, 0, np.int64)
    return Slates(
        user_Q=user_QN[:, 0].astype(np.int32),
        at_Q=at_QN[:, 0].astype(np.int64),
        scene_Q=spread(SCENE, 0, np.int8)[:, 0].astype(np.int8),
        track_QN=spread(TRACK_IDX, PADDING, np.int32).astype(np.int32),
        at_QN=at_QN.astype(np.int64),
        position_QN=spread(POSITION, -1, np.int32).astype(np.int32),
        propensity_QN=spread(PROPENSITY, np.nan, np.float32).astype(np.float32),
        scenes=scenes,
    )


def frequent_scenes(scene_I: pl.Series) -> tuple[str, ...]:
    """Return the names of the scenes that most was offered in, most first.

    >>> frequent_scenes(pl.Series("scene", ["radio", None, "home", "radio", ""]))
    ('radio', 'home')
    """
    named = scene_I.filter(scene_I != "")
    counted = named.value_counts(name="number").sort("number", named.name, descending=[True, False])
    return tuple(counted[named.name].head(MOST_SCENES).to_list())


def numbered(scene_I: pl.Series, scenes: tuple[str, ...]) -> pl.Series:
    """Return the place of each name among the scenes from 1, 0 for all others."""
    number = {name: place for place, name in enumerate(scenes, start=1)}
    return scene_I.replace_strict(number, default=0, return_dtype=pl.Int8)


def answers(sequences: Sequences, slates: Slates) -> Int64:
    """Return the event that is the play of each offer [Q, N], -1 where it was not played.

    It is the first play of the track by that user within half an hour after the offer.
    """
    play_E = np.flatnonzero(sequences.action_E == Action.PLAY)
    row_I, place_I = np.nonzero(slates.track_QN != PADDING)
    offers = pl.DataFrame(
        {
            USER_IDX: slates.user_Q[row_I],
            TRACK_IDX: slates.track_QN[row_I, place_I],
            AT: slates.at_QN[row_I, place_I],
            "row": row_I,
            "place": place_I,
        }
    )
    plays = pl.DataFrame(
        {
            USER_IDX: sequences.user_E[play_E],
            TRACK_IDX: np.asarray(sequences.track_E)[play_E],
            AT: np.asarray(sequences.at_E)[play_E],
            "event": play_E,
        }
    )
    answered = offers.sort(AT).join_asof(
        plays.sort(AT, maintain_order=True),
        on=AT,
        by=[USER_IDX, TRACK_IDX],
        strategy="forward",
        tolerance=ANSWER_MS,
        check_sortedness=False,
    )
    answered = answered.drop_nulls("event")
    event_QN = np.full(slates.track_QN.shape, -1, np.int64)
    event_QN[answered["row"].to_numpy(), answered["place"].to_numpy()] = answered["event"].to_numpy()
    return event_QN


def offer_outcomes(sequences: Sequences, slates: Slates, event_QN: Int64) -> Float32:
    """Return what became of each offer [Q, N, T]: the outcomes of its play where it was played, NaN in the padding."""
    outcome_QNT = np.full((*slates.track_QN.shape, len(OUTCOMES)), np.nan, np.float32)
    outcome_QNT[slates.track_QN != PADDING, PLAY] = 0.0
    is_played_QN = event_QN >= 0
    outcome_QNT[is_played_QN] = outcomes_of_plays(sequences)[event_QN[is_played_QN]]
    return outcome_QNT
