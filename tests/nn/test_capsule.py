"""Capsules: routing held to plain Python, masks, the target's choice among interests, and the same answer without torch."""

import math

import numpy as np
import pytest
import torch

from ritornello import recall
from ritornello.contracts import History
from ritornello.data.distinct import Distinct, distinct, live_interests
from ritornello.data.knowledge import Knowledge
from ritornello.data.sequence import Sequences, encode, from_events
from ritornello.nn.capsule import InterestTower, Routing, read_out, share_interests, squash
from ritornello.recall import capsules
from ritornello.recall.interests import Interests
from ritornello.schema import ONE_DAY_MS, ONE_HOUR_MS, Action

NOW = 1_700_000_000_000
TASTES, TASTE_TRACKS, OMNIVORE = 4, 12, 1


def route_by_hand(tracks, weights, anchors, mapping, *, rounds):
    """Return the capsules of one user, in lists."""

    def dot(left, right):
        return sum(a * b for a, b in zip(left, right, strict=True))

    mapped = [[dot(row, track) for row in mapping] for track in tracks]
    queries = [list(anchor) for anchor in anchors]
    found = []
    for _ in range(rounds):
        found = [[0.0] * len(anchors[0]) for _ in anchors]
        for vector, weight in zip(mapped, weights, strict=True):
            strengths = [math.exp(dot(query, vector)) for query in queries]
            for capsule, strength in zip(found, strengths, strict=True):
                for place, value in enumerate(vector):
                    capsule[place] += strength / sum(strengths) * weight * value
        for capsule, query in zip(found, queries, strict=True):
            square = dot(capsule, capsule)
            for place, value in enumerate(capsule):
                capsule[place] = value * math.sqrt(square) / (1 + square)
                query[place] += capsule[place]
    return found


