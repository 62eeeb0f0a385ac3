"""The item tower and the embedding of events and requests.

A track's direction is the sum of vectors for its id, artist, album and genre and of a map of its given (audio, text) vector,
on the unit sphere; its height, one number more, is how much it is played whoever asks. Before anybody has played it, it lies in
the middle of what has been played of its artist, album and genre. T tracks, N tracks asked for, D embedding, E = D + 1,
K folds of users, A attributes, S values of one, V dimensions of a given vector, B batch,
L history length, P positions, O own tracks of a row, F features.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ritornello.contracts import Float32
from ritornello.data.kin import Kin, attribute_columns
from ritornello.data.knowledge import Knowledge

STEP = 20.0  # the numbers of OwnPlays have far to go: what was just played may be a thousand times less likely


class ItemTower(nn.Module):
    """Vectors of tracks: a direction and a height; `base_KTE` places them at first: the last of it for
    good, the others without one fold of users each; zeros where nobody has played them.
    """

    attribute_TA: Tensor
    given_TV: Tensor
    base_KTE: Tensor

    def __init__(self, base_KTE: Tensor, knowledge: Knowledge, *, id_dropout: float) -> None:
        super().__init__()
        track_TE = base_KTE[-1]
        self.id_dropout = id_dropout
        self.dim = track_TE.shape[1] - 1
        columns = attribute_columns(knowledge)
        attribute_TA = np.stack(list(columns.values()), axis=1) if columns else np.zeros((len(track_TE), 0), np.int32)
        self.register_buffer("attribute_TA", torch.from_numpy(attribute_TA.astype(np.int64)), persistent=False)
        self.register_buffer("given_TV", torch.from_numpy(np.array(knowledge.given_TV)), persistent=False)
        self.register_buffer("base_KTE", base_KTE, persistent=False)
        self.track = nn.Embedding(track_TE.shape[0], self.dim + 1, sparse=True)
        with torch.no_grad():
            self.track.weight.zero_()
        self.attributes = nn.ModuleDict(
            {
                name: nn.Embedding(int(column_T.max()) + 1, self.dim + 1, sparse=True)
                for name, column_T in columns.items()
            }
        )
        for table in self.attributes.values():
            nn.init.zeros_(torch.as_tensor(table.weight))
        width = knowledge.given_TV.shape[1]
        self.from_given = nn.Linear(width, self.dim + 1, bias=False) if width else None
        played_height = track_TE[track_TE.any(dim=1), -1]
        self.unplayed_height = nn.Parameter(played_height.median() if len(played_height) else torch.tensor(0.0))
        self.sums = nn.ModuleList(
            Sums(self.attribute_TA[:, column], self.place(torch.arange(len(track_TE)), -1))
            for column in range(attribute_TA.shape[1])
        )

    def forward(self, track_N: Tensor, fold: int = -1) -> Tensor:
        """Return directions and heights [N, D + 1] as placed without a fold of users; zeros where nothing is known."""
        base_NE = self.place(track_N, fold)
        known_NE, is_known_N1 = self.describe(track_N)
        is_told_N1 = base_NE.any(dim=1, keepdim=True)
        if self.training and self.id_dropout:  # now and then a track has to be told by what is known of it alone
            is_told_N1 = is_told_N1 & ((torch.rand(len(track_N), 1) >= self.id_dropout) | ~is_known_N1)
        middle_NE, has_middle_N1 = self.middle(track_N)
        whole_NE = torch.where(is_told_N1, base_NE + self.track(track_N), middle_NE) + known_NE
        height_N1 = whole_NE[:, -1:] + self.unplayed_height * ~(is_told_N1 | has_middle_N1)
        direction_ND = nn.functional.normalize(whole_NE[:, :-1], dim=-1, eps=1e-6)
        return torch.cat([direction_ND, height_N1], dim=1)

    def place(self, track_N: Tensor, fold: int) -> Tensor:
        """Return directions and heights [N, D + 1] at first."""
        return self.base_KTE[fold, track_N]

    def middle(self, track_N: Tensor) -> tuple[Tensor, Tensor]:
        """Return where the others of a track's artist, album and genre lie [N, D + 1], and whether there are any [N, 1].

        Mean directions are summed: those of one album agree and are long, those of a genre hardly count. Heights are averaged.
        """
        own_NE = self.place(track_N, -1)
        sum_NE, number_N1 = torch.zeros_like(own_NE), torch.zeros(len(track_N), 1)
        for column, sums in enumerate(self.sums):
            mean_NE, is_there_N1 = sums(self.attribute_TA[track_N, column], own_NE)
            sum_NE, number_N1 = sum_NE + mean_NE, number_N1 + is_there_N1
        height_N1 = sum_NE[:, -1:] / number_N1.clamp(min=1)
        return torch.cat([sum_NE[:, :-1], height_N1], dim=1), number_N1 > 0

    def directions(self, track_N: NDArray[np.integer], fold: int) -> Float32:
        """Return where tracks are placed at first without a fold of users [N, D]."""
        return np.asarray(self.base_KTE[fold].numpy()[track_N, :-1])

    @torch.no_grad()
    def table(self, fold: int = -1) -> Float32:
        """Return directions and heights [T, D + 1] of all tracks; PADDING and what nothing is known of are zeros."""
        size = len(self.attribute_TA)
        blocks = [self(torch.arange(start, min(start + 65_536, size)), fold) for start in range(0, size, 65_536)]
        track_TE: Float32 = torch.cat(blocks).numpy()
        track_TE[~track_TE[:, :-1].any(axis=1)] = 0.0
        track_TE[0] = 0.0
        return track_TE

    @torch.no_grad()
    def kin(self) -> Kin:
        """Return what places a track that nobody has played, as `forward` does."""
        direction_SD: dict[str, Float32] = {}
        height_S3: dict[str, Float32] = {}
        for (name, table), sums in zip(self.attributes.items(), self.sums, strict=True):
            count_S1 = sums.get_buffer("count_S")[:, None]
            mean_SE = (sums.get_buffer("sum_SE") / count_S1.clamp(min=1)).numpy()
            said_SE = table.get_parameter("weight").numpy() * (np.arange(len(mean_SE)) > 0)[:, None]
            direction_SD[name] = (mean_SE + said_SE)[:, :-1].astype(np.float32)
            height_S3[name] = np.c_[mean_SE[:, -1], (count_S1 > 0).numpy(), said_SE[:, -1]].astype(np.float32)
        given_VE = np.zeros((0, self.dim + 1), np.float32)
        if self.from_given is not None:
            given_VE = self.from_given.weight.numpy().T.copy()
        return Kin(
            direction_SD=direction_SD,
            height_S3=height_S3,
            given_VE=given_VE,
            unplayed=float(self.unplayed_height),
        )

    def describe(self, track_N: Tensor) -> tuple[Tensor, Tensor]:
        """Return what attributes and given vectors say [N, E], and whether there are any [N, 1]."""
        known_NE = torch.zeros(len(track_N), self.track.weight.shape[1])
        is_known_N1 = torch.zeros(len(track_N), 1, dtype=torch.bool)
        for column, table in enumerate(self.attributes.values()):
            attribute_N = self.attribute_TA[track_N, column]
            has_it_N1 = (attribute_N > 0)[:, None]
            known_NE = known_NE + table(attribute_N) * has_it_N1
            is_known_N1 = is_known_N1 | has_it_N1
        if self.from_given is not None:
            known_NE = known_NE + self.from_given(self.given_TV[track_N])
            is_known_N1 = is_known_N1 | self.given_TV[track_N].any(dim=1, keepdim=True)
        return known_NE, is_known_N1


class Sums(nn.Module):
    """The sums over what has been played of each artist (album, genre), for the mean of all its tracks but one."""

    sum_SE: Tensor
    count_S: Tensor

    def __init__(self, attribute_T: Tensor, place_TE: Tensor) -> None:
        super().__init__()
        is_played_T = place_TE.any(dim=1) & (attribute_T > 0)
        size = int(attribute_T.max()) + 1
        sum_SE = torch.zeros(size, place_TE.shape[1]).index_add_(0, attribute_T[is_played_T], place_TE[is_played_T])
        self.register_buffer("sum_SE", sum_SE, persistent=False)
        self.register_buffer("count_S", torch.bincount(attribute_T[is_played_T], minlength=size), persistent=False)

    def forward(self, attribute_N: Tensor, own_NE: Tensor) -> tuple[Tensor, Tensor]:
        """Return the means [N, E] without the tracks themselves, zeros where nothing is left, and where there is [N, 1]."""
        is_known_N1 = (attribute_N > 0)[:, None]
        count_N1 = (self.count_S[attribute_N][:, None] - own_NE.any(dim=1, keepdim=True).long()) * is_known_N1
        mean_NE = (self.sum_SE[attribute_N] - own_NE) / count_N1.clamp(min=1)
        return mean_NE * (count_N1 > 0), count_N1 > 0


class EventEmbedding(nn.Module):
    """The sum of one vector per feature, each out of a small table that begins with zeros."""

    def __init__(self, dim: int, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(size, dim) for size in sizes)
        for table in self.tables:
            nn.init.zeros_(torch.as_tensor(table.weight))

    def forward(self, feature_BLF: Tensor) -> Tensor:
        """Return the vectors [B, L, D] of rows of features."""
        first, *others = [table(feature_BLF[..., place]) for place, table in enumerate(self.tables)]
        return torch.as_tensor(sum(others, first))


class Lookup(torch.autograd.Function):
    """Numbers out of a small table; the gradient is one count over all lookups, many times faster than torch's own."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, value_S: Tensor, place: Tensor) -> Tensor:
        ctx.save_for_backward(place)
        ctx.size = len(value_S)  # type: ignore[attr-defined]  # torch lets it be set
        return value_S[place]

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        (place,) = ctx.saved_tensors  # type: ignore[attr-defined]
        size: int = ctx.size  # type: ignore[attr-defined]
        return torch.bincount(place.flatten(), weights=gradient.flatten(), minlength=size), None


class OwnPlays(nn.Module):
    """By how much a user's own plays of a track raise or lower it: one number per feature, summed (see data/own_plays.py)."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.values = nn.ParameterList(nn.Parameter(torch.zeros(size)) for size in sizes)

    def numbers(self) -> list[Float32]:
        """Return the number of every value of every feature."""
        return [STEP * value.detach().numpy() for value in self.values]

    def forward(self, feature_POF: Tensor) -> Tensor:
        """Return the numbers [P, O] of rows of features."""
        feature_POF = feature_POF.long()
        found = [
            Lookup.apply(value, feature_POF[..., place])  # type: ignore[no-untyped-call]  # torch has no types for it
            for place, value in enumerate(self.values)
        ]
        return STEP * torch.stack(found).sum(dim=0)
