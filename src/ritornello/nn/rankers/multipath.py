"""Multipath: several readings of a user's behaviour, fused by one tower, or behind a gate that candidate, user and moment set.

The paths carry the names that NetEase Cloud Music gave them in 2020; what is inside is ours (see docs/ranking.md). Each can be
left out by configuration:

- domains: one sequence per behaviour, each with an encoder and target attention of its own;
- interests: capsules of the plays (MIND: Li et al. 2019), read by each candidate;
- spaces: long-term and short-term likeness by track, artist, album, genre and language, gated (SDM: Lv et al. 2019);
- evolution: DIEN's two recurrent units over the newest plays (nn/evolution.py);
- accumulation: signed base-level activation (nn/accumulation.py), added to the score;
- chain: what was done with the very track, in order.

B requests, N candidates, L events, E width, D dimensions of a place, S spaces, K interests, P paths, H heads.
"""

import math
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from ritornello.data.behaviour import AGE, BACK, DOMAINS, FEATURE_SIZES, SHARE
from ritornello.data.outcomes import SKIP
from ritornello.nn.accumulation import Accumulation
from ritornello.nn.capsule import Routing
from ritornello.nn.chain import NUM_HEADS
from ritornello.nn.evolution import Evolution
from ritornello.nn.experts import Experts
from ritornello.nn.target_attention import Events, Facts, TargetAttention, Tower, attend, joined, matches
from ritornello.schema import PADDING

if TYPE_CHECKING:
    from ritornello.nn.rankers.shape import Shape
    from ritornello.rank.multipath import MultipathConfig

SIGNS = torch.tensor([1.0 if head != 1 + SKIP else -1.0 for head in range(NUM_HEADS)])
SPREAD = 8.0  # of likeness: how sharply a place looks around itself, to begin with
SHARPEST = 60.0  # e to it is still a number
SHORT_SESSIONS = 3
LOOKS = ("near", "mean", "number")
NOTHING = -2  # the key of what is always there: no candidate has it
LN_2 = math.log(2.0)
HALF_LIVES_HOURS = (24.0, 24.0 * 30)


class Read:
    """What every path reads of one batch, made once; behaviours lie one after the other where candidates look at events."""

    def __init__(self, inputs: dict[str, Tensor], encoders: nn.ModuleDict, target: nn.Linear) -> None:
        self.inputs = inputs
        self.target_BNE = target(inputs["vector"][:, :, 0])
        self.event_BLE = {
            name: encoder(inputs[f"{name}_place"], inputs[f"{name}_feature"]) for name, encoder in encoders.items()
        }
        key_BLS = [inputs[f"{name}_key"] for name in encoders]
        key_BMS = joined(key_BLS, [torch.full_like(key_BLS[0][0, 0], NOTHING)] * len(key_BLS))
        self.is_there_BM = key_BMS[:, :, 0] != PADDING
        self.is_event_BL = {name: key[:, :, 0] != PADDING for name, key in zip(encoders, key_BLS, strict=True)}
        self.same_SBNM = matches(inputs["key"], key_BMS)
        self.columns: dict[str, slice] = {}
        end = 0
        for name, key in zip(encoders, key_BLS, strict=True):
            start, end = end + 1, end + 1 + key.shape[1]
            self.columns[name] = slice(start, end)

    def same(self, name: str, space: int) -> Tensor:
        """Tell where candidates and the events of one behaviour are the same [B, N, L], as numbers."""
        return self.same_SBNM[space][:, :, self.columns[name]]


class Domains(nn.Module):
    """One sequence per behaviour, each with its own attention; what they say together."""

    def __init__(self, width: int, num_spaces: int, names: tuple[str, ...]) -> None:
        super().__init__()
        self.attention = nn.ModuleDict({name: TargetAttention(width, num_spaces) for name in names})
        self.out = nn.Linear(len(names) * (2 * width + 1), width)

    def forward(self, read: Read) -> Tensor:
        found_BNE, strength_BNG = attend(
            read.target_BNE,
            cast("list[TargetAttention]", list(self.attention.values())),
            list(read.event_BLE.values()),
            read.same_SBNM,
            read.is_there_BM,
        )
        product_BNE = [found * read.target_BNE for found in found_BNE]
        return torch.as_tensor(self.out(torch.cat([*found_BNE, *product_BNE, strength_BNG], dim=2)))


