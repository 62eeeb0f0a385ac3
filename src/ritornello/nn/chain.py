"""The chain of behaviour: heads whose products are the probabilities of its links (ESMM: Ma et al. 2018).

play > finish > like, and beside them an addition to a playlist, a skip and the listened share, each given the play. Every link
learns from all candidates through the products, not only from those that got so far. B requests, N candidates, T outcomes,
H heads: what the order is learned from, then the outcomes.
"""

import torch
from torch import Tensor, nn

from ritornello.data.outcomes import FINISH, GIVEN, LIKE, OUTCOMES, PLAY, SHARE

NUM_HEADS = 1 + len(OUTCOMES)
ORDER = 0  # the head that the order is learned with; outcome t has head 1 + t


def log_products(logit_BNH: Tensor) -> Tensor:
    """Return the logarithms of p(play), p(play, finish), p(play, finish, like), ... [B, N, T]; the share is given the play."""
    log_BNT = nn.functional.logsigmoid(logit_BNH[..., 1:])
    columns = [
        sum((log_BNT[..., given] for given in GIVEN[outcome]), log_BNT[..., outcome])
        for outcome in range(len(OUTCOMES))
    ]
    return torch.stack(columns, dim=-1)


def link_losses(logit_BNH: Tensor, outcome_BNT: Tensor, weight_BN: Tensor) -> Tensor:
    """Return the mean cross-entropy of every link [T]; what is not known (NaN) is left out, a link that nothing reached is 0.

    What was not played was neither finished nor liked nor skipped. A like counts where the track was finished.
    """
    target_BNT = chain_targets(outcome_BNT)
    is_told_BNT = torch.isfinite(target_BNT)
    target_BNT = torch.nan_to_num(target_BNT)
    log_BNT = log_products(logit_BNH).clamp(max=-1e-6)
    loss_BNT = -(target_BNT * log_BNT + (1.0 - target_BNT) * torch.log(-torch.expm1(log_BNT)))
    weighed_BNT = weight_BN[:, :, None] * is_told_BNT * (target_BNT > 0).any(dim=0).any(dim=0)
    loss_T = (loss_BNT * weighed_BNT).sum(dim=(0, 1)) / weighed_BNT.sum(dim=(0, 1)).clamp(min=1e-6)
    return torch.cat([loss_T[:SHARE], share_loss(logit_BNH, outcome_BNT)[None]])


class Balance(nn.Module):
    """Weights of the links' losses, learned with them (Kendall et al. 2018): a loss counts exp(-s), and s is paid for."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.log_variance = nn.Parameter(torch.zeros(number))

    def forward(self, loss_T: Tensor) -> Tensor:
        """Return the losses as they count [T]; one that nothing was known for pays nothing."""
        return (torch.exp(-self.log_variance) * loss_T + self.log_variance) * (loss_T > 0)


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
    loss_B = -(log_BN * label_BN).sum(dim=1) / positives_B.clamp(min=1e-6)
    return (loss_B * (positives_B > 0)).sum() / (positives_B > 0).sum().clamp(min=1)
