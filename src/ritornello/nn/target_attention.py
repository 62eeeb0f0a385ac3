"""Blocks that the sequence rankers share: events and candidates as vectors, target attention, towers.

Attention of candidates to events is a product of matrices, so that a user's events are encoded once for all candidates; what is
the same track, artist or genre counts beside what lies near. Several sequences lie one after the other, so that what is done to
(candidate, event) pairs is done once for all. B requests, N candidates, L events of a sequence, M of all sequences together,
S spaces, D dimensions of a place, E of a model, F features.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from ritornello.data.behaviour import FEATURE_SIZES
from ritornello.data.scaling import NUM_BINS
from ritornello.nn.rankers.shape import Shape

MASKED = -1e9
LEAST_SHARE = 1e-37  # its logarithm is one


class Rows(nn.Module):
    """The sum of one vector per column, each out of the column's own rows of one table, which begins with zeros."""

    first_F: Tensor

    def __init__(self, sizes: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(max(1, sum(sizes)), width)
        nn.init.zeros_(torch.as_tensor(self.table.weight))
        self.register_buffer("first_F", torch.tensor([sum(sizes[:place]) for place in range(len(sizes))]).long())

    def forward(self, value: Tensor) -> Tensor:
        """Return vectors [..., E] of values [..., F] that count from 0 in every column."""
        return torch.as_tensor(self.table(value + self.first_F).sum(dim=-2))


class Events(nn.Module):
    """An event as a vector: where its track lies, and what happened when."""

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        self.place = nn.Linear(dim, width, bias=False)
        self.feature = Rows(FEATURE_SIZES, width)

    def forward(self, place_BLD: Tensor, feature_BLF: Tensor) -> Tensor:
        """Return vectors [B, L, E]."""
        return torch.as_tensor(self.place(place_BLD) + self.feature(feature_BLF))


class Facts(nn.Module):
    """What every architecture knows of a candidate beside the sequences: its features, and the context."""

    def __init__(self, shape: Shape, width: int) -> None:
        super().__init__()
        self.context = Rows((NUM_BINS,) * shape.num_context, width)  # user and moment, the same for all candidates
        self.size = shape.num_features + width

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """Return them side by side [B, N, F]."""
        feature_BNF = inputs["feature"]
        context_BE = self.context(inputs["context"])
        return torch.cat([feature_BNF, context_BE[:, None, :].expand(-1, feature_BNF.shape[1], -1)], dim=2)


def matches(key_BNS: Tensor, key_BMS: Tensor) -> list[Tensor]:
    """Tell where candidates and events are the same [B, N, M], as numbers, for every space."""
    key_BSM = key_BMS.transpose(1, 2)
    spaces = [slice(space, space + 1) for space in range(key_BNS.shape[2])]
    return [(key_BNS[:, :, space] == key_BSM[:, space]).float() for space in spaces]


def joined(parts: list[Tensor], first: list[Tensor]) -> Tensor:
    """Put what is said of sequences [B, L, X] one after the other [B, M, X], each behind an event that is always there [X]."""
    size = parts[0].shape[0]  # what len gives is taken for fixed where a graph is traced
    pairs = ((row_X.expand(size, 1, -1), part_BLX) for row_X, part_BLX in zip(first, parts, strict=True))
    return torch.cat([piece for pair in pairs for piece in pair], dim=1)


class TargetAttention(nn.Module):
    """What candidates look at in one sequence; a user without events in it is told by a vector of its own."""

    def __init__(self, width: int, num_spaces: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width, bias=False)
        self.event_key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.bias = nn.Linear(width, 1)
        self.same = nn.Parameter(torch.ones(num_spaces))
        self.nothing = nn.Parameter(torch.zeros(width))
        self.scale = width**-0.5

    def offer(self, event_BLE: Tensor) -> Tensor:
        """Return key, value and bias of every event, and how much each way to be the same counts [B, L, 2 E + 1 + S].

        The weights of the queries are in the keys: there are fewer events than candidates.
        """
        width, zeros = len(self.nothing), self.nothing.new_zeros
        key_EE = self.scale * self.event_key.weight.T @ self.query.weight
        weight = torch.cat([key_EE, self.value.weight.T, self.bias.weight.T, zeros(width, len(self.same))], dim=1)
        return event_BLE @ weight + torch.cat([zeros(2 * width), self.bias.bias, self.same])

    def offer_nothing(self) -> Tensor:
        """Return the same of the event that is always there [2 E + 1 + S]: every candidate asks for it with 0."""
        return nn.functional.pad(self.nothing, (len(self.nothing), 1 + len(self.same)))


def attend(
    target_BNE: Tensor,
    attentions: list[TargetAttention],
    event_BLE: list[Tensor],
    same_SBNM: list[Tensor],
    is_there_BM: Tensor,
) -> tuple[list[Tensor], Tensor]:
    """Return what candidates read of each of G sequences [B, N, E], and how much there was to read [B, N, G] (a log of a sum).

    `same_SBNM` and `is_there_BM` lie as `joined` puts them.
    """
    pairs = zip(attentions, event_BLE, strict=True)
    offer_BMX = joined([part.offer(events) for part, events in pairs], [part.offer_nothing() for part in attentions])
    width, lengths = target_BNE.shape[2], [1 + events.shape[1] for events in event_BLE]
    key_BME, value_BME, row_BMX = torch.split(offer_BMX, [width, width, 1 + len(same_SBNM)], dim=2)
    bias_B1M, *weight_SB1M = torch.split(row_BMX.transpose(1, 2), 1, dim=1)
    logit_BNM = target_BNE @ key_BME.transpose(1, 2) + bias_B1M.masked_fill(~is_there_BM[:, None], MASKED)
    for weight_B1M, same_BNM in zip(weight_SB1M, same_SBNM, strict=True):
        logit_BNM = logit_BNM + weight_B1M * same_BNM
    share_BNL = [torch.softmax(part_BNL, dim=2) for part_BNL in torch.split(logit_BNM, lengths, dim=2)]
    values = torch.split(value_BME, lengths, dim=1)
    found_BNE = [part_BNL @ value_BLE for part_BNL, value_BLE in zip(share_BNL, values, strict=True)]
    nothing_BNG = torch.cat([part_BNL[:, :, :1] for part_BNL in share_BNL], dim=2)
    return found_BNE, -torch.log(nothing_BNG.clamp(min=LEAST_SHARE))


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
