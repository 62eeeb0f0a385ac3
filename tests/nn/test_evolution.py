"""The recurrent units and the gate of interest evolution, held to plain computations."""

import numpy as np
import pytest
import torch

from ritornello.data.behaviour import AGE, BACK, FEATURE_SIZES, GAP, SHARE
from ritornello.nn.evolution import Evolution, Walk, gru_cell

WIDTH, DIM, LENGTH = 3, 2, 4


def sigmoid(value):
    return 1.0 / (1.0 + np.exp(-value))


def randomised(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Draw all weights anew: what begins with zeros would hide what it does."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator))
    return module.eval()


def numbers(weight: torch.Tensor) -> np.ndarray:
    return weight.detach().double().numpy()


def plain_walk(walk: Walk, input_LE: np.ndarray, hold_L: np.ndarray) -> np.ndarray:
    """Return the states of one row after each event, by the published equations."""
    size = input_LE.shape[1]
    state_E, states = np.zeros(size), []
    for event_E, hold in zip(input_LE, hold_L, strict=True):
        given = numbers(walk.from_input.weight) @ event_E + numbers(walk.from_input.bias)
        kept = numbers(walk.weight).T @ state_E + numbers(walk.bias)
        update_E = hold * sigmoid(given[:size] + kept[:size])
        reset_E = sigmoid(given[size : 2 * size] + kept[size : 2 * size])
        new_E = np.tanh(given[2 * size :] + reset_E * kept[2 * size :])
        state_E = (1 - update_E) * state_E + update_E * new_E
        states.append(state_E)
    return np.array(states)


def test_a_cell_worked_by_hand():
    # update: sigmoid(0) = 0.5; reset: sigmoid(0) = 0.5; new: tanh(1 + 0.5 * 1) = tanh(1.5) = 0.905148
    update, new = gru_cell(
        torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[0.5]]), torch.zeros(1, 3), torch.tensor([0.0, 0.0, 1.0])
    )
    assert update.item() == 0.5
    assert new.item() == pytest.approx(0.905148, abs=1e-6)


def test_the_cell_is_that_of_torch():
    theirs = randomised(torch.nn.GRUCell(WIDTH, WIDTH))
    input_BE, state_BE = torch.randn(5, WIDTH), torch.randn(5, WIDTH)
    order = torch.cat([torch.arange(3, 6), torch.arange(3), torch.arange(6, 9)])  # torch has reset before update
    from_input = (input_BE @ theirs.weight_ih.T + theirs.bias_ih)[:, order]
    kept_BE, new_BE = gru_cell(from_input, state_BE, theirs.weight_hh[order].T, theirs.bias_hh[order])
    # their gate is the share of the old state that is kept, ours the share of the new one that is taken in
    torch.testing.assert_close(new_BE + kept_BE * (state_BE - new_BE), theirs(input_BE, state_BE), atol=1e-6, rtol=1e-5)


def test_a_walk_is_a_plain_one_and_hold_slows_it_down():
    walk, rng = randomised(Walk(WIDTH)), np.random.default_rng(1)
    input_BLE, hold_BNL = rng.normal(size=(2, 5, WIDTH)), rng.random((2, 3, 5))
    found_BNLE = walk(torch.tensor(input_BLE).float(), torch.tensor(hold_BNL).float())
    for row, column in np.ndindex(2, 3):
        expected_LE = plain_walk(walk, input_BLE[row], hold_BNL[row, column])
        np.testing.assert_allclose(found_BNLE[row, column].detach(), expected_LE, atol=1e-5)
    last_BNE = walk.last(torch.tensor(input_BLE).float(), torch.tensor(hold_BNL).float())
    torch.testing.assert_close(last_BNE, found_BNLE[:, :, -1])


def test_a_hold_of_0_leaves_the_state_alone_whatever_the_event():
    walk, event_BLE = randomised(Walk(WIDTH)), torch.randn(1, 4, WIDTH)
    states_LE = walk(event_BLE, torch.tensor([[[0.0, 1.0, 0.0, 0.0]]]))[0, 0]
    assert not states_LE[0].any()
    assert states_LE[1].any()
    assert torch.equal(states_LE[1], states_LE[2])
    assert torch.equal(states_LE[1], states_LE[3])


