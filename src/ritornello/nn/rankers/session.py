"""DSIN, the deep session interest network (Feng et al. 2019): interests by session, and how they went from one to the next.

Events attend to each other within their session, a session is the mean of its own; a recurrent unit runs over the sessions in
both directions; each candidate attends to the sessions as they were and to them as part of that run. V sessions, oldest first.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ritornello.data.behaviour import BACK, NUM_BACK
from ritornello.nn.chain import NUM_HEADS
from ritornello.nn.evolution import Walk
from ritornello.nn.target_attention import MASKED, Events, Facts, TargetAttention, Tower, attend

if TYPE_CHECKING:
    from ritornello.nn.rankers.shape import Shape
    from ritornello.rank.session import DSINConfig


class DSIN(nn.Module):
    """Score by features, candidate, and the sessions that it attends to, twice."""

    def __init__(self, config: "DSINConfig", shape: "Shape") -> None:
        super().__init__()
        self.facts = Facts(shape, config.width)
        width = config.width
        self.events = Events(shape.dim, width)
        self.target = nn.Linear(shape.dim, width, bias=False)
        self.query, self.key = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.forth, self.back = Walk(width), Walk(width)
        self.plain = TargetAttention(width, 0)
        self.running = TargetAttention(2 * width, 0)
        self.widen = nn.Linear(width, 2 * width)
        self.tower = Tower((self.facts.size + 4 * width + 2, *config.hidden, NUM_HEADS), dropout=config.dropout)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        session_BVE, is_session_BV = self.sessions(inputs)
        hold_BNV = is_session_BV[:, None, :].float()
        forth_BVE = self.forth(session_BVE, hold_BNV)[:, 0]
        back_BVE = self.back(session_BVE.flip(1), hold_BNV.flip(2))[:, 0].flip(1)
        target_BNE = self.target(inputs["vector"][:, :, 0])
        is_there_BV = nn.functional.pad(is_session_BV, (1, 0), value=True)
        (plain_BNE,), strength_BN1 = attend(target_BNE, [self.plain], [session_BVE], [], is_there_BV)
        running_BVE = torch.cat([forth_BVE, back_BVE], dim=2)
        (running_BNE,), other_BN1 = attend(self.widen(target_BNE), [self.running], [running_BVE], [], is_there_BV)
        parts = [self.facts(inputs), target_BNE, plain_BNE, running_BNE, strength_BN1, other_BN1]
        return torch.as_tensor(self.tower(torch.cat(parts, dim=2)))

    def sessions(self, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the interests of the newest sessions, oldest first [B, V, E], and which there are [B, V]."""
        event_BLE = self.events(inputs["play_place"], inputs["play_feature"])
        is_event_BL = inputs["play_key"][:, :, 0] > 0
        back_BL = inputs["play_feature"][:, :, BACK]
        is_near_BLL = (back_BL[:, :, None] == back_BL[:, None, :]) & is_event_BL[:, None, :]
        logit_BLL = self.query(event_BLE) @ self.key(event_BLE).transpose(1, 2) * event_BLE.shape[2] ** -0.5
        share_BLL = torch.softmax(logit_BLL.masked_fill(~is_near_BLL, MASKED), dim=2)
        mixed_BLE = event_BLE + share_BLL @ self.value(event_BLE)
        order_V = torch.arange(NUM_BACK - 1, -1, -1)
        member_BVL = ((back_BL[:, None, :] == order_V[None, :, None]) & is_event_BL[:, None, :]).float()
        size_BV1 = member_BVL.sum(dim=2, keepdim=True)
        return member_BVL @ mixed_BLE / size_BV1.clamp(min=1), size_BV1[:, :, 0] > 0

    def auxiliary(self, inputs: dict[str, Tensor]) -> Tensor:
        """Return no further loss."""
        return torch.zeros(())