class Interests(nn.Module):
    """The tastes of a long sequence, and how near the candidate comes to them; n plays have floor(log2 n) at most."""

    least_K: Tensor

    def __init__(self, width: int, dim: int, number: int, iterations: int) -> None:
        super().__init__()
        self.register_buffer("least_K", torch.tensor([0.0, *(2.0 ** (1 + place) for place in range(1, number))]))
        generator = torch.Generator().manual_seed(0)
        anchor_KD = nn.functional.normalize(torch.randn(number, dim, generator=generator), dim=1)
        self.routing = Routing(4.0 * anchor_KD, iterations)
        self.sharpness = nn.Parameter(torch.tensor(SPREAD))
        self.out = nn.Linear(number + 2, width)

    def interests(self, read: Read) -> Tensor:
        """Return unit vectors [B, K, D]; zeros where a short history has fewer."""
        weight_BL = read.is_event_BL["play"].float()
        is_live_BK = weight_BL.sum(dim=1, keepdim=True) >= self.least_K
        capsule_BKD = self.routing(4.0 * read.inputs["play_place"], weight_BL, is_live_BK)
        return nn.functional.normalize(capsule_BKD, dim=2, eps=1e-6)

    def forward(self, read: Read) -> Tensor:
        cosine_BNK = read.inputs["vector"][:, :, 0] @ self.interests(read).transpose(1, 2)
        sorted_BNK = torch.sort(cosine_BNK, dim=2, descending=True).values  # capsules have no order of their own
        soft_BN1 = torch.logsumexp(self.sharpness * cosine_BNK, dim=2, keepdim=True)
        mean_BN1 = cosine_BNK.mean(dim=2, keepdim=True)
        return torch.as_tensor(self.out(torch.cat([sorted_BNK, soft_BN1, mean_BN1], dim=2)))


class SpacesPath(nn.Module):
    """Long-term and short-term likeness to the plays in every space, a gate between the two, and a gate across the spaces.

    W terms: short, long. What a gate weighs is weighed on the side of the user, where there is less of it.
    """

    def __init__(self, width: int, num_context: int, num_spaces: int) -> None:
        super().__init__()
        self.sharpness = nn.Parameter(torch.full((num_spaces,), SPREAD))
        self.short_session = nn.Embedding(FEATURE_SIZES[BACK], num_spaces)
        self.long_age = nn.Embedding(FEATURE_SIZES[AGE], num_spaces)
        nn.init.zeros_(torch.as_tensor(self.short_session.weight))
        nn.init.zeros_(torch.as_tensor(self.long_age.weight))
        self.lean = nn.Linear(num_context, num_spaces)
        self.gate = nn.Linear(num_context, num_spaces)
        bound = len(LOOKS) ** -0.5  # as if the looks of every term had a layer of their own
        self.weight = nn.Parameter(torch.empty(len(LOOKS), num_spaces, 2, width).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(num_spaces, 2, width).uniform_(-bound, bound))
        self.out = nn.Linear(width, width)

    def forward(self, read: Read, context_BF: Tensor) -> Tensor:
        gate_BSW1 = self.gates(context_BF)[..., None]
        near_BSWE, mean_BSWE, number_BSWE = (gate_BSW1 * part_SWE for part_SWE in self.weight.unbind())
        weight_BSLW = self.weights(read)
        centre_BSDE = self.centres(read, weight_BSLW) @ mean_BSWE
        told_BNE = self.nearness(read, weight_BSLW) @ near_BSWE.flatten(1, 2)
        told_BNE = told_BNE + self.numbers(read, weight_BSLW) @ number_BSWE.flatten(1, 2)
        told_BNE = told_BNE + read.inputs["vector"].flatten(2) @ centre_BSDE.flatten(1, 2)
        told_BNE = told_BNE + (gate_BSW1 * self.bias).sum(dim=(1, 2))[:, None]
        return torch.as_tensor(self.out(torch.relu(told_BNE)))

    def gates(self, context_BF: Tensor) -> Tensor:
        """Return how much the short and the long term of each space count [B, S, W]; both together 1 on average."""
        lean_BS = torch.sigmoid(self.lean(context_BF))
        gate_BS = torch.softmax(self.gate(context_BF), dim=1) * len(self.sharpness)
        return torch.stack([1.0 - lean_BS, lean_BS], dim=2) * gate_BS[:, :, None]

    def weights(self, read: Read) -> Tensor:
        """Return how much every play counts in either term of each space [B, S, L, W]."""
        feature_BLF, is_event_BL = read.inputs["play_feature"], read.is_event_BL["play"]
        back_BL = feature_BLF[:, :, BACK]
        is_short_BL = (back_BL < SHORT_SESSIONS) & is_event_BL
        short_BLS = self.short_session(back_BL).exp() * is_short_BL[:, :, None]
        long_BLS = self.long_age(feature_BLF[:, :, AGE]).exp() * is_event_BL[:, :, None]
        return torch.stack([short_BLS, long_BLS], dim=3).transpose(1, 2)

    def nearness(self, read: Read, weight_BSLW: Tensor) -> Tensor:
        """Return the logarithm of how much lies near, the sharpest looks counting the nearest [B, N, S W]."""
        place_BDL, parts = read.inputs["play_place"].transpose(1, 2), []
        for space, sharpness in enumerate(self.sharpness.clamp(max=SHARPEST).unbind()):
            like_BNL = read.inputs["vector"][:, :, space] @ place_BDL
            parts.append(torch.exp(sharpness * like_BNL) @ (torch.exp(-sharpness) * weight_BSLW[:, space]))
        return torch.log(torch.cat(parts, dim=2) + 1e-3)

    def centres(self, read: Read, weight_BSLW: Tensor) -> Tensor:
        """Return where plays lie on average [B, S, D, W]: a product with it is the mean likeness."""
        share_BSLW = weight_BSLW / weight_BSLW.sum(dim=2, keepdim=True).clamp(min=1e-6)
        return read.inputs["play_place"].transpose(1, 2)[:, None] @ share_BSLW

    def numbers(self, read: Read, weight_BSLW: Tensor) -> Tensor:
        """Return the logarithm of how many plays are the same [B, N, S W]."""
        parts = [read.same("play", space) @ weight_BSLW[:, space] for space in range(len(self.sharpness))]
        return torch.log1p(torch.cat(parts, dim=2))


