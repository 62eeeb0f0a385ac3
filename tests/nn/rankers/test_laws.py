"""The laws of every architecture: padding, order and neighbours change nothing, and the exported graph gives the same."""

import pytest
import torch
from torch import Tensor

from nn.rankers.invented import NETWORKS, WIDTHS, answer, invent, make
from ritornello.data.behaviour import DOMAINS
from ritornello.inference import Model
from ritornello.nn.chain import NUM_HEADS
from ritornello.nn.rank_export import export
from ritornello.rank.multipath import PATHS

OF_CANDIDATES = ("vector", "key", "feature")

every_network = pytest.mark.parametrize("name", NETWORKS)


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@every_network
def test_it_gives_every_head_of_every_candidate(name):
    logit_BNH = answer(make(name), invent())
    assert logit_BNH.shape == (3, 4, NUM_HEADS)
    assert torch.isfinite(logit_BNH).all()
    assert logit_BNH.flatten(0, 1).std(dim=0).min() > 1e-3, "no head says the same of all"


@every_network
def test_padding_before_the_events_changes_nothing(name):
    module, inputs = make(name), invent()
    padded = dict(inputs)
    for number, domain in enumerate(DOMAINS, 1):
        for key in [key for key in inputs if key.startswith(f"{domain}_")]:
            value = inputs[key]
            padded[key] = torch.cat([torch.zeros(len(value), number, *value.shape[2:], dtype=value.dtype), value], 1)
    close(answer(module, padded), answer(module, inputs))


@every_network
def test_the_order_of_candidates_changes_nothing(name):
    module, inputs, order = make(name), invent(), torch.tensor([2, 0, 3, 1])
    shuffled = inputs | {key: inputs[key][:, order] for key in OF_CANDIDATES}
    close(answer(module, shuffled), answer(module, inputs)[:, order])


@every_network
def test_other_candidates_change_nothing(name):
    module, inputs = make(name), invent()
    close(answer(module, inputs | {key: inputs[key][:, :1] for key in OF_CANDIDATES}), answer(module, inputs)[:, :1])


@every_network
def test_the_place_in_the_batch_and_other_rows_change_nothing(name):
    module, inputs = make(name), invent()
    whole = answer(module, inputs)
    for row in range(3):
        close(answer(module, {key: value[row : row + 1] for key, value in inputs.items()}), whole[row : row + 1])
    order = torch.tensor([2, 0, 1])
    close(answer(module, {key: value[order] for key, value in inputs.items()}), whole[order])


@every_network
def test_it_reads_the_newest_plays_and_the_features(name):
    module, inputs = make(name), invent()
    whole = answer(module, inputs)
    for key in ("play_place", "play_feature", "feature", "context"):
        other = inputs[key].clone()
        if other.is_floating_point():
            other[:, -1] += 1.0
        else:
            other[:, -1] = 1 - other[:, -1].clamp(max=1)
        moved = (answer(module, inputs | {key: other}) - whole).abs().amax(dim=(1, 2))
        assert moved[0] > 1e-3, key


@every_network
def test_the_exported_graph_gives_what_torch_gives_at_any_width(name):
    module = make(name)
    smallest = invent(rows=1, candidates=1, widths=dict.fromkeys(DOMAINS, 1) | {"play": 3})
    model = Model(export(module, smallest))
    for rows, candidates, widths in (
        (3, 4, WIDTHS),
        (1, 1, dict.fromkeys(DOMAINS, 3)),
        (1, 6, WIDTHS | {"skip": 1, "play": 9}),
        (3, 2, {name: 9 - place for place, name in enumerate(DOMAINS)}),
    ):
        other = invent(rows=rows, candidates=candidates, widths=widths, seed=rows + candidates)
        found = torch.from_numpy(model(**{key: value.numpy() for key, value in other.items()}))
        torch.testing.assert_close(found, answer(module, other), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["mean_pool", "din", "session"])
def test_most_have_no_loss_of_their_own(name):
    assert make(name).auxiliary(invent()).item() == 0.0


@pytest.mark.parametrize("name", ["dien", "multipath"])
def test_an_interest_that_evolves_has_a_loss_of_its_own(name):
    module, inputs = make(name), invent()
    loss = module.auxiliary(inputs)
    loss.backward()
    assert loss.item() > 0
    evolution = module.evolution if name == "dien" else module.paths["evolution"]
    assert evolution.extract.weight.grad.any()
    assert evolution.evolve.weight.grad is None


@pytest.mark.parametrize("left_out", PATHS)
def test_every_path_of_multipath_can_be_left_out(left_out):
    whole, without = make("multipath"), make("multipath", paths=[path for path in PATHS if path != left_out])
    taken = {name for name, _ in whole.named_parameters()} - {name for name, _ in without.named_parameters()}
    prefix = "accumulation." if left_out == "accumulation" else f"paths.{left_out}."
    assert taken and all(name.startswith(prefix) for name in taken)
    same = {
        name: value
        for name, value in whole.state_dict().items()
        if name in without.state_dict() and value.shape == without.state_dict()[name].shape
    }
    without.load_state_dict(same, strict=False)
    inputs = invent()
    found, expected = answer(without, inputs), answer(whole, inputs)
    assert found.shape == expected.shape
    assert torch.isfinite(found).all()
    assert (found - expected).abs().max() > 1e-3


def test_one_path_alone_is_enough():
    inputs = invent()
    for path in PATHS:
        found = answer(make("multipath", paths=[path]), inputs)
        assert torch.isfinite(found).all(), path
    assert answer(make("multipath", paths=[]), inputs).shape == (3, 4, NUM_HEADS)


@pytest.mark.parametrize("left_out", [domain for domain in DOMAINS if domain != "play"])
def test_a_domain_that_is_left_out_is_not_read(left_out):
    inputs = invent()
    other = inputs | {key: value.roll(1, dims=0) for key, value in inputs.items() if key.startswith(f"{left_out}_")}
    whole = make("multipath")
    assert (answer(whole, other) - answer(whole, inputs)).abs().max() > 1e-3
    without = make("multipath", domains=[domain for domain in DOMAINS if domain != left_out])
    assert torch.equal(answer(without, other), answer(without, inputs))


def test_the_two_fusions_differ_by_the_gate_alone():
    inputs = invent()
    gated, joined = make("multipath", fusion="gate"), make("multipath", fusion="concat")
    shared = {name: value for name, value in gated.state_dict().items() if not name.startswith("gate.")}
    joined.load_state_dict(shared)
    assert (answer(gated, inputs) - answer(joined, inputs)).abs().max() > 1e-3
    with torch.no_grad():  # a gate that leans nowhere lets every path count once
        gated.gate.weight.zero_()
        gated.gate.bias.zero_()
    close(answer(gated, inputs), answer(joined, inputs))
