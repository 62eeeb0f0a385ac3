"""The user tower: from events and the moment of a request to a vector that tracks are compared with.

The running average of a history (as in the candidate generation of Covington et al. 2016), and beside it what order tells: the
running session, the newest event, what has followed it elsewhere, and causal self-attention over all (SASRec: Kang and McAuley
2018). `pooling` leaves attention out ("recency"), or everything but the average ("average").
B batch, L history length, D embedding, W width of the attention, F features.
"""

import math

import torch
from torch import Tensor, nn

from ritornello.data.tokens import EVENT_SIZES, GAP, REQUEST_SIZES
from ritornello.data.transitions import LAGS
from ritornello.nn.attention import CausalBlock
from ritornello.nn.embedding import EventEmbedding

AVERAGE, SESSION, LAST, STATE, NEXT, LINK, LENGTH = range(7)  # what is gated
NUM_GATES, RECENT, PAUSE = 7, (SESSION, LAST, STATE, NEXT, LINK), -4.0
LINK_START = 10.0  # what a track gains at first that surely follows the newest one
LAG_STEP = 0.6  # and how much of it is left for each event further back
FAR = 80.0  # halvings, after which an event is as good as forgotten
SESSION_GAP = 6  # doublings of a minute: half an hour
GATE_STEP = 5.0  # gates have farther to go than weights


