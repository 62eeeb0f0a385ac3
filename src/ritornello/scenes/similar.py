"""Similar: a radio from a track, an artist or an album; without a seed, from the track the user took to last.

Its promise: distinct tracks near the seed, at most `artist_cap` of an artist, nothing the user dislikes or blocks; the
seed track itself is not among them, an artist's or album's own tracks may be. `personal` is how much the user's own taste
decides among them. The same request gives the same list. A newcomer's radio follows the seed alone; without a seed it is
what people play now; where nobody has played the seed its artist, album and genre speak. All of it is told in the note.
B batch, K slate length, N candidates, S seed tracks.
"""

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import History, Int32, Slate
from ritornello.data.facts import Facts
from ritornello.data.graph import ALBUM, ARTIST, TRACK
from ritornello.pipeline import Pipeline, batches, join
from ritornello.recall.query import listened
from ritornello.rerank.diversity import cap_artists
from ritornello.rerank.familiarity import choose
from ritornello.rerank.rules import likeness
from ritornello.rerank.spacing import space_artists
from ritornello.scenes import NOTHING, Asked
from ritornello.scenes.blend import blended, plain, standard
from ritornello.scenes.days import UTC_ZONE
from ritornello.scenes.picks import Pick, newcomer, note, ruled, shortfall, take_rows
from ritornello.scenes.seeds import find_seed, most_played, near, num_listens
from ritornello.schema import GENRE

ORIGIN = "seed"
ALONE = "no history yet: it follows the seed alone"
UNPLAYED = "nobody has played the seed yet: its artist, album and genre speak for it"


class SimilarConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings: `personal` is the weight of the user's taste against the seed, `content` of artist, album and genre.

    `max_seeds` bounds the tracks that stand for an artist or an album, `pool` the tracks considered.
    """

    familiarity: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    personal: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.3
    content: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    artist_cap: Annotated[int, msgspec.Meta(ge=1)] = 4
    artist_gap: Annotated[int, msgspec.Meta(ge=0)] = 1
    max_seeds: Annotated[int, msgspec.Meta(ge=1)] = 20
    pool: Annotated[int, msgspec.Meta(ge=1)] = 400


class Similar:
    """Play what is near a seed."""

    Config = SimilarConfig

    def __init__(self, config: SimilarConfig) -> None:
        self.config = config

    def moment(self, at: int, zone: str = UTC_ZONE) -> int:
        return at

    def recommend(self, pipeline: Pipeline, history: History, k: int, asked: Asked = NOTHING) -> Slate:
        found = [find_seed(asked.facts, seed) for seed in asked.seeds]
        slates = [self._radio(pipeline, row, k, asked, found) for row in batches(history, size=1)]
        return join(slates, (ORIGIN, *pipeline.channels), k)

    def _radio(
        self, pipeline: Pipeline, history: History, k: int, asked: Asked, found: list[tuple[str, Int32]]
    ) -> Slate:
        """Return one user's radio."""
        track_S = np.concatenate([track_S for _, track_S in found]) if found else newest_listen(history)
        track_S = most_played(pipeline, np.unique(track_S), self.config.max_seeds)
        if len(track_S) == 0:
            slate = plain(pipeline, history, ORIGIN, self.config.pool)
            return self._cut(pipeline, history, slate, k, asked, "")
        own = [seed_S for kind, seed_S in found if kind == TRACK] if found else [track_S]
        barred = np.concatenate([track_S[:0], *own])
        track_N, score_N, told = self._around(pipeline, track_S, barred, int(history.as_of_B[0]), asked.facts)
        return self._cut(
            pipeline,
            history,
            blended(pipeline, history, track_N, score_N, ORIGIN, personal=self.config.personal),
            k,
            asked,
            f"More like {name_of(asked.facts, track_S, found)}",
            told,
        )

    def _around(
        self, pipeline: Pipeline, track_S: Int32, barred: Int32, at: int, facts: Facts
    ) -> tuple[Int32, NDArray[np.float64], str]:
        """Return the tracks around the seed with scores, and what there is to say."""
        is_played = bool(num_listens(pipeline, track_S).any())
        candidates = near(pipeline, track_S, at)
        recalled_N = candidates.track_BN[0][(candidates.track_BN[0] > 0) & is_played]
        of_kind = [
            facts.groups[kind].tracks(group - 1)
            for kind in (ARTIST, ALBUM, GENRE)
            for group in groups_of(facts, kind, track_S)
        ]
        kin_N = most_played(pipeline, np.unique(np.concatenate([track_S[:0], *of_kind])), self.config.pool)
        track_N = np.setdiff1d(np.union1d(recalled_N, kin_N), barred).astype(np.int32)
        fused = dict(zip(recalled_N.tolist(), candidates.score_BN[0].tolist(), strict=False))
        score_N = standard(np.array([fused.get(track, 0.0) for track in track_N.tolist()]))
        score_N = score_N + self.config.content * likeness(track_N, track_S, facts)
        order_N = np.lexsort((track_N, -score_N))[: self.config.pool]
        return track_N[order_N], score_N[order_N], "" if is_played else UNPLAYED

    def _cut(
        self, pipeline: Pipeline, history: History, slate: Slate, k: int, asked: Asked, title: str, told: str = ""
    ) -> Slate:
        """Apply the rules and the scene's own steps."""
        shortlist = ruled(pipeline, history, slate, 0, asked)
        shortlist = cap_artists(shortlist, self.config.artist_cap)
        shortlist = choose(shortlist, k, self.config.familiarity)
        shortlist = space_artists(shortlist, self.config.artist_gap)
        alone = newcomer(history, 0, ALONE) if title else newcomer(history, 0)
        told = note(alone, told, shortfall(len(shortlist), k))
        return take_rows(slate, [Pick(index_N=shortlist.index_N, title=title or "Radio", note=told)], k)


def newest_listen(history: History) -> Int32:
    """Return the track that the one row took to last, if any."""
    return np.asarray(history.track_BL[0, listened(history)[0]][-1:], dtype=np.int32)


def groups_of(facts: Facts, kind: str, track_S: Int32) -> list[int]:
    """Return the known groups that tracks belong to, counted from 1."""
    group_S = facts.of(kind, track_S)
    return [int(group) for group in np.unique(group_S[group_S > 0])]


def name_of(facts: Facts, track_S: Int32, found: list[tuple[str, Int32]]) -> str:
    """Return what a radio is named after."""
    kind = found[0][0] if found else TRACK
    track = int(found[0][1][0]) if found else int(track_S[0])
    if kind == TRACK:
        title = facts.titles[track - 1] if track <= len(facts.titles) else None
        return title or "this track"
    groups = facts.groups[kind]
    return groups.names[int(facts.of(kind, np.array([track]))[0]) - 1]
