"""The laws of ranking: every ranker of the table keeps them; a new one needs no test here.

S examples, B requests, N candidates, F features.
"""

from dataclasses import dataclass, fields, replace
from functools import cache
from importlib import import_module

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from contract.settings import ALONGSIDE, SPECIAL, fields_of, other_values
from ritornello import rank
from ritornello.config import Config, RankConfig, RecallConfig
from ritornello.contracts import History, RankBatch, Spaces
from ritornello.data import split
from ritornello.data.behaviour import DOMAINS, Domain, behaviour_of
from ritornello.data.outcomes import OUTCOMES, SHARE
from ritornello.data.sequence import encode
from ritornello.data.sources.planted import planted_world
from ritornello.rank import RANKERS, Examples, Ranker, Requests
from ritornello.rank.multipath import PATHS
from ritornello.rank.network import Network
from ritornello.schema import ONE_DAY_MS, PADDING
from ritornello.train.candidates import Sampling, listened_after, window_after, window_examples
from ritornello.train.recall import fit_recall

# What makes a ranker quick on a small world; one that is quick by itself needs no line.
NETWORK: dict[str, object] = {"epochs": 12, "width": 8, "hidden": (16, 8), "learning_rate": 1e-2, "batch_requests": 8}
QUICK: dict[str, dict[str, object]] = {
    "trees": {"num_trees": 10, "min_examples_in_leaf": 5, "learning_rate": 0.3},
    "mean_pool": NETWORK,
    "din": NETWORK,
    "session": NETWORK,
    "dien": NETWORK | {"evolved": 4},
    "multipath": NETWORK | {"evolved": 2, "paths": PATHS},
}
BRIEF: dict[str, object] = {"epochs": 2}  # enough for a setting of a network to tell
CHANNELS = ("popular", "relisten", "transitions", "neighbours")
NUM_REQUESTS, NUM_CANDIDATES, NUM_FEATURES = 64, 20, 6

NETWORKS = [name for name in RANKERS if rank.reads_history(name)]

every_ranker = pytest.mark.parametrize("name", RANKERS)
every_sum = pytest.mark.parametrize("name", [name for name in RANKERS if name not in NETWORKS])
every_network = pytest.mark.parametrize("name", NETWORKS)


def config_of(name: str) -> type[msgspec.Struct]:
    module, _, attribute = RANKERS[name].partition(":")
    config: type[msgspec.Struct] = getattr(import_module(module), attribute).Config
    return config


def fit(name: str, examples: Examples, settings: dict[str, object] | None = None) -> Ranker:
    return rank.make(name, QUICK.get(name, {}) | (settings or {})).fit(examples)


@dataclass(frozen=True, slots=True)
class Planted:
    """Examples of a window of the planted world, the same requests as a batch with their labels, and everybody at its end."""

    examples: Examples
    asked: RankBatch
    label_BN: NDArray[np.bool_]
    batch: RankBatch


@cache
def planted() -> Planted:
    world = planted_world()
    cut = world.now - 14 * ONE_DAY_MS
    known = split.before(world.sequences, cut)
    config = Config(recall=RecallConfig(channels=CHANNELS, quota=20), rank=RankConfig(model="multipath"))
    pipeline = fit_recall(known, cut, config, world.knowledge)
    window = window_after(world.sequences, cut, 14.0)
    sampling = Sampling(negatives=0.5, seed=1, with_history=True)
    examples = window_examples(pipeline, known, window, cut, sampling=sampling)
    assert examples is not None
    listener_B, played = listened_after(known, window)
    asked = pipeline.propose(encode(known, listener_B, np.full(len(listener_B), cut)))[1]
    pair_BN = listener_B[:, None] * np.int64(window.num_tracks + 1) + asked.track_BN
    user_B = np.arange(world.sequences.num_users + 1)  # nobody among them
    history = encode(world.sequences, user_B, np.full(len(user_B), world.now))
    return Planted(examples, asked, np.isin(pair_BN, played), pipeline.propose(history)[1])


