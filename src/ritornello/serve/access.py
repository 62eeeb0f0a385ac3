"""Access: who may ask, and how often. A token is a UUID; only its hash is kept, and it sees one user's data alone.

Without tokens, on loopback, everything is open: whoever is on the machine may ask anything. Elsewhere, and as soon as a token
was given out, every request needs one. An operator's token acts for every user and for the service itself.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass

from fastapi import Request

from ritornello.serve.refusals import RefusedError
from ritornello.serve.state import Holder, State
from ritornello.serve.tokens import hash_token

RATE = 20.0  # requests a second of one token, in the long run
BURST = 100.0
MAX_BUCKETS = 10_000
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
EVERYBODY = Holder(user_id="", is_operator=True)


@dataclass(slots=True)
class Bucket:
    """What is left of a token's allowance, and when that was so."""

    left: float
    at: float


class Access:
    """The guard of one process."""

    def __init__(self, state: State, *, is_loopback: bool) -> None:
        self.state = state
        self.is_loopback = is_loopback
        self.buckets: OrderedDict[str, Bucket] = OrderedDict()

    def is_open(self) -> bool:
        """Tell whether nobody needs a token."""
        return self.is_loopback and not self.state.has_tokens()

    def check(self, request: Request, *user_ids: str) -> None:
        """Let a request pass that may act for the users, or for the service where none is named.

        Raises:
            RefusedError: 401 without a valid token, 403 for somebody else's data, 429 when it asks too often.
        """
        holder = self.holder(request)
        if holder.is_operator:
            return
        if not user_ids:
            raise RefusedError(403, "the token belongs to a user: allowed is an operator's token")
        if any(user_id != holder.user_id for user_id in user_ids):
            raise RefusedError(403, "the token belongs to another user: allowed are that user's own data")

    def holder(self, request: Request) -> Holder:
        """Return on whose behalf a request comes.

        Raises:
            RefusedError: 401 without a valid token, 429 when it asks too often.
        """
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if not token and self.is_open():
            return EVERYBODY
        key = hash_token(token)
        found = self.state.holder(key) if kind.lower() == "bearer" else None
        if found is None:
            raise RefusedError(
                401, "no valid token: send `Authorization: Bearer TOKEN`", {"WWW-Authenticate": "Bearer"}
            )
        if not found.is_operator:
            self.spend(key)
        return found

    def spend(self, key: str) -> None:
        """Take one request off a token's allowance.

        Raises:
            RefusedError: 429 when nothing is left.
        """
        now = time.monotonic()
        bucket = self.buckets.setdefault(key, Bucket(BURST, now))
        self.buckets.move_to_end(key)
        if len(self.buckets) > MAX_BUCKETS:
            self.buckets.popitem(last=False)
        bucket.left, bucket.at = min(BURST, bucket.left + RATE * (now - bucket.at)), now
        if bucket.left < 1:
            allowed = f"allowed are {RATE:.0f} a second, {BURST:.0f} at once"
            raise RefusedError(429, f"too many requests: {allowed}", {"Retry-After": "1"})
        bucket.left -= 1
