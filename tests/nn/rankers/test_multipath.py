"""The paths of multipath, each held to a number or to a plain computation."""

import math

import numpy as np
import pytest
import torch

from nn.rankers.invented import SHAPE, answer, invent, make
from ritornello.data.behaviour import AGE, BACK
from ritornello.data.outcomes import OUTCOMES
from ritornello.nn.rankers.multipath import SHORT_SESSIONS, Chain, Interests, Read, SpacesPath


def read_of(module: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> Read:
    return Read(inputs, module.encoders, module.target)


def plain_spaces(
    path: SpacesPath, inputs: dict[str, torch.Tensor], context_F: np.ndarray, candidate: int
) -> np.ndarray:
    """Return what the path says of a candidate of the first row, space by space and play by play."""
    weight = {name: value.detach().double().numpy() for name, value in path.state_dict().items()}
    array = {name: value[0].double().numpy() for name, value in inputs.items()}
    across_S = np.exp(weight["gate.weight"] @ context_F + weight["gate.bias"])
    across_S = len(across_S) * across_S / across_S.sum()
    long_S = 1.0 / (1.0 + np.exp(-weight["lean.weight"] @ context_F - weight["lean.bias"]))
    total_E = np.zeros(weight["out.bias"].shape)
    for space in range(len(across_S)):
        for term, share in enumerate((1.0 - long_S[space], long_S[space])):
            near, like, number, weighed = 0.0, 0.0, 0.0, 0.0
            for place_D, key_S, feature_F in zip(
                array["play_place"], array["play_key"], array["play_feature"].astype(int), strict=True
            ):
                if key_S[0] == 0 or (term == 0 and feature_F[BACK] >= SHORT_SESSIONS):
                    continue
                table = "long_age" if term else "short_session"
                counts = math.exp(weight[f"{table}.weight"][feature_F[AGE if term else BACK], space])
                likeness = array["vector"][candidate, space] @ place_D
                near += counts * math.exp(weight["sharpness"][space] * (likeness - 1.0))
                like += counts * likeness
                number += counts * (array["key"][candidate, space] == key_S[space])
                weighed += counts
            looks = (math.log(near + 1e-3), like / max(weighed, 1e-6), math.log1p(number))
            told_E = weight["bias"][space, term] + sum(
                look * row_E for look, row_E in zip(looks, weight["weight"][:, space, term], strict=True)
            )
            total_E += across_S[space] * share * told_E
    return weight["out.weight"] @ np.maximum(total_E, 0.0) + weight["out.bias"]


def test_the_path_of_spaces_is_a_plain_computation_space_by_space():
    module, inputs = make("multipath"), invent()
    path, read = module.paths["spaces"], read_of(module, inputs)
    context_BF = module.context(read)
    found_BNE = path(read, context_BF)
    for candidate in range(4):
        expected_E = plain_spaces(path, inputs, context_BF[0].detach().double().numpy(), candidate)
        np.testing.assert_allclose(found_BNE[0, candidate].detach(), expected_E, rtol=1e-4, atol=1e-4)


def test_the_short_term_is_three_sessions_and_the_long_term_everything():
    module, inputs = make("multipath"), invent(rows=2)
    path = module.paths["spaces"]
    usual_BSLW = path.weights(read_of(module, inputs))
    for back, counts in ((2, True), (3, False)):
        feature_BLF = inputs["play_feature"].clone()
        feature_BLF[:, :, BACK] = 5
        feature_BLF[0, -1, BACK] = back
        moved_BSLW = path.weights(read_of(module, inputs | {"play_feature": feature_BLF}))
        assert (moved_BSLW[0, :, -1, 0] > 0).all() == counts
        assert not moved_BSLW[0, :, :-1, 0].any()
        torch.testing.assert_close(moved_BSLW[..., 1], usual_BSLW[..., 1])


def test_no_look_is_too_sharp():
    module, inputs = make("multipath"), invent()
    with torch.no_grad():
        module.paths["spaces"].sharpness.fill_(1e4)
    assert torch.isfinite(answer(module, inputs)).all()


def test_both_gates_of_the_spaces_are_1_on_average():
    module, inputs = make("multipath"), invent()
    gate_BSW = module.paths["spaces"].gates(module.context(read_of(module, inputs)))
    torch.testing.assert_close(gate_BSW.sum(dim=2).mean(dim=1), torch.ones(3))
    assert (gate_BSW > 0).all()
    assert gate_BSW.std(dim=1).min() > 1e-3, "spaces differ"
    assert (gate_BSW[0] - gate_BSW[1]).abs().max() > 1e-3, "users and moments differ"


def test_the_order_of_capsules_does_not_matter():
    inputs = invent(rows=2, widths=dict.fromkeys(("play", "like", "add", "share", "search", "skip"), 8))
    inputs = {key: value[:1] for key, value in inputs.items()}  # eight plays: all three interests are live
    module = make("multipath")
    usual, path = answer(module, inputs), module.paths["interests"]
    anchor_KD = path.routing.anchor
    with torch.no_grad():
        anchor_KD.copy_(anchor_KD[[2, 0, 1]].clone())
    torch.testing.assert_close(answer(module, inputs), usual, atol=1e-5, rtol=1e-5)
    with torch.no_grad():
        anchor_KD[0] += 1.0
    assert (answer(module, inputs) - usual).abs().max() > 1e-4


@pytest.mark.parametrize(("plays", "expected"), [(0, 0), (1, 1), (3, 1), (4, 2), (7, 2), (8, 3), (16, 4)])
def test_a_short_history_has_fewer_interests(plays, expected):
    path = Interests(4, SHAPE.dim, 4, 3)
    inputs = invent(rows=1, widths=dict.fromkeys(("play", "like", "add", "share", "search", "skip"), 16))
    is_play_L = torch.arange(16) >= 16 - plays
    inputs["play_key"] = inputs["play_key"] * is_play_L[None, :, None]
    inputs["play_place"] = inputs["play_place"] * is_play_L[None, :, None]
    interest_KD = path.interests(Read(inputs, torch.nn.ModuleDict({"play": Silent()}), torch.nn.Linear(4, 4)))[0]
    length_K = interest_KD.norm(dim=1)
    assert (length_K > 0).sum() == expected
    torch.testing.assert_close(length_K[:expected], torch.ones(expected))


class Silent(torch.nn.Module):
    """An encoder that nothing is asked of."""

    def forward(self, place_BLD: torch.Tensor, feature_BLF: torch.Tensor) -> torch.Tensor:
        return place_BLD


def test_gates_are_1_on_average_and_differ_by_candidate_and_moment():
    module, inputs = make("multipath"), invent()
    gate_BNP = module.gates(read_of(module, inputs))
    assert gate_BNP.shape == (3, 4, 1 + len(module.paths))
    torch.testing.assert_close(gate_BNP.mean(dim=2), torch.ones(3, 4))
    assert gate_BNP.std(dim=1).max() > 1e-3
    other = module.gates(read_of(module, inputs | {"context": inputs["context"].flip(0)}))
    assert (other[0] - gate_BNP[0]).abs().max() > 1e-3


def test_what_was_accumulated_raises_all_heads_but_that_of_a_skip():
    module, inputs = make("multipath"), invent()
    raised_BNH = module.raise_by(torch.tensor([[1.0], [-1.0]]))[:, 0]
    is_skip_H = torch.tensor([False, *(name == "skip" for name in OUTCOMES)])
    assert ((raised_BNH[0] > 0) == ~is_skip_H).all()
    torch.testing.assert_close(raised_BNH[1], -raised_BNH[0])
    read = read_of(module, inputs)
    without = answer(module, inputs) - module.raise_by(module.accumulated(read))
    module.accumulation = None
    torch.testing.assert_close(answer(module, inputs), without.detach(), atol=1e-5, rtol=1e-5)


def test_the_chain_reads_what_was_done_with_the_very_track():
    """Hold what the chain's own tower is given for one candidate and three events against numbers worked by hand."""
    chain = Chain(2, ("play",))
    chain.tower = Kept()
    with torch.no_grad():
        chain.share.weight[:, 0] = torch.arange(6.0)
    inputs = {
        "vector": torch.zeros(1, 2, 1, 4),
        "key": torch.tensor([[[7], [9]]], dtype=torch.int32),
        "play_key": torch.tensor([[[7], [8], [7]]], dtype=torch.int32),
        "play_place": torch.zeros(1, 3, 4),
        "play_feature": torch.tensor([[[2, 1, 0, 0, 0], [2, 5, 0, 0, 0], [2, 3, 0, 0, 0]]]),
        "play_age": torch.tensor([[48.0, 30.0, 24.0]]),
    }
    chain(Read(inputs, torch.nn.ModuleDict({"play": Silent()}), torch.nn.Linear(4, 4)))
    played, other = chain.tower.seen[0].tolist()
    # half-lives of a day: 2^-2 + 2^-1 = 0.75; of 30 days: 2^(-2/30) + 2^(-1/30) = 1.931969; the newest of three and the
    # oldest: 1 + 1/4; the shares of the two, 3 and 1, by the same weights: (3 + 1/4) / (5/4) = 2.6
    expected = [math.log(1.75), math.log(2.931969), math.log(1.25) / 14 + 1, 2.6]
    assert played == pytest.approx(expected, abs=1e-4)
    assert other == pytest.approx([0.0, 0.0, math.log(1e-6) / 14 + 1, 0.0], abs=1e-4)
    assert np.isfinite(other).all()


class Kept(torch.nn.Module):
    """A tower that keeps what it is given."""

    seen: torch.Tensor

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        self.seen = value.detach()
        return value