@cache
def told() -> Examples:
    """Return the examples of the window as if they had been shown in slates of six, by chances of one half, one third, ..., and
    played to one tenth, two, three, ...
    """
    examples = planted().examples
    number_S = np.arange(len(examples.label_S))
    position_S = (number_S - np.searchsorted(examples.request_S, examples.request_S)) % 6
    outcome_ST = examples.outcome_ST.copy()
    outcome_ST[:, SHARE] = np.where(examples.label_S, number_S % 11 / 10, np.nan)
    grade_S = np.nan_to_num(outcome_ST[:, SHARE]).astype(np.float32)
    return replace(
        examples,
        position_S=position_S.astype(np.int32),
        propensity_S=(1.0 / (2.0 + number_S % 5)).astype(np.float32),
        outcome_ST=outcome_ST,
        grade_S=grade_S,
    )


@cache
def fitted(name: str) -> Ranker:
    return fit(name, planted().examples)


def invented(seed: int = 3) -> Examples:
    """Return 64 requests whose label hangs on two of the features; the last feature is the same for all."""
    rng = np.random.default_rng(seed)
    shape = (NUM_REQUESTS * NUM_CANDIDATES, NUM_FEATURES)
    feature_SF = rng.normal(size=shape).astype(np.float32)
    feature_SF[:, 1] = np.exp(3 * feature_SF[:, 1])  # skewed, as counts are
    feature_SF[:, -1] = 1.0
    logit_S = 2.0 * feature_SF[:, 0] + np.log(feature_SF[:, 1]) / 2 - 1.0
    label_S = rng.random(len(logit_S)) < 1 / (1 + np.exp(-logit_S))
    outcome_ST = np.full((len(label_S), len(OUTCOMES)), np.nan, np.float32)
    outcome_ST[:, 0] = label_S
    return Examples(
        feature_SF=feature_SF,
        label_S=label_S,
        request_S=np.repeat(np.arange(NUM_REQUESTS, dtype=np.int32), NUM_CANDIDATES),
        weight_S=np.ones(len(logit_S), np.float32),
        feature_names=tuple(f"feature_{number}" for number in range(NUM_FEATURES)),
        track_S=np.arange(1, len(label_S) + 1, dtype=np.int32),
        outcome_ST=outcome_ST,
        grade_S=label_S.astype(np.float32),
        position_S=np.full(len(label_S), -1, np.int32),
        propensity_S=np.full(len(label_S), np.nan, np.float32),
        requests=Requests(
            user_Q=np.arange(NUM_REQUESTS, dtype=np.int32),
            behaviour=behaviour_of(no_history(NUM_REQUESTS)),
            spaces_K=(nowhere(),),
            known_Q=np.zeros(NUM_REQUESTS, np.int32),
        ),
    )


def no_history(rows: int) -> History:
    """Return the histories of people who have done nothing."""
    return History(
        user_B=np.zeros(rows, np.int32),
        as_of_B=np.full(rows, ONE_DAY_MS),
        track_BL=np.zeros((rows, 1), np.int32),
        action_BL=np.zeros((rows, 1), np.int8),
        at_BL=np.zeros((rows, 1), np.int64),
        play_ratio_BL=np.full((rows, 1), np.nan, np.float32),
        session_BL=np.full((rows, 1), -1, np.int32),
    )


def nowhere() -> Spaces:
    """Return spaces in which no track lies anywhere."""
    size = NUM_REQUESTS * NUM_CANDIDATES + 1
    return Spaces(
        place_TD=np.zeros((size, 32), np.float32),
        attribute_TA=np.zeros((size, 4), np.int32),
        mean_ASD=(np.zeros((1, 32), np.float32),) * 4,
    )


def as_batch(examples: Examples) -> RankBatch:
    """Return examples as a batch without padding."""
    shape = (NUM_REQUESTS, NUM_CANDIDATES)
    return RankBatch(
        track_BN=examples.track_S.reshape(shape),
        feature_BNF=examples.feature_SF.reshape(*shape, -1),
        feature_names=examples.feature_names,
        history=no_history(NUM_REQUESTS),
        spaces=nowhere(),
    )


