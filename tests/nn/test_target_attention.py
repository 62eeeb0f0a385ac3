"""Target attention, keys and context, held to plain computations."""

import math

import numpy as np
import pytest
import torch

from ritornello.data.scaling import NUM_BINS
from ritornello.nn.target_attention import Context, TargetAttention, Tower, matches

WIDTH = 2


def drawn(width: int, num_spaces: int) -> TargetAttention:
    made, generator = TargetAttention(width, num_spaces), torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in made.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator))
    return made.eval()


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
    read_BNE, strength_BN1 = made(torch.zeros(1, 1, WIDTH), event_BLE, same_SBNL, torch.ones(1, 2, dtype=torch.bool))
    # what is always there asks with 1, the event that is the same with 2, the other with 1: shares 1/4, 2/4, 1/4
    assert strength_BN1.item() == pytest.approx(math.log(4))
    assert read_BNE[0, 0].tolist() == pytest.approx([0.5 * 4, 0.25 * 4 + 0.25 * 8])


def test_what_candidates_read_is_a_plain_softmax():
    made, rng = drawn(3, 2), np.random.default_rng(0)
    target_NE, event_LE, same_SNL = rng.normal(size=(4, 3)), rng.normal(size=(5, 3)), rng.integers(0, 2, (2, 4, 5))
    read_BNE, strength_BN1 = made(
        torch.tensor(target_NE[None]).float(),
        torch.tensor(event_LE[None]).float(),
        [torch.tensor(same_NL[None]).float() for same_NL in same_SNL],
        torch.ones(1, 5, dtype=torch.bool),
    )
    query, key, value, bias = (
        layer.weight.detach().double().numpy() for layer in (made.query, made.event_key, made.value, made.bias)
    )
    for number, target_E in enumerate(target_NE):
        logits = [0.0]
        for place, event_E in enumerate(event_LE):
            logit = (query @ target_E) @ (key @ event_E) / math.sqrt(3) + (bias @ event_E)[0] + made.bias.bias.item()
            logits.append(logit + sum(made.same[space].item() * same_SNL[space, number, place] for space in range(2)))
        share = np.exp(logits) / np.exp(logits).sum()
        told = [made.nothing.detach().double().numpy(), *(value @ event_E for event_E in event_LE)]
        np.testing.assert_allclose(read_BNE[0, number].detach(), share @ np.array(told), atol=1e-5)
        assert strength_BN1[0, number].item() == pytest.approx(math.log(np.exp(logits).sum()), abs=1e-5)


def test_padding_changes_nothing():
    made = drawn(3, 1)
    target_BNE, event_BLE, same_BNL = torch.randn(2, 4, 3), torch.randn(2, 5, 3), torch.ones(2, 4, 5)
    is_event_BL = torch.arange(5) >= torch.tensor([[0], [2]])
    expected = made(target_BNE[1:], event_BLE[1:, 2:], [same_BNL[1:, :, 2:]], is_event_BL[1:, 2:])
    found = made(target_BNE, event_BLE, [same_BNL], is_event_BL)
    for part, expected_part in zip(found, expected, strict=True):
        torch.testing.assert_close(part[1:], expected_part, atol=1e-6, rtol=1e-6)


def test_who_has_done_nothing_is_told_by_a_vector_of_its_own():
    made = drawn(3, 1)
    read_BNE, strength_BN1 = made(
        torch.randn(1, 4, 3), torch.randn(1, 2, 3), [torch.ones(1, 4, 2)], torch.zeros(1, 2, dtype=torch.bool)
    )
    assert torch.equal(read_BNE, made.nothing.expand(1, 4, 3))
    assert not strength_BN1.any()


def test_the_unknown_is_the_same_as_nothing():
    key_BNS, key_BLS = torch.tensor([[[7, -1], [8, 3]]]), torch.tensor([[[0, 0], [8, 3], [7, 3]]])
    track_BNL, artist_BNL = matches(key_BNS, key_BLS)
    assert track_BNL[0].tolist() == [[0, 0, 1], [0, 1, 0]]
    assert artist_BNL[0].tolist() == [[0, 0, 0], [0, 1, 1]]


def test_every_feature_of_the_context_has_its_own_bins():
    made = Context(2, 1)
    with torch.no_grad():
        made.table.weight[3], made.table.weight[NUM_BINS + 3] = 5.0, 70.0
    assert made(torch.tensor([[3, 3], [3, 4], [0, 3]])).flatten().tolist() == [75.0, 5.0, 70.0]


def test_a_tower_ends_without_a_rectifier():
    tower = Tower((2, 1, 1), dropout=0.5).eval()
    with torch.no_grad():
        for weight, value in zip(tower.parameters(), ([[1.0, 1.0]], [-1.0], [[-2.0]], [0.5]), strict=True):
            weight.copy_(torch.tensor(value))
    # relu(3 - 1) * -2 + 0.5 = -3.5; relu(-1) * -2 + 0.5 = 0.5
    assert tower(torch.tensor([[1.0, 2.0], [0.0, 0.0]])).flatten().tolist() == [-3.5, 0.5]
