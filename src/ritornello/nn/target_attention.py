"""Blocks that the sequence rankers share: events and candidates as vectors, target attention, towers.

Attention of candidates to events is a product of matrices, so that a user's events are encoded once for all candidates; what is
the same track, artist or genre counts beside what lies near. B requests, N candidates, L events, S spaces, D dimensions of a
place, E of a model, F features.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from ritornello.data.behaviour import FEATURE_SIZES
from ritornello.data.scaling import NUM_BINS
from ritornello.nn.embedding import EventEmbedding
from ritornello.nn.rankers.shape import Shape

MASKED = -1e9
LEAST_SHARE = 1e-37  # its logarithm is one


class Events(nn.Module):
    """An event as a vector: where its track lies, and what happened when."""

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        self.place = nn.Linear(dim, width, bias=False)
        self.feature = EventEmbedding(width, FEATURE_SIZES)

    def forward(self, place_BLD: Tensor, feature_BLF: Tensor) -> Tensor:
        """Return vectors [B, L, E]."""
        return torch.as_tensor(self.place(place_BLD) + self.feature(feature_BLF))


class Context(nn.Module):
    """User and moment as a vector: the sum of one for the bin of every feature that is the same for all candidates."""

    def __init__(self, num_context: int, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(max(1, num_context) * NUM_BINS, width)
        nn.init.zeros_(torch.as_tensor(self.table.weight))
        self.register_buffer("first_C", torch.arange(num_context) * NUM_BINS)

    first_C: Tensor

    def forward(self, bin_BC: Tensor) -> Tensor:
        """Return vectors [B, E]."""
        return torch.as_tensor(self.table(bin_BC + self.first_C).sum(dim=1))


class Facts(nn.Module):
    """What every architecture knows of a candidate beside the sequences: its features, and the context."""

    def __init__(self, shape: Shape, width: int) -> None:
        super().__init__()
        self.context = Context(shape.num_context, width)
        self.size = shape.num_features + width

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """Return them side by side [B, N, F]."""
        feature_BNF = inputs["feature"]
        context_BE = self.context(inputs["context"])
        return torch.cat([feature_BNF, context_BE[:, None, :].expand(-1, feature_BNF.shape[1], -1)], dim=2)


def matches(key_BNS: Tensor, key_BLS: Tensor) -> list[Tensor]:
    """Tell where candidates and events are the same [B, N, L], as numbers, for every space."""
    pairs = zip(key_BNS.unbind(dim=2), key_BLS.unbind(dim=2), strict=True)
    return [(key_BN[:, :, None] == key_BL[:, None, :]).float() for key_BN, key_BL in pairs]


class TargetAttention(nn.Module):
    """Let candidates look at events; a user without any is told by a vector of its own (an event that is always there)."""

    def __init__(self, width: int, num_spaces: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width, bias=False)
        self.event_key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.bias = nn.Linear(width, 1)
        self.same = nn.Parameter(torch.ones(num_spaces))
        self.nothing = nn.Parameter(torch.zeros(width))
        self.scale = width**-0.5

    def logits(self, target_BNE: Tensor, event_BLE: Tensor, same_SBNL: list[Tensor], is_event_BL: Tensor) -> Tensor:
        """Return how much each candidate asks for each event [B, N, L]."""
        bias_BL = self.bias(event_BLE)[:, :, 0].masked_fill(~is_event_BL, MASKED)
        logit_BNL = (self.query(target_BNE) * self.scale) @ self.event_key(event_BLE).transpose(1, 2)
        logit_BNL = logit_BNL + bias_BL[:, None, :]
        for weight, same_BNL in zip(self.same.unbind(), same_SBNL, strict=True):
            logit_BNL = logit_BNL + weight * same_BNL
        return torch.as_tensor(logit_BNL)

    def forward(
        self, target_BNE: Tensor, event_BLE: Tensor, same_SBNL: list[Tensor], is_event_BL: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return what candidates read [B, N, E], and how much there was to read [B, N, 1] (a log of a sum)."""
        logit_BNL = self.logits(target_BNE, event_BLE, same_SBNL, is_event_BL)
        share_BNL = torch.softmax(
            nn.functional.pad(logit_BNL, (1, 0)), dim=2
        )  # the first event is always there, with 0
        nothing_B1E = self.nothing.expand(len(event_BLE), 1, -1)
        read_BNE = share_BNL @ torch.cat([nothing_B1E, self.value(event_BLE)], dim=1)
        return read_BNE, -torch.log(share_BNL[:, :, :1].clamp(min=LEAST_SHARE))


class Tower(nn.Module):
    """A stack of layers with rectifiers; the last one is linear."""

    def __init__(self, sizes: tuple[int, ...], *, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inner, outer in pairwise(sizes[:-1]):
            layers += [nn.Linear(inner, outer), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))

    def forward(self, value: Tensor) -> Tensor:
        return torch.as_tensor(self.layers(value))