class UserTower(nn.Module):
    """A vector for every position of a history; it begins as the average of what was played, weighted to the newest."""

    def __init__(
        self,
        dim: int,
        *,
        pooling: str,
        width: int,
        blocks: int,
        heads: int,
        reach: int,
        dropout: float,
        temperature: float,
    ) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(1.0 / temperature).log())
        self.scale = nn.Parameter(torch.tensor(float(dim) ** 0.5))
        self.event = EventEmbedding(dim, EVENT_SIZES)
        num_blocks = blocks if pooling == "attention" else 0
        self.is_ordered = pooling != "average"
        self.blocks = nn.ModuleList(
            CausalBlock(width, heads=heads, reach=reach, expansion=2, dropout=dropout) for _ in range(num_blocks)
        )
        self.from_average = nn.Linear(dim, dim, bias=False)
        nn.init.eye_(self.from_average.weight)
        if num_blocks:
            self.narrow_in = nn.Linear(dim, width, bias=False)
            self.from_state = nn.Linear(width, dim, bias=False)
            nn.init.zeros_(self.from_state.weight)
        if self.is_ordered:
            self.from_session = nn.Linear(dim, dim, bias=False)
            nn.init.eye_(self.from_session.weight)
            self.from_last = nn.Linear(dim, dim, bias=False)
            nn.init.eye_(self.from_last.weight)
            self.from_next = nn.Linear(dim, dim, bias=False)
            nn.init.eye_(self.from_next.weight)
            self.lag = nn.Parameter(LAG_STEP ** torch.arange(LAGS))
            self.log_link = nn.Parameter(math.log(LINK_START) + math.log(LAG_STEP) * torch.arange(LAGS))
        self.gates = nn.ParameterList(nn.Parameter(torch.zeros(size, NUM_GATES)) for size in REQUEST_SIZES)
        with torch.no_grad():  # after a pause the last session says less
            self.gates[0][SESSION_GAP:, list(RECENT)] = PAUSE / GATE_STEP
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        track_BLD: Tensor,
        next_BLD: Tensor,
        strength_BL: Tensor,
        event_BLF: Tensor,
        request_BLF: Tensor,
        is_key_BL: Tensor,
    ) -> Tensor:
        """Return the vectors [B, L, D] of the user before each position's request, as long as the model is sure."""
        event_BLD = self.embed(track_BLD, event_BLF, is_key_BL)
        # weights from the oldest event on, as far as numbers reach; only their ratios count
        weight_BL1 = (torch.exp2((strength_BL - strength_BL[:, :1]).clamp(max=FAR)) * is_key_BL)[:, :, None]
        average_BLD = (event_BLD * weight_BL1).cumsum(dim=1) / weight_BL1.cumsum(dim=1).clamp(min=1e-9)
        if not self.is_ordered:
            return self.read({AVERAGE: average_BLD}, request_BLF)
        follow_BLD = torch.zeros_like(next_BLD)
        for lag in range(min(LAGS, next_BLD.shape[1])):
            follow_BLD = (
                follow_BLD + self.lag[lag] * nn.functional.pad(next_BLD, (0, 0, lag, 0))[:, : next_BLD.shape[1]]
            )
        is_start_BL = event_BLF[..., GAP] >= SESSION_GAP
        start_BL = torch.where(is_start_BL, torch.arange(is_start_BL.shape[1]), 0).cummax(dim=1).values
        session_BLD = sums(event_BLD, start_BL) / sums(is_key_BL[:, :, None].to(event_BLD.dtype), start_BL).clamp(min=1)
        parts = {AVERAGE: average_BLD, SESSION: session_BLD, LAST: event_BLD, NEXT: follow_BLD}
        if len(self.blocks):
            state_BLW = self.narrow_in(event_BLD)
            for block in self.blocks:
                state_BLW = block(state_BLW, is_key_BL)
            parts[STATE] = state_BLW
        return self.read(parts, request_BLF)

    def served(
        self,
        track_BLD: Tensor,
        next_BJD: Tensor,
        strength_BL: Tensor,
        event_BLF: Tensor,
        request_BF: Tensor,
        is_key_BL: Tensor,
    ) -> Tensor:
        """Return what answers the last position [B, D + 1 + J]: the vector, 1 for the height, and `links`."""
        user_BD = self.last(track_BLD, next_BJD, strength_BL, event_BLF, request_BF, is_key_BL)
        return torch.cat([user_BD, torch.ones_like(user_BD[:, :1]), self.links(request_BF)], dim=1)

    def last(
        self,
        track_BLD: Tensor,
        next_BJD: Tensor,
        strength_BL: Tensor,
        event_BLF: Tensor,
        request_BF: Tensor,
        is_key_BL: Tensor,
    ) -> Tensor:
        """Return the vector [B, D] of the user at the last position alone."""
        event_BLD = self.embed(track_BLD, event_BLF, is_key_BL)
        weight_BL1 = (torch.exp2((strength_BL - strength_BL[:, -1:]).clamp(min=-FAR)) * is_key_BL)[:, :, None]
        average_BD = (event_BLD * weight_BL1).sum(dim=1) / weight_BL1.sum(dim=1).clamp(min=1e-9)
        if not self.is_ordered:
            return self.read({AVERAGE: average_BD}, request_BF)
        is_start_BL = event_BLF[..., GAP] >= SESSION_GAP
        later_BL = is_start_BL.flip(1).cumsum(dim=1).flip(1) - is_start_BL.long()
        is_running_BL1 = (is_key_BL & (later_BL == 0))[:, :, None]
        session_BD = (event_BLD * is_running_BL1).sum(dim=1) / is_running_BL1.sum(dim=1).clamp(min=1)
        follow_BD = self.lag.flip(0) @ next_BJD
        parts = {AVERAGE: average_BD, SESSION: session_BD, LAST: event_BLD[:, -1], NEXT: follow_BD}
        if len(self.blocks):
            state_BLW = self.narrow_in(event_BLD)
            for block in list(self.blocks)[:-1]:
                state_BLW = block(state_BLW, is_key_BL)
            final = self.blocks[-1]
            assert isinstance(final, CausalBlock)
            parts[STATE] = final.last(state_BLW, is_key_BL)[:, 0]
        return self.read(parts, request_BF)

    def largest_scale(self) -> float:
        """Return a length that no vector exceeds."""
        highest = sum(float(gate[:, -1].detach().max()) for gate in self.gates)
        return float((self.log_scale.detach() + GATE_STEP * highest).exp())

    def embed(self, track_BLD: Tensor, event_BLF: Tensor, is_key_BL: Tensor) -> Tensor:
        """Add what happened to the vector of the track; events that do not count are zeros."""
        return torch.mul(self.dropout(self.scale * track_BLD + self.event(event_BLF)), is_key_BL[:, :, None])

    def read(self, parts: dict[int, Tensor], request_BLF: Tensor) -> Tensor:
        """Put average, session, newest event, what follows it and attention together, each as far as the request asks for it.

        Who comes back after weeks is asked about a taste, who is in the middle of a session about the next track; how much is
        certain differs too, which is the length of the vector.
        """
        gate_BLG = self.gates_of(request_BLF)
        maps = {AVERAGE: self.from_average}
        if self.is_ordered:
            maps |= {SESSION: self.from_session, LAST: self.from_last, NEXT: self.from_next}
            parts = parts | {NEXT: self.scale * parts[NEXT]}
        if len(self.blocks):
            maps[STATE] = self.from_state
        gated = [maps[part](value) * gate_BLG[..., part, None].exp() for part, value in parts.items()]
        scale_BL1 = (self.log_scale + gate_BLG[..., -1:]).exp()
        return nn.functional.normalize(torch.stack(gated).sum(dim=0), dim=-1) * scale_BL1

    def gates_of(self, request_BLF: Tensor) -> Tensor:
        """Return the logarithm of how far each part counts [B, L, G] in answer to a kind of request."""
        gate_BLG = sum(GATE_STEP * gate[request_BLF[..., place]] for place, gate in enumerate(self.gates))
        assert isinstance(gate_BLG, Tensor)
        return gate_BLG

    def links(self, request_BLF: Tensor) -> Tensor:
        """Return what a track gains that surely follows the newest event, or the one before, ... [B, L, J]."""
        if not self.is_ordered:
            return torch.zeros(*request_BLF.shape[:-1], LAGS)
        return torch.as_tensor((self.log_link + self.gates_of(request_BLF)[..., LINK, None]).exp())


def sums(value_BLD: Tensor, start_BL: Tensor) -> Tensor:
    """Return the sums [B, L, D] over each position's places from its start on."""
    total_BLD = value_BLD.cumsum(dim=1)
    before_BLD = total_BLD - value_BLD
    return total_BLD - before_BLD.gather(1, start_BL[:, :, None].expand(value_BLD.shape))
