"""Onboarding: first slates for newcomers from a few artists, albums or tracks that they pick.

What they pick stands in for a history, most played first of each pick; then every scene answers as it does for everyone.
Seeds of a request do so for whoever has no history; what a user once picked does for as long as they have few events of their
own, which come after it. B batch, L history length, S tracks of the picks.
"""

from dataclasses import replace

import numpy as np

from ritornello.contracts import History, Int32, Slate
from ritornello.data.facts import Facts
from ritornello.data.sessions import SESSION_GAP_MS
from ritornello.pipeline import Pipeline, is_heard
from ritornello.scenes import Asked, Scene
from ritornello.scenes.picks import note
from ritornello.scenes.seeds import as_history, find_seed, most_played
from ritornello.scenes.similar import Similar
from ritornello.schema import PADDING

TRACKS_PER_PICK = 5
ENOUGH_EVENTS = 20  # own events, from which on a history says more than what was picked
PICKED = "a first list from what you picked"
BEGUN = f"what you picked counts beside your history, until that has {ENOUGH_EVENTS} events"
IGNORED = "what you picked is left aside: your history says more"


def answer(scene: Scene, pipeline: Pipeline, history: History, k: int, asked: Asked) -> tuple[History, Slate]:
    """Return histories and slates of a scene; in all but a radio seeds are what newcomers picked.

    Raises:
        ValueError: when a seed does not exist.
    """
    seeds = () if isinstance(scene, Similar) else asked.seeds
    if not seeds and not asked.picks:
        return history, scene.recommend(pipeline, history, k, asked)
    introduced = introduce(history, tracks_of(pipeline, asked.facts, seeds), fewer_than=1)
    introduced = with_picks(pipeline, introduced, asked.facts, asked.picks)
    slate = scene.recommend(pipeline, introduced, k, asked)
    told_B = tuple(
        note(told_of(own, begun, seeds), said)
        for own, begun, said in zip(
            num_events(history), num_events(introduced), slate.note_B or ("",) * len(history), strict=True
        )
    )
    return introduced, replace(slate, heard_BK=is_heard(history, slate.track_BK), note_B=told_B)


def told_of(own: int, begun: int, seeds: tuple[str, ...]) -> str:
    """Return what somebody is told who has so many own events, and so many with what was picked before them."""
    if begun > own:
        return BEGUN if own else PICKED
    return IGNORED if seeds and own else ""


def num_events(history: History) -> list[int]:
    """Return the number of events of each row."""
    return [int(number) for number in (history.track_BL != PADDING).sum(axis=1)]


def with_picks(pipeline: Pipeline, history: History, facts: Facts, picks: tuple[str, ...]) -> History:
    """Let what users picked stand before their first events; what the catalogue has lost since is left out."""
    known = tuple(pick for pick in picks if is_known(facts, pick))
    return introduce(history, tracks_of(pipeline, facts, known), fewer_than=ENOUGH_EVENTS)


def is_known(facts: Facts, seed: str) -> bool:
    """Tell whether the catalogue has what a seed names."""
    try:
        find_seed(facts, seed)
    except ValueError:
        return False
    return True


def tracks_of(pipeline: Pipeline, facts: Facts, seeds: tuple[str, ...]) -> Int32:
    """Return the tracks that stand for seeds, most played first.

    Raises:
        ValueError: when a seed does not exist.
    """
    found = [most_played(pipeline, find_seed(facts, seed)[1], TRACKS_PER_PICK) for seed in seeds]
    track_S = np.unique(np.concatenate([np.zeros(0, np.int32), *found]))
    return most_played(pipeline, track_S, len(track_S))


def introduce(history: History, track_S: Int32, *, fewer_than: int) -> History:
    """Let histories of fewer events begin with likes of these tracks, just now or a session before the first own event."""
    count_B = (history.track_BL != PADDING).sum(axis=1)
    few_R = np.flatnonzero(count_B < fewer_than)
    if not len(few_R) or not len(track_S):
        return history
    length = history.track_BL.shape[1]
    missing = max(int(count_B[few_R].max()) + len(track_S) - length, 0)
    wide = {
        name: np.pad(getattr(history, name), ((0, 0), (missing, 0)), constant_values=fill)
        for name, fill in (
            ("track_BL", 0),
            ("action_BL", 0),
            ("at_BL", 0),
            ("play_ratio_BL", np.nan),
            ("session_BL", -1),
        )
    }
    for row in few_R.tolist():
        first = length + missing - int(count_B[row])
        began_at = int(wide["at_BL"][row, first]) - SESSION_GAP_MS if count_B[row] else int(history.as_of_B[row])
        wide["session_BL"][row, first:] += 1
        own = as_history(track_S, began_at)
        for name, array_BL in wide.items():
            array_BL[row, first - len(track_S) : first] = getattr(own, name)[0]
    return replace(history, **wide)
