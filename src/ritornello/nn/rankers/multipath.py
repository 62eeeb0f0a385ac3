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

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ritornello.data.behaviour import AGE, BACK, DOMAINS, FEATURE_SIZES, SHARE
from ritornello.data.outcomes import SKIP
from ritornello.nn.accumulation import Accumulation
from ritornello.nn.capsule import Routing
from ritornello.nn.chain import NUM_HEADS
from ritornello.nn.evolution import Evolution
from ritornello.nn.experts import Experts
from ritornello.nn.target_attention import Events, Facts, TargetAttention, Tower, matches

if TYPE_CHECKING:
    from ritornello.nn.rankers.shape import Shape
    from ritornello.rank.multipath import MultipathConfig

SIGNS = torch.tensor([1.0 if head != 1 + SKIP else -1.0 for head in range(NUM_HEADS)])
SPREAD = 8.0  # of likeness: how sharply a place looks around itself, to begin with
SHORT_SESSIONS = 3
HALF_LIVES_HOURS = (24.0, 24.0 * 30)


class Read:
    """What every path reads of one batch, made once."""

    def __init__(self, inputs: dict[str, Tensor], encoders: nn.ModuleDict, target: nn.Linear) -> None:
        self.inputs = inputs
        self.vector_SBND = inputs["vector"].unbind(dim=2)
        self.target_BNE = target(self.vector_SBND[0])
        self.event_BLE = {
            name: encoder(inputs[f"{name}_place"], inputs[f"{name}_feature"]) for name, encoder in encoders.items()
        }
        self.is_event_BL = {name: inputs[f"{name}_key"][:, :, 0] > 0 for name in encoders}
        self.same_SBNL = {name: matches(inputs["key"], inputs[f"{name}_key"]) for name in encoders}


class Domains(nn.Module):
    """One sequence per behaviour, each with its own attention; what they say together."""

    def __init__(self, width: int, num_spaces: int, names: tuple[str, ...]) -> None:
        super().__init__()
        self.attention = nn.ModuleDict({name: TargetAttention(width, num_spaces) for name in names})
        self.out = nn.Linear(len(names) * (2 * width + 1), width)

    def forward(self, read: Read) -> Tensor:
        parts = []
        for name, attention in self.attention.items():
            found_BNE, strength_BN1 = attention(
                read.target_BNE, read.event_BLE[name], read.same_SBNL[name], read.is_event_BL[name]
            )
            parts += [found_BNE, found_BNE * read.target_BNE, strength_BN1]
        return torch.as_tensor(self.out(torch.cat(parts, dim=2)))


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
        cosine_BNK = read.vector_SBND[0] @ self.interests(read).transpose(1, 2)
        sorted_BNK = torch.sort(cosine_BNK, dim=2, descending=True).values  # capsules have no order of their own
        soft_BN1 = torch.logsumexp(self.sharpness * cosine_BNK, dim=2, keepdim=True)
        mean_BN1 = cosine_BNK.mean(dim=2, keepdim=True)
        return torch.as_tensor(self.out(torch.cat([sorted_BNK, soft_BN1, mean_BN1], dim=2)))


class Space(nn.Module):
    """Long-term and short-term likeness to the plays in one space, and the gate between them."""

    def __init__(self, width: int, num_context: int) -> None:
        super().__init__()
        self.sharpness = nn.Parameter(torch.tensor(SPREAD))
        self.short_session = nn.Embedding(FEATURE_SIZES[BACK], 1)
        self.long_age = nn.Embedding(FEATURE_SIZES[AGE], 1)
        nn.init.zeros_(torch.as_tensor(self.short_session.weight))
        nn.init.zeros_(torch.as_tensor(self.long_age.weight))
        self.short, self.long = nn.Linear(3, width), nn.Linear(3, width)
        self.gate = nn.Linear(num_context, 1)

    def forward(self, read: Read, space: int, context_BF: Tensor) -> Tensor:
        short_BNE, long_BNE, gate_B11 = self.parts(read, space, context_BF)
        return gate_B11 * long_BNE + (1.0 - gate_B11) * short_BNE

    def parts(self, read: Read, space: int, context_BF: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the short-term and the long-term vectors [B, N, E], and how far the gate leans to the long one [B, 1, 1]."""
        feature_BLF, is_event_BL = read.inputs["play_feature"], read.is_event_BL["play"]
        back_BL = feature_BLF[:, :, BACK]
        like_BNL = read.vector_SBND[space] @ read.inputs["play_place"].transpose(1, 2)
        short_BL = self.short_session(back_BL)[:, :, 0].exp() * (back_BL < SHORT_SESSIONS) * is_event_BL
        long_BL = self.long_age(feature_BLF[:, :, AGE])[:, :, 0].exp() * is_event_BL
        look_BNW3 = self.look(like_BNL, read.same_SBNL["play"][space], torch.stack([short_BL, long_BL], dim=2))
        short_BN3, long_BN3 = look_BNW3.unbind(dim=2)
        return self.short(short_BN3), self.long(long_BN3), torch.sigmoid(self.gate(context_BF))[:, None, :]

    def look(self, like_BNL: Tensor, same_BNL: Tensor, weight_BLW: Tensor) -> Tensor:
        """Return how near events lie, weighed in W ways: at their sharpest, on average, how many are the same [B, N, W, 3]."""
        total_B1W = weight_BLW.sum(dim=1, keepdim=True).clamp(min=1e-6)
        near_BNW = torch.exp(self.sharpness * like_BNL - self.sharpness) @ weight_BLW
        mean_BNW = like_BNL @ (weight_BLW / total_B1W)
        number_BNW = same_BNL @ weight_BLW
        return torch.stack([torch.log(near_BNW + 1e-3), mean_BNW, torch.log1p(number_BNW)], dim=3)


class SpacesPath(nn.Module):
    """Every space on its own, then a gate across them."""

    def __init__(self, width: int, num_context: int, names: tuple[int, ...]) -> None:
        super().__init__()
        self.names = names
        self.spaces = nn.ModuleList(Space(width, num_context) for _ in names)
        self.gate = nn.Linear(num_context, len(names))
        self.out = nn.Linear(width, width)

    def forward(self, read: Read, context_BF: Tensor) -> Tensor:
        gate_BS = torch.softmax(self.gate(context_BF), dim=1) * len(self.names)
        parts = [space(read, name, context_BF) for name, space in zip(self.names, self.spaces, strict=True)]
        total = sum((gate_BS[:, place, None, None] * part for place, part in enumerate(parts)), torch.zeros(()))
        return torch.as_tensor(self.out(nn.functional.relu(total)))


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
            order_L = torch.exp2(-torch.arange(age_BL.shape[1] - 1, -1, -1.0)) + 1e-6
            weights = [torch.exp2(-age_BL / hours) for hours in HALF_LIVES_HOURS] + [order_L.expand_as(age_BL)]
            if name == "play":
                weights.append(self.share(read.inputs["play_feature"][:, :, SHARE])[:, :, 0] * order_L)
            sum_BNW = read.same_SBNL[name][0] @ torch.stack(weights, dim=2)
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
            paths["spaces"] = SpacesPath(width, num_context, tuple(range(shape.num_spaces)))
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
        return torch.as_tensor(
            self.accumulation(
                read.same_SBNL["play"][:-1],
                read.inputs["play_age"],
                read.same_SBNL["skip"][:-1],
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