class Chain(nn.Module):
    """What was done with the very track: each act, faded by two half-lives, and how far the last play got."""

    def __init__(self, width: int, names: tuple[str, ...]) -> None:
        super().__init__()
        self.names = names
        self.share = nn.Embedding(FEATURE_SIZES[SHARE], 1)
        self.tower = Tower((3 * len(names) + 1, 2 * width, width), dropout=0.0)

    def forward(self, read: Read) -> Tensor:
        parts = []
        for name in self.names:
            age_BL = read.inputs[f"{name}_age"]
            order_L = torch.exp(-LN_2 * torch.arange(age_BL.shape[1] - 1, -1, -1.0)) + 1e-6
            weights = [torch.exp(-LN_2 / hours * age_BL) for hours in HALF_LIVES_HOURS] + [order_L.expand_as(age_BL)]
            if name == "play":
                weights.append(self.share(read.inputs["play_feature"][:, :, SHARE])[:, :, 0] * order_L)
            sum_BNW = read.same(name, 0) @ torch.stack(weights, dim=2)
            parts += [torch.log1p(sum_BNW[:, :, :2]), torch.log(sum_BNW[:, :, 2:3] + 1e-6) / 14.0 + 1.0]
            if name == "play":
                told_BN1 = sum_BNW[:, :, 3:] / sum_BNW[:, :, 2:3].clamp(min=1e-6)
        return torch.as_tensor(self.tower(torch.cat([*parts, told_BN1], dim=2)))


