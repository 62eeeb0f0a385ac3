"""Live metrics in the form that Prometheus reads; several worker processes add up their numbers through shared files."""

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from ritornello.serve.environment import SHARED_METRICS
from ritornello.serve.snapshot import Snapshot

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LATENCY_BUCKETS = (0.001, 0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.035, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
DELAY_BUCKETS = (0.005, 0.01, 0.02, 0.04, 0.1, 0.5, 1.0, 10.0, 60.0, 600.0)


class Metrics:
    """The numbers of one process."""

    def __init__(self) -> None:
        self.version = ""
        self.registry = registry = CollectorRegistry()
        self.request_s = Histogram(
            "ritornello_request_seconds", "A whole request", ("route",), buckets=LATENCY_BUCKETS, registry=registry
        )
        self.stage_s = Histogram(
            "ritornello_stage_seconds", "A stage of a slate", ("stage",), buckets=LATENCY_BUCKETS, registry=registry
        )
        self.delay_s = Histogram(
            "ritornello_event_to_slate_seconds",
            "From an event's acknowledgement to its user's next slate",
            buckets=DELAY_BUCKETS,
            registry=registry,
        )
        self.answers = Counter("ritornello_answers", "Answers by status", ("route", "status"), registry=registry)
        self.slates = Counter("ritornello_slates", "Slates by scene", ("scene",), registry=registry)
        self.proposals = Counter(
            "ritornello_slate_tracks",
            "Tracks shown, by each channel that proposed them",
            ("channel",),
            registry=registry,
        )
        self.events = Counter("ritornello_events", "Events by what became of them", ("status",), registry=registry)
        self.swaps = Counter("ritornello_swaps", "Bundles loaded or refused", ("outcome",), registry=registry)
        self.bundle = self._gauge("ritornello_bundle", "1 for the bundle that is served", "version")
        self.bundle_at = self._gauge("ritornello_bundle_trained_for_seconds", "The moment it was trained for")
        self.quota = self._gauge("ritornello_channel_quota", "Candidates a channel may propose", "channel")
        self.refused = self._gauge("ritornello_bundle_refused", "1 while a newer bundle cannot be loaded")

    def _gauge(self, name: str, words: str, *labels: str) -> Gauge:
        return Gauge(name, words, labels, registry=self.registry, multiprocess_mode="mostrecent")

    def stage(self, name: str, seconds: float) -> None:
        """Note how long a stage took."""
        self.stage_s.labels(name).observe(seconds)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Note an answer."""
        self.request_s.labels(route).observe(seconds)
        self.answers.labels(route, str(status)).inc()

    def slate(self, scene: str, channels: list[str]) -> None:
        """Note who proposed the tracks of a slate."""
        self.slates.labels(scene).inc()
        for name in channels:
            self.proposals.labels(name).inc()

    def kept(self, *, stored: int, duplicates: int) -> None:
        """Note what became of posted events."""
        self.events.labels("stored").inc(stored)
        self.events.labels("duplicate").inc(duplicates)

    def serving(self, snapshot: Snapshot, refused: str | None) -> None:
        """Note what is served, and whether something newer was refused."""
        self.swaps.labels("refused" if refused else "loaded").inc()
        self.refused.set(refused is not None)
        if refused:
            return
        self.bundle.labels(self.version or snapshot.version).set(0)
        self.bundle.labels(snapshot.version).set(1)
        self.version = snapshot.version
        self.bundle_at.set(snapshot.served.bundle.at / 1000)
        for name in snapshot.pipeline.channels:
            self.quota.labels(name).set(snapshot.pipeline.quotas_for("window", "any").get(name, 0))

    def text(self) -> bytes:
        """Return all numbers; those of all workers where there are several."""
        if SHARED_METRICS not in os.environ:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
