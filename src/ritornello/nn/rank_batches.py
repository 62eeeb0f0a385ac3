"""Examples of a sequence ranker as batches: some requests of one moment, with their candidates.

S examples, Q requests, B requests of a batch, N candidates, T outcomes, F features.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ritornello.contracts import Bool
from ritornello.data.outcomes import PLAY
from ritornello.data.propensity import inverse_propensity
from ritornello.data.rank_inputs import Arrays, inputs_of
from ritornello.data.scaling import Bins, Scaling
from ritornello.schema import PADDING

if TYPE_CHECKING:  # what learns lives above
    from ritornello.rank import Examples


@dataclass(frozen=True, kw_only=True, slots=True)
class RankingBatch:
    """Some requests with their candidates, padded at the end; `rarity_BN` is what offers weigh by their propensity."""

    inputs: dict[str, Tensor]
    label_BN: Tensor
    outcome_BNT: Tensor
    weight_BN: Tensor
    rarity_BN: Tensor
    position_BN: Tensor
    is_candidate_BN: Tensor

    @property
    def num_tokens(self) -> int:
        """Return the number of candidates."""
        return int(self.is_candidate_BN.sum())

    @property
    def facts(self) -> str:
        """Say what the batch holds."""
        played = int((self.label_BN > 0).sum())
        return f"{len(self.label_BN)} requests with {self.num_tokens} candidates, {played} of them played"


class Reader:
    """Examples by request, as batches."""

    def __init__(
        self,
        examples: "Examples",
        scaling: Scaling,
        bins: Bins,
        least: int,
        *,
        is_graded: bool = False,
        propensity: float = 1.0,
    ) -> None:
        assert examples.requests is not None, "examples for a sequence ranker keep the histories"
        self.examples, self.requests = examples, examples.requests
        self.scaling, self.bins, self.least = scaling, bins, least
        self.start_Q = np.searchsorted(examples.request_S, np.arange(len(self.requests) + 1))
        self.gain_S = examples.grade_S if is_graded else examples.label_S.astype(np.float32)
        self.rarity_S = inverse_propensity(examples.propensity_S, propensity)
        self.is_sure_S = examples.label_S | (examples.outcome_ST[:, PLAY] > 0) | (examples.weight_S == 1.0)

    def batch(self, request_B: NDArray[np.int64], chosen_S: Bool) -> RankingBatch:
        """Return the chosen candidates of some requests of one moment."""
        example_B = [
            np.flatnonzero(chosen_S[slice(*self.start_Q[row : row + 2])]) + self.start_Q[row] for row in request_B
        ]
        width = max(map(len, example_B))
        place_BN = np.zeros((len(request_B), width), np.int64)
        is_candidate_BN = np.arange(width) < np.array([len(part) for part in example_B])[:, None]
        place_BN[is_candidate_BN] = np.concatenate(example_B)
        examples, requests = self.examples, self.requests
        behaviour = {name: part.rows(request_B).trim() for name, part in requests.behaviour.items()}
        arrays = inputs_of(
            np.where(is_candidate_BN, examples.track_S[place_BN], PADDING).astype(np.int32),
            examples.feature_SF[place_BN],
            behaviour,
            requests.spaces_K[requests.known_Q[request_B[0]]],
            self.scaling,
            bins=self.bins,
            least=self.least,
        )
        outcome_BNT = np.where(is_candidate_BN[:, :, None], examples.outcome_ST[place_BN], np.nan)
        return RankingBatch(
            inputs=as_tensors(arrays),
            label_BN=torch.from_numpy(self.gain_S[place_BN] * is_candidate_BN),
            outcome_BNT=torch.from_numpy(outcome_BNT.astype(np.float32)),
            weight_BN=torch.from_numpy((examples.weight_S[place_BN] * is_candidate_BN).astype(np.float32)),
            rarity_BN=torch.from_numpy(self.rarity_S[place_BN] * is_candidate_BN),
            position_BN=torch.from_numpy(examples.position_S[place_BN].astype(np.int64)),
            is_candidate_BN=torch.from_numpy(is_candidate_BN),
        )

    def batches(self, request_R: NDArray[np.int64], *, size: int, unplayed: int, seed: int) -> Iterator[RankingBatch]:
        """Yield batches of requests in a random order, each with all that is sure and a sample of its other candidates."""
        generator = np.random.default_rng(seed)
        luck_S = generator.random(len(self.examples.label_S))
        number_Q = np.add.reduceat(~self.is_sure_S, self.start_Q[:-1])
        share_Q = unplayed / np.maximum(number_Q, 1)
        chosen_S = self.is_sure_S | (luck_S < share_Q[self.examples.request_S])
        for request_B in shuffled(request_R, self.requests.known_Q[request_R], size, generator):
            yield self.batch(request_B, chosen_S)


def shuffled(
    request_R: NDArray[np.int64], known_R: NDArray[np.integer], size: int, generator: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Return groups of requests in a random order; those of a group are of one moment."""
    groups = []
    for known in np.unique(known_R):
        member_R = generator.permutation(request_R[known_R == known])
        groups += np.array_split(member_R, -(-len(member_R) // size))
    return [groups[place] for place in generator.permutation(len(groups))]


def as_tensors(arrays: Arrays) -> dict[str, Tensor]:
    """Return arrays as torch reads them, copied to where it puts its own: how products are summed hangs on the place."""
    return {name: torch.from_numpy(np.ascontiguousarray(array)).clone() for name, array in arrays.items()}