class Multipath(nn.Module):
    """Fuse the paths; what was accumulated is added to the score."""

    def __init__(self, config: "MultipathConfig", shape: "Shape") -> None:
        super().__init__()
        width, names = config.width, tuple(name for name in DOMAINS if name in config.domains)
        num_context = width + 1
        self.facts = Facts(shape, width)
        self.encoders = nn.ModuleDict({name: Events(shape.dim, width) for name in names})
        self.target = nn.Linear(shape.dim, width, bias=False)
        self.base = Tower((self.facts.size, *config.hidden[:1], width), dropout=config.dropout)
        paths: dict[str, nn.Module] = {}
        if "domains" in config.paths:
            paths["domains"] = Domains(width, shape.num_spaces, names)
        if "interests" in config.paths:
            paths["interests"] = Interests(width, shape.dim, config.interests, config.iterations)
        if "spaces" in config.paths:
            paths["spaces"] = SpacesPath(width, num_context, shape.num_spaces)
        if "evolution" in config.paths:
            paths["evolution"] = Evolution(width, shape.dim, config.evolved)
        if "chain" in config.paths:
            paths["chain"] = Chain(width, names)
        self.paths = nn.ModuleDict(paths)
        self.accumulation = (
            Accumulation(shape.num_spaces - 1) if "accumulation" in config.paths and "skip" in names else None
        )
        self.raised = nn.Parameter(torch.full((NUM_HEADS,), 0.5))
        self.fusion = config.fusion
        num_paths = 1 + len(paths)
        if config.fusion == "gate":
            self.gate = nn.Linear(num_context + width, num_paths)
        sizes = (num_paths * width, *config.hidden[1:], NUM_HEADS)
        self.tower: nn.Module = Tower(sizes, dropout=config.dropout)
        if config.experts:
            self.tower = Experts(sizes, number=config.experts, dropout=config.dropout)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        read = Read(inputs, self.encoders, self.target)
        path_PBNE = self.path_vectors(read)
        path_BNPE = torch.stack(path_PBNE, dim=2)
        if self.fusion == "gate":
            path_BNPE = self.gates(read)[:, :, :, None] * path_BNPE
        logit_BNH = self.tower(path_BNPE.flatten(2))
        if self.accumulation is not None:
            logit_BNH = logit_BNH + self.raise_by(self.accumulated(read))
        return torch.as_tensor(logit_BNH)

    def raise_by(self, accumulated_BN: Tensor) -> Tensor:
        """Return what accumulated behaviour adds to the logits [B, N, H]: it lowers that of a skip."""
        return SIGNS * nn.functional.softplus(self.raised) * accumulated_BN[:, :, None]

    def context(self, read: Read) -> Tensor:
        """Return what is known of user and moment [B, F]: the vector of the context, and the number of plays."""
        number_B1 = torch.log1p(read.is_event_BL["play"].float().sum(dim=1, keepdim=True)) / 5.0
        return torch.cat([self.facts.context(read.inputs["context"]), number_B1], dim=1)

    def path_vectors(self, read: Read) -> list[Tensor]:
        """Return what each path says of each candidate, the features' own first."""
        context_BF = self.context(read)
        found = [torch.relu(self.base(self.facts(read.inputs)))]
        for name, path in self.paths.items():
            if name == "spaces":
                part = path(read, context_BF)
            elif name == "evolution":
                part = path(
                    read.target_BNE,
                    read.event_BLE["play"],
                    read.inputs["play_feature"],
                    read.is_event_BL["play"],
                )
            else:
                part = path(read)
            found.append(torch.tanh(part))
        return found

    def gates(self, read: Read) -> Tensor:
        """Return how much each path counts [B, N, P]; 1 on average."""
        context_BF = self.context(read)
        context_BNF = context_BF[:, None, :].expand(-1, read.target_BNE.shape[1], -1)
        logit_BNP = self.gate(torch.cat([context_BNF, read.target_BNE], dim=2))
        return torch.softmax(logit_BNP, dim=2) * (1 + len(self.paths))

    def accumulated(self, read: Read) -> Tensor:
        """Return the signed behaviour of each candidate [B, N], in the spaces of track, artist, album and genre."""
        assert self.accumulation is not None
        spaces = range(len(read.same_SBNM) - 1)
        return torch.as_tensor(
            self.accumulation(
                [read.same("play", space) for space in spaces],
                read.inputs["play_age"],
                [read.same("skip", space) for space in spaces],
                read.inputs["skip_age"],
            )
        )

    def auxiliary(self, inputs: dict[str, Tensor]) -> Tensor:
        """Return the loss of the evolution path."""
        if "evolution" not in self.paths:
            return torch.zeros(())
        evolution = self.paths["evolution"]
        assert isinstance(evolution, Evolution)
        return evolution.auxiliary(
            self.encoders["play"](inputs["play_place"], inputs["play_feature"]),
            inputs["play_key"][:, :, 0] > 0,
            inputs["play_place"],
            inputs["skip_place"],
            inputs["skip_key"][:, :, 0] > 0,
        )
