"""One code path: whoever is alone in the log gets the history, the features and the list that the full log gives.

Training examples, evaluation (everybody at a moment) and a single request are held against a log of one user's events,
bit by bit; only products with dense vectors may differ in their last bits: their order of summing hangs on the batch.
"""

from collections.abc import Mapping
from dataclasses import fields

import numpy as np
import pytest

from ritornello.config import Config
from ritornello.contracts import Candidates, Float32, History
from ritornello.data import split
from ritornello.data.behaviour import Domain, behaviour_of
from ritornello.data.sequence import Sequences, before_plays, encode, from_events
from ritornello.data.sources.planted import PlantedWorld
from ritornello.pipeline import Pipeline, trim
from ritornello.rank import Requests
from ritornello.recall.scores import VectorScores
from ritornello.schema import ONE_DAY_MS
from ritornello.train.candidates import Sampling, next_examples, plays_between, window_after, window_examples
from ritornello.train.recall import fit_recall

CUT_DAYS = 14
ALL = Sampling(negatives=1.0, seed=1, with_history=True)


def alone(sequences: Sequences, user: int, *, shuffle: bool = True) -> Sequences:
    """Return the log of one user, in an order that is not the order of time."""
    event_E = np.flatnonzero(sequences.user_E == user)
    if shuffle:
        # Events of one moment keep their order: only their order tells which came first.
        rng = np.random.default_rng(user)
        moment_E, place_E = np.unique(sequences.at_E[event_E], return_inverse=True)
        event_E = event_E[np.lexsort((event_E, rng.permutation(len(moment_E))[place_E]))]
    return from_events(
        sequences.user_E[event_E],
        sequences.track_E[event_E],
        sequences.at_E[event_E],
        sequences.action_E[event_E],
        sequences.play_ratio_E[event_E],
        num_users=sequences.num_users,
        num_tracks=sequences.num_tracks,
    )


def same_history(left: History, right: History) -> None:
    for field in fields(History):
        one, other = getattr(left, field.name), getattr(right, field.name)
        assert one.dtype == other.dtype, field.name
        np.testing.assert_array_equal(one, other, err_msg=field.name)


def same_features(left_PF: Float32, right_PF: Float32, names: tuple[str, ...], loose: set[str]) -> None:
    for column, name in enumerate(names):
        is_loose = name.removesuffix("_score").removesuffix("_share") in loose
        rtol, atol = (1e-5, 1e-6) if is_loose else (0.0, 0.0)
        np.testing.assert_allclose(left_PF[:, column], right_PF[:, column], rtol=rtol, atol=atol, err_msg=name)


def with_vectors(pipeline: Pipeline, history: History) -> set[str]:
    """Name the channels whose scores are products of dense vectors."""
    one = history.rows(slice(0, 1))
    return {name for name, channel in pipeline.channels.items() if isinstance(channel.score(one), VectorScores)}


@pytest.fixture(scope="module")
def cut(world: PlantedWorld) -> int:
    return world.now - CUT_DAYS * ONE_DAY_MS


@pytest.fixture(scope="module")
def earlier(world: PlantedWorld, cut: int, small_config: Config) -> Pipeline:
    """Recall as of the cut."""
    return fit_recall(split.before(world.sequences, cut), cut, small_config, world.knowledge)


def test_a_user_alone_has_the_history_that_the_full_log_gives(world, cut):
    users = np.arange(1, world.sequences.num_users + 1)
    for at in (cut, world.now, world.now + ONE_DAY_MS):
        together = encode(world.sequences, users, np.full(len(users), at))
        for row, user in enumerate(users):
            single = encode(alone(world.sequences, user), users[row : row + 1], np.array([at]))
            same_history(trim(together.rows(slice(row, row + 1))), single)


def test_a_user_alone_gets_the_candidates_features_and_list_that_a_batch_gives(world, pipeline):
    users = np.arange(1, world.sequences.num_users + 1)
    together = encode(world.sequences, users, np.full(len(users), world.now))
    candidates, batch = pipeline.propose(together)
    loose = with_vectors(pipeline, together)
    slate = pipeline.recommend(together, 10)
    for row, user in enumerate(users):
        single = encode(alone(world.sequences, user), users[row : row + 1], np.array([world.now]))
        found, described = pipeline.propose(single)
        size = np.count_nonzero(found.track_BN)
        same_but_for_ties(found, candidates, row, pipeline.quotas_for("window", "any"))
        _, left, right = np.intersect1d(found.track_BN[0, :size], candidates.track_BN[row, :size], return_indices=True)
        same_features(described.feature_BNF[0, left], batch.feature_BNF[row, right], batch.feature_names, loose)
        own = pipeline.recommend(single, 10)
        np.testing.assert_allclose(own.score_BK[0], slate.score_BK[row], rtol=1e-5)
        if np.abs(np.diff(slate.score_BK[row])).min() > 1e-5:
            assert own.track_BK[0].tolist() == slate.track_BK[row].tolist()