def tower(*, interests=4, dim=16, seed=0) -> InterestTower:
    """Return a tower in which nothing is zero."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    made = InterestTower(torch.randn(interests, dim, generator=generator), iterations=3, dropout=0.5, temperature=0.1)
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.2 * torch.randn(weight.shape, generator=generator))
    return made.eval()


def few_tracks(rng: np.random.Generator, *, rows=5, length=7, dim=16, padding=0):
    """Return vectors and what is read of histories of 1 to `length` tracks, padding of random content behind them."""
    number_B = rng.integers(1, length + 1, rows)
    shape = (rows, length + padding)
    is_track_BL = np.arange(length + padding) < number_B[:, None]
    weight_BL = np.where(is_track_BL, rng.random(shape), 0.0).astype(np.float32)
    read = Distinct(
        track_BL=is_track_BL.astype(np.int32),
        weight_BL=weight_BL / weight_BL.sum(axis=1, keepdims=True),
        own_BLF=rng.integers(0, 6, (*shape, 3)).astype(np.uint8),
        request_BF=rng.integers(0, 7, (rows, 3)).astype(np.uint8),
    )
    return rng.normal(size=(*shape, dim)).astype(np.float32), read


def with_torch(model: InterestTower, track_BLD, read: Distinct, is_live_BK) -> np.ndarray:
    with torch.no_grad():
        interest_BKD = model(
            torch.from_numpy(track_BLD),
            torch.from_numpy(read.own_BLF[:, :, 1].astype(np.int64)),
            torch.from_numpy(read.weight_BL),
            torch.from_numpy(read.request_BF.astype(np.int64)),
            torch.from_numpy(is_live_BK),
        )
    return interest_BKD.numpy()


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_routing_is_what_plain_python_makes_of_the_paper(rounds):
    tracks = [[1.0, 0.2], [0.9, -0.1], [-0.5, 1.1]]
    weights = [0.5, 0.2, 0.3]
    anchors = [[0.6, 0.1], [-0.3, 0.7]]
    mapping = [[1.0, 0.3], [-0.2, 0.8]]
    routing = Routing(torch.tensor(anchors), rounds)
    with torch.no_grad():
        routing.map.weight.copy_(torch.tensor(mapping))
    capsule_BKD = routing(torch.tensor([tracks]), torch.tensor([weights]), torch.ones(1, 2, dtype=torch.bool))
    expected = route_by_hand(tracks, weights, anchors, mapping, rounds=rounds)
    np.testing.assert_allclose(capsule_BKD[0].detach().numpy(), expected, rtol=1e-5)


def test_tracks_are_shared_out_over_interests_and_none_is_lost():
    routing = Routing(torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), 1)
    track_BLD = torch.randn(1, 1, 4, generator=torch.Generator().manual_seed(1))
    capsule_KD = routing(track_BLD, torch.ones(1, 1), torch.ones(1, 3, dtype=torch.bool))[0].detach()
    length_K = capsule_KD.norm(dim=1).double()
    sum_K = (length_K / (1 - length_K)).sqrt()  # what squash made of it, undone
    assert sum_K.sum().item() == pytest.approx(track_BLD.norm().item(), rel=1e-4), (
        "a softmax over interests, not over time"
    )


def test_only_the_last_round_carries_gradients():
    routing = Routing(torch.randn(2, 4, generator=torch.Generator().manual_seed(0)), 3)
    track_BLD, live_BK = (
        torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(1)),
        torch.ones(1, 2, dtype=torch.bool),
    )
    weight_BL = torch.full((1, 3), 1 / 3)
    routing(track_BLD, weight_BL, live_BK).sum().backward()
    found = routing.anchor.grad.clone()
    routing.anchor.grad = None
    mapped_BLD = routing.map(track_BLD)
    earlier_BKD = torch.zeros(1, 2, 4)
    for _ in range(2):
        earlier_BKD = (earlier_BKD + routing.gather(earlier_BKD, mapped_BLD, weight_BL, live_BK)).detach()
    routing.gather(earlier_BKD, mapped_BLD, weight_BL, live_BK).sum().backward()
    torch.testing.assert_close(found, routing.anchor.grad)
    assert found.any()


def test_squash_keeps_directions_and_is_shorter_than_one():
    vector_BKD = torch.tensor([[[3.0, 4.0], [0.0, 0.0], [0.003, 0.004]]], requires_grad=True)
    short_BKD = squash(vector_BKD)
    torch.testing.assert_close(short_BKD[0, 0], torch.tensor([3.0, 4.0]) / 5 * 25 / 26)
    torch.testing.assert_close(short_BKD[0].norm(dim=1), torch.tensor([25 / 26, 0.0, 25e-6 / (1 + 25e-6)]))
    short_BKD.sum().backward()
    assert torch.isfinite(vector_BKD.grad).all(), "a capsule of nothing has a slope that is a number"
    np.testing.assert_allclose(capsules.squash(vector_BKD.detach().numpy()), short_BKD.detach().numpy(), rtol=1e-6)


def test_padding_and_its_content_change_nothing():
    model, live_BK = tower(), np.ones((5, 4), bool)
    track_BLD, read = few_tracks(np.random.default_rng(0))
    rng = np.random.default_rng(1)
    longer_BLD = np.concatenate([track_BLD, rng.normal(size=(5, 6, 16)).astype(np.float32)], axis=1)
    longer = Distinct(
        track_BL=np.pad(read.track_BL, [(0, 0), (0, 6)]),
        weight_BL=np.pad(read.weight_BL, [(0, 0), (0, 6)]),
        own_BLF=np.pad(read.own_BLF, [(0, 0), (0, 6), (0, 0)], constant_values=3),
        request_BF=read.request_BF,
    )
    np.testing.assert_allclose(
        with_torch(model, longer_BLD, longer, live_BK), with_torch(model, track_BLD, read, live_BK), atol=1e-6
    )


def test_a_masked_interest_takes_no_share():
    track_BLD, read = few_tracks(np.random.default_rng(0))
    both, alone = tower(interests=2), tower(interests=2)
    alone.routing.anchor.data = alone.routing.anchor.data[:1]
    first_BK = np.tile([True, False], (5, 1))
    found = with_torch(both, track_BLD, read, first_BK)
    np.testing.assert_allclose(found[:, :1], with_torch(alone, track_BLD, read, first_BK[:, :1]), atol=1e-6)
    assert not found[:, 1].any()


@pytest.mark.parametrize("iterations", [1, 3])
def test_numpy_says_what_torch_says(iterations):
    model = tower()
    model.routing.iterations = iterations
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    for seed in range(10):
        track_BLD, read = few_tracks(np.random.default_rng(seed), padding=seed)
        live_BK = live_interests(read.count_B, 4, dynamic=seed % 2 == 0)
        expected = with_torch(model, track_BLD, read, live_BK) * model.log_scale.exp().item()
        found = capsules.interests(weights, track_BLD, read, live_BK, iterations)
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_the_number_of_interests_grows_with_the_logarithm_of_the_tracks():
    count_B = np.arange(300)
    for most in (1, 2, 5, 20):
        number_B = live_interests(count_B, most, dynamic=True).sum(axis=1)
        expected = [max(1, min(most, math.floor(math.log2(max(n, 1))))) for n in range(300)]
        assert number_B.tolist() == expected
        assert (live_interests(count_B, most, dynamic=False).sum(axis=1) == most).all()


def test_label_aware_weights_are_a_softmax_of_cosines_that_may_be_negative():
    interest_PKD = torch.tensor([[[1.0, 0.0], [-1.0, 0.0], [0.0, -1.0], [0.6, 0.8]]])
    target_PD, live_PK = torch.tensor([[0.0, 1.0]]), torch.tensor([[True, True, True, False]])
    share_PK = share_interests(interest_PKD, target_PD, live_PK, readout="label_aware", power=2.5)
    raw = [math.exp(2.5 * cosine) for cosine in (0.0, 0.0, -1.0)]
    np.testing.assert_allclose(share_PK[0], [*(value / sum(raw) for value in raw), 0.0], atol=1e-6)
    assert share_interests(interest_PKD, target_PD, live_PK, readout="max", power=1.0).tolist() == [[1, 0, 0, 0]]
    mean_PK = share_interests(interest_PKD, target_PD, live_PK, readout="mean", power=1.0)
    np.testing.assert_allclose(mean_PK, [[1 / 3, 1 / 3, 1 / 3, 0.0]])
    np.testing.assert_allclose(read_out(interest_PKD, mean_PK), [[0.0, -1.0]], atol=1e-6)


def history_of(track, at, *, action=Action.PLAY, ratio=1.0) -> History:
    track_BL = np.array([track], np.int32)
    return History(
        user_B=np.array([1], np.int32),
        as_of_B=np.array([NOW]),
        track_BL=track_BL,
        action_BL=np.full(track_BL.shape, action, np.int8),
        at_BL=np.array([at]),
        play_ratio_BL=np.full(track_BL.shape, ratio, np.float32),
        session_BL=np.zeros(track_BL.shape, np.int32),
    )


def test_a_history_is_collapsed_to_its_tracks():
    at = [NOW - days * ONE_DAY_MS for days in (20, 10, 10, 10)]
    read = distinct(history_of([7, 7, 3, 9], at), length=10, half_life_days=10.0, num_tracks=8)
    assert read.track_BL.tolist() == [[3, 7]], "in the order of their numbers; 9 is not known"
    np.testing.assert_allclose(read.weight_BL, [[0.4, 0.6]])
    newest = distinct(history_of([7, 7, 3, 9], at), length=3, half_life_days=10.0, num_tracks=9)
    np.testing.assert_allclose(newest.weight_BL, [[1 / 3, 1 / 3, 1 / 3]])
    skipped = distinct(history_of([7, 3], at[:2], ratio=0.1), length=3, half_life_days=10.0, num_tracks=9)
    assert skipped.count_B.tolist() == [0]


def test_the_order_of_events_matters_only_through_their_age():
    at = [NOW - ONE_DAY_MS] * 4
    one, other = (
        distinct(history_of(track, at), length=10, half_life_days=5.0, num_tracks=9)
        for track in ([7, 3, 7, 2], [2, 7, 7, 3])
    )
    for name in ("track_BL", "weight_BL", "request_BF"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    np.testing.assert_array_equal(one.own_BLF[:, :, 1], other.own_BLF[:, :, 1])


def tasteful_log() -> Sequences:
    """Forty users of one taste each, and one who plays all four, an evening each in turn."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(OMNIVORE, 42):
        for number in range(48):
            taste = number // 4 % TASTES if user == OMNIVORE else user % TASTES
            at = NOW - (60 - number) * 12 * ONE_HOUR_MS
            rows.append((user, 1 + taste * TASTE_TRACKS + int(rng.integers(TASTE_TRACKS)), at))
    user_E, track_E, at_E = (np.array(column) for column in zip(*rows, strict=True))
    return from_events(
        user_E.astype(np.int32),
        track_E.astype(np.int32),
        at_E.astype(np.int64),
        np.full(len(rows), Action.PLAY, np.int8),
        np.ones(len(rows), np.float32),
        num_users=41,
        num_tracks=TASTES * TASTE_TRACKS,
    )


