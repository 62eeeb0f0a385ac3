"""Behaviour-to-interest dynamic routing (MIND: Li et al. 2019; after Sabour et al. 2017) and label-aware attention.

Every track u_l of a user goes through one shared map S. A track's share in capsule k is a softmax over the capsules of
q_k . S u_l, a capsule is the squashed sum of its shares, and q_k gains the capsule after each round. q begins at learned
anchors, one a capsule, so that routing is the same at every call; only the last round carries gradients.
B batch, L distinct tracks, D embedding, K interests, F features, P (request, target) pairs.
"""

import torch
from torch import Tensor, nn

from ritornello.data.tokens import NUM_GAPS, REQUEST_SIZES
from ritornello.nn.embedding import EventEmbedding

READOUTS = ("label_aware", "mean", "max")


def squash(sum_BKD: Tensor) -> Tensor:
    """Shorten vectors to a length of n^2 / (1 + n^2), n their own."""
    square_BK1 = (sum_BKD**2).sum(dim=-1, keepdim=True)
    return sum_BKD * square_BK1.clamp(min=1e-18).sqrt() / (1.0 + square_BK1)  # no root of 0: it has no slope


class Routing(nn.Module):
    """Sort a user's tracks into capsules; the map begins as the identity, a capsule as a weighted sum of tracks."""

    def __init__(self, anchor_KD: Tensor, iterations: int) -> None:
        super().__init__()
        self.anchor = nn.Parameter(anchor_KD.clone())
        self.map = nn.Linear(anchor_KD.shape[1], anchor_KD.shape[1], bias=False)
        nn.init.eye_(self.map.weight)
        self.iterations = iterations

    def forward(self, track_BLD: Tensor, weight_BL: Tensor, is_live_BK: Tensor) -> Tensor:
        """Return the capsules [B, K, D], zeros where not live; tracks of no weight, padding among them, change nothing."""
        mapped_BLD = self.map(track_BLD)
        earlier_BKD = torch.zeros(track_BLD.shape[0], *self.anchor.shape)
        with torch.no_grad():
            for _ in range(self.iterations - 1):
                earlier_BKD = earlier_BKD + self.gather(earlier_BKD, mapped_BLD, weight_BL, is_live_BK)
        return self.gather(earlier_BKD, mapped_BLD, weight_BL, is_live_BK)

    def gather(self, earlier_BKD: Tensor, mapped_BLD: Tensor, weight_BL: Tensor, is_live_BK: Tensor) -> Tensor:
        """Do one round."""
        logit_BKL = (self.anchor + earlier_BKD) @ mapped_BLD.transpose(1, 2)
        coupling_BKL = torch.softmax(logit_BKL.masked_fill(~is_live_BK[:, :, None], -1e9), dim=1)
        return squash((coupling_BKL * weight_BL[:, None, :]) @ mapped_BLD) * is_live_BK[:, :, None]


class InterestTower(nn.Module):
    """From a user's tracks and the moment of the request to a unit vector an interest."""

    def __init__(self, anchor_KD: Tensor, *, iterations: int, dropout: float, temperature: float) -> None:
        super().__init__()
        dim = anchor_KD.shape[1]
        self.log_scale = nn.Parameter(torch.tensor(1.0 / temperature).log())
        self.scale = nn.Parameter(
            torch.tensor(float(dim) ** 0.5)
        )  # routing tells tracks apart by products of about this size
        self.gap = EventEmbedding(dim, (NUM_GAPS,))
        self.routing = Routing(anchor_KD, iterations)
        self.request = EventEmbedding(dim, REQUEST_SIZES)
        self.norm = nn.RMSNorm(dim, eps=1e-6)
        self.widen = nn.Linear(dim, 2 * dim)
        self.narrow = nn.Linear(2 * dim, dim)
        nn.init.zeros_(self.narrow.weight)
        nn.init.zeros_(self.narrow.bias)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, track_BLD: Tensor, gap_BL: Tensor, weight_BL: Tensor, request_BF: Tensor, is_live_BK: Tensor
    ) -> Tensor:
        """Return the interests [B, K, D]: unit vectors, zeros where not live."""
        event_BLD = self.dropout(self.scale * track_BLD + self.gap(gap_BL[:, :, None]))
        capsule_BKD = self.scale * self.routing(event_BLD, weight_BL, is_live_BK)
        state_BKD = capsule_BKD + self.request(request_BF)[:, None]
        hidden_BKF = nn.functional.gelu(self.widen(self.norm(state_BKD)), approximate="tanh")
        interest_BKD = nn.functional.normalize(state_BKD + self.narrow(hidden_BKF), dim=-1, eps=1e-6)
        return interest_BKD * is_live_BK[:, :, None]


def share_interests(
    interest_PKD: Tensor, target_PD: Tensor, is_live_PK: Tensor, *, readout: str, power: float
) -> Tensor:
    """Return how much each interest counts [P, K] in answer to a target.

    The softmax takes `power` as a factor of the cosine: a power of a product that is negative would be no number.
    """
    if readout == "mean":
        return is_live_PK / is_live_PK.sum(dim=1, keepdim=True)
    cosine_PK = (interest_PKD @ target_PD[:, :, None])[:, :, 0].masked_fill(~is_live_PK, -1e9)
    if readout == "max":
        return nn.functional.one_hot(cosine_PK.argmax(dim=1), cosine_PK.shape[1]).to(cosine_PK.dtype)
    return torch.softmax(power * cosine_PK, dim=1)


def read_out(interest_PKD: Tensor, share_PK: Tensor) -> Tensor:
    """Return the one unit vector [P, D] that shares of the interests make."""
    return nn.functional.normalize((share_PK[:, :, None] * interest_PKD).sum(dim=1), dim=-1, eps=1e-6)
