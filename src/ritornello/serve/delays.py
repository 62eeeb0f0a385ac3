"""Delays: how long it takes from an acknowledged event to the next slate of its user, as seen by this process."""

import time
from collections import OrderedDict
from threading import Lock

from ritornello.serve.metrics import Metrics

MAX_USERS = 10_000


class Delays:
    """The users whose events no slate has followed yet; the ones that wait longest are let go."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self.waiting: OrderedDict[str, float] = OrderedDict()
        self.lock = Lock()

    def acknowledged(self, user_ids: set[str]) -> None:
        """Start the clock of users whose events are on disk, unless it runs."""
        now = time.perf_counter()
        with self.lock:
            for user_id in user_ids:
                self.waiting.setdefault(user_id, now)
            while len(self.waiting) > MAX_USERS:
                self.waiting.popitem(last=False)

    def answered(self, user_id: str) -> None:
        """Stop the clock of a user."""
        with self.lock:
            since = self.waiting.pop(user_id, None)
        if since is not None:
            self.metrics.delay_s.observe(time.perf_counter() - since)
