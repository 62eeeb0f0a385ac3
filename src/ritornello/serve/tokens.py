"""Tokens: given out on the command line, while the service runs or not."""

import hashlib
import uuid

from ritornello.artifacts import Workspace
from ritornello.serve.state import Holder
from ritornello.serve.state.sqlite import open_state


def hash_token(token: str) -> str:
    """Return what is kept of a token; a random UUID needs no salt."""
    return hashlib.sha256(token.strip().lower().encode()).hexdigest()


def give_token(workspace: Workspace, user_id: str, *, is_operator: bool) -> str:
    """Make a token, keep its hash, and return it; it cannot be read again."""
    token = str(uuid.uuid4())
    with open_state(workspace) as state:
        state.add_token(hash_token(token), Holder(user_id=user_id, is_operator=is_operator)).result()
    return token


def has_tokens(workspace: Workspace) -> bool:
    """Tell whether anybody was given a token."""
    with open_state(workspace) as state:
        return state.has_tokens()
