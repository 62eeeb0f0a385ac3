"""A history as the sequence rankers read it: one sequence per behaviour, the newest events of each.

Full plays, likes, additions to playlists, what was shared or kept, searches, and what was turned away from (skips, dislikes):
each tells something else, and the rare ones would drown among the plays. B batch, L events of a domain, F features.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Bool, Float32, History, Int32
from ritornello.data.labels import is_skip
from ritornello.data.once import once
from ritornello.data.tokens import NUM_ACTIONS, NUM_GAPS, NUM_SHARES, gaps, shares
from ritornello.schema import PADDING, Action

DOMAINS = ("play", "like", "add", "share", "search", "skip")
LENGTHS = {"play": 200, "like": 50, "add": 50, "share": 50, "search": 50, "skip": 50}
ACTIONS = {
    "play": (Action.PLAY,),
    "like": (Action.LIKE,),
    "add": (Action.PLAYLIST_ADD,),
    "share": (Action.DOWNLOAD, Action.SHARE, Action.COMMENT),
    "search": (Action.SEARCH,),
    "skip": (Action.DISLIKE,),  # and plays that were turned away
}
SKIP = DOMAINS.index("skip")
DOMAIN_A = np.array(  # of every action
    [
        next((place for place, name in enumerate(DOMAINS) if action in ACTIONS[name]), -1)
        for action in range(NUM_ACTIONS)
    ]
)
NUM_BACK = 8  # sessions ago: the present one, the one before, ... and older
FEATURE_SIZES = (
    NUM_ACTIONS,
    NUM_SHARES,
    NUM_GAPS,
    NUM_GAPS,
    NUM_BACK,
)  # action, share, gap before it, age, sessions ago
SHARE, GAP, AGE, BACK = 1, 2, 3, 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Domain:
    """The events of one behaviour, newest last, padded on the left; ages are in hours."""

    track_BL: Int32
    feature_BLF: NDArray[np.uint8]
    age_BL: Float32

    def rows(self, row_R: NDArray[np.intp] | slice) -> "Domain":
        """Return some rows of the batch."""
        return Domain(**{part.name: getattr(self, part.name)[row_R] for part in fields(self)})

    def trim(self) -> "Domain":
        """Drop leading slots that are padding in every row, but one."""
        is_used_L = (self.track_BL != PADDING).any(axis=0)
        first = int(is_used_L.argmax()) if is_used_L.any() else len(is_used_L) - 1
        return Domain(**{part.name: getattr(self, part.name)[:, first:] for part in fields(self)})


Behaviour = dict[str, Domain]


@once
def behaviour_of(history: History) -> Behaviour:
    """Sort the events of a history by domain; gaps and ages are those of the whole history."""
    previous_BL = np.concatenate([np.zeros((len(history), 1), np.int64), history.at_BL[:, :-1]], axis=1)
    moment_BL = np.broadcast_to(history.as_of_B[:, None], history.at_BL.shape)
    back_BL = np.clip(history.session_BL[:, -1:] - history.session_BL, 0, NUM_BACK - 1)
    feature_BLF = np.stack(
        [
            history.action_BL,
            shares(history.play_ratio_BL),
            gaps(previous_BL, history.at_BL),
            gaps(history.at_BL, moment_BL),
            back_BL,
        ],
        axis=2,
    ).astype(np.uint8)
    age_BL, domain_BL = history.age_BL, domains(history)
    return {
        name: newest(history.track_BL, feature_BLF, age_BL, domain_BL == place, LENGTHS[name])
        for place, name in enumerate(DOMAINS)
    }


def nothing(domain: Domain) -> Domain:
    """Return a domain in which nothing has happened."""
    return Domain(**{part.name: np.zeros_like(getattr(domain, part.name)) for part in fields(domain)})


def domains(history: History) -> NDArray[np.int8]:
    """Return the place of each event's behaviour among DOMAINS [B, L], -1 where it has none."""
    is_turned_away_BL = (history.action_BL == Action.PLAY) & is_skip(history.play_ratio_BL)
    domain_BL = np.where(is_turned_away_BL, SKIP, DOMAIN_A[history.action_BL])
    return np.where(history.track_BL == PADDING, -1, domain_BL).astype(np.int8)


def newest(track_BL: Int32, feature_BLF: NDArray[np.uint8], age_BL: Float32, is_member_BL: Bool, length: int) -> Domain:
    """Keep the newest `length` members of each row, no wider than the longest row, at least one wide."""
    from_behind_BL = np.cumsum(is_member_BL[:, ::-1], axis=1)[:, ::-1]
    row_E, slot_E = np.nonzero(is_member_BL & (from_behind_BL <= length))
    back_E = from_behind_BL[row_E, slot_E]
    width = int(back_E.max(initial=1))
    place = (row_E, width - back_E)
    kept_track_BL = np.zeros((len(track_BL), width), np.int32)
    kept_feature_BLF = np.zeros((len(track_BL), width, feature_BLF.shape[2]), np.uint8)
    kept_age_BL = np.zeros((len(track_BL), width), np.float32)
    kept_track_BL[place] = track_BL[row_E, slot_E]
    kept_feature_BLF[place] = feature_BLF[row_E, slot_E]
    kept_age_BL[place] = age_BL[row_E, slot_E]
    return Domain(track_BL=kept_track_BL, feature_BLF=kept_feature_BLF, age_BL=kept_age_BL)


def stack_behaviour(parts: list[Behaviour]) -> Behaviour:
    """Put batches one below the other, padded on the left to one width."""

    def joined(name: str) -> Domain:
        width = max(part[name].track_BL.shape[1] for part in parts)
        arrays = {}
        for piece in fields(Domain):
            padded = []
            for part in parts:
                array = getattr(part[name], piece.name)
                padding = [(0, 0), (width - array.shape[1], 0), *[(0, 0)] * (array.ndim - 2)]
                padded.append(np.pad(array, padding))
            arrays[piece.name] = np.concatenate(padded)
        return Domain(**arrays)

    return {name: joined(name) for name in DOMAINS}