def area_under_curve(score_S: NDArray[np.float32], label_S: NDArray[np.bool_]) -> float:
    """Return the share of (played, unplayed) pairs in the right order."""
    gap = score_S[label_S][:, None] - score_S[~label_S]
    return float((gap > 0).mean() + (gap == 0).mean() / 2)


def loss(score_S: NDArray[np.float32], label_S: NDArray[np.bool_]) -> float:
    """Return the pairwise logistic loss."""
    gap = score_S[label_S][:, None] - score_S[~label_S]
    return float(np.logaddexp(0.0, -gap.astype(np.float64)).mean())


@every_ranker
def test_candidates_get_a_number_and_padding_minus_infinity(name):
    batch = planted().batch
    score_BN = fitted(name).score(batch)
    assert score_BN.dtype == np.float32
    np.testing.assert_array_equal(np.isneginf(score_BN), batch.track_BN == PADDING)
    assert np.isfinite(score_BN[batch.track_BN != PADDING]).all()
    assert (batch.track_BN == PADDING).any()


@every_ranker
def test_rows_that_are_all_padding_are_answered(name):
    batch = planted().batch
    nothing = replace(
        batch, track_BN=np.zeros_like(batch.track_BN), feature_BNF=np.full_like(batch.feature_BNF, np.nan)
    )
    assert np.isneginf(fitted(name).score(nothing)).all()


@every_ranker
def test_the_order_of_candidates_and_rows_does_not_matter(name):
    batch = planted().batch
    rng = np.random.default_rng(1)
    row, slot = rng.permutation(batch.track_BN.shape[0]), rng.permutation(batch.track_BN.shape[1])
    shuffled = replace(
        batch,
        track_BN=batch.track_BN[row][:, slot],
        feature_BNF=batch.feature_BNF[row][:, slot],
        history=batch.history.rows(row),
    )
    expected = fitted(name).score(batch)[row][:, slot]
    np.testing.assert_allclose(fitted(name).score(shuffled), expected, rtol=1e-5, atol=1e-6)


@every_ranker
def test_other_candidates_do_not_change_a_score(name):
    batch = planted().batch
    half = replace(
        batch,
        track_BN=batch.track_BN[:3, ::2],
        feature_BNF=batch.feature_BNF[:3, ::2],
        history=batch.history.rows(slice(3)),
    )
    expected = fitted(name).score(batch)[:3, ::2]
    np.testing.assert_allclose(fitted(name).score(half), expected, rtol=1e-5, atol=1e-6)


@every_ranker
def test_it_learns_from_64_requests(name):
    examples = invented()
    score_S = fit(name, examples).score(as_batch(examples)).ravel()
    assert loss(score_S, examples.label_S) < loss(np.zeros_like(score_S), examples.label_S)
    assert area_under_curve(score_S, examples.label_S) > 0.8


@every_ranker
def test_what_it_learned_holds_for_other_requests(name):
    other = invented(seed=4)
    score_S = fit(name, invented()).score(as_batch(other)).ravel()
    assert area_under_curve(score_S, other.label_S) > 0.75


@every_ranker
def test_it_learns_the_planted_world(name):
    asked, label_BN = planted().asked, planted().label_BN
    is_candidate_BN = (asked.track_BN != PADDING) & label_BN.any(axis=1, keepdims=True)
    score_BN = fitted(name).score(asked)
    assert area_under_curve(score_BN[is_candidate_BN], label_BN[is_candidate_BN]) > 0.8


@every_ranker
def test_it_survives_the_disk(name, tmp_path):
    batch = planted().batch
    np.savez(tmp_path / "ranker.npz", **fitted(name).arrays())
    with np.load(tmp_path / "ranker.npz", allow_pickle=False) as archive:
        loaded = rank.make(name, QUICK.get(name)).restore({key: archive[key] for key in archive.files})
    np.testing.assert_array_equal(loaded.score(batch), fitted(name).score(batch))


@every_ranker
def test_two_fits_are_identical(name):
    first, second = fit(name, planted().examples).arrays(), fit(name, planted().examples).arrays()
    assert first.keys() == second.keys()
    for key, array in first.items():
        np.testing.assert_array_equal(second[key], array)


