"""Interest evolution (DIEN: Zhou et al. 2019) for music: repeats stay, real skips teach, time and listened share gate.

A GRU reads the events; an auxiliary loss makes each of its states tell the next event from what the user really skipped. A
second one, the AUGRU, walks over these states once for every candidate, and takes in each as far as the candidate attends to it
and as its gap and listened share let it. B requests, N candidates, L events walked over, E width, D dimensions of a place.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ritornello.data.behaviour import AGE, FEATURE_SIZES, GAP, SHARE

GATING = (SHARE, GAP, AGE)


def gru_cell(input_E3: Tensor, state_E: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Return the update gate and the new state of a gated recurrent unit (Cho et al. 2014).

    `input_E3` holds what the input gives to update, reset and candidate state, one after the other; so do weight and bias.
    """
    update_E, reset_E, new_E = input_E3.chunk(3, dim=-1)
    more_update_E, more_reset_E, more_new_E = (state_E @ weight + bias).chunk(3, dim=-1)
    candidate_E = torch.tanh(new_E + torch.sigmoid(reset_E + more_reset_E) * more_new_E)
    return torch.sigmoid(update_E + more_update_E), candidate_E


class Walk(nn.Module):
    """A gated recurrent unit, step by step, whose update gate may be held back; padding leaves the state alone."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.from_input = nn.Linear(width, 3 * width)
        self.weight = nn.Parameter(torch.empty(width, 3 * width))
        self.bias = nn.Parameter(torch.zeros(3 * width))
        for part in self.weight.data.chunk(3, dim=1):
            nn.init.orthogonal_(part)

    def forward(self, input_BLE: Tensor, hold_BNL: Tensor) -> Tensor:
        """Return the states after each event [B, N, L, E]; `hold_BNL` multiplies the update gate, 0 leaves the state alone."""
        return torch.stack(list(self.states(input_BLE, hold_BNL)), dim=2)

    def last(self, input_BLE: Tensor, hold_BNL: Tensor) -> Tensor:
        """Return the state after the last event [B, N, E]."""
        *_, last_BNE = self.states(input_BLE, hold_BNL)
        return last_BNE

    def states(self, input_BLE: Tensor, hold_BNL: Tensor) -> Iterator[Tensor]:
        """Yield the state after each event [B, N, E]."""
        state_BNE = hold_BNL.new_zeros(*hold_BNL.shape[:2], input_BLE.shape[2])
        inputs, holds = torch.split(self.from_input(input_BLE), 1, dim=1), torch.split(hold_BNL, 1, dim=2)
        for input_B1E3, hold_BN1 in zip(inputs, holds, strict=True):
            update_BNE, new_BNE = gru_cell(input_B1E3, state_BNE, self.weight, self.bias)
            state_BNE = state_BNE + hold_BN1 * update_BNE * (new_BNE - state_BNE)
            yield state_BNE


class Evolution(nn.Module):
    """The interest of a user as it has come to be, in view of each candidate."""

    def __init__(self, width: int, dim: int, length: int) -> None:
        super().__init__()
        self.length = length
        self.extract, self.evolve = Walk(width), Walk(width)
        self.query = nn.Linear(width, width, bias=False)
        self.gates = nn.ModuleList(nn.Embedding(FEATURE_SIZES[place], 1) for place in GATING)
        for table in self.gates:
            nn.init.zeros_(torch.as_tensor(table.weight))
        self.openness = nn.Parameter(torch.tensor(2.0))
        self.foretell = nn.Linear(width, dim, bias=False)

    def states(self, event_BLE: Tensor, is_event_BL: Tensor) -> Tensor:
        """Return the interest after each of the newest events [B, L, E]."""
        newest_BLE = event_BLE[:, -self.length :]
        return torch.as_tensor(self.extract(newest_BLE, is_event_BL[:, None, -self.length :].float())[:, 0])

    def forward(self, target_BNE: Tensor, event_BLE: Tensor, feature_BLF: Tensor, is_event_BL: Tensor) -> Tensor:
        """Return the evolved interests [B, N, E]."""
        state_BLE = self.states(event_BLE, is_event_BL)
        logit_BNL = self.query(target_BNE) @ state_BLE.transpose(1, 2) * state_BLE.shape[2] ** -0.5
        attended_BNL = torch.sigmoid(logit_BNL) * self.gate(feature_BLF)[:, None, :]
        hold_BNL = attended_BNL * is_event_BL[:, None, -self.length :]
        return self.evolve.last(state_BLE, hold_BNL)

    def gate(self, feature_BLF: Tensor) -> Tensor:
        """Return how far the gap, age and listened share of each event let it in [B, L]."""
        feature_BLF = feature_BLF[:, -self.length :]
        logit_BL1 = sum(
            (table(feature_BLF[:, :, place]) for place, table in zip(GATING, self.gates, strict=True)), self.openness
        )
        return torch.sigmoid(logit_BL1)[:, :, 0]

    def auxiliary(
        self, event_BLE: Tensor, is_event_BL: Tensor, place_BLD: Tensor, skipped_BKD: Tensor, is_skip_BK: Tensor
    ) -> Tensor:
        """Return the loss of telling each next event from what was skipped, or from another listener's where nothing was."""
        state_BLD = self.foretell(self.states(event_BLE, is_event_BL))[:, :-1]
        next_BLD = place_BLD[:, -self.length :][:, 1:]
        is_pair_BL = is_event_BL[:, -self.length :][:, 1:] & is_event_BL[:, -self.length :][:, :-1]
        place_BL = torch.randint(0, skipped_BKD.shape[1], next_BLD.shape[:2])
        row_B1 = torch.arange(len(place_BL))[:, None]
        is_real_BL1 = is_skip_BK[row_B1, place_BL][:, :, None]
        other_BLD = torch.where(is_real_BL1, skipped_BKD[row_B1, place_BL], next_BLD.roll(1, dims=0))
        up_BL, down_BL = (state_BLD * next_BLD).sum(dim=2), (state_BLD * other_BLD).sum(dim=2)
        loss_BL = nn.functional.softplus(-up_BL) + nn.functional.softplus(down_BL)
        return (loss_BL * is_pair_BL).sum() / is_pair_BL.sum().clamp(min=1)
