"""The two towers and their training, each part held to a plain computation."""

from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
import torch
from scipy.sparse import csr_array, random_array

from ritornello import recall
from ritornello.data import own_plays, split
from ritornello.data.knowledge import Knowledge
from ritornello.data.sequence import Sequences, encode, from_events
from ritornello.data.tokens import GAP, HALF_LIFE_DAYS, tokens
from ritornello.data.transitions import LAGS
from ritornello.inference import Model
from ritornello.nn import export, loop, losses, placement
from ritornello.nn.attention import CausalBlock
from ritornello.nn.embedding import OwnPlays
from ritornello.nn.user_tower import sums
from ritornello.nn.windows import Batch, Reading, batches, cut_windows, played_tracks
from ritornello.recall.vector import Vector, VectorConfig
from ritornello.runs import Run, running
from ritornello.schema import ONE_DAY_MS, ONE_MINUTE_MS, Action

SMALL = VectorConfig(dim=8, width=4, length=12, folds=2, epochs=2, batch_events=64, uniform=4)
READING = Reading(source="plays", uniform=3, far=0.5, folds=2, num_tokens=40)


@pytest.fixture(scope="module")
def log() -> Sequences:
    """A log of 12 users and 20 tracks, with skips, searches and pauses."""
    rng = np.random.default_rng(4)
    number = 300
    return from_events(
        rng.integers(1, 13, number).astype(np.int32),
        rng.integers(1, 21, number).astype(np.int32),
        1_600_000_000_000 + rng.integers(0, 5000, number) * ONE_MINUTE_MS,
        rng.choice([Action.PLAY, Action.LIKE, Action.SEARCH], number, p=[0.8, 0.1, 0.1]).astype(np.int8),
        rng.choice([np.nan, 0.1, 1.0], number).astype(np.float32),
        num_users=12,
        num_tracks=20,
    )


@pytest.fixture
def batch(log) -> Batch:
    windows = cut_windows(log, np.arange(1, 13, dtype=np.int32), 12)
    return next(batches(log, windows, reading=READING, played_N=played_tracks(log), seed=0))


def known_of(sequences: Sequences) -> Knowledge:
    """Return that nothing is known of the tracks."""
    nothing_T = np.zeros(sequences.num_tracks + 1, np.int32)
    return Knowledge(
        artist_T=nothing_T,
        album_T=nothing_T,
        genre_T=nothing_T,
        appeared_at_T=nothing_T.astype(np.int64),
        given_TV=np.zeros((len(nothing_T), 0), np.float32),
    )


def tower(seed: int = 0, pooling: str = "attention"):
    """Return a user tower in which nothing is zero."""
    torch.manual_seed(seed)
    made = export.make_user_tower(msgspec.structs.replace(SMALL, pooling=pooling))
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.3 * torch.randn(weight.shape))
    return made.eval()