def same_but_for_ties(found: Candidates, together: Candidates, row: int, quotas: Mapping[str, int]) -> None:
    """Hold the candidates of one row equal; the last one of a channel's quota may be another that ties to 1e-5 there."""
    own = {int(track): slot for slot, track in enumerate(found.track_BN[0]) if track}
    other = {int(track): slot for slot, track in enumerate(together.track_BN[row]) if track}
    extra, missing = sorted(own.keys() - other.keys()), sorted(other.keys() - own.keys())
    assert len(extra) == len(missing)
    for left, right in zip(extra, missing, strict=True):
        rank_C = found.channel_rank_BNC[0, own[left]]
        proposing = np.flatnonzero(rank_C)
        assert (rank_C[proposing] == [quotas[found.channels[channel]] for channel in proposing]).all()
        np.testing.assert_allclose(
            found.channel_score_BNC[0, own[left], proposing],
            together.channel_score_BNC[row, other[right], proposing],
            rtol=1e-5,
        )


def test_window_examples_are_what_a_request_at_the_cut_sees(world, cut, earlier):
    known = split.before(world.sequences, cut)
    window = window_after(world.sequences, cut, float(CUT_DAYS))
    examples = window_examples(earlier, known, window, cut, sampling=ALL)
    number = {user: request for request, user in enumerate(examples.requests.user_Q.tolist())}
    loose = with_vectors(earlier, encode(known, np.array([1]), np.array([cut])))
    users = [user for user in range(1, world.sequences.num_users + 1) if listens_in(world, user, cut, world.now)]
    users = [user for user in users if (known.user_E == user).any()]
    for user in users:
        is_row_S = examples.request_S == number.get(user, -1)
        single = encode(alone(world.sequences, user), np.array([user]), np.array([cut]))
        candidates, batch = earlier.propose(single)
        size = np.count_nonzero(candidates.track_BN)
        expected = [track in listens_in(world, user, cut, world.now) for track in candidates.track_BN[0, :size]]
        if not any(expected):
            assert not is_row_S.any()
            continue
        assert examples.label_S[is_row_S].tolist() == expected
        same_features(examples.feature_SF[is_row_S], batch.feature_BNF[0, :size], batch.feature_names, loose)
        same_behaviour(examples.requests, number[user], single)


def same_behaviour(requests: Requests, request: int, history: History) -> None:
    """Hold what a network learns from equal to what it reads of a single request."""
    for name, domain in behaviour_of(history).items():
        kept = requests.behaviour[name].rows(slice(request, request + 1)).trim()
        for field in fields(Domain):
            np.testing.assert_array_equal(getattr(kept, field.name), getattr(domain, field.name), err_msg=name)


def listens_in(world: PlantedWorld, user: int, start: int, end: int) -> set[int]:
    """Return what a user listens to in [start, end), in plain Python."""
    heard = set()
    for position in range(*world.sequences.start_U[user : user + 2]):
        ratio = world.sequences.play_ratio_E[position]
        action = world.sequences.action_E[position]
        is_play = (action == 2 and not ratio < 0.4) or action in (3, 6, 8, 9)
        if start <= world.sequences.at_E[position] < end and is_play:
            heard.add(int(world.sequences.track_E[position]))
    return heard


def test_next_examples_are_what_a_request_before_the_play_sees(world, cut, earlier):
    sequences = world.sequences
    event_R, user_R, at_R = plays_between(sequences, cut, world.now)
    examples = next_examples(earlier, sequences, cut, world.now, plays=10**6, sampling=ALL)
    end_R = before_plays(sequences, event_R)
    everything = encode(sequences, user_R, at_R, end_B=end_R)
    track_RN = earlier.propose(everything, task="next")[0].track_BN
    number_R = np.cumsum((track_RN == sequences.track_E[event_R][:, None]).any(axis=1)) - 1
    loose = with_vectors(earlier, encode(sequences, np.array([1]), np.array([cut])))
    for row in range(0, len(event_R), 23):
        user, event = int(user_R[row]), int(event_R[row])
        mine = alone(sequences, user)
        end_B = np.array([mine.start_U[user] + event - sequences.start_U[user]])
        single = encode(mine, np.array([user]), at_R[row : row + 1], end_B=end_B)
        candidates, batch = earlier.propose(single, task="next")
        size = np.count_nonzero(candidates.track_BN)
        expected = (candidates.track_BN[0, :size] == sequences.track_E[event]).tolist()
        if not any(expected):
            continue
        is_row_S = examples.request_S == number_R[row]
        assert examples.label_S[is_row_S].tolist() == expected
        same_features(examples.feature_SF[is_row_S], batch.feature_BNF[0, :size], batch.feature_names, loose)


def test_what_comes_after_the_moment_changes_no_feature_and_no_list(world, cut, small_config):
    full = world.sequences
    rng = np.random.default_rng(5)
    other_track_E = np.where(full.at_E >= cut, rng.integers(1, full.num_tracks + 1, len(full)), full.track_E)
    other = from_events(
        full.user_E,
        other_track_E.astype(np.int32),
        full.at_E,
        full.action_E[::-1].copy() * (full.at_E >= cut).astype(np.int8) + full.action_E * (full.at_E < cut),
        full.play_ratio_E,
        num_users=full.num_users,
        num_tracks=full.num_tracks,
    )
    users = np.arange(full.num_users + 1)
    answers = []
    for sequences in (full, other):
        recall = fit_recall(split.before(sequences, cut), cut, small_config, world.knowledge)
        answers.append(recall.propose(encode(sequences, users, np.full(len(users), cut))))
    np.testing.assert_array_equal(answers[0][0].track_BN, answers[1][0].track_BN)
    np.testing.assert_array_equal(answers[0][1].feature_BNF, answers[1][1].feature_BNF)