def knowledge_of(num_tracks: int) -> Knowledge:
    nothing_T = np.zeros(num_tracks + 1, np.int32)
    return Knowledge(
        artist_T=nothing_T,
        album_T=nothing_T,
        genre_T=nothing_T,
        appeared_at_T=np.zeros(num_tracks + 1, np.int64),
        given_TV=np.zeros((num_tracks + 1, 0), np.float32),
    )


def capsule_cosines(channel: Interests, history: History) -> np.ndarray:
    """Return the cosines of every two live interests of the first row."""
    interest_KD = channel.encode(channel.read(history))[0, :, :-1]
    interest_KD = interest_KD[interest_KD.any(axis=1)]
    interest_KD = interest_KD / np.linalg.norm(interest_KD, axis=1, keepdims=True)
    return (interest_KD @ interest_KD.T)[np.triu_indices(len(interest_KD), 1)]


def fitted(**settings: object) -> Interests:
    channel = recall.make("ritornello.recall.interests:Interests", {"epochs": 3, **settings})
    assert isinstance(channel, Interests)
    log = tasteful_log()
    return channel.fit(log, NOW, knowledge_of(log.num_tracks))


@pytest.mark.parametrize("readout", ["label_aware", "max"])
def test_the_interests_of_a_user_of_many_tastes_stay_apart(readout):
    channel = fitted(readout=readout)
    history = encode(tasteful_log(), np.array([OMNIVORE]), np.array([NOW]))
    cosines = capsule_cosines(channel, history)
    assert len(cosines) == 6, "four interests"
    assert cosines.max() < 0.9, cosines
    best = channel.encode(channel.read(history))[0, :, :-1] @ channel.track_TE[1:, :-1].T
    assert len(set((best.argmax(axis=1) // TASTE_TRACKS).tolist())) == TASTES, "each asks for a taste of its own"


def test_the_same_seed_gives_the_same_state_and_another_seed_another():
    first, second, other = fitted(epochs=1), fitted(epochs=1), fitted(epochs=1, seed=1)
    for name, array in first.arrays().items():
        np.testing.assert_array_equal(array, second.arrays()[name])
    assert any((array != other.arrays()[name]).any() for name, array in first.arrays().items())


def test_no_score_is_negative():
    channel = fitted(epochs=1)
    history = encode(tasteful_log(), np.arange(42), np.full(42, NOW))
    scores = channel.score(history)
    row_P, track_P = np.divmod(np.arange(42 * scores.num_columns), scores.num_columns)
    assert scores.at(row_P, track_P).min() >= 0