def test_gap_age_and_share_gate_an_event():
    evolution = Evolution(WIDTH, DIM, LENGTH)
    with torch.no_grad():
        for table, row, value in zip(evolution.gates, (3, 2, 5), (1.0, -2.0, 0.5), strict=True):
            table.weight[row] = value
    feature_BLF = torch.zeros(1, 3, len(FEATURE_SIZES), dtype=torch.long)
    feature_BLF[0, 1, [SHARE, GAP, AGE]] = torch.tensor([3, 2, 5])
    feature_BLF[0, 2, BACK] = 4  # is not among what gates
    # sigmoid(2) = 0.880797; sigmoid(2 + 1 - 2 + 0.5) = sigmoid(1.5) = 0.817574
    torch.testing.assert_close(
        evolution.gate(feature_BLF), torch.tensor([[0.880797, 0.817574, 0.880797]]), atol=1e-6, rtol=0
    )


def events(rng: np.random.Generator, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vectors and features of one row's events, and which are there: the first is padding."""
    feature_LF = np.stack([rng.integers(0, size, length) for size in FEATURE_SIZES], axis=1)
    return rng.normal(size=(length, WIDTH)), feature_LF, np.arange(length) > 0


@pytest.mark.parametrize("length", [3, LENGTH, 7])
def test_the_evolved_interest_is_a_plain_computation_over_the_newest_events(length):
    evolution, rng = randomised(Evolution(WIDTH, DIM, LENGTH)), np.random.default_rng(length)
    event_LE, feature_LF, is_event_L = events(rng, length)
    target_NE = rng.normal(size=(2, WIDTH))
    found_NE = evolution(
        torch.tensor(target_NE[None]).float(),
        torch.tensor(event_LE[None]).float(),
        torch.tensor(feature_LF[None]),
        torch.tensor(is_event_L[None]),
    )[0]
    newest = slice(max(0, length - LENGTH), None)
    event_LE, feature_LF, is_event_L = event_LE[newest], feature_LF[newest], is_event_L[newest]
    state_LE = plain_walk(evolution.extract, event_LE, is_event_L.astype(float))
    gate_L = sigmoid(
        evolution.openness.item()
        + sum(
            numbers(table.weight)[feature_LF[:, place], 0]
            for table, place in zip(evolution.gates, (SHARE, GAP, AGE), strict=True)
        )
    )
    for target_E, found_E in zip(target_NE, found_NE, strict=True):
        asked_L = state_LE @ (numbers(evolution.query.weight) @ target_E) / np.sqrt(WIDTH)
        hold_L = sigmoid(asked_L) * gate_L * is_event_L
        np.testing.assert_allclose(found_E.detach(), plain_walk(evolution.evolve, state_LE, hold_L)[-1], atol=1e-5)


def test_the_next_play_is_told_from_what_was_skipped_or_from_anothers_play():
    evolution, rng = randomised(Evolution(WIDTH, DIM, LENGTH)), np.random.default_rng(5)
    event_BLE, place_BLD = rng.normal(size=(2, 3, WIDTH)), rng.normal(size=(2, 3, DIM))
    is_event_BL = np.array([[True, True, True], [False, True, True]])
    skipped_BKD = rng.normal(size=(2, 1, DIM))
    is_skip_BK = np.array([[True], [False]])
    found = evolution.auxiliary(
        torch.tensor(event_BLE).float(),
        torch.tensor(is_event_BL),
        torch.tensor(place_BLD).float(),
        torch.tensor(skipped_BKD).float(),
        torch.tensor(is_skip_BK),
    )
    state_BLE = [plain_walk(evolution.extract, *row) for row in zip(event_BLE, is_event_BL.astype(float), strict=True)]
    told_BLD = [numbers(evolution.foretell.weight) @ state_LE.T for state_LE in state_BLE]
    losses = []
    for row, step in ((0, 0), (0, 1), (1, 1)):  # the padding is no play that another could follow
        told_D = told_BLD[row][:, step]
        other_D = skipped_BKD[0, 0] if row == 0 else place_BLD[0, step + 1]
        losses.append(np.logaddexp(0, -told_D @ place_BLD[row, step + 1]) + np.logaddexp(0, told_D @ other_D))
    assert found.item() == pytest.approx(np.mean(losses), rel=1e-5)
