"""Target attention, keys and context, held to plain computations."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from ritornello.nn.target_attention import Rows, TargetAttention, Tower, attend, joined, matches

WIDTH = 2
LENGTHS = (5, 2, 1)


def drawn(width: int, num_spaces: int, seed: int = 2) -> TargetAttention:
    made, generator = TargetAttention(width, num_spaces), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in made.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator))
    return made.eval()


def told(attention: TargetAttention, target_BNE: Tensor, event_BLE: Tensor, same: list[Tensor], is_event_BL: Tensor):
    """Return what candidates read of one sequence, and how much; what is the same is given without the first event."""
    same_SBNM = [torch.nn.functional.pad(same_BNL, (1, 0)) for same_BNL in same]
    is_there_BM = torch.nn.functional.pad(is_event_BL, (1, 0), value=True)
    (found_BNE,), strength_BN1 = attend(target_BNE, [attention], [event_BLE], same_SBNM, is_there_BM)
    return found_BNE, strength_BN1


def test_shares_worked_by_hand():
    made = TargetAttention(WIDTH, 1)
    with torch.no_grad():
        made.query.weight.zero_()
        made.bias.weight.zero_()
        made.bias.bias.zero_()
        made.value.weight.copy_(torch.eye(WIDTH))
        made.same.fill_(math.log(2))
        made.nothing.copy_(torch.tensor([0.0, 8.0]))
    same_SBNL = [torch.tensor([[[1.0, 0.0]]])]
    event_BLE = torch.tensor([[[4.0, 0.0], [0.0, 4.0]]])
    is_event_BL = torch.ones(1, 2, dtype=torch.bool)
    read_BNE, strength_BN1 = told(made, torch.zeros(1, 1, WIDTH), event_BLE, same_SBNL, is_event_BL)
    # what is always there asks with 1, the event that is the same with 2, the other with 1: shares 1/4, 2/4, 1/4
    assert strength_BN1.item() == pytest.approx(math.log(4))
    assert read_BNE[0, 0].tolist() == pytest.approx([0.5 * 4, 0.25 * 4 + 0.25 * 8])


def plain(made: TargetAttention, target_E: np.ndarray, event_LE: np.ndarray, same_SL: np.ndarray):
    """Return what one candidate reads of one sequence, and how much there was, event by event."""
    query, key, value, bias = (
        layer.weight.detach().double().numpy() for layer in (made.query, made.event_key, made.value, made.bias)
    )
    logits = [0.0]
    for event_E, same_S in zip(event_LE, same_SL.T, strict=True):
        logit = (query @ target_E) @ (key @ event_E) / math.sqrt(len(event_E)) + (bias @ event_E)[0]
        logits.append(logit + made.bias.bias.item() + made.same.detach().double().numpy() @ same_S)
    share = np.exp(logits) / np.exp(logits).sum()
    values = [made.nothing.detach().double().numpy(), *(value @ event_E for event_E in event_LE)]
    return share @ np.array(values), math.log(np.exp(logits).sum())


def test_what_candidates_read_of_several_sequences_is_a_plain_softmax_each():
    rng = np.random.default_rng(0)
    made = [drawn(3, 2, seed) for seed in range(len(LENGTHS))]
    target_NE = rng.normal(size=(4, 3))
    event_LE = [rng.normal(size=(length, 3)) for length in LENGTHS]
    same_SNL = [rng.integers(0, 2, (2, 4, length)) for length in LENGTHS]
    gap_SN1 = np.zeros((2, 4, 1))
    same_SNM = np.concatenate([piece for part in same_SNL for piece in (gap_SN1, part)], axis=2)
    found_BNE, strength_BNG = attend(
        torch.tensor(target_NE[None]).float(),
        made,
        [torch.tensor(part[None]).float() for part in event_LE],
        [torch.tensor(same_NM[None]).float() for same_NM in same_SNM],
        torch.ones(1, same_SNM.shape[2], dtype=torch.bool),
    )
    for place, attention in enumerate(made):
        for number, target_E in enumerate(target_NE):
            expected_E, strength = plain(attention, target_E, event_LE[place], same_SNL[place][:, number])
            np.testing.assert_allclose(found_BNE[place][0, number].detach(), expected_E, atol=1e-5)
            assert strength_BNG[0, number, place].item() == pytest.approx(strength, abs=1e-5)


def test_padding_changes_nothing():
    made = drawn(3, 1)
    target_BNE, event_BLE, same_BNL = torch.randn(2, 4, 3), torch.randn(2, 5, 3), torch.ones(2, 4, 5)
    is_event_BL = torch.arange(5) >= torch.tensor([[0], [2]])
    expected = told(made, target_BNE[1:], event_BLE[1:, 2:], [same_BNL[1:, :, 2:]], is_event_BL[1:, 2:])
    found = told(made, target_BNE, event_BLE, [same_BNL], is_event_BL)
    for part, expected_part in zip(found, expected, strict=True):
        torch.testing.assert_close(part[1:], expected_part, atol=1e-6, rtol=1e-6)


def test_who_has_done_nothing_is_told_by_a_vector_of_its_own():
    made = drawn(3, 1)
    is_event_BL = torch.zeros(1, 2, dtype=torch.bool)
    read_BNE, strength_BN1 = told(made, torch.randn(1, 4, 3), torch.randn(1, 2, 3), [torch.ones(1, 4, 2)], is_event_BL)
    assert torch.equal(read_BNE, made.nothing.expand(1, 4, 3))
    assert not strength_BN1.any()


def test_sequences_lie_one_after_the_other_each_behind_its_own_first():
    parts = [torch.tensor([[[1], [2]], [[3], [4]]]), torch.tensor([[[5]], [[6]]])]
    found_BM1 = joined(parts, [torch.tensor([-1]), torch.tensor([-2])])
    assert found_BM1[:, :, 0].tolist() == [[-1, 1, 2, -2, 5], [-1, 3, 4, -2, 6]]


def test_the_unknown_is_the_same_as_nothing():
    key_BNS, key_BLS = torch.tensor([[[7, -1], [8, 3]]]), torch.tensor([[[0, 0], [8, 3], [7, 3]]])
    track_BNL, artist_BNL = matches(key_BNS, key_BLS)
    assert track_BNL[0].tolist() == [[0, 0, 1], [0, 1, 0]]
    assert artist_BNL[0].tolist() == [[0, 0, 0], [0, 1, 1]]


def test_every_column_has_rows_of_its_own():
    made = Rows((4, 5), 1)
    with torch.no_grad():
        made.table.weight[3], made.table.weight[4 + 3] = 5.0, 70.0
    assert made(torch.tensor([[3, 3], [3, 4], [0, 3]])).flatten().tolist() == [75.0, 5.0, 70.0]
    assert made.table.weight.shape == (9, 1)
    assert Rows((), 2)(torch.zeros(3, 0, dtype=torch.long)).tolist() == [[0.0, 0.0]] * 3


def test_a_tower_ends_without_a_rectifier():
    tower = Tower((2, 1, 1), dropout=0.5).eval()
    with torch.no_grad():
        for weight, value in zip(tower.parameters(), ([[1.0, 1.0]], [-1.0], [[-2.0]], [0.5]), strict=True):
            weight.copy_(torch.tensor(value))
    # relu(3 - 1) * -2 + 0.5 = -3.5; relu(-1) * -2 + 0.5 = 0.5
    assert tower(torch.tensor([[1.0, 2.0], [0.0, 0.0]])).flatten().tolist() == [-3.5, 0.5]
