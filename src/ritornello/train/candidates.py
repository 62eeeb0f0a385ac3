"""Training examples for the rankers: candidates that recall really returned at an earlier moment, and what came true.

Everything in an example was known before the moment of its request: the channels were fitted before a cut, the history ends
before the request, only the label looks ahead. S examples, B requests, N candidates.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Bool, Candidates, Float32, History, Int8, Int32, Int64, Only
from ritornello.data import features, split
from ritornello.data.behaviour import Behaviour, behaviour_of, stack_behaviour
from ritornello.data.grades import NO_LENGTHS, grades_of_plays
from ritornello.data.impressions import Slates, answers, offer_outcomes
from ritornello.data.labels import is_listen
from ritornello.data.outcomes import PLAY, merge_outcomes, outcomes_of_plays
from ritornello.data.sequence import Sequences, before_plays, encode, listens
from ritornello.pipeline import BATCH, Pipeline
from ritornello.rank import Examples, Requests
from ritornello.schema import ONE_DAY_MS, PADDING, Action

HARD_PLACES = 100  # of the order of recall: a ranker decides among these what is seen


def choose_cuts(sequences: Sequences, at: int, *, cuts: int, window_days: float) -> list[int]:
    """Return up to `cuts` moments before `at`, newest first, whose windows end by `at` and that know a tenth of the log."""
    step = int(window_days * ONE_DAY_MS)
    moments = [at - step * number for number in range(1, cuts + 1)]
    at_E = np.sort(sequences.at_E)
    return [moment for moment in moments if np.searchsorted(at_E, moment) * 10 >= len(at_E) > 0]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """Which candidates become examples: shares of the unplayed ones, high up in the order of recall (hard) and further down
    (easy), and of the skipped ones, by what luck, and whether histories are kept too.
    """

    negatives: float
    easy_negatives: float | None = None  # None: as of the hard ones
    skip_negatives: float = 1.0
    seed: int
    with_history: bool = False

    def shares(self, judged: "Judged") -> NDArray[np.float64]:
        """Return the chance of each candidate to be kept [B, N], in the fused order of recall; all that was listened to is."""
        easy = self.negatives if self.easy_negatives is None else self.easy_negatives
        share_N = np.where(np.arange(judged.label_BN.shape[1]) < HARD_PLACES, self.negatives, easy)
        share_BN = np.where(judged.outcome_BNT[..., PLAY] > 0, self.skip_negatives, share_N)
        return np.where(judged.label_BN, 1.0, share_BN)


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """The label [B, N] of candidates, their outcomes [B, N, T] (NaN: unknown), what their play was worth [B, N] (NaN: none),
    their place in a slate (-1: none) and the chance with which they were offered there (NaN: unknown).
    """

    label_BN: Bool
    outcome_BNT: Float32
    grade_BN: Float32
    position_BN: Int32
    propensity_BN: Float32

    @classmethod
    def elsewhere(cls, label_BN: Bool, told_BNU: Float32) -> "Judged":
        """Judge candidates of no slate by their outcomes with the grade behind them."""
        return cls(
            label_BN=label_BN,
            outcome_BNT=told_BNU[..., :-1],
            grade_BN=told_BNU[..., -1],
            position_BN=np.full(label_BN.shape, -1, np.int32),
            propensity_BN=np.full(label_BN.shape, np.nan, np.float32),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A batch of requests: histories, perhaps the tracks that were offered, and what became of any candidate.

    `scene_B` is the scene that they were offered in, as a place among `scenes`, from 1 (see data/impressions.py).
    """

    history: History
    judge: Callable[[Candidates], Judged]
    offered_BN: Int32 | None = None
    scene_B: Int8 | None = None
    scenes: tuple[str, ...] = ()


def window_examples(
    pipeline: Pipeline,
    known: Sequences,
    window: Sequences,
    cut: int,
    *,
    only: Only = "any",
    sampling: Sampling,
    track_ms_T: Float32 = NO_LENGTHS,
) -> Examples | None:
    """Return candidates at `cut` for everybody who listens in the window, labelled by what they listen to; None without any.

    `known` ends before `cut`; `window` holds the events from the cut on.
    """
    user_B, played = listened_after(known, window)
    size = np.int64(window.num_tracks + 1)
    is_play_E = window.action_E == Action.PLAY
    pair_P, group_E = np.unique(window.user_E[is_play_E] * size + window.track_E[is_play_E], return_inverse=True)
    told_PU = merge_outcomes(told_of_plays(window, track_ms_T)[is_play_E], group_E, len(pair_P))

    def judge(rows: History, candidates: Candidates) -> Judged:
        pair_BN = rows.user_B[:, None] * size + candidates.track_BN
        return Judged.elsewhere(np.isin(pair_BN, played), look_up(pair_BN, pair_P, told_PU))

    asked = (Asked(history=rows, judge=partial(judge, rows)) for rows in histories_at(known, user_B, cut))
    return collect(pipeline, asked, only=only, sampling=sampling)


