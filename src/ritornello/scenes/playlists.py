"""Playlists: which of the catalogue's playlists suit a user, and how a playlist goes on.

Its promise: `rank` orders distinct playlists for a user; with a playlist asked for, `recommend` gives distinct tracks
that go on with it and are not in it, at most `artist_cap` of an artist; without, the tracks of the user's best playlist.
Nothing that the user dislikes or blocks; the same request gives the same list. Where the catalogue has no playlists, or
none shares a track with the one asked for, the user's own ranked list stands in; for a newcomer playlists go by what
people play now. All of it is told in the note.
B batch, K list length, P playlists, T tracks (with PADDING), N tracks of one user.
"""

from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Float32, History, Int32, Slate
from ritornello.data.facts import Facts
from ritornello.data.graph import ALBUM, ARTIST, PLAYLIST
from ritornello.data.sparse import inverse, sum_pairs
from ritornello.pipeline import Pipeline, batches, join, top
from ritornello.rerank.diversity import cap_artists
from ritornello.rerank.familiarity import choose
from ritornello.scenes import NOTHING, Asked
from ritornello.scenes.blend import blended, plain, standard
from ritornello.scenes.continuation import ContinuationConfig, continued
from ritornello.scenes.days import UTC_ZONE
from ritornello.scenes.picks import Pick, newcomer, note, ruled, shortfall, take_rows
from ritornello.scenes.seeds import most_played, near
from ritornello.schema import PADDING

ORIGIN = "playlist"
NO_PLAYLISTS = "the catalogue has no playlists: this is your ranked list"
ALONE = "no other playlist shares a track with this one: this is your ranked list"


class PlaylistsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings: `personal` is the weight of the user's taste, `listening` of what recall says of a playlist's tracks.

    `pool` is how many tracks may follow before the user's taste is asked, `depth` how much of a user's ranked list speaks for
    playlists, and a playlist's score is divided by its length to the power of `length`.
    """

    familiarity: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    personal: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.2
    listening: Annotated[float, msgspec.Meta(ge=0)] = 0.3
    artist_cap: Annotated[int, msgspec.Meta(ge=1)] = 5
    pool: Annotated[int, msgspec.Meta(ge=1)] = 300
    depth: Annotated[int, msgspec.Meta(ge=1)] = 500
    length: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    continuation: ContinuationConfig = ContinuationConfig()


@dataclass(frozen=True, kw_only=True, slots=True)
class RankedPlaylists:
    """Playlists per row, best first: their rows in the facts counted from 1, 0 where there are fewer, and their scores."""

    playlist_BK: Int32
    score_BK: Float32
    note_B: tuple[str, ...]


class Playlists:
    """Rank playlists for a user, or go on with one."""

    Config = PlaylistsConfig

    def __init__(self, config: PlaylistsConfig) -> None:
        self.config = config

    def moment(self, at: int, zone: str = UTC_ZONE) -> int:
        return at

    def rank(self, pipeline: Pipeline, history: History, k: int, asked: Asked = NOTHING) -> RankedPlaylists:
        """Return the `k` playlists that hold most of what each user is likely to play, the top of it counting most."""
        playlists = asked.facts.groups[PLAYLIST]
        playlist_BK = np.zeros((len(history), k), np.int32)
        score_BK = np.full((len(history), k), -np.inf, np.float32)
        notes: list[str] = []
        length_P = np.diff(playlists.member_GT.indptr).astype(np.float64)
        for row, one in enumerate(batches(history, size=1)):
            slate = top(pipeline.rank(one, task="window"), one, self.config.depth)
            track_N = ruled(pipeline, one, slate, 0, asked).track_N
            known_N = np.flatnonzero(track_N < playlists.member_GT.shape[1])
            gain_N = 1 / np.log2(known_N + 2.0)
            shape = (playlists.member_GT.shape[1], 1)
            taste_T = sum_pairs(track_N[known_N], np.zeros(len(known_N), np.int32), gain_N, shape)
            found_P = (playlists.member_GT @ taste_T).toarray().ravel() * inverse(length_P**self.config.length)
            best_K = np.lexsort((np.arange(len(found_P)), -found_P))[:k]
            best_K = best_K[found_P[best_K] > 0]
            playlist_BK[row, : len(best_K)], score_BK[row, : len(best_K)] = best_K + 1, found_P[best_K]
            notes.append(note(newcomer(one, 0), "" if len(playlists) else NO_PLAYLISTS))
        return RankedPlaylists(playlist_BK=playlist_BK, score_BK=score_BK, note_B=tuple(notes))

    def recommend(self, pipeline: Pipeline, history: History, k: int, asked: Asked = NOTHING) -> Slate:
        if asked.playlist:
            track_S = asked.facts.find(PLAYLIST, asked.playlist)
            if len(track_S) == 0:
                raise ValueError(unknown(asked))
            slates = [self._continue(pipeline, one, k, asked, track_S) for one in batches(history, size=1)]
        else:
            slates = [self._best(pipeline, one, k, asked) for one in batches(history, size=1)]
        return join(slates, (ORIGIN, *pipeline.channels), k)

    def _continue(self, pipeline: Pipeline, history: History, k: int, asked: Asked, track_S: Int32) -> Slate:
        """Return what goes on with the tracks of a playlist, for one user."""
        track_N, score_N = self.follow(pipeline, track_S, int(history.as_of_B[0]), asked.facts)
        groups = asked.facts.groups[PLAYLIST]
        name = groups.names[groups.row_of[asked.playlist]]
        if len(track_N) == 0:
            slate = plain(pipeline, history, ORIGIN, self.config.pool)
            return self._cut(pipeline, history, slate, k, asked, name, note(newcomer(history, 0), ALONE))
        slate = blended(pipeline, history, track_N, score_N, ORIGIN, personal=self.config.personal)
        told = newcomer(history, 0, "no history yet: it follows the playlist alone")
        return self._cut(pipeline, history, slate, k, asked, f"{name}, continued", told)

    def follow(self, pipeline: Pipeline, track_S: Int32, at: int, facts: Facts) -> tuple[Int32, NDArray[np.float64]]:
        """Return tracks that may follow these with scores: what playlists say, and what listening says beside it."""
        groups = facts.groups
        query_QT = sum_pairs(
            np.zeros(len(track_S), np.int32), track_S, np.ones(len(track_S)), (1, groups[PLAYLIST].member_GT.shape[1])
        )
        scored = continued(
            groups[PLAYLIST], query_QT, self.config.continuation, artists=groups[ARTIST], albums=groups[ALBUM]
        )
        is_known_N = scored.indices < len(pipeline.stats.artist_T)
        track_N, score_N = scored.indices[is_known_N].astype(np.int32), scored.data[is_known_N].astype(np.float64)
        best_N = np.lexsort((track_N, -score_N))[: self.config.pool]
        track_N, score_N = track_N[best_N], standard(score_N[best_N])
        candidates = near(pipeline, most_played(pipeline, track_S, len(track_S)), at)
        fused = dict(zip(candidates.track_BN[0].tolist(), candidates.score_BN[0].tolist(), strict=True))
        listened_N = np.array([fused.get(track, 0.0) for track in track_N.tolist()])
        return track_N, score_N + self.config.listening * standard(listened_N)

    def _best(self, pipeline: Pipeline, history: History, k: int, asked: Asked) -> Slate:
        """Return the tracks of the best playlist that has any to show."""
        groups = asked.facts.groups[PLAYLIST]
        best = int(self.rank(pipeline, history, 1, asked).playlist_BK[0, 0])
        if best == PADDING:
            slate = plain(pipeline, history, ORIGIN, self.config.pool)
            told = note(newcomer(history, 0), "" if len(groups) else NO_PLAYLISTS)
            return self._cut(pipeline, history, slate, k, asked, "Playlists", told)
        track_N = most_played(pipeline, groups.tracks(best - 1), self.config.pool)
        slate = blended(pipeline, history, track_N, -np.arange(len(track_N), dtype=np.float64), ORIGIN, personal=1.0)
        return self._cut(pipeline, history, slate, k, asked, groups.names[best - 1], newcomer(history, 0))

    def _cut(
        self, pipeline: Pipeline, history: History, slate: Slate, k: int, asked: Asked, title: str, told: str
    ) -> Slate:
        """Apply the rules and the scene's own steps."""
        shortlist = ruled(pipeline, history, slate, 0, asked)
        shortlist = cap_artists(shortlist, self.config.artist_cap)
        shortlist = choose(shortlist, k, self.config.familiarity)
        told = note(told, shortfall(len(shortlist), k))
        return take_rows(slate, [Pick(index_N=shortlist.index_N, title=title, note=told)], k)


def unknown(asked: Asked) -> str:
    """Say that a playlist does not exist."""
    known = asked.facts.groups[PLAYLIST].ids
    shown = (
        f"the ids of {len(known):,} playlists, such as {', '.join(known[:3])}"
        if known
        else "none: the catalogue has none"
    )
    return f"no playlist {asked.playlist!r}: allowed are {shown}"
