"""DIN, the deep interest network (Zhou et al. 2018): each candidate weighs the plays anew, by a small net over the pair.

The activation unit sees event, candidate and their product for every pair, and its weights are not normalised, so that a
strong interest stays strong. This is the concatenated form, as published.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ritornello.nn.chain import NUM_HEADS
from ritornello.nn.target_attention import Events, Facts, Tower

if TYPE_CHECKING:
    from ritornello.nn.rankers.shape import Shape
    from ritornello.rank.din import DINConfig


class DIN(nn.Module):
    """Score by features, candidate, activated plays, and the product of these two."""

    def __init__(self, config: "DINConfig", shape: "Shape") -> None:
        super().__init__()
        self.facts = Facts(shape, config.width)
        self.length = config.length
        self.events = Events(shape.dim, config.width)
        self.target = nn.Linear(shape.dim, config.width, bias=False)
        self.unit = Tower((3 * config.width, config.activation, 1), dropout=0.0)
        size = self.facts.size + 3 * config.width
        self.tower = Tower((size, *config.hidden, NUM_HEADS), dropout=config.dropout)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        event_BLE = self.events(inputs["play_place"], inputs["play_feature"])[:, -self.length :]
        is_event_BL = inputs["play_key"][:, -self.length :, 0] > 0
        target_BNE = self.target(inputs["vector"][:, :, 0])
        weight_BNL = self.activate(target_BNE, event_BLE) * is_event_BL[:, None, :]
        read_BNE = weight_BNL @ event_BLE
        whole = torch.cat([self.facts(inputs), target_BNE, read_BNE, target_BNE * read_BNE], dim=2)
        return torch.as_tensor(self.tower(whole))

    def activate(self, target_BNE: Tensor, event_BLE: Tensor) -> Tensor:
        """Return the weight of every event for every candidate [B, N, L]."""
        shape = (*target_BNE.shape[:2], event_BLE.shape[1], target_BNE.shape[2])
        target_BNLE = target_BNE[:, :, None, :].expand(shape)
        event_BNLE = event_BLE[:, None, :, :].expand(shape)
        return torch.as_tensor(self.unit(torch.cat([event_BNLE, target_BNLE, event_BNLE * target_BNLE], dim=3))[..., 0])

    def auxiliary(self, inputs: dict[str, Tensor]) -> Tensor:
        """Return no further loss."""
        return torch.zeros(())