def told_of_plays(sequences: Sequences, track_ms_T: Float32) -> Float32:
    """Return the outcomes of every event that is a play, and its grade behind them [E, U: T + 1]."""
    return np.column_stack([outcomes_of_plays(sequences), grades_of_plays(sequences, track_ms_T)])


def look_up(pair_BN: Int64, pair_P: Int64, told_PU: Float32) -> Float32:
    """Return what is told of pairs [B, N, U]; what was not played has no other outcome than that."""
    told_BNU = np.full((*pair_BN.shape, told_PU.shape[1]), np.nan, np.float32)
    told_BNU[..., PLAY] = 0.0
    if len(pair_P):
        place_BN = np.minimum(np.searchsorted(pair_P, pair_BN), len(pair_P) - 1)
        is_found_BN = pair_P[place_BN] == pair_BN
        told_BNU[is_found_BN] = told_PU[place_BN[is_found_BN]]
    return told_BNU


def listened_after(known: Sequences, window: Sequences) -> tuple[NDArray[np.int32], Int64]:
    """Return who of those known listens in the window, and all its pairs user * (tracks of the window + 1) + track."""
    is_listen_E = listens(window)
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
    pipeline: Pipeline,
    sequences: Sequences,
    cut: int,
    end: int,
    *,
    plays: int,
    sampling: Sampling,
    track_ms_T: Float32 = NO_LENGTHS,
) -> Examples | None:
    """Return candidates before single plays in [cut, end), labelled by the track that was played; None without any.

    The channels were fitted before `cut`; each history runs up to its play.
    """
    event_R, user_R, as_of_R = plays_between(sequences, cut, end)
    generator = np.random.default_rng(sampling.seed)
    if len(event_R) > plays:
        chosen_R = np.sort(generator.choice(len(event_R), plays, replace=False))
        event_R, user_R, as_of_R = event_R[chosen_R], user_R[chosen_R], as_of_R[chosen_R]
    end_R = before_plays(sequences, event_R)
    track_R, told_RU = sequences.track_E[event_R], told_of_plays(sequences, track_ms_T)[event_R]

    def judge(part: slice, candidates: Candidates) -> Judged:
        is_target_BN = np.asarray(candidates.track_BN == track_R[part, None])
        told_BNU = np.full((*is_target_BN.shape, told_RU.shape[1]), np.nan, np.float32)
        told_BNU[..., PLAY] = 0.0
        row_P, slot_P = np.nonzero(is_target_BN)
        told_BNU[row_P, slot_P] = told_RU[part][row_P]
        return Judged.elsewhere(is_target_BN, told_BNU)

    asked = (
        Asked(history=encode(sequences, user_R[part], as_of_R[part], end_B=end_R[part]), judge=partial(judge, part))
        for part in (slice(start, start + BATCH) for start in range(0, len(event_R), BATCH))
    )
    return collect(pipeline, asked, task="next", sampling=sampling)


