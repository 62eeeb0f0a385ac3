"""Training examples for the rankers: candidates that recall really returned at an earlier moment, and what came true.

Everything in an example was known before the moment of its request: the channels were fitted before a cut, the history ends
before the request, only the label looks ahead. S examples, B requests, N candidates.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Bool, Candidates, History, Int64, Only
from ritornello.data import split
from ritornello.data.labels import is_listen
from ritornello.data.sequence import Sequences, before_plays, encode
from ritornello.pipeline import BATCH, Pipeline
from ritornello.rank import Examples
from ritornello.schema import ONE_DAY_MS, PADDING, Action


def choose_cuts(sequences: Sequences, at: int, *, cuts: int, window_days: float) -> list[int]:
    """Return up to `cuts` moments before `at`, newest first, whose windows end by `at` and that know a tenth of the log."""
    step = int(window_days * ONE_DAY_MS)
    moments = [at - step * number for number in range(1, cuts + 1)]
    at_E = np.sort(sequences.at_E)
    return [moment for moment in moments if np.searchsorted(at_E, moment) * 10 >= len(at_E) > 0]


def window_examples(
    pipeline: Pipeline,
    known: Sequences,
    window: Sequences,
    cut: int,
    *,
    only: Only = "any",
    negatives: float,
    seed: int,
) -> Examples | None:
    """Return candidates at `cut` for everybody who listens in the window, labelled by what they listen to; None without any.

    `known` ends before `cut`; `window` holds the events from the cut on.
    """
    user_B, played = listened_after(known, window)
    size = np.int64(window.num_tracks + 1)

    def label(rows: History, candidates: Candidates) -> Bool:
        return np.isin(rows.user_B[:, None] * size + candidates.track_BN, played)

    return collect(pipeline, histories_at(known, user_B, cut), label, only=only, negatives=negatives, seed=seed)


def listened_after(known: Sequences, window: Sequences) -> tuple[NDArray[np.int32], Int64]:
    """Return who of those known listens in the window, and all its pairs user * (tracks of the window + 1) + track."""
    is_listen_E = is_listen(window.action_E, window.play_ratio_E)
    size = np.int64(window.num_tracks + 1)
    played = np.unique(window.user_E[is_listen_E] * size + window.track_E[is_listen_E])
    user_B = np.unique(played // size).astype(np.int32)
    user_B = user_B[user_B <= known.num_users]
    return user_B[np.diff(known.start_U)[user_B] > 0], played


def histories_at(known: Sequences, user_B: NDArray[np.int32], cut: int) -> Iterator[History]:
    """Encode users as of the cut, batch by batch."""
    for start in range(0, len(user_B), BATCH):
        part_B = user_B[start : start + BATCH]
        yield encode(known, part_B, np.full(len(part_B), cut, np.int64))


def next_examples(
    pipeline: Pipeline, sequences: Sequences, cut: int, end: int, *, plays: int, negatives: float, seed: int
) -> Examples | None:
    """Return candidates before single plays in [cut, end), labelled by the track that was played; None without any.

    The channels were fitted before `cut`; each history runs up to its play.
    """
    event_R, user_R, as_of_R = plays_between(sequences, cut, end)
    generator = np.random.default_rng(seed)
    if len(event_R) > plays:
        chosen_R = np.sort(generator.choice(len(event_R), plays, replace=False))
        event_R, user_R, as_of_R = event_R[chosen_R], user_R[chosen_R], as_of_R[chosen_R]
    end_R = before_plays(sequences, event_R)
    histories = (
        encode(sequences, user_R[part], as_of_R[part], end_B=end_R[part])
        for part in (slice(start, start + BATCH) for start in range(0, len(event_R), BATCH))
    )
    track_R = sequences.track_E[event_R]
    position = {"first": 0}

    def label(rows: History, candidates: Candidates) -> Bool:
        target_B = track_R[position["first"] : position["first"] + len(rows)]
        position["first"] += len(rows)
        return np.asarray(candidates.track_BN == target_B[:, None])

    return collect(pipeline, histories, label, task="next", negatives=negatives, seed=seed)


def plays_between(sequences: Sequences, start: int, end: int) -> tuple[Int64, NDArray[np.int32], Int64]:
    """Return position, user and time of the plays that are no skips in [start, end) by users with an event before `start`."""
    at_E = sequences.at_E
    has_past_U = np.r_[np.add.reduceat(np.r_[at_E < start, False], sequences.start_U[:-1]) > 0]
    has_past_U &= np.diff(sequences.start_U) > 0
    user_E = sequences.user_E
    is_listened_E = (sequences.action_E == Action.PLAY) & is_listen(sequences.action_E, sequences.play_ratio_E)
    is_row_E = (at_E >= start) & (at_E < end) & has_past_U[user_E] & is_listened_E
    event_R = np.flatnonzero(is_row_E).astype(np.int64)
    return event_R, user_E[event_R], np.asarray(at_E[event_R], dtype=np.int64)


def collect(
    pipeline: Pipeline,
    histories: Iterable[History],
    label: Callable[[History, Candidates], Bool],
    *,
    task: str = "window",
    only: Only = "any",
    negatives: float,
    seed: int,
) -> Examples | None:
    """Propose for every row, label, and keep all played and a share of the unplayed candidates.

    The histories come batch by batch, so that memory does not depend on how many requests there are.
    """
    generator = np.random.default_rng(seed)
    feature, labels, request, weight = [], [], [], []
    names: tuple[str, ...] = ()
    first_row = 0
    for rows in histories:
        candidates, batch = pipeline.propose(rows, task=task, only=only)
        names = batch.feature_names
        label_BN = label(rows, candidates)
        is_kept_BN = label_BN | (generator.random(label_BN.shape) < negatives)
        is_kept_BN &= (candidates.track_BN != PADDING) & label_BN.any(axis=1, keepdims=True)
        row_S, slot_S = np.nonzero(is_kept_BN)
        feature.append(batch.feature_BNF[row_S, slot_S])
        labels.append(label_BN[row_S, slot_S])
        request.append((row_S + first_row).astype(np.int32))
        weight.append(np.where(label_BN[row_S, slot_S], 1.0, 1.0 / negatives).astype(np.float32))
        first_row += len(rows)
    if not labels or not np.concatenate(labels).any():
        return None
    return Examples(
        feature_SF=np.concatenate(feature),
        label_S=np.concatenate(labels),
        request_S=np.concatenate(request),
        weight_S=np.concatenate(weight),
        feature_names=names,
    )


def stack(parts: list[Examples]) -> Examples:
    """Put the examples of several cuts together; requests keep apart."""
    offsets = np.cumsum([0, *[int(part.request_S.max()) + 1 for part in parts[:-1]]])
    return Examples(
        feature_SF=np.concatenate([part.feature_SF for part in parts]),
        label_S=np.concatenate([part.label_S for part in parts]),
        request_S=np.concatenate(
            [part.request_S + np.int32(offset) for part, offset in zip(parts, offsets, strict=True)]
        ),
        weight_S=np.concatenate([part.weight_S for part in parts]),
        feature_names=parts[0].feature_names,
    )


def window_after(sequences: Sequences, cut: int, window_days: float) -> Sequences:
    """Return the events of the window that begins at `cut`."""
    return split.between(sequences, cut, cut + int(window_days * ONE_DAY_MS) - 1)
