"""Accumulated behaviour: worked numbers, and the laws of its signs."""

import pytest
import torch

from ritornello.nn.accumulation import Accumulation


def accumulated(made: Accumulation, played: list[float], skipped: list[float]) -> float:
    """Return what plays and skips of one track, so many hours ago, come to; the same in every space."""
    parts = []
    for ages in (played, skipped):
        age_BL = torch.tensor([[0.0, *ages]])
        same_BNL = torch.tensor([[[0.0, *[1.0] * len(ages)]]])  # the first event is of another track
        parts += [[same_BNL] * made.raw_decay.shape[1], age_BL]
    with torch.no_grad():
        return float(made(*parts)[0, 0])


def drawn(seed: int) -> Accumulation:
    """Return one whose parameters are anything."""
    made, generator = Accumulation(2), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in made.parameters():
            weight.copy_(3 * torch.randn(weight.shape, generator=generator))
    return made


@pytest.mark.parametrize(
    ("played", "skipped", "expected"),
    [
        ([], [], 0.0),
        # strength 4 ** -0.5 = 0.5; ln(1 + 0.5 / 0.01) = ln 51 = 3.931826; times softplus(-4) = 0.018150
        ([4.0], [], 0.071362),
        ([], [4.0], -0.071362),
        # at least a minute old: 60 ** 0.5 = 7.745967 each; ln(1 + 3 * 7.745967 / 0.01) = 7.751355
        # satiation: three plays just now are two too many; 0.018150 * (7.751355 - 2) = 0.104387
        ([0.0, 0.0, 0.0], [], 0.104387),
    ],
)
def test_a_number_worked_by_hand(played, skipped, expected):
    assert accumulated(Accumulation(1), played, skipped) == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("seed", range(5))
def test_one_more_play_raises_and_one_more_skip_lowers(seed):
    made = drawn(seed)
    for played, skipped in (([], []), ([300.0, 500.0], [7.0]), ([90.0], [2.0, 2.0, 800.0])):
        usual = accumulated(made, played, skipped)
        assert accumulated(made, [*played, 400.0], skipped) > usual
        assert accumulated(made, played, [*skipped, 40.0]) < usual


def test_a_track_in_a_loop_has_been_heard_enough():
    made, loop = Accumulation(2), [0.5] * 6
    # one more adds ln(7 / 6) = 0.15 of activation and takes 0.99 for satiation
    assert accumulated(made, [*loop, 0.5], []) < accumulated(made, loop, [])
    assert accumulated(made, [*loop, 2000.0], []) > accumulated(made, loop, []), "what is long ago sates nobody"
    assert accumulated(made, loop, []) < accumulated(made, [age + 200.0 for age in loop], [])


@pytest.mark.parametrize("raw", [-9.0, 0.0, 9.0])
def test_decay_lies_between_0_and_1_and_nothing_counts_with_the_wrong_sign(raw):
    made = Accumulation(3)
    with torch.no_grad():
        made.raw_decay.fill_(raw)
        made.raw_weight.fill_(raw)
    assert ((made.decay() > 0) & (made.decay() < 1)).all()
    assert (made.weight() > 0).all()
    assert accumulated(made, [1.0], []) > accumulated(made, [100.0], [])


def test_spaces_and_rows_are_apart():
    made = Accumulation(2)
    with torch.no_grad():
        made.raw_weight[:, 1] = -30.0  # the second space counts for nothing
    played_SBNL = [torch.tensor([[[1.0], [0.0]], [[0.0], [0.0]]]), torch.ones(2, 2, 1)]
    skipped_SBNL = [torch.zeros(2, 2, 1)] * 2
    found_BN = made(played_SBNL, torch.full((2, 1), 4.0), skipped_SBNL, torch.zeros(2, 1))
    torch.testing.assert_close(found_BN, torch.tensor([[0.071362, 0.0], [0.0, 0.0]]), atol=1e-5, rtol=0)
