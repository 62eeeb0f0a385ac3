"""What is known of a track places it before anybody has played it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ritornello.data.kin import Kin
from ritornello.data.knowledge import Knowledge
from ritornello.nn.embedding import ItemTower, Sums
from ritornello.nn.warm import take_over, weights_of

PLAYED, UNPLAYED, UNKNOWN = 1, 3, 4


def knowledge_with(given_TV: np.ndarray) -> Knowledge:
    return Knowledge(
        artist_T=np.array([0, 1, 2, 1, 0], np.int32),
        album_T=np.zeros(5, np.int32),
        genre_T=np.zeros(5, np.int32),
        appeared_at_T=np.zeros(5, np.int64),
        given_TV=given_TV,
    )


def tower(given_TV: np.ndarray) -> ItemTower:
    """Return a tower over two played tracks, an unplayed one by the artist of the first, and one of which nothing is known."""
    torch.manual_seed(0)
    base_KTE = torch.zeros(2, 5, 4)
    base_KTE[:, 1:3] = torch.randn(2, 3 - 1, 4)
    base_KTE[:, 1:3, -1] = torch.tensor([-2.0, -5.0])
    given_TV.flags.writeable = False  # as a mapped array is
    made = ItemTower(base_KTE, knowledge_with(given_TV), id_dropout=0.5)
    with torch.no_grad():
        for table in made.attributes.values():
            table.weight.copy_(torch.randn(table.weight.shape))
    return made.eval()


def test_an_unplayed_track_lies_where_its_artist_does():
    made = tower(np.zeros((5, 0), np.float32))
    table_TE = made.table()
    whole_E = (made.base_KTE[-1, PLAYED] + made.attributes["artist"].weight[1]).detach().numpy()
    np.testing.assert_allclose(table_TE[UNPLAYED, :-1], whole_E[:-1] / np.linalg.norm(whole_E[:-1]), rtol=1e-5)
    np.testing.assert_allclose(table_TE[UNPLAYED, -1], whole_E[-1], rtol=1e-5)
    assert not table_TE[UNKNOWN].any()
    assert not table_TE[0].any()
    assert made.unplayed_height.item() == -5.0, "without an artist's tracks it begins in the (lower) middle of all"


def test_the_middle_of_an_artist_leaves_the_track_itself_out():
    sums = Sums(torch.tensor([0, 1, 1, 1, 2]), place := torch.tensor([[0.0, 0], [1, 2], [3, 4], [0, 0], [5, 6]]))
    mean, is_there = sums(torch.tensor([1, 1, 1, 2, 0]), place[torch.tensor([1, 2, 3, 4, 0])])
    assert mean.tolist() == [[3, 4], [1, 2], [2, 3], [0, 0], [0, 0]]
    assert is_there.flatten().tolist() == [True, True, True, False, False]


def test_a_given_vector_moves_a_track():
    given_TV = np.zeros((5, 3), np.float32)
    given_TV[UNKNOWN] = (1.0, -1.0, 0.5)
    table_TE = tower(given_TV).table()
    assert np.isclose(np.linalg.norm(table_TE[UNKNOWN, :-1]), 1.0)
    assert not np.allclose(table_TE[UNKNOWN], table_TE[UNPLAYED])


def test_a_fold_has_its_own_places():
    made = tower(np.zeros((5, 0), np.float32))
    assert not np.allclose(made.table(0)[PLAYED], made.table()[PLAYED])
    np.testing.assert_array_equal(made.table(0)[UNPLAYED], made.table()[UNPLAYED])


def test_kin_place_a_track_as_the_tower_does():
    given_TV = np.zeros((5, 3), np.float32)
    given_TV[UNKNOWN] = (1.0, -1.0, 0.5)
    for given in (given_TV, np.zeros((5, 0), np.float32)):
        made = tower(given)
        with torch.no_grad():
            made.unplayed_height.fill_(-3.5)
        unplayed_N = np.array([UNPLAYED, UNKNOWN])
        placed_NE = made.kin().place(knowledge_with(given), unplayed_N)
        np.testing.assert_allclose(placed_NE, made.table()[unplayed_N], rtol=1e-5, atol=1e-6)
        copied = Kin.restore(made.kin().arrays())
        np.testing.assert_array_equal(copied.place(knowledge_with(given), unplayed_N), placed_NE)


def test_an_artist_who_has_just_come_has_no_kin():
    made = tower(np.zeros((5, 0), np.float32))
    knowledge = replace(knowledge_with(np.zeros((5, 0), np.float32)), artist_T=np.array([0, 1, 2, 99, 0], np.int32))
    assert not made.kin().place(knowledge, np.array([UNPLAYED])).any()


def test_a_tower_takes_over_what_a_smaller_one_has_learned_and_no_vectors_of_another_width():
    small, large = tower(np.zeros((5, 3), np.float32)), tower(np.zeros((5, 3), np.float32))
    weights = weights_of(small, small.base_KTE[-1])
    with torch.no_grad():
        for weight in large.parameters():
            weight.add_(1.0)
    begun = large.track.weight.clone()
    take_over(large, {**weights, "track.weight": weights["track.weight"][:3]})
    assert torch.equal(large.unplayed_height, small.unplayed_height)
    assert torch.equal(large.track.weight[:3], small.track.weight[:3])
    assert torch.equal(large.track.weight[3:], begun[3:])
    with pytest.raises(ValueError, match=r"from_given.weight is .* in the bundle and .* now"):
        take_over(tower(np.zeros((5, 2), np.float32)), weights)
