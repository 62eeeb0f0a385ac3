"""A mixture of experts in front of every head (MMoE: Ma et al. 2018): tasks that pull apart need not share all of a tower.

Each head mixes what the experts say by shares of its own, which the candidate's vector sets. B requests, N candidates,
M experts, H heads, E width of an expert.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn


class Experts(nn.Module):
    """Some small towers, and for each head a gate over them."""

    def __init__(self, sizes: tuple[int, ...], *, number: int, dropout: float) -> None:
        super().__init__()
        *inner, num_heads = sizes
        self.shape = (num_heads, number)
        self.experts = nn.ModuleList(
            nn.Sequential(
                *(part for pair in pairwise(inner) for part in (nn.Linear(*pair), nn.ReLU(), nn.Dropout(dropout)))
            )
            for _ in range(number)
        )
        self.gate = nn.Linear(inner[0], num_heads * number)
        self.out = nn.Linear(inner[-1], num_heads)

    def shares(self, value: Tensor) -> Tensor:
        """Return how much of each expert each head takes [B, N, H, M]; they sum to 1."""
        return torch.softmax(self.gate(value).unflatten(-1, self.shape), dim=-1)

    def forward(self, value: Tensor) -> Tensor:
        """Return the logits of all heads [B, N, H]."""
        expert_BNME = torch.stack([expert(value) for expert in self.experts], dim=-2)
        mixed_BNHE = self.shares(value) @ expert_BNME
        return torch.as_tensor((mixed_BNHE * self.out.weight).sum(dim=-1) + self.out.bias)
