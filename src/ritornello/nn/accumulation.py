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

    def activation(self, total_BNS: Tensor) -> Tensor:
        """Return ln(1 + sum / FLOOR) of sums of age^-d [B, N, S]."""
        return torch.log1p(total_BNS / FLOOR)

    def strength(self, age_BL: Tensor, decay_S: Tensor) -> Tensor:
        """Return age^-d of every event in every space [B, L, S]."""
        return torch.exp(-decay_S * torch.log(age_BL.clamp(min=ONE_MINUTE_HOURS))[:, :, None])

    def forward(
        self, played_SBNL: list[Tensor], play_age_BL: Tensor, skipped_SBNL: list[Tensor], skip_age_BL: Tensor
    ) -> Tensor:
        """Return the accumulated behaviour of every candidate [B, N]."""
        decay_S, skip_decay_S = self.decay().unbind()
        recent_BL = torch.exp(-play_age_BL / SATIATION_HOURS)
        strength_SBL = self.strength(play_age_BL, decay_S).unbind(dim=2)
        weighed = [torch.stack([strength_BL, recent_BL], dim=2) for strength_BL in strength_SBL]
        play_BNS2 = torch.stack([same_BNL @ part for same_BNL, part in zip(played_SBNL, weighed, strict=True)], dim=2)
        skip_SBL = self.strength(skip_age_BL, skip_decay_S).unbind(dim=2)
        skips = zip(skipped_SBNL, skip_SBL, strict=True)
        skip_BNS = torch.cat([same_BNL @ part_BL[:, :, None] for same_BNL, part_BL in skips], dim=2)
        plays_S, skips_S, satiation_S = self.weight().unbind()
        play_BNS, recent_BNS = play_BNS2.unbind(dim=3)
        gained_BNS = plays_S * self.activation(play_BNS) - skips_S * self.activation(skip_BNS)
        return (gained_BNS - satiation_S * nn.functional.relu(recent_BNS - 1.0)).sum(dim=2)
