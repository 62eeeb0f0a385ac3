"""The chain of behaviour: heads whose products are the probabilities of its links (ESMM: Ma et al. 2018).

play > finish > like, and beside them an addition to a playlist, a skip and the listened share, each given the play. Every link
learns from all candidates through the products, not only from those that got so far. B requests, N candidates, T outcomes,
H heads: what the order is learned from, then the outcomes.
"""

import torch
from torch import Tensor, nn

from ritornello.data.outcomes import ADD, FINISH, GIVEN, LIKE, OUTCOMES, PLAY, SHARE, SKIP

NUM_HEADS = 1 + len(OUTCOMES)
ORDER = 0  # the head that the order is learned with; outcome t has head 1 + t


def log_products(logit_BNH: Tensor) -> Tensor:
    """Return the logarithms of p(play), p(play, finish), p(play, finish, like), ... [B, N, T]; the share is given the play."""
    log_BNT = nn.functional.logsigmoid(logit_BNH[..., 1:])
    columns = [
        log_BNT[..., outcome] + sum((log_BNT[..., given] for given in GIVEN[outcome]), torch.tensor(0.0))
        for outcome in range(len(OUTCOMES))
    ]
    return torch.stack(columns, dim=-1)


def chain_loss(logit_BNH: Tensor, outcome_BNT: Tensor, weight_BN: Tensor) -> Tensor:
    """Return the sum over the links of their mean cross-entropy; what is not known (NaN) is left out.

    What was not played was neither finished nor liked nor skipped. A like counts where the track was finished.
    """
    log_BNT, target_BNT = log_products(logit_BNH), chain_targets(outcome_BNT)
    total = torch.zeros(())
    for outcome in (PLAY, FINISH, LIKE, ADD, SKIP):
        target_BN = target_BNT[..., outcome]
        if not (target_BN > 0).any():
            continue
        is_told_BN, target_BN = torch.isfinite(target_BN), torch.nan_to_num(target_BN)
        log_BN = log_BNT[..., outcome].clamp(max=-1e-6)
        loss_BN = -(target_BN * log_BN + (1.0 - target_BN) * torch.log(-torch.expm1(log_BN)))
        weighed_BN = weight_BN * is_told_BN
        total = total + (loss_BN * weighed_BN).sum() / weighed_BN.sum().clamp(min=1e-6)
    return total + share_loss(logit_BNH, outcome_BNT)


def chain_targets(outcome_BNT: Tensor) -> Tensor:
    """Return what the products are of [B, N, T]: 0 for all links of what was not played, a like where the track was finished.

    The listened share stays as it is, among what was played.
    """
    is_played_BN, nothing_BN = outcome_BNT[..., PLAY] > 0, torch.zeros_like(outcome_BNT[..., PLAY])
    is_told_BN = torch.isfinite(outcome_BNT[..., PLAY])
    columns = []
    for outcome in range(len(OUTCOMES)):
        target_BN = outcome_BNT[..., outcome]
        if outcome == LIKE:
            target_BN = target_BN * outcome_BNT[..., FINISH]
        if outcome != SHARE:
            target_BN = torch.where(is_played_BN, target_BN, nothing_BN)
        columns.append(torch.where(is_told_BN, target_BN, torch.nan))
    return torch.stack(columns, dim=-1)


def share_loss(logit_BNH: Tensor, outcome_BNT: Tensor) -> Tensor:
    """Return the cross-entropy of the listened share among what was played."""
    share_BN = outcome_BNT[..., SHARE]
    is_told_BN = torch.isfinite(share_BN)
    loss_BN = nn.functional.binary_cross_entropy_with_logits(
        logit_BNH[..., 1 + SHARE], torch.nan_to_num(share_BN), reduction="none"
    )
    return (loss_BN * is_told_BN).sum() / is_told_BN.sum().clamp(min=1)


def order_loss(logit_BN: Tensor, label_BN: Tensor, is_candidate_BN: Tensor) -> Tensor:
    """Return the softmax cross-entropy of the positives of each request against all of its candidates (Bruch 2021)."""
    log_BN = torch.log_softmax(logit_BN.masked_fill(~is_candidate_BN, -1e9), dim=1)
    positives_B = label_BN.sum(dim=1)
    loss_B = -(log_BN * label_BN).sum(dim=1) / positives_B.clamp(min=1)
    return (loss_B * (positives_B > 0)).sum() / (positives_B > 0).sum().clamp(min=1)