@every_sum
def test_contributions_sum_to_the_score_up_to_a_constant(name):
    batch = planted().batch
    is_candidate_BN = batch.track_BN != PADDING
    found = fitted(name).contributions(batch)
    assert found.names == batch.feature_names
    assert found.value_BNA.shape == batch.feature_BNF.shape
    assert not found.value_BNA[~is_candidate_BN].any()
    constant_P = (fitted(name).score(batch) - found.value_BNA.sum(axis=2))[is_candidate_BN]
    np.testing.assert_allclose(constant_P, constant_P[0], atol=1e-3)


@every_network
def test_a_contribution_is_what_leaving_that_part_out_changes(name):
    batch, ranker = planted().batch, fitted(name)
    assert isinstance(ranker, Network) and ranker.scaling is not None
    is_candidate_BN = batch.track_BN != PADDING
    found = ranker.contributions(batch)
    assert found.names == ("features", *DOMAINS)
    assert found.value_BNA.shape == (*batch.track_BN.shape, len(found.names))
    assert found.value_BNA.dtype == np.float32
    assert not found.value_BNA[~is_candidate_BN].any()
    behaviour, score_P = behaviour_of(batch.history), ranker.score(batch)[is_candidate_BN]
    empty = Domain(**{part.name: np.zeros_like(getattr(behaviour["play"], part.name)) for part in fields(Domain)})
    mean_BNF = np.broadcast_to(ranker.scaling.middle(), batch.feature_BNF.shape)
    without = {
        "features": ranker.score(replace(batch, feature_BNF=mean_BNF)),
        "play": ranker.order(ranker.logits(batch, behaviour | {"play": empty}), batch),
    }
    for part, score_BN in without.items():
        moved_P = found.value_BNA[is_candidate_BN][:, found.names.index(part)]
        np.testing.assert_allclose(moved_P, score_P - score_BN[is_candidate_BN], atol=1e-5)
        assert np.abs(moved_P).max() > 1e-2, f"{part} move something"
    is_silent_B = (behaviour["play"].track_BL == PADDING).all(axis=1)
    assert is_silent_B.any()
    assert not found.value_BNA[is_silent_B][:, :, found.names.index("play")].any(), "who played nothing loses nothing"


@cache
def briefly(name: str, alongside: tuple[tuple[str, object], ...]) -> NDArray[np.float32]:
    """Return the scores of a ranker with its usual settings, as brief as a test of one of them is."""
    return fit(name, told(), brief(name) | dict(alongside)).score(planted().batch)


def brief(name: str) -> dict[str, object]:
    return BRIEF if name in NETWORKS else {}


@pytest.mark.parametrize(("name", "field"), [(name, field) for name in RANKERS for field in fields_of(config_of(name))])
def test_every_setting_changes_an_output(name, field):
    settings = QUICK.get(name, {}) | brief(name)
    usual = settings.get(field, fields_of(config_of(name))[field])
    kind = "network" if name in NETWORKS else name
    alongside = ALONGSIDE.get((name, field), ALONGSIDE.get((kind, field), {}))
    expected_BN = briefly(name, tuple(alongside.items()))
    tried = other_values(name if (name, field) in SPECIAL else kind, field, usual)
    for other in tried:
        found = fit(name, told(), brief(name) | alongside | {field: other})
        if not np.allclose(found.score(planted().batch), expected_BN, rtol=1e-6, atol=0):
            return
    pytest.fail(f"{name}.{field}: {usual!r} and {tried} give the same scores; a setting that does nothing is to go")


@every_ranker
def test_a_wrong_setting_is_refused_with_what_is_allowed(name):
    with pytest.raises(ValueError, match=f"rank.{name}.*allowed are"):
        rank.make(name, {"no_such_setting": 1})


def test_the_table_takes_a_class_by_its_path_and_says_what_is_wrong():
    assert isinstance(rank.make(RANKERS["logistic"]), type(rank.make("logistic")))
    with pytest.raises(ValueError, match="unknown ranker 'nope': allowed are logistic"):
        rank.make("nope")
