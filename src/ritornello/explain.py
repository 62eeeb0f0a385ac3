"""Explain one (user, track) pair: what recall says of it, where the ranker puts it, and what moved the score."""

from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl

from ritornello.contracts import Candidates, History, RankBatch
from ritornello.data.ids import rows_of
from ritornello.data.sequence import encode
from ritornello.pipeline import Pipeline, top
from ritornello.rank.network import Network
from ritornello.rank.occlusion import own_tracks_that_moved
from ritornello.reasons import WORDS, explain_slate, group_contributions, in_words
from ritornello.request import Served, newest_moment, track_names
from ritornello.schema import ONE_DAY_MS

NUM_FAMILIES = 6
NUM_OWN_TRACKS = 3
LEAST_CHANGE = 0.005


def explain(served: Served, user_id: str, track_id: str) -> Iterator[str]:
    """Yield lines of text.

    Raises:
        ValueError: for a user or a track that the workspace does not know.
    """
    user = find_one(user_id, served.prepared.user_ids, "user")
    track = find_one(track_id, served.prepared.track_ids, "track")
    at = newest_moment(served.prepared)
    history = encode(served.prepared.sequences, np.array([user]), np.array([at], np.int64))
    names = track_names(served.prepared)
    yield f"{names[track]} for user {user_id}"
    yield own_listens(history, track, "the newest event of the log")
    yield from tell(served.bundle.pipeline, history, track, names)


def tell(pipeline: Pipeline, history: History, track: int, names: Mapping[int, str]) -> Iterator[str]:
    """Yield what the channels and the ranker say of a track for a history of one row."""
    candidates, batch = pipeline.propose(history)
    found = np.flatnonzero(candidates.track_BN[0] == track)
    if len(found) == 0:
        yield "no recall channel proposes it now, so it is not ranked"
        return
    yield from channel_lines(candidates, int(found[0]))
    ranker = pipeline.rankers.get("window")
    if ranker is None:
        yield f"place {found[0] + 1} in recall's own order; no ranker is trained"
        return
    score_N = ranker.score(batch)[0]
    place = int((score_N > score_N[found[0]]).sum()) + 1
    yield f"place {place} of {int(np.isfinite(score_N).sum())} candidates"
    moved = ranker.contributions(batch)
    for words, value in group_contributions(moved.value_BNA[0, found[0]], moved.names, candidates.channels)[
        :NUM_FAMILIES
    ]:
        yield f"  {value:+.2f}  {words}"
    if isinstance(ranker, Network):
        yield from own_track_lines(ranker, batch, int(found[0]), names)
    slate = top(pipeline.rank(history, task="window"), history, place)
    if track in slate.track_BK[0]:
        shown = int(np.flatnonzero(slate.track_BK[0] == track)[0])
        yield f"in short: {in_words(explain_slate(pipeline, history, slate)[0][shown], names)}"


def own_track_lines(ranker: Network, batch: RankBatch, slot: int, names: Mapping[int, str]) -> Iterator[str]:
    """Yield the own tracks that moved the score most, either way."""
    track_M, change_M = own_tracks_that_moved(ranker, batch, slot)
    for place in np.argsort(-np.abs(change_M), kind="stable")[:NUM_OWN_TRACKS].tolist():
        if abs(change_M[place]) >= LEAST_CHANGE:
            yield f"  {change_M[place]:+.2f}  because you played {names[int(track_M[place])]}"


def find_one(wanted: str, known: pl.Series, what: str) -> int:
    """Return the row of one id."""
    row = int(rows_of(pl.Series([wanted]), known)[0])
    if row == 0:
        raise ValueError(f"unknown {what} {wanted!r}: it is not among the {len(known):,} {what}s of the workspace")
    return row


def own_listens(history: History, track: int, moment: str) -> str:
    """Say how often the user played the track, and how long before the moment of the history."""
    at_E = history.at_BL[0][history.track_BL[0] == track]
    if len(at_E) == 0:
        return "never played by this user"
    days = (int(history.as_of_B[0]) - int(at_E.max())) / ONE_DAY_MS
    return f"played {len(at_E)} time(s) by this user, last {days:.1f} days before {moment}"


def channel_lines(candidates: Candidates, slot: int) -> Iterator[str]:
    """Yield one line per channel."""
    for channel, name in enumerate(candidates.channels):
        rank = int(candidates.channel_rank_BNC[0, slot, channel])
        score = float(candidates.channel_score_BNC[0, slot, channel])
        said = f"rank {rank}" if rank else "not proposed"
        yield f"  {name:<12} {said:<13} score {score:.4g}  ({WORDS.get(name, name).format(because='your tracks')})"
