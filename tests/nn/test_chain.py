"""The chain of behaviour and the loss of the order, held to plain computations."""

import math

import numpy as np
import pytest
import torch

from ritornello.data.outcomes import ADD, FINISH, LIKE, OUTCOMES, PLAY, SHARE, SKIP
from ritornello.nn.chain import NUM_HEADS, Balance, link_losses, log_products, order_loss

NAN = math.nan
LINKS = {PLAY: (), FINISH: (PLAY,), LIKE: (PLAY, FINISH), ADD: (PLAY,), SKIP: (PLAY,)}


def outcomes(**told: float) -> list[float]:
    """Return the outcomes of one candidate; what is not told is not known."""
    return [told.get(name, NAN) for name in OUTCOMES]


def test_products_along_the_chain():
    # every link is 0.5, the share is given the play and stands alone
    expected = {"play": 0.5, "finish": 0.25, "like": 0.125, "add": 0.25, "skip": 0.25, "share": 0.5}
    found_T = log_products(torch.zeros(1, 1, NUM_HEADS)).exp()[0, 0]
    assert dict(zip(OUTCOMES, found_T.tolist(), strict=True)) == pytest.approx(expected)


def test_a_link_moves_what_comes_after_it_and_nothing_else():
    usual = log_products(torch.zeros(1, 1, NUM_HEADS))[0, 0]
    for link in range(len(OUTCOMES)):
        logit_BNH = torch.zeros(1, 1, NUM_HEADS)
        logit_BNH[..., 1 + link] = 1.0
        moved = (log_products(logit_BNH)[0, 0] != usual).tolist()
        assert moved == [outcome == link or link in LINKS.get(outcome, ()) for outcome in range(len(OUTCOMES))]


def test_a_loss_worked_by_hand():
    outcome_BNT = torch.tensor([[outcomes(play=1, finish=1, skip=0, share=0.8), outcomes(play=0)]])
    # play:   p = 0.5, so ln 2 = 0.693147 of both
    # finish: p = 0.25: (1 * -ln 0.25 + 3 * -ln 0.75) / 4 = (1.386294 + 0.863046) / 4 = 0.562335
    # like, add and skip have no case; share: ln 2 at a logit of 0, of the played alone
    found = link_losses(torch.zeros(1, 2, NUM_HEADS), outcome_BNT, torch.tensor([[1.0, 3.0]]))
    assert found.sum().item() == pytest.approx(0.693147 + 0.562335 + 0.693147, abs=1e-5)


def plain_loss(logit_PH: np.ndarray, outcome_PT: np.ndarray, weight_P: np.ndarray) -> float:
    """Return the loss of some candidates, one after the other."""
    chance_PT = 1.0 / (1.0 + np.exp(-logit_PH[:, 1:]))
    total = 0.0
    for link, before in LINKS.items():
        cases = []
        for chance_T, outcome_T, weight in zip(chance_PT, outcome_PT, weight_P, strict=True):
            if np.isnan(outcome_T[PLAY]):
                continue
            target = outcome_T[link] * (outcome_T[FINISH] if link == LIKE else 1.0) if outcome_T[PLAY] else 0.0
            if not np.isnan(target):
                chance = chance_T[link] * np.prod([chance_T[earlier] for earlier in before])
                cases.append((target, chance, weight))
        if any(target > 0 for target, _, _ in cases):
            losses = [-weight * np.log(chance if target else 1 - chance) for target, chance, weight in cases]
            total += sum(losses) / sum(weight for _, _, weight in cases)
    told = [
        -share * np.log(chance) - (1 - share) * np.log(1 - chance)
        for share, chance in zip(outcome_PT[:, SHARE], chance_PT[:, SHARE], strict=True)
        if not np.isnan(share)
    ]
    return total + float(np.mean(told)) if told else total


