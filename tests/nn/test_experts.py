"""A mixture of experts: every head by hand."""

import pytest
import torch

from ritornello.nn.experts import Experts


def test_each_head_mixes_the_experts_by_its_own_shares():
    torch.manual_seed(0)
    module = Experts((5, 4, 3, 2), number=3, dropout=0.5).eval()
    value_BNF = torch.randn(2, 6, 5)
    found_BNH = module(value_BNF)
    for head in range(2):  # one head, one expert after the other
        gate = module.gate.weight[3 * head : 3 * head + 3] @ value_BNF[1, 4] + module.gate.bias[3 * head : 3 * head + 3]
        shares = torch.exp(gate) / torch.exp(gate).sum()
        mixed = sum(share * expert(value_BNF[1, 4]) for share, expert in zip(shares, module.experts, strict=True))
        assert found_BNH[1, 4, head].item() == pytest.approx(
            (mixed @ module.out.weight[head] + module.out.bias[head]).item()
        )


def test_shares_sum_to_one_and_differ_by_head():
    torch.manual_seed(0)
    share_BNHM = Experts((5, 4, 2), number=3, dropout=0.0).shares(torch.randn(2, 6, 5))
    assert share_BNHM.shape == (2, 6, 2, 3)
    assert torch.allclose(share_BNHM.sum(dim=3), torch.ones(2, 6, 2))
    assert not torch.allclose(share_BNHM[:, :, 0], share_BNHM[:, :, 1])