@pytest.mark.parametrize("pooling", ["attention", "recency", "average"])
@pytest.mark.parametrize("length", [1, 5, 30])
def test_the_last_position_and_the_exported_graph_agree_with_the_whole_pass(length, pooling):
    rng = np.random.default_rng(length)
    track = torch.from_numpy(rng.normal(size=(3, length, 8)).astype(np.float32))
    after = torch.from_numpy(rng.normal(size=(3, max(length, LAGS), 8)).astype(np.float32))
    after[:, : LAGS - min(length, LAGS)] = 0.0  # where a history is shorter than what leads on
    event, request = (torch.from_numpy(rng.integers(0, 9, (3, length, 3)) % 6) for _ in range(2))
    event[:, :, GAP] = torch.from_numpy(rng.integers(0, 9, (3, length)))  # some begin a session
    is_key = torch.from_numpy(rng.random((3, length)) < 0.7)
    day = torch.from_numpy(np.sort(rng.uniform(-9, 0, (3, length))).astype(np.float32))
    made = tower(pooling=pooling)
    with torch.no_grad():
        whole = made(track, after[:, -length:], day, event, request, is_key)[:, -1].numpy()
        links = made.links(request)[:, -1].numpy()
        served = made.served(track, after[:, -LAGS:], day, event, request[:, -1], is_key).numpy()
    config = msgspec.structs.replace(SMALL, pooling=pooling)
    found = Model(export.export_user_tower(made, config))(
        track=track.numpy(),
        follow=after[:, -LAGS:].numpy(),
        strength=day.numpy(),
        event=event.numpy(),
        request=request[:, -1].numpy(),
        is_key=is_key.numpy(),
    )
    np.testing.assert_allclose(served[:, :8], whole, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(served[:, 8], 1.0)
    np.testing.assert_allclose(served[:, 9:], links, rtol=1e-5)
    np.testing.assert_allclose(found, served, rtol=1e-4, atol=1e-5)


def test_a_graph_that_was_traced_once_takes_every_towers_weights():
    inputs = {
        "track": np.ones((1, 4, 8), np.float32),
        "follow": np.ones((1, LAGS, 8), np.float32),
        "strength": np.zeros((1, 4), np.float32),
        "event": np.ones((1, 4, 3), np.int64),
        "request": np.ones((1, 3), np.int64),
        "is_key": np.ones((1, 4), bool),
    }
    first, second = (Model(export.export_user_tower(tower(seed), SMALL))(**inputs) for seed in (1, 2))
    assert not np.allclose(first, second)


def test_no_position_looks_ahead():
    made = tower()
    track = torch.randn(1, 6, 8)
    after, day = torch.randn(1, 6, 8), torch.arange(-60.0, 0.0, 10.0)[None]
    feature, is_key = torch.ones(1, 6, 3, dtype=torch.long), torch.ones(1, 6, dtype=torch.bool)
    other, other_after = track.clone(), after.clone()
    other[:, 4:], other_after[:, 4:] = torch.randn(1, 2, 8), torch.randn(1, 2, 8)
    with torch.no_grad():
        left = made(track, after, day, feature, feature, is_key)
        right = made(other, other_after, day, feature, feature, is_key)
    np.testing.assert_allclose(left[:, :4], right[:, :4], atol=1e-6)
    assert not np.allclose(left[:, 4:], right[:, 4:])


def plain_loss(user_BLD, pool_MD, height_M, weight_BLJ, log_chance_M, own, chance_MN, batch, *, reach, nearness):
    """Return the loss position by position: full logits, corrected unless the track is the row's own."""
    losses_P, weights_P = [], []
    returns = own(batch.own_BLLF) * batch.is_own_BLL
    for row in range(len(batch.slot_BL)):
        mine = set(batch.slot_BL[row].tolist())
        for place in range(batch.slot_BL.shape[1]):
            ahead = range(place + int(batch.jump_BL[row, place]), batch.slot_BL.shape[1])
            targets = [(n, at) for n, at in enumerate(ahead) if n < reach and batch.is_target_BL[row, at]]
            if not batch.is_asked_BL[row, place] or not targets:
                continue
            logit = user_BLD[row, place] @ pool_MD.T + height_M
            logit = logit - torch.tensor([0.0 if slot in mine else float(c) for slot, c in enumerate(log_chance_M)])
            raised = torch.zeros_like(logit).index_add(0, batch.slot_BL[row], returns[row, place])
            for lag in range(min(weight_BLJ.shape[2], place + 1)):
                led = torch.from_numpy(chance_MN[[int(batch.slot_BL[row, place - lag])]].toarray()[0])
                logit = logit + weight_BLJ[row, place, lag] * led * batch.is_key_BL[row, place - lag]
            logit = (logit + raised).masked_fill(batch.pool_M == 0, -1e9)
            weight = torch.tensor([(n + 1.0) ** -nearness for n, _ in targets])
            weight = weight / weight.sum()
            picked = torch.stack([logit[batch.slot_BL[row, at]] for _, at in targets])
            losses_P.append(((torch.logsumexp(logit, 0) - picked) * weight).sum())
            weights_P.append(1.0)
    return torch.stack(losses_P).sum() / sum(weights_P)


def test_the_loss_and_its_gradients_are_those_of_a_plain_computation(batch, monkeypatch):
    monkeypatch.setattr(losses, "HAS_BFLOAT16", False)
    monkeypatch.setattr(losses, "BLOCK", 7)
    torch.manual_seed(0)
    own = OwnPlays(own_plays.OWN_SIZES)
    with torch.no_grad():
        for value in own.values:
            value.add_(0.02 * torch.randn(len(value)))
    size = len(batch.pool_M)
    leaves = [torch.randn(*batch.slot_BL.shape, 8), torch.randn(size, 8), torch.randn(size)]
    leaves.append(torch.rand(*batch.slot_BL.shape, 2))
    chance_MN = csr_array(random_array((size, size), density=0.2, rng=np.random.default_rng(2), dtype=np.float32))
    log_chance_M = -torch.rand(len(batch.pool_M))
    results = []
    for compute in (
        lambda user, pool, height, weight: losses.next_plays(
            user,
            torch.cat([pool, height[:, None]], dim=1),
            log_chance_M,
            own,
            losses.Links(chance_MN=chance_MN, weight_BLJ=weight),
            batch=batch,
            reach=4,
            nearness=0.5,
        ),
        lambda *parts: plain_loss(*parts, log_chance_M, own, chance_MN, batch, reach=4, nearness=0.5),
    ):
        parts = [leaf.clone().requires_grad_() for leaf in leaves]
        own.zero_grad()
        loss = compute(*parts)
        loss.backward()
        results.append([loss.detach(), *(part.grad for part in parts), *(value.grad.clone() for value in own.values)])
    for left, right in zip(*results, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-5)


def test_a_sample_counts_for_the_catalogue():
    """The corrected sum over pools is the sum over all tracks, on average."""
    rng = np.random.default_rng(0)
    popularity_T = rng.dirichlet(np.ones(50))
    weight_T = np.exp(rng.normal(size=50))
    chance_T = losses.log_chances(popularity_T, num_tokens=20, uniform=0.1).exp().numpy()
    sums = []
    for _ in range(4000):
        drawn = np.unique(np.r_[rng.choice(50, 20, p=popularity_T), np.flatnonzero(rng.random(50) < 0.1)])
        sums.append((weight_T[drawn] / chance_T[drawn]).sum())
    assert np.mean(sums) == pytest.approx(weight_T.sum(), abs=4 * np.std(sums) / len(sums) ** 0.5)


def test_own_plays_of_windows_and_of_histories_are_the_same(log):
    user_B = np.arange(1, 13)
    history = encode(log, user_B, np.full(12, log.at_E.max() + 9 * ONE_MINUTE_MS))
    read = tokens(history, source="plays")
    next_BL = np.concatenate([history.at_BL[:, 1:], history.as_of_B[:, None]], axis=1)
    feature_BLLF, is_last_BLL = own_plays.of_positions(history.track_BL, read.is_key_BL, history.at_BL, next_BL)
    row_P, track_P, feature_PF = own_plays.of_history(history, "plays")
    expected = {
        (row, track): tuple(feature)
        for row, track, feature in zip(row_P.tolist(), track_P.tolist(), feature_PF.tolist(), strict=True)
    }
    row_S, slot_S = np.nonzero(is_last_BLL[:, -1])
    found = {
        (int(row), int(history.track_BL[row, slot])): tuple(feature_BLLF[row, -1, slot].tolist())
        for row, slot in zip(row_S, slot_S, strict=True)
    }
    assert found == expected


def test_what_came_after_the_track_just_played_is_told_apart():
    """The newest track was played before, and 5, then 6 came after it; 9 is too far, 7 came before."""
    track_E = np.array([7, 1, 5, 6, 2, 3, 4, 9, 1], np.int32)
    lone = from_events(
        np.ones(len(track_E), np.int32),
        track_E,
        1_600_000_000_000 + np.arange(len(track_E)) * ONE_MINUTE_MS,
        np.full(len(track_E), Action.PLAY, np.int8),
        np.ones(len(track_E), np.float32),
        num_users=1,
        num_tracks=9,
    )
    _, track_P, feature_PF = own_plays.of_history(encode(lone, np.array([1]), np.array([lone.at_E[-1] + 1])), "plays")
    assert dict(zip(track_P.tolist(), feature_PF[:, 3].tolist(), strict=True)) == {
        1: 0, 2: 3, 3: 4, 4: 5, 5: 1, 6: 2, 7: 0, 9: 0
    }  # fmt: skip


def test_an_event_weighs_by_its_age_its_repeats_and_whether_it_was_a_skip():
    half = int(HALF_LIFE_DAYS * ONE_DAY_MS)
    lone = from_events(
        np.ones(4, np.int32),
        np.array([1, 1, 2, 1], np.int32),
        np.array([0, half, half, 2 * half]) + 1_600_000_000_000,
        np.full(4, Action.PLAY, np.int8),
        np.array([1.0, 1.0, 0.1, 1.0], np.float32),
        num_users=1,
        num_tracks=2,
    )
    history = encode(lone, np.array([1]), np.array([int(lone.at_E[-1]) + 1]))
    weight_L = np.exp2(tokens(history, source="plays").strength_BL[0])
    expected_L = [0.25, 0.5 * np.log(1.5) / np.log(2), 0.5 * 2.0**-20, np.log(4 / 3) / np.log(2)]
    np.testing.assert_allclose(weight_L, expected_L, rtol=1e-4)
    newest = tokens(history, source="plays", length=2).strength_BL[0]
    np.testing.assert_allclose(np.exp2(newest), expected_L[-2:], rtol=1e-4)


def test_tracks_are_placed_for_a_fold_without_its_users(log):
    other = from_events(
        log.user_E,
        np.where(log.user_E % 2 == 0, log.track_E[::-1], log.track_E).astype(np.int32),
        np.asarray(log.at_E),
        np.asarray(log.action_E),
        np.asarray(log.play_ratio_E),
        num_users=12,
        num_tracks=20,
    )
    places = [placement.place_tracks(sequences, 21, SMALL)[:, :, :-1].numpy() for sequences in (log, other)]
    for fold, is_same in ((0, True), (1, False)):
        products = [place[fold] @ place[fold].T for place in places]  # a rotation leaves them as they are
        assert np.allclose(*products, atol=1e-4) == is_same


def test_vectors_move_with_every_event_and_searches_count_where_they_are_the_source(log):
    known = split.before(log, int(log.at_E.max()))
    settings = {"dim": 8, "width": 4, "length": 12, "folds": 2, "epochs": 1, "batch_events": 64, "uniform": 4}
    now = int(log.at_E.max())
    start, end = log.start_U[3], log.start_U[4]
    histories = [encode(log, np.array([3]), np.array([now]), end_B=np.array([e])) for e in range(start + 1, end + 1)]
    is_search_E = log.action_E[start:end] == Action.SEARCH
    assert is_search_E.any()
    for source in ("plays", "searches", "both"):
        channel = recall.make("vector", settings | {"source": source}).fit(known, now, known_of(known))
        assert isinstance(channel, Vector)
        vectors = [channel.encode(history)[0] for history in histories]
        for before, after, is_search in zip(vectors, vectors[1:], is_search_E[1:], strict=False):
            is_key = source == "both" or is_search == (source == "searches")
            if is_key:
                assert not np.allclose(before, after)
    assert not channel.encode(encode(log, np.array([0]), np.array([now]))).any()


class Broken(torch.nn.Module):
    """A model whose loss is its one weight, plus what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(4, 2, sparse=True)
        self.weight = torch.nn.Parameter(torch.ones(3))


def task(epochs: int = 3) -> loop.Task:
    return loop.Task(
        name="toy",
        fingerprint="toy",
        num_epochs=epochs,
        steps_per_epoch=2,
        learning_rate=0.1,
        table_rate=0.1,
        seed=0,
    )


def test_a_loss_that_is_no_number_stops_with_the_facts_of_the_batch(batch):
    model = Broken()
    with pytest.raises(
        ValueError, match=r"training of toy has diverged: the loss is nan in epoch 1, step 1, on a batch of"
    ):
        loop.train(
            model,
            task(),
            epoch=lambda number: iter([batch]),
            loss_of=lambda b: model.weight.sum() * float("nan"),
            validate=None,
        )


def test_a_run_that_was_cut_off_goes_on_as_if_it_had_not_been(batch, tmp_path):
    def run(folder, stop_at: int | None):
        torch.manual_seed(5)
        model = Broken()

        def epoch(number: int) -> Iterator[Batch]:
            if number == stop_at:
                raise KeyboardInterrupt
            yield from [batch, batch]

        def loss_of(_: Batch) -> torch.Tensor:
            noise = torch.rand(3)
            return ((model.weight - noise) ** 2).sum() + (model.table(torch.tensor([1, 2])) ** 2).sum()

        with running(Run(folder=folder)):
            loop.train(model, task(), epoch=epoch, loss_of=loss_of, validate=lambda: -float(model.weight.sum()))
        return model.state_dict()

    whole = run(None, None)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, 2)
    assert len(list(tmp_path.glob("*.safetensors"))) == 1
    resumed = run(tmp_path, None)
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name
    assert not list(tmp_path.glob("*.safetensors")), "a run that has ended leaves no checkpoint"
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 3


def test_nobody_is_asked_between_a_search_and_its_own_play():
    """The search has told the answer; a search for something else has not."""
    action_E = np.array([Action.PLAY, Action.SEARCH, Action.PLAY, Action.SEARCH, Action.PLAY, Action.PLAY], np.int8)
    searched = from_events(
        np.ones(6, np.int32),
        np.array([1, 2, 2, 3, 4, 5], np.int32),
        1_600_000_000_000 + np.arange(6) * ONE_MINUTE_MS,
        action_E,
        np.ones(6, np.float32),
        num_users=1,
        num_tracks=5,
    )
    windows = cut_windows(searched, np.ones(1, np.int32), 6)
    [made] = batches(searched, windows, reading=READING, played_N=played_tracks(searched), seed=0)
    assert made.is_asked_BL.tolist() == [[True, False, True, True, True, True]]


@pytest.mark.parametrize(("length", "reach"), [(5, 3), (7, 20), (1, 4)])
def test_the_ring_of_distances_gives_each_place_the_bias_of_its_distance(length, reach):
    block = CausalBlock(8, heads=2, reach=reach, expansion=2, dropout=0.0)
    torch.nn.init.normal_(block.bias_by_distance)
    for num_queries in {1, length}:
        found = block.bias(num_queries, length).detach()
        for query in range(num_queries):
            at = length - num_queries + query
            for place in range(at + 1):
                assert torch.equal(found[:, query, place], block.bias_by_distance[:, min(at - place, reach - 1)])


def test_sums_begin_at_each_positions_start():
    value = torch.arange(1.0, 6.0)[None, :, None]
    assert sums(value, torch.tensor([[0, 0, 2, 2, 4]])).flatten().tolist() == [1.0, 3.0, 3.0, 7.0, 5.0]


def test_placing_the_same_log_again_changes_nothing(log):
    at = int(log.at_E.max()) + 1
    first = Vector(SMALL).fit(log, at, known_of(log))
    again = Vector(SMALL).refit(first, log, at, known_of(log))
    np.testing.assert_allclose(again.track_TE, first.track_TE, atol=1e-5)
    history = encode(log, np.arange(1, 13, dtype=np.int32), np.full(12, at))
    np.testing.assert_allclose(again.encode(history), first.encode(history), rtol=1e-4, atol=1e-4)


def test_a_newer_log_is_placed_under_what_an_older_one_has_taught(log):
    """Nothing is trained, new tracks get a place, and one that was loaded from disk is trained anew."""
    later = int(log.at_E.max()) + 1
    older = split.select(log, log.track_E <= 15)
    at = int(older.at_E.max()) + 1
    first = Vector(SMALL).fit(older, at, known_of(older))
    second = Vector(SMALL).refit(first, log, later, known_of(log))
    assert (len(first.track_TE), len(second.track_TE)) == (16, 21)
    assert second.track_TE[len(first.track_TE) :].any(axis=1).any()
    for name, weight in first.towers.user.state_dict().items():
        assert torch.equal(weight, second.towers.user.state_dict()[name])
    loaded = Vector(SMALL).restore(first.arrays())
    trained = Vector(SMALL).fit(log, later, known_of(log))
    np.testing.assert_array_equal(Vector(SMALL).refit(loaded, log, later, known_of(log)).track_TE, trained.track_TE)
