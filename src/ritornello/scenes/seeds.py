"""Seeds: the tracks behind what somebody points at, and what lies near them.

S seed tracks, N candidates, L history length.
"""

import numpy as np

from ritornello.contracts import Candidates, Float32, History, Int32
from ritornello.data.facts import Facts
from ritornello.data.graph import ALBUM, ARTIST, TRACK
from ritornello.pipeline import Pipeline
from ritornello.recall.merge import merge
from ritornello.schema import ONE_MINUTE_MS, PADDING, Action

KINDS = (TRACK, ARTIST, ALBUM)
# Channels that say nothing about the tracks they are asked with.
GENERAL = ("popular", "fresh", "relisten")


def find_seed(facts: Facts, seed: str) -> tuple[str, Int32]:
    """Return what kind of thing a seed is, and its tracks; an id without a kind is a track's, else an artist's or an album's.

    Raises:
        ValueError: when there is no such thing.
    """
    kind, colon, wanted = seed.partition(":")
    tries = [(kind, wanted)] if colon and kind in KINDS else [(kind, seed) for kind in KINDS]
    for kind, wanted in tries:
        track_S = facts.find(kind, wanted)
        if len(track_S):
            return kind, track_S
    raise ValueError(
        f"seed {seed!r}: found no such {' or '.join(kind for kind, _ in tries)}; allowed are ids, or kind:id"
    )


def most_played(pipeline: Pipeline, track_S: Int32, most: int) -> Int32:
    """Return the tracks that were listened to most, at most so many, of those that the pipeline knows."""
    known_S = track_S[track_S < len(pipeline.stats.value_TF)]
    return known_S[np.lexsort((known_S, -num_listens(pipeline, known_S)))[:most]]


def num_listens(pipeline: Pipeline, track_N: Int32) -> Float32:
    """Return the logarithm of how often tracks that the pipeline knows were listened to."""
    listens_N: Float32 = pipeline.stats.value_TF[track_N, pipeline.stats.names.index("track_listens")]
    return listens_N


def as_history(track_S: Int32, at: int, *, user: int = 0) -> History:
    """Return a history of these tracks alone, each liked, the first of them last and just now."""
    length = max(len(track_S), 1)
    is_event_L = np.arange(length) < len(track_S)
    at_L = np.where(is_event_L, at - ONE_MINUTE_MS * np.arange(1, length + 1)[::-1], 0)
    return History(
        user_B=np.array([user], np.int32),
        as_of_B=np.array([at], np.int64),
        track_BL=np.resize(np.r_[track_S[::-1], PADDING].astype(np.int32), (1, length)),
        action_BL=np.where(is_event_L, Action.LIKE, 0).astype(np.int8)[None],
        at_BL=at_L.astype(np.int64)[None],
        play_ratio_BL=np.full((1, length), np.nan, np.float32),
        session_BL=np.where(is_event_L, 0, -1).astype(np.int32)[None],
    )


def near(pipeline: Pipeline, track_S: Int32, at: int) -> Candidates:
    """Return what the channels propose for these tracks alone, whoever asks, best first."""
    channels = {name: channel for name, channel in pipeline.channels.items() if name not in GENERAL}
    quotas = pipeline.quotas_for("window", "unheard")
    return merge(channels or pipeline.channels, as_history(track_S, at), quotas, only="unheard")
