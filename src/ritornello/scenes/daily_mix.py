"""Daily mix: a list for the day, in the user's long-term taste; familiar and new in one line.

Its promise: distinct tracks, at most `artist_cap` of an artist and none of one artist within `artist_gap`, nothing the
user dislikes; the same user and day give the same list, the next day gives another. It is answered from the history up to the
start of the day (UTC), so that listening to it does not change it.
"""

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import History, Slate
from ritornello.data.labels import disliked
from ritornello.pipeline import Pipeline, batches, join, top
from ritornello.rerank import Shortlist
from ritornello.rerank.diversity import cap_artists
from ritornello.rerank.exploration import shuffle_softly
from ritornello.rerank.familiarity import choose
from ritornello.rerank.rules import without
from ritornello.rerank.spacing import space_artists
from ritornello.schema import ONE_DAY_MS, PADDING

SEED = 20_200_101


class DailyMixConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings: `familiarity` is the share of heard tracks (None: the ranker decides), `temperature` how much days differ.

    `pool` is how many times the length of the list is considered.
    """

    familiarity: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    artist_cap: Annotated[int, msgspec.Meta(ge=1)] = 2
    artist_gap: Annotated[int, msgspec.Meta(ge=0)] = 3
    temperature: Annotated[float, msgspec.Meta(ge=0)] = 0.1
    pool: Annotated[int, msgspec.Meta(ge=1)] = 8


class DailyMix:
    """Make the list of the day."""

    Config = DailyMixConfig

    def __init__(self, config: DailyMixConfig) -> None:
        self.config = config

    def moment(self, at: int) -> int:
        return at - at % ONE_DAY_MS

    def recommend(self, pipeline: Pipeline, history: History, k: int) -> Slate:
        slates = []
        for rows in batches(history):
            slate = top(pipeline.rank(rows, task="window"), rows, k * self.config.pool)
            picks = [self._mix(pipeline, rows, slate, row, k) for row in range(len(rows))]
            slates.append(take_rows(slate, picks, k))
        return join(slates, tuple(pipeline.channels), k)

    def _mix(self, pipeline: Pipeline, history: History, slate: Slate, row: int, k: int) -> NDArray[np.intp]:
        """Return the slots of one row's list, in the order to play them."""
        index_N = np.flatnonzero(slate.track_BK[row] != PADDING)
        track_N = slate.track_BK[row, index_N]
        shortlist = Shortlist(
            index_N=index_N,
            track_N=track_N,
            score_N=slate.score_BK[row, index_N],
            is_heard_N=slate.heard_BK[row, index_N],
            artist_N=pipeline.stats.artist_T[track_N],
        )
        banned = disliked(history.action_BL[row], history.track_BL[row], history.at_BL[row])
        day = int(history.as_of_B[row]) // ONE_DAY_MS
        generator = np.random.default_rng((SEED, int(history.user_B[row]), day))
        shortlist = without(shortlist, banned)
        shortlist = shuffle_softly(shortlist, self.config.temperature, generator)
        shortlist = cap_artists(shortlist, self.config.artist_cap)
        shortlist = choose(shortlist, k, self.config.familiarity)
        return space_artists(shortlist, self.config.artist_gap).index_N


def take_rows(slate: Slate, picks: list[NDArray[np.intp]], k: int) -> Slate:
    """Return each row's picked slots, in the order given, padded to `k`."""
    slot_BK = np.full((len(picks), k), -1, np.intp)
    for row, pick in enumerate(picks):
        slot_BK[row, : len(pick)] = pick
    is_used_BK = slot_BK >= 0
    row_B1 = np.arange(len(picks))[:, None]
    return Slate(
        channels=slate.channels,
        track_BK=np.where(is_used_BK, slate.track_BK[row_B1, slot_BK], PADDING).astype(np.int32),
        score_BK=np.where(is_used_BK, slate.score_BK[row_B1, slot_BK], -np.inf).astype(np.float32),
        heard_BK=is_used_BK & slate.heard_BK[row_B1, slot_BK],
        channel_BKC=is_used_BK[:, :, None] & slate.channel_BKC[row_B1, slot_BK],
    )
