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


def same(key_BNS: Tensor, key_BLS: Tensor, space: int) -> Tensor:
    """Tell where candidates and events are the same in a space [B, N, L], as numbers."""
    return (key_BNS[:, :, None, space] == key_BLS[:, None, :, space]).float()


def matches(key_BNS: Tensor, key_BLS: Tensor) -> list[Tensor]:
    """Return `same` for every space."""
    return [same(key_BNS, key_BLS, space) for space in range(key_BNS.shape[2])]


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
        logit_BNL = self.query(target_BNE) @ self.event_key(event_BLE).transpose(1, 2) * self.scale
        logit_BNL = logit_BNL + self.bias(event_BLE).transpose(1, 2)
        for weight, same_BNL in zip(self.same, same_SBNL, strict=True):
            logit_BNL = logit_BNL + weight * same_BNL
        return torch.as_tensor(logit_BNL.masked_fill(~is_event_BL[:, None, :], MASKED))

    def forward(
        self, target_BNE: Tensor, event_BLE: Tensor, same_SBNL: list[Tensor], is_event_BL: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return what candidates read [B, N, E], and how much there was to read [B, N, 1] (a log of a sum)."""
        logit_BNL = self.logits(target_BNE, event_BLE, same_SBNL, is_event_BL)
        logit_BNL = torch.cat([torch.zeros_like(logit_BNL[:, :, :1]), logit_BNL], dim=2)
        strength_BN1 = torch.logsumexp(logit_BNL, dim=2, keepdim=True)
        share_BNL = torch.exp(logit_BNL - strength_BN1)
        read_BNE = share_BNL[:, :, 1:] @ self.value(event_BLE) + share_BNL[:, :, :1] * self.nothing
        return read_BNE, strength_BN1


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
