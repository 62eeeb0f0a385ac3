"""Stages: how long the parts of a slate take, measured around the pipeline's own functions.

Recall is what the channels take to score, merge what it takes to join and describe their proposals, rank the ranker; what is
left of a slate is re-ranking: the rules and the scene's own steps.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from typing import cast

from ritornello.contracts import Candidates, History, Int32, Only, RankBatch
from ritornello.pipeline import Pipeline
from ritornello.recall import Channel
from ritornello.recall.scores import Scores

RECALL, MERGE, RANK, RERANK = "recall", "merge", "rank", "rerank"

Seconds = dict[str, float]
MEASURED: ContextVar[Seconds | None] = ContextVar("measured", default=None)


@contextmanager
def measured() -> Iterator[Seconds]:
    """Collect the seconds of each stage of the slate that the block makes in its thread; they add up to all it takes."""
    seconds: Seconds = {}
    before = MEASURED.set(seconds)
    try:
        with stage(RERANK):
            yield seconds
    finally:
        MEASURED.reset(before)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Add what the block takes to a stage, without what the stages inside it take; nothing where nobody measures."""
    seconds = MEASURED.get()
    if seconds is None:
        yield
        return
    started, before = time.perf_counter(), sum(seconds.values())
    try:
        yield
    finally:
        inside = sum(seconds.values()) - before
        seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - started - inside


@dataclass(frozen=True, slots=True)
class TimedChannel:
    """Scores as its channel does, and counts the time as recall."""

    channel: Channel

    def score(self, history: History) -> Scores:
        with stage(RECALL):
            return self.channel.score(history)


@dataclass(frozen=True, kw_only=True, slots=True)
class TimedPipeline(Pipeline):
    """The pipeline, with `asked`, the same one whose channels are timed; it answers what the pipeline answers."""

    asked: Pipeline

    def propose(
        self, history: History, *, task: str = "window", only: Only = "any", track_S: Int32 | None = None
    ) -> tuple[Candidates, RankBatch]:
        with stage(MERGE):
            return self.asked.propose(history, task=task, only=only, track_S=track_S)

    def rank(
        self, history: History, *, task: str, only: Only = "any", utility: float = 0.0, scene: str = ""
    ) -> Candidates:
        with stage(RANK):
            return Pipeline.rank(self, history, task=task, only=only, utility=utility, scene=scene)

    def rank_among(self, history: History, track_S: Int32, *, task: str = "window") -> Candidates:
        with stage(RANK):
            return Pipeline.rank_among(self, history, track_S, task=task)


def timed(pipeline: Pipeline) -> TimedPipeline:
    """Return a pipeline that tells how long its parts take."""
    channels = {name: cast(Channel, TimedChannel(channel)) for name, channel in pipeline.channels.items()}
    parts = {field.name: getattr(pipeline, field.name) for field in fields(pipeline)}
    return TimedPipeline(**parts, asked=replace(pipeline, channels=channels))
