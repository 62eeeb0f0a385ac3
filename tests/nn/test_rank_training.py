"""Training of the sequence rankers: the same every time, stopped by nonsense, taken up where it was left; calibration."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
import torch
from scipy.special import expit

from ritornello.contracts import Spaces
from ritornello.data.behaviour import behaviour_of
from ritornello.data.outcomes import OUTCOMES, PLAY
from ritornello.data.scaling import Bins, Scaling
from ritornello.data.sequence import encode, from_events
from ritornello.nn import rank_training
from ritornello.nn.chain import NUM_HEADS
from ritornello.nn.rank_batches import Reader, shuffled
from ritornello.nn.rank_calibration import calibrate, platt
from ritornello.nn.rank_training import Fitted, held_out, with_position
from ritornello.nn.rankers.multipath import Read
from ritornello.rank import Examples, Requests
from ritornello.rank.dien import DIEN
from ritornello.rank.mean_pool import MeanPool, MeanPoolConfig
from ritornello.rank.multipath import Multipath, MultipathConfig
from ritornello.runs import Run, running
from ritornello.schema import ONE_HOUR_MS, Action

SMALL: dict[str, object] = {"width": 4, "hidden": (6,), "epochs": 3, "batch_requests": 5, "unplayed": 2}
OWN = {MeanPool: {}, DIEN: {"evolved": 3}}
NUM_REQUESTS, NUM_CANDIDATES, NUM_TRACKS, DIM = 16, 8, 30, 4


def examples(seed: int = 0) -> Examples:
    """Return requests with a few events and candidates each, in slates, some of them played."""
    rng = np.random.default_rng(seed)
    size, number = NUM_REQUESTS * NUM_CANDIDATES, NUM_REQUESTS * 6
    sequences = from_events(
        rng.integers(1, NUM_REQUESTS + 1, number).astype(np.int32),
        rng.integers(1, NUM_TRACKS + 1, number).astype(np.int32),
        1_600_000_000_000 + rng.integers(0, 100, number) * ONE_HOUR_MS,
        np.full(number, Action.PLAY, np.int8),
        rng.choice([np.nan, 0.1, 1.0], number).astype(np.float32),
        num_users=NUM_REQUESTS,
        num_tracks=NUM_TRACKS,
    )
    user_Q = np.arange(1, NUM_REQUESTS + 1, dtype=np.int32)
    history = encode(sequences, user_Q, np.full(NUM_REQUESTS, 1_600_000_000_000 + 200 * ONE_HOUR_MS))
    place_TD = rng.normal(size=(NUM_TRACKS + 1, DIM)).astype(np.float32)
    label_S = rng.random(size) < 0.3
    outcome_ST = np.full((size, len(OUTCOMES)), np.nan, np.float32)
    outcome_ST[:, PLAY] = label_S
    return Examples(
        feature_SF=rng.normal(size=(size, 3)).astype(np.float32),
        label_S=label_S,
        request_S=np.repeat(np.arange(NUM_REQUESTS, dtype=np.int32), NUM_CANDIDATES),
        weight_S=np.where(label_S, 1.0, 2.0).astype(np.float32),
        feature_names=("own_listens", "user_listens", "hour"),
        track_S=rng.integers(1, NUM_TRACKS + 1, size).astype(np.int32),
        outcome_ST=outcome_ST,
        grade_S=label_S.astype(np.float32),
        position_S=np.tile(np.arange(NUM_CANDIDATES, dtype=np.int32), NUM_REQUESTS),
        propensity_S=np.full(size, np.nan, np.float32),
        requests=Requests(
            user_Q=user_Q,
            behaviour=behaviour_of(history),
            spaces_K=(Spaces(place_TD=place_TD, attribute_TA=np.zeros((NUM_TRACKS + 1, 0), np.int32)),) * 2,
            known_Q=(np.arange(NUM_REQUESTS) % 2).astype(np.int32),
        ),
    )


def train(of: Examples, ranker: type[MeanPool] | type[DIEN] = MeanPool, **settings: object) -> Fitted:
    config = msgspec.convert(SMALL | OWN[ranker] | settings, ranker.Config)
    return rank_training.fit(of, config, ranker.architecture, least_events=1)


@pytest.mark.parametrize("ranker", OWN)
def test_the_same_seed_gives_the_same_weights(ranker):
    first, second = (train(examples(), ranker).module.state_dict() for _ in range(2))
    assert first.keys() == second.keys()
    assert "position.weight" in first, "the places of a slate are learned beside the rest"
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
    other = train(examples(), ranker, seed=2).module.state_dict()
    assert not torch.equal(first["tower.layers.0.weight"], other["tower.layers.0.weight"])


def test_training_leaves_the_luck_of_others_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    train(examples(), epochs=1)
    assert torch.equal(torch.rand(3), expected)


def test_a_loss_that_is_no_number_stops_with_the_facts_of_the_batch():
    of = examples()
    assert of.requests is not None
    nowhere = tuple(replace(spaces, place_TD=spaces.place_TD * np.float32(np.nan)) for spaces in of.requests.spaces_K)
    with pytest.raises(
        ValueError,
        match=r"training of MeanPool has diverged: the loss is nan in epoch 1, step 1, "
        r"on a batch of \d requests with \d+ candidates, \d+ of them played; lower learning_rate",
    ):
        train(replace(of, requests=replace(of.requests, spaces_K=nowhere)))


@pytest.mark.parametrize("ranker", OWN)
def test_a_run_that_was_cut_off_goes_on_as_if_it_had_not_been(ranker, tmp_path, monkeypatch):
    whole = train(examples(), ranker)
    batches = Reader.batches

    def cut_off(self, request_R, *, size, unplayed, seed):
        if seed == 1_000_003 + 2:  # the third epoch
            raise KeyboardInterrupt
        return batches(self, request_R, size=size, unplayed=unplayed, seed=seed)

    with running(Run(folder=tmp_path)):
        monkeypatch.setattr(Reader, "batches", cut_off)
        with pytest.raises(KeyboardInterrupt):
            train(examples(), ranker)
        monkeypatch.setattr(Reader, "batches", batches)
        assert len(list(tmp_path.glob("*.safetensors"))) == 1
        resumed = train(examples(), ranker)
    for name, value in whole.module.state_dict().items():
        assert torch.equal(value, resumed.module.state_dict()[name]), name
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 3, "no epoch was run twice"
    assert not list(tmp_path.glob("*.safetensors"))


def test_offers_that_were_made_seldom_move_the_estimate_towards_what_an_even_policy_would_see():
    """Two tracks in eight are good, and were shown with a third of the chance of the others; nothing else tells them apart."""
    of = examples()
    assert of.requests is not None
    spaces_K = tuple(replace(spaces, place_TD=np.zeros_like(spaces.place_TD)) for spaces in of.requests.spaces_K)
    is_good_S = np.arange(len(of.label_S)) % NUM_CANDIDATES < 2
    outcome_ST = of.outcome_ST.copy()
    outcome_ST[:, PLAY] = is_good_S
    logged = replace(
        of,
        feature_SF=np.zeros_like(of.feature_SF),
        label_S=is_good_S,
        outcome_ST=outcome_ST,
        weight_S=np.ones_like(of.weight_S),
        propensity_S=np.where(is_good_S, 0.05, 0.15).astype(np.float32),
        requests=replace(of.requests, spaces_K=spaces_K),
    )
    alone = {
        "order": 0.0,
        "chain": 1.0,
        "links": ("play",),
        "position": False,
        "dropout": 0.0,
        "unplayed": NUM_CANDIDATES,
    }

    def p_play(clip: float) -> float:
        fitted = train(logged, epochs=60, learning_rate=1e-2, propensity=clip, **alone)
        return float(expit(fitted.expected_BNH[..., 1 + PLAY]).mean())

    assert p_play(1.0) == pytest.approx(2 / 8, abs=0.04), "what was seen"
    assert p_play(10.0) == pytest.approx(2 * 3 / (2 * 3 + 6), abs=0.06), "what is true"
    assert p_play(1.5) == pytest.approx(2 * 1.5 / (2 * 1.5 + 6), abs=0.05), "clipped to half as much again"


def reader(of: Examples) -> Reader:
    return Reader(of, Scaling.fit(of.feature_SF), Bins.fit(of.feature_SF, np.array([1, 2])), 1)


def test_an_epoch_holds_all_that_was_played_and_a_sample_of_the_rest():
    of = examples()
    found = list(reader(of).batches(np.arange(NUM_REQUESTS), size=5, unplayed=2, seed=4))
    assert sum(len(batch.label_BN) for batch in found) == NUM_REQUESTS
    assert sum(int(batch.label_BN.sum()) for batch in found) == of.label_S.sum()
    unplayed = sum(batch.num_tokens for batch in found) - of.label_S.sum()
    assert unplayed == pytest.approx(2 * NUM_REQUESTS, abs=12)
    again = list(reader(of).batches(np.arange(NUM_REQUESTS), size=5, unplayed=2, seed=4))
    assert all(
        torch.equal(*pair) for pair in zip(*([b.label_BN for b in made] for made in (found, again)), strict=True)
    )
    everything = list(reader(of).batches(np.arange(NUM_REQUESTS), size=5, unplayed=NUM_CANDIDATES, seed=4))
    assert sum(batch.num_tokens for batch in everything) == len(of.label_S)


def test_requests_of_a_batch_are_of_one_moment():
    known_R = np.array([0, 1, 0, 1, 1, 0, 0])
    groups = shuffled(np.arange(7), known_R, 2, np.random.default_rng(0))
    assert sorted(np.concatenate(groups).tolist()) == list(range(7))
    assert all(len(set(known_R[group])) == 1 and len(group) <= 2 for group in groups)


def test_a_place_in_the_slate_moves_the_play_alone():
    table = torch.nn.Embedding(rank_training.POSITIONS, 1)
    with torch.no_grad():
        table.weight[:, 0] = torch.arange(float(rank_training.POSITIONS))
    shift_NH = with_position(torch.zeros(1, 4, NUM_HEADS), torch.tensor([[-1, 0, 5, 1000]]), table)[0]
    assert shift_NH[:, 1 + PLAY].tolist() == [0.0, 0.0, 5.0, rank_training.POSITIONS - 1.0]
    assert shift_NH.sum() == shift_NH[:, 1 + PLAY].sum()


def test_users_are_held_out_whole_and_only_where_there_are_enough():
    user_Q = np.array([1, 2, 2, 3, 4, 4, 1], np.int32)
    assert held_out(user_Q, 2).tolist() == [False, True, True, False, True, True, False]
    assert not held_out(user_Q, 0).any()
    assert not held_out(user_Q, 5).any(), "four users are too few to hold out every fifth"


def test_calibration_finds_a_known_slope_and_shift():
    logit_P = np.linspace(-6, 4, 200)
    found = platt(logit_P, expit(0.7 * logit_P - 0.4), np.ones(200))
    np.testing.assert_allclose(found, [0.7, -0.4], atol=1e-3)
    # what weighs nothing does not count
    weight_P = (logit_P < 0).astype(float)
    target_P = np.where(logit_P < 0, expit(2.0 * logit_P + 1.0), 0.0)
    np.testing.assert_allclose(platt(logit_P, target_P, weight_P), [2.0, 1.0], atol=5e-3)


class Bold(torch.nn.Module):
    """A network that is twice as sure of a play as the first feature says."""

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        logit_BNH = torch.zeros(*inputs["feature"].shape[:2], NUM_HEADS)
        logit_BNH[..., 1 + PLAY] = 2.0 * inputs["feature"][..., 0]
        return logit_BNH


def test_a_network_that_is_too_sure_is_taken_back():
    of, rng = examples(), np.random.default_rng(1)
    logit_S = Scaling.fit(of.feature_SF)(of.feature_SF)[:, 0]
    label_S = rng.random(len(logit_S)) < expit(logit_S)
    outcome_ST = np.full_like(of.outcome_ST, np.nan)
    outcome_ST[:, PLAY] = label_S
    of = replace(of, label_S=label_S, outcome_ST=outcome_ST, weight_S=np.ones(len(logit_S), np.float32))
    config = MeanPoolConfig(unplayed=NUM_CANDIDATES)
    slope_T, shift_T = calibrate(Bold(), reader(of), np.arange(NUM_REQUESTS), config)
    np.testing.assert_allclose([slope_T[PLAY], shift_T[PLAY]], platt(2 * logit_S, label_S, np.ones(128)), atol=1e-3)
    assert 0.2 < slope_T[PLAY] < 0.8, "half as sure, but for the luck of 128 draws"
    assert (np.delete(slope_T, PLAY) == 1).all(), "what is never told of is left as it is"
    assert not np.delete(shift_T, PLAY).any()
    nobody = calibrate(Bold(), reader(of), np.arange(0), config)
    assert nobody.tolist() == [[1.0] * len(OUTCOMES), [0.0] * len(OUTCOMES)]


def test_the_scene_alone_moves_the_gates_of_multipath():
    of = examples()
    is_radio_Q = np.arange(NUM_REQUESTS) % 2
    feature_SF = of.feature_SF.copy()
    feature_SF[:, 1], feature_SF[:, 2] = 0.0, is_radio_Q[of.request_S]
    of = replace(of, feature_SF=feature_SF, feature_names=("own_listens", "user_listens", "scene_radio"))
    config = msgspec.convert(SMALL | {"paths": ("spaces",), "fusion": "gate", "learning_rate": 0.05}, MultipathConfig)
    fitted = rank_training.fit(of, config, Multipath.architecture, least_events=1)
    assert fitted.bins.column_C.tolist() == [1, 2]
    batch = Reader(of, fitted.scaling, fitted.bins, 1).batch(np.array([0]), np.ones(len(of.label_S), bool))
    other = batch.inputs | {"context": batch.inputs["context"].clone()}
    other["context"][:, 1] = torch.from_numpy(fitted.bins(np.array([[0.0, 0.0, 1.0]], np.float32)))[:, 1]
    assert not torch.equal(other["context"], batch.inputs["context"])
    found = []
    for inputs in (batch.inputs, other):
        read = Read(inputs, fitted.module.encoders, fitted.module.target)
        term = fitted.module.paths["spaces"].gates(fitted.module.context(read))
        found.append((term, fitted.module.gates(read)))
    for home, radio in zip(*found, strict=True):
        assert (home - radio).abs().max() > 1e-3
