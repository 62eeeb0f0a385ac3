"""Refresh: a trained pipeline brought up to a later moment without training.

What is only counted is counted anew, by the very code that training uses: popularity, fresh releases, the statistics of tracks.
Learned channels give tracks that have appeared since a place beside their kin. Everything else answers as it was trained.
"""

from dataclasses import replace

from ritornello import recall
from ritornello.data import features
from ritornello.data.knowledge import Knowledge
from ritornello.data.sequence import Sequences
from ritornello.pipeline import Pipeline


def refresh(pipeline: Pipeline, known: Sequences, at: int, seen: Knowledge) -> Pipeline:
    """Return the pipeline as of `at`; `known` ends before it, `seen` is what is known of the tracks that are there by now."""
    return replace(
        pipeline,
        channels={name: recall.refresh(channel, known, at, seen) for name, channel in pipeline.channels.items()},
        stats=features.fit_track_stats(known, at, seen.artist_T, clock=pipeline.stats.clock),
    )
