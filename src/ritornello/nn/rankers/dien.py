"""DIEN, the deep interest evolution network (Zhou et al. 2019): how interest came to be, in view of each candidate."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ritornello.nn.chain import NUM_HEADS
from ritornello.nn.evolution import Evolution
from ritornello.nn.target_attention import Events, Facts, Tower

if TYPE_CHECKING:
    from ritornello.nn.rankers.shape import Shape
    from ritornello.rank.dien import DIENConfig


class DIEN(nn.Module):
    """Score by features, candidate, the evolved interest, and the product of these two."""

    def __init__(self, config: "DIENConfig", shape: "Shape") -> None:
        super().__init__()
        self.facts = Facts(shape, config.width)
        self.events = Events(shape.dim, config.width)
        self.target = nn.Linear(shape.dim, config.width, bias=False)
        self.evolution = Evolution(config.width, shape.dim, config.evolved)
        size = self.facts.size + 3 * config.width
        self.tower = Tower((size, *config.hidden, NUM_HEADS), dropout=config.dropout)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        event_BLE = self.events(inputs["play_place"], inputs["play_feature"])
        target_BNE = self.target(inputs["vector"][:, :, 0])
        evolved_BNE = self.evolution(target_BNE, event_BLE, inputs["play_feature"], inputs["play_key"][:, :, 0] > 0)
        whole = torch.cat([self.facts(inputs), target_BNE, evolved_BNE, target_BNE * evolved_BNE], dim=2)
        return torch.as_tensor(self.tower(whole))

    def auxiliary(self, inputs: dict[str, Tensor]) -> Tensor:
        """Return how badly the interests tell the next play from real skips."""
        return self.evolution.auxiliary(
            self.events(inputs["play_place"], inputs["play_feature"]),
            inputs["play_key"][:, :, 0] > 0,
            inputs["play_place"],
            inputs["skip_place"],
            inputs["skip_key"][:, :, 0] > 0,
        )
