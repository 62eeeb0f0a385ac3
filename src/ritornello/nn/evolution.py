"""Interest evolution (DIEN: Zhou et al. 2019) for music: repeats stay, real skips teach, time and listened share gate.

A GRU reads the events; an auxiliary loss makes each of its states tell the next event from what the user really skipped. A
second one, the AUGRU, walks over these states once for every candidate, and takes in each as far as the candidate attends to it
and as its gap and listened share let it. B requests, N candidates, L events walked over, E width, D dimensions of a place.
"""

import torch
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan

from ritornello.data.behaviour import AGE, FEATURE_SIZES, GAP, SHARE

GATING = (SHARE, GAP, AGE)


def gru_cell(input_E3: Tensor, state_E: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Return the update gate and the new state of a gated recurrent unit (Cho et al. 2014).

    `input_E3` holds what the input gives to update, reset and candidate state, one after the other; so do weight and bias.
    """
    size = state_E.shape[-1]
    update, reset, new = slice(size), slice(size, 2 * size), slice(2 * size, None)
    update_E = torch.sigmoid(input_E3[..., update] + bias[update] + state_E @ weight[:, update])
    reset_E = torch.sigmoid(input_E3[..., reset] + bias[reset] + state_E @ weight[:, reset])
    new_E = torch.tanh(input_E3[..., new] + reset_E * (state_E @ weight[:, new] + bias[new]))
    return update_E, new_E


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
        return self.run(input_BLE, hold_BNL, keeps_all=True)[1].permute(1, 2, 0, 3)

    def last(self, input_BLE: Tensor, hold_BNL: Tensor) -> Tensor:
        """Return the state after the last event [B, N, E]."""
        return self.run(input_BLE, hold_BNL, keeps_all=False)[0]

    def run(self, input_BLE: Tensor, hold_BNL: Tensor, *, keeps_all: bool) -> tuple[Tensor, Tensor]:
        """Return the last state, and what is kept of each [L, B, N, E]: all of it, or next to nothing.

        A graph holds the steps as one Scan, whatever the length; while training, a plain loop is quicker.
        """

        def step(state_BNE: Tensor, given: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            input_B1E3, hold_BN1 = given
            update_BNE, new_BNE = gru_cell(input_B1E3, state_BNE, self.weight, self.bias)
            state_BNE = state_BNE + hold_BN1 * update_BNE * (new_BNE - state_BNE)
            return state_BNE, (state_BNE if keeps_all else state_BNE[:, :1, :1]).clone()

        input_LB1E3 = self.from_input(input_BLE).transpose(0, 1)[:, :, None].contiguous()
        hold_LBN1 = hold_BNL.permute(2, 0, 1)[:, :, :, None].contiguous()
        state_BNE = torch.zeros(*hold_BNL.shape[:2], input_BLE.shape[2])
        if torch.compiler.is_exporting():
            found: tuple[Tensor, Tensor] = scan(step, state_BNE, (input_LB1E3, hold_LBN1))
            return found
        kept = []
        for given in zip(input_LB1E3.unbind(), hold_LBN1.unbind(), strict=True):
            state_BNE, part = step(state_BNE, given)
            kept.append(part)
        return state_BNE, torch.stack(kept)


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
