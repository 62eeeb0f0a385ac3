"""The laws of ranking: every ranker of the table keeps them; a new one needs no test here.

S examples, B requests, N candidates, F features.
"""

from functools import cache
from importlib import import_module

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from contract.settings import fields_of, other_values
from ritornello import rank
from ritornello.config import Config, RecallConfig
from ritornello.contracts import RankBatch
from ritornello.data import split
from ritornello.data.sequence import encode
from ritornello.data.sources.planted import planted_world
from ritornello.rank import RANKERS, Examples, Ranker
from ritornello.schema import ONE_DAY_MS, PADDING
from ritornello.train.candidates import window_after, window_examples
from ritornello.train.recall import fit_recall

# What makes a ranker quick on a small world; one that is quick by itself needs no line.
QUICK = {"trees": {"num_trees": 10, "min_examples_in_leaf": 5, "learning_rate": 0.3}}
CHANNELS = ("popular", "relisten", "transitions", "neighbours")
NUM_REQUESTS, NUM_CANDIDATES, NUM_FEATURES = 64, 20, 6

every_ranker = pytest.mark.parametrize("name", RANKERS)


def config_of(name: str) -> type[msgspec.Struct]:
    module, _, attribute = RANKERS[name].partition(":")
    config: type[msgspec.Struct] = getattr(import_module(module), attribute).Config
    return config


def fit(name: str, examples: Examples, settings: dict[str, object] | None = None) -> Ranker:
    return rank.make(name, QUICK.get(name, {}) | (settings or {})).fit(examples)


@cache
def planted() -> tuple[Examples, RankBatch]:
    """Return examples of a window of the planted world, and everybody's candidates at its end."""
    world = planted_world()
    cut = world.now - 14 * ONE_DAY_MS
    known = split.before(world.sequences, cut)
    config = Config(recall=RecallConfig(channels=CHANNELS, quota=20))
    pipeline = fit_recall(known, cut, config, world.knowledge)
    window = window_after(world.sequences, cut, 14.0)
    examples = window_examples(pipeline, known, window, cut, negatives=0.5, seed=1)
    assert examples is not None
    user_B = np.arange(world.sequences.num_users + 1)  # nobody among them
    history = encode(world.sequences, user_B, np.full(len(user_B), world.now))
    return examples, pipeline.propose(history)[1]


@cache
def fitted(name: str) -> Ranker:
    return fit(name, planted()[0])


def invented(seed: int = 3) -> Examples:
    """Return 64 requests whose label hangs on two of the features; the last feature is the same for all."""
    rng = np.random.default_rng(seed)
    shape = (NUM_REQUESTS * NUM_CANDIDATES, NUM_FEATURES)
    feature_SF = rng.normal(size=shape).astype(np.float32)
    feature_SF[:, 1] = np.exp(3 * feature_SF[:, 1])  # skewed, as counts are
    feature_SF[:, -1] = 1.0
    logit_S = 2.0 * feature_SF[:, 0] + np.log(feature_SF[:, 1]) / 2 - 1.0
    return Examples(
        feature_SF=feature_SF,
        label_S=rng.random(len(logit_S)) < 1 / (1 + np.exp(-logit_S)),
        request_S=np.repeat(np.arange(NUM_REQUESTS, dtype=np.int32), NUM_CANDIDATES),
        weight_S=np.ones(len(logit_S), np.float32),
        feature_names=tuple(f"feature_{number}" for number in range(NUM_FEATURES)),
    )


def as_batch(examples: Examples) -> RankBatch:
    """Return examples as a batch without padding."""
    shape = (NUM_REQUESTS, NUM_CANDIDATES)
    return RankBatch(
        track_BN=np.arange(1, np.prod(shape) + 1, dtype=np.int32).reshape(shape),
        feature_BNF=examples.feature_SF.reshape(*shape, -1),
        feature_names=examples.feature_names,
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
    _, batch = planted()
    score_BN = fitted(name).score(batch)
    assert score_BN.dtype == np.float32
    np.testing.assert_array_equal(np.isneginf(score_BN), batch.track_BN == PADDING)
    assert np.isfinite(score_BN[batch.track_BN != PADDING]).all()
    assert (batch.track_BN == PADDING).any()


@every_ranker
def test_rows_that_are_all_padding_are_answered(name):
    _, batch = planted()
    nothing = RankBatch(
        track_BN=np.zeros_like(batch.track_BN),
        feature_BNF=np.full_like(batch.feature_BNF, np.nan),
        feature_names=batch.feature_names,
    )
    assert np.isneginf(fitted(name).score(nothing)).all()


@every_ranker
def test_the_order_of_candidates_and_rows_does_not_matter(name):
    _, batch = planted()
    rng = np.random.default_rng(1)
    row, slot = rng.permutation(batch.track_BN.shape[0]), rng.permutation(batch.track_BN.shape[1])
    shuffled = RankBatch(
        track_BN=batch.track_BN[row][:, slot],
        feature_BNF=batch.feature_BNF[row][:, slot],
        feature_names=batch.feature_names,
    )
    expected = fitted(name).score(batch)[row][:, slot]
    np.testing.assert_allclose(fitted(name).score(shuffled), expected, rtol=1e-5, atol=1e-6)


@every_ranker
def test_other_candidates_do_not_change_a_score(name):
    _, batch = planted()
    half = RankBatch(
        track_BN=batch.track_BN[:3, ::2], feature_BNF=batch.feature_BNF[:3, ::2], feature_names=batch.feature_names
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
    examples, _ = planted()
    batch = RankBatch(
        track_BN=np.ones((1, len(examples.label_S)), np.int32),
        feature_BNF=examples.feature_SF[None],
        feature_names=examples.feature_names,
    )
    assert area_under_curve(fitted(name).score(batch)[0], examples.label_S) > 0.8


@every_ranker
def test_it_survives_the_disk(name, tmp_path):
    _, batch = planted()
    np.savez(tmp_path / "ranker.npz", **fitted(name).arrays())
    with np.load(tmp_path / "ranker.npz", allow_pickle=False) as archive:
        loaded = rank.make(name, QUICK.get(name)).restore({key: archive[key] for key in archive.files})
    np.testing.assert_array_equal(loaded.score(batch), fitted(name).score(batch))


@every_ranker
def test_two_fits_are_identical(name):
    first, second = fit(name, planted()[0]).arrays(), fit(name, planted()[0]).arrays()
    assert first.keys() == second.keys()
    for key, array in first.items():
        np.testing.assert_array_equal(second[key], array)


@every_ranker
def test_contributions_sum_to_the_score_up_to_a_constant(name):
    _, batch = planted()
    is_candidate_BN = batch.track_BN != PADDING
    contribution_PF = fitted(name).contributions(batch.feature_BNF[is_candidate_BN])
    assert contribution_PF.shape == (is_candidate_BN.sum(), len(batch.feature_names))
    constant_P = fitted(name).score(batch)[is_candidate_BN] - contribution_PF.sum(axis=1)
    np.testing.assert_allclose(constant_P, constant_P[0], atol=1e-3)


@pytest.mark.parametrize(("name", "field"), [(name, field) for name in RANKERS for field in fields_of(config_of(name))])
def test_every_setting_changes_an_output(name, field):
    examples, batch = planted()
    usual = QUICK.get(name, {}).get(field, fields_of(config_of(name))[field])
    tried = other_values(name, field, usual)
    for other in tried:
        if not np.allclose(fit(name, examples, {field: other}).score(batch), fitted(name).score(batch), rtol=1e-6):
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
