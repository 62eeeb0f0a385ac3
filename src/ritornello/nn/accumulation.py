"""Accumulated positive and negative behaviour: base-level activation, signed, in the spaces of track, artist, album and genre.

What was played counts ln(sum age^-d) (ACT-R: Anderson and Schooler 1991) and can only raise a score; what was skipped or
disliked counts the same with the other sign. What was looped in the last days counts against it once more: satiation.
B requests, N candidates, L events, S spaces.
"""

import torch
from torch import Tensor, nn

ONE_MINUTE_HOURS = 1.0 / 60.0
FLOOR = 0.01  # of a sum of strengths: where activation begins
SATIATION_HOURS = 48.0


class Accumulation(nn.Module):
    """A number per candidate that rises with what was played and falls with what was turned away from."""

    def __init__(self, num_spaces: int) -> None:
        super().__init__()
        self.raw_decay = nn.Parameter(torch.zeros(2, num_spaces))  # of plays and of skips; 0 is a decay of 0.5
        self.raw_weight = nn.Parameter(torch.full((3, num_spaces), -4.0))  # plays, skips, satiation: little at first

    def decay(self) -> Tensor:
        """Return the powers of the ages, between 0 and 1 [2, S]."""
        return torch.sigmoid(self.raw_decay)

    def weight(self) -> Tensor:
        """Return how much each kind counts in each space, never below 0 [3, S]."""
        return nn.functional.softplus(self.raw_weight)

    def activation(self, same_BNL: Tensor, age_BL: Tensor, decay: Tensor) -> Tensor:
        """Return ln(1 + sum age^-d / FLOOR) of the events that are the same as each candidate [B, N]."""
        strength_BL = torch.exp(-decay * torch.log(age_BL.clamp(min=ONE_MINUTE_HOURS)))
        total_BN = (same_BNL @ strength_BL[:, :, None])[:, :, 0]
        return torch.log1p(total_BN / FLOOR)

    def forward(
        self, played_SBNL: list[Tensor], play_age_BL: Tensor, skipped_SBNL: list[Tensor], skip_age_BL: Tensor
    ) -> Tensor:
        """Return the accumulated behaviour of every candidate [B, N]."""
        total_BN = torch.zeros(played_SBNL[0].shape[:2])
        recent_BL = torch.exp(-play_age_BL / SATIATION_HOURS)
        for space, (played_BNL, skipped_BNL) in enumerate(zip(played_SBNL, skipped_SBNL, strict=True)):
            plays, skips, satiation = self.weight()[:, space]
            total_BN = total_BN + plays * self.activation(played_BNL, play_age_BL, self.decay()[0, space])
            total_BN = total_BN - skips * self.activation(skipped_BNL, skip_age_BL, self.decay()[1, space])
            recent_BN = (played_BNL @ recent_BL[:, :, None])[:, :, 0]
            total_BN = total_BN - satiation * nn.functional.relu(recent_BN - 1.0)
        return total_BN
