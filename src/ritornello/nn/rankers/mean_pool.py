"""Mean-pooled DNN (YouTube: Covington, Adams and Sargin 2016): candidate and mean of what was played, into a tower."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ritornello.nn.chain import NUM_HEADS
from ritornello.nn.target_attention import Events, Facts, Tower

if TYPE_CHECKING:
    from ritornello.nn.rankers.shape import Shape
    from ritornello.rank.mean_pool import MeanPoolConfig


class MeanPool(nn.Module):
    """Score by features, candidate, mean of the plays, and the product of these two."""

    def __init__(self, config: "MeanPoolConfig", shape: "Shape") -> None:
        super().__init__()
        self.facts = Facts(shape, config.width)
        self.events = Events(shape.dim, config.width)
        self.target = nn.Linear(shape.dim, config.width, bias=False)
        size = self.facts.size + 3 * config.width
        self.tower = Tower((size, *config.hidden, NUM_HEADS), dropout=config.dropout)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        event_BLE = self.events(inputs["play_place"], inputs["play_feature"])
        is_event_BL1 = (inputs["play_key"][:, :, :1] > 0).float()
        pooled_BE = (event_BLE * is_event_BL1).sum(dim=1) / is_event_BL1.sum(dim=1).clamp(min=1)
        target_BNE = self.target(inputs["vector"][:, :, 0])
        pooled_BNE = pooled_BE[:, None, :].expand_as(target_BNE)
        whole = torch.cat([self.facts(inputs), target_BNE, pooled_BNE, target_BNE * pooled_BNE], dim=2)
        return torch.as_tensor(self.tower(whole))

    def auxiliary(self, inputs: dict[str, Tensor]) -> Tensor:
        """Return no further loss."""
        return torch.zeros(())