@pytest.mark.parametrize("seed", range(4))
def test_the_loss_is_a_plain_one_with_gaps_and_weights(seed):
    rng = np.random.default_rng(seed)
    outcome_PT = rng.integers(0, 2, (24, len(OUTCOMES))).astype(float)
    outcome_PT[:, SHARE] = rng.random(24)
    outcome_PT[:, PLAY] = np.arange(24) % 3 > 0
    outcome_PT[rng.random(outcome_PT.shape) < 0.2] = NAN
    outcome_PT[outcome_PT[:, PLAY] == 0, 1:] = NAN  # of what was not played nothing else is told
    outcome_PT[:, ADD] = NAN if seed % 2 else outcome_PT[:, ADD]
    logit_PH, weight_P = rng.normal(size=(24, NUM_HEADS)), rng.random(24)
    found = link_losses(
        torch.tensor(logit_PH.reshape(4, 6, -1)).float(),
        torch.tensor(outcome_PT.reshape(4, 6, -1)).float(),
        torch.tensor(weight_P.reshape(4, 6)).float(),
    )
    assert found.sum().item() == pytest.approx(plain_loss(logit_PH, outcome_PT, weight_P), rel=1e-4)


def test_what_was_not_played_teaches_every_link_through_the_products():
    logit_BNH = torch.zeros(1, 2, NUM_HEADS, requires_grad=True)
    outcome_BNT = torch.tensor([[outcomes(play=1, finish=1, like=1, add=1, skip=1, share=1), outcomes(play=0)]])
    link_losses(logit_BNH, outcome_BNT, torch.ones(1, 2)).sum().backward()
    slope_T = logit_BNH.grad[0, 1, 1:]
    assert (slope_T[[PLAY, FINISH, LIKE, ADD, SKIP]] > 0).all(), "lower is better for what was passed over"
    assert slope_T[SHARE] == 0


def test_nothing_told_is_no_loss():
    outcome_BNT = torch.full((1, 3, len(OUTCOMES)), NAN)
    assert not link_losses(torch.randn(1, 3, NUM_HEADS), outcome_BNT, torch.ones(1, 3)).any()


def test_the_loss_of_the_order_worked_by_hand():
    logit_BN = torch.tensor([[math.log(3), 0.0, 50.0], [1.0, 1.0, 1.0], [4.0, -4.0, 0.0]])
    label_BN = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    is_candidate_BN = torch.tensor([[True, True, False], [True, True, True], [True, True, True]])
    # -ln(3 / 4) = 0.287682; two of three equal ones: ln 3 = 1.098612; the last row has no positive and does not count
    found = order_loss(logit_BN, label_BN, is_candidate_BN)
    assert found.item() == pytest.approx((0.287682 + 1.098612) / 2, abs=1e-5)
    assert order_loss(logit_BN, torch.zeros(3, 3), is_candidate_BN).item() == 0.0


def test_grades_share_out_what_a_request_teaches():
    logit_BN = torch.tensor([[math.log(3), 0.0]])
    is_candidate_BN = torch.ones(1, 2, dtype=torch.bool)
    # grades of .6 and .2: -(.6 ln .75 + .2 ln .25) / .8 = (.172609 + .277259) / .8; half of all grades is the same
    found = order_loss(logit_BN, torch.tensor([[0.6, 0.2]]), is_candidate_BN)
    assert found.item() == pytest.approx(0.562335, abs=1e-5)
    assert order_loss(logit_BN, torch.tensor([[0.3, 0.1]]), is_candidate_BN).item() == pytest.approx(found.item())


def test_learned_weights_settle_where_each_loss_says():
    balance = Balance(3)
    loss_T = torch.tensor([2.0, 0.5, 0.0])
    optimizer = torch.optim.SGD(balance.parameters(), lr=0.1)
    for _ in range(2000):
        optimizer.zero_grad()
        balance(loss_T).sum().backward()
        optimizer.step()
    # exp(-s) * loss + s is least at s = ln(loss), where the loss counts 1 / loss; what nothing was known of is left alone
    assert balance.log_variance.tolist() == pytest.approx([math.log(2.0), math.log(0.5), 0.0], abs=1e-3)
    assert balance(loss_T)[2] == 0
