"""Kin: where a track lies that nobody has played: in the middle of what was played of its artist, album and genre.

What the item tower (nn/embedding.py) says of such a track, in numpy: a service can place one that has just come. N tracks,
S values of an attribute, D dimensions, E = D + 1 with the height, V dimensions of a given vector.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Float32
from ritornello.data.knowledge import Knowledge

PREFIX = "kin-"
PLACES = "places_TE"  # among the weights of a channel: where its tracks were placed before training
ATTRIBUTES = ("artist", "album", "genre")


def attribute_columns(knowledge: Knowledge) -> dict[str, NDArray[np.int32]]:
    """Return the numbers of artist, album and genre of every track [T], of those that the catalogue tells at all."""
    columns = dict(zip(ATTRIBUTES, (knowledge.artist_T, knowledge.album_T, knowledge.genre_T), strict=True))
    return {name: column_T for name, column_T in columns.items() if column_T.any()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Kin:
    """What each value of an attribute adds to its tracks.

    `direction_SD` is the mean direction of what was played and what was learned of the value, summed; `height_S3` holds the
    mean height of what was played, whether there is any, and the learned height. `unplayed` is the height where there is none,
    `raised` what all heights were raised by in the end.
    """

    direction_SD: Mapping[str, Float32] = field(default_factory=dict)
    height_S3: Mapping[str, Float32] = field(default_factory=dict)
    given_VE: Float32 = field(default_factory=lambda: np.zeros((0, 1), np.float32))
    unplayed: float = 0.0
    raised: float = 0.0

    def place(self, knowledge: Knowledge, track_N: NDArray[np.integer]) -> Float32:
        """Return directions and heights [N, D + 1]; zeros where nothing is known of a track."""
        given_NE = np.zeros((len(track_N), self.given_VE.shape[1]), np.float32)
        if len(self.given_VE) and knowledge.given_TV.shape[1] == len(self.given_VE):
            given_NE = knowledge.given_TV[track_N] @ self.given_VE
        direction_ND, height_N = given_NE[:, :-1], given_NE[:, -1]
        mean_N, number_N = np.zeros(len(track_N)), np.zeros(len(track_N))
        columns = attribute_columns(knowledge)
        for name, direction_SD in self.direction_SD.items():
            value_N = columns[name][track_N] if name in columns else np.zeros(len(track_N), np.int32)
            value_N = np.where(value_N < len(direction_SD), value_N, 0)  # an artist who has just come has no kin
            played_N, has_N, said_N = self.height_S3[name][value_N].T
            direction_ND = direction_ND + direction_SD[value_N]
            mean_N, number_N, height_N = mean_N + played_N, number_N + has_N, height_N + said_N
        height_N = height_N + mean_N / np.maximum(number_N, 1) + self.unplayed * (number_N == 0) + self.raised
        length_N1 = np.linalg.norm(direction_ND, axis=1, keepdims=True)
        placed_NE = np.c_[direction_ND / np.maximum(length_N1, 1e-6), height_N]
        return np.asarray(placed_NE * (length_N1 > 0), dtype=np.float32)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return all of it as named arrays."""
        tables = {f"{PREFIX}direction-{name}": value for name, value in self.direction_SD.items()}
        tables |= {f"{PREFIX}height-{name}": value for name, value in self.height_S3.items()}
        return {**tables, f"{PREFIX}given": self.given_VE, f"{PREFIX}heights": np.array([self.unplayed, self.raised])}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        """Read what `arrays` gave; nothing is copied, so that what is mapped stays on disk until it is asked for."""

        def tables(kind: str) -> dict[str, Float32]:
            start = f"{PREFIX}{kind}-"
            found = {name.removeprefix(start): value for name, value in arrays.items() if name.startswith(start)}
            return {name: np.asarray(value, np.float32) for name, value in found.items()}

        unplayed, raised = arrays[f"{PREFIX}heights"].tolist()
        given_VE = np.asarray(arrays[f"{PREFIX}given"], np.float32)
        return cls(
            direction_SD=tables("direction"),
            height_S3=tables("height"),
            given_VE=given_VE,
            unplayed=unplayed,
            raised=raised,
        )


def with_newcomers(track_TE: Float32, kin: Kin, knowledge: Knowledge) -> Float32:
    """Return the vectors with a row more for every track that has appeared since."""
    track_N = np.arange(len(track_TE), knowledge.num_tracks + 1)
    return np.concatenate([track_TE, kin.place(knowledge, track_N)])