def offered_examples(
    pipeline: Pipeline,
    sequences: Sequences,
    slates: Slates,
    *,
    sampling: Sampling,
    track_ms_T: Float32 = NO_LENGTHS,
) -> Examples | None:
    """Return the offers of logged slates, described as of the moment of each slate, with what became of them; None without any.

    A slate in which nothing was played stays: what is passed over tells as much.
    """
    event_QN = answers(sequences, slates)
    outcome_QNT = offer_outcomes(sequences, slates, event_QN)
    grade_QN = np.where(event_QN >= 0, grades_of_plays(sequences, track_ms_T)[event_QN], np.nan)
    # what came out after the pipeline was fitted cannot be described by it
    track_QN = np.where(slates.track_QN < len(pipeline.stats.value_TF), slates.track_QN, PADDING).astype(np.int32)

    def judge(part: slice, candidates: Candidates) -> Judged:
        # every row's offers are among its candidates: find each candidate's place in the slate
        same_BNS = candidates.track_BN[:, :, None] == track_QN[part, None, :]
        same_BNS &= (candidates.track_BN != PADDING)[:, :, None]
        place_BN = np.where(same_BNS.any(axis=2), same_BNS.argmax(axis=2), -1)
        is_offer_BN, place_BN = place_BN >= 0, np.maximum(place_BN, 0)
        outcome_BNT = np.take_along_axis(outcome_QNT[part], place_BN[:, :, None], axis=1)

        def spread(value_QN: NDArray[np.generic], fill: float) -> NDArray[np.generic]:
            return np.where(is_offer_BN, np.take_along_axis(value_QN[part], place_BN, axis=1), fill)

        return Judged(
            label_BN=is_offer_BN & (outcome_BNT[..., PLAY] > 0),
            outcome_BNT=np.where(is_offer_BN[:, :, None], outcome_BNT, np.nan).astype(np.float32),
            grade_BN=spread(grade_QN, np.nan).astype(np.float32),
            position_BN=spread(slates.position_QN, -1).astype(np.int32),
            propensity_BN=spread(slates.propensity_QN, np.nan).astype(np.float32),
        )

    asked = (
        Asked(
            history=encode(sequences, slates.user_Q[part], slates.at_Q[part]),
            judge=partial(judge, part),
            offered_BN=track_QN[part],
            scene_B=slates.scene_Q[part],
            scenes=slates.scenes,
        )
        for part in (slice(start, start + BATCH) for start in range(0, len(slates.user_Q), BATCH))
    )
    return collect(pipeline, asked, task="next", sampling=sampling)


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
    asked: Iterable[Asked],
    *,
    task: str = "window",
    only: Only = "any",
    sampling: Sampling,
) -> Examples | None:
    """Propose for every row, judge, and keep all that was listened to, and shares of what was skipped or not played.

    Of slates all offers are kept, and no other candidate. The histories come batch by batch, so that memory does not depend on
    how many requests there are; a row whose candidates hold nothing that was played teaches nothing of order and is left out.
    """
    generator = np.random.default_rng(sampling.seed)
    kept: list[Kept] = []
    behaviours: list[Behaviour] = []
    users: list[Int32] = []
    names: tuple[str, ...] = ()
    num_requests = 0
    for rows in asked:
        candidates, batch = pipeline.propose(rows.history, task=task, only=only, track_S=rows.offered_BN)
        if rows.scene_B is not None:
            batch = features.in_scene(batch, rows.scene_B, rows.scenes)
        names = batch.feature_names
        judged = rows.judge(candidates)
        is_candidate_BN = candidates.track_BN != PADDING
        if rows.offered_BN is None:
            share_BN = sampling.shares(judged)
            is_kept_BN = generator.random(share_BN.shape) < share_BN
            is_kept_BN &= is_candidate_BN & judged.label_BN.any(axis=1, keepdims=True)
        else:
            is_kept_BN = is_candidate_BN & np.isfinite(judged.outcome_BNT[..., PLAY])
            share_BN = np.ones(is_kept_BN.shape)
        row_S, slot_S = np.nonzero(is_kept_BN)
        asked_R, request_S = np.unique(row_S, return_inverse=True)
        outcome_ST, label_S = judged.outcome_BNT[row_S, slot_S], judged.label_BN[row_S, slot_S]
        grade_S = judged.grade_BN[row_S, slot_S]
        kept.append(
            Kept(
                feature_SF=batch.feature_BNF[row_S, slot_S],
                label_S=label_S,
                request_S=(request_S + num_requests).astype(np.int32),
                weight_S=(1.0 / share_BN[row_S, slot_S]).astype(np.float32),
                track_S=candidates.track_BN[row_S, slot_S],
                outcome_ST=outcome_ST,
                grade_S=np.where(np.isfinite(grade_S), grade_S, label_S).astype(np.float32),
                position_S=judged.position_BN[row_S, slot_S],
                propensity_S=judged.propensity_BN[row_S, slot_S],
            )
        )
        if sampling.with_history:
            behaviours.append(behaviour_of(rows.history.rows(asked_R)))
            users.append(rows.history.user_B[asked_R])
        num_requests += len(asked_R)
    if not any(part.label_S.any() for part in kept):
        return None
    requests = None
    if sampling.with_history:
        requests = Requests(
            user_Q=np.concatenate(users),
            behaviour=stack_behaviour(behaviours),
            spaces_K=(pipeline.spaces,),
            known_Q=np.zeros(num_requests, np.int32),
        )
    columns = {part.name: np.concatenate([getattr(piece, part.name) for piece in kept]) for part in fields(Kept)}
    return Examples(**columns, feature_names=names, requests=requests)


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """The examples of one batch; see rank.Examples."""

    feature_SF: Float32
    label_S: Bool
    request_S: Int32
    weight_S: Float32
    track_S: Int32
    outcome_ST: Float32
    grade_S: Float32
    position_S: Int32
    propensity_S: Float32


def stack(parts: list[Examples]) -> Examples:
    """Put the examples of several cuts together; requests keep apart."""
    offsets = np.cumsum([0, *[int(part.request_S.max()) + 1 for part in parts[:-1]]])
    columns = {part.name: np.concatenate([getattr(piece, part.name) for piece in parts]) for part in fields(Kept)}
    columns["request_S"] = np.concatenate(
        [part.request_S + np.int32(offset) for part, offset in zip(parts, offsets, strict=True)]
    )
    asked = [part.requests for part in parts if part.requests is not None]
    requests = None
    if asked:
        moments = np.cumsum([0, *[len(part.spaces_K) for part in asked[:-1]]])
        requests = Requests(
            user_Q=np.concatenate([part.user_Q for part in asked]),
            behaviour=stack_behaviour([part.behaviour for part in asked]),
            spaces_K=tuple(spaces for part in asked for spaces in part.spaces_K),
            known_Q=np.concatenate(
                [part.known_Q + np.int32(moment) for part, moment in zip(asked, moments, strict=True)]
            ),
        )
    return Examples(**columns, feature_names=parts[0].feature_names, requests=requests)


def window_after(sequences: Sequences, cut: int, window_days: float) -> Sequences:
    """Return the events of the window that begins at `cut`."""
    return split.between(sequences, cut, cut + int(window_days * ONE_DAY_MS) - 1)
