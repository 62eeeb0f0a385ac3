"""Warm start: weights of a model that was trained on an earlier log, taken over by one of a newer log, whose tables are longer.

Rows that the earlier model lacks (newer tracks, artists, albums, genres) stay as they begin: where their kin lie.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ritornello.data.kin import PLACES


def weights_of(model: nn.Module, base_TE: torch.Tensor) -> dict[str, NDArray[np.generic]]:
    """Return all that training goes on from: the weights, and the places that they were learned on."""
    weights = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    return {**weights, PLACES: base_TE.numpy()}


def take_over(model: nn.Module, weights: Mapping[str, NDArray[np.generic]]) -> None:
    """Give a model the weights of an earlier one.

    Raises:
        ValueError: when a table is of another width: then what the catalogue tells of tracks is another thing than it was.
    """
    own = model.state_dict()
    for name in own.keys() & weights.keys():
        value = torch.from_numpy(np.array(weights[name]))
        if value.shape[1:] != own[name].shape[1:]:
            raise ValueError(
                f"{name} is {tuple(value.shape)} in the bundle and {tuple(own[name].shape)} now: the catalogue tells other "
                "things of tracks; train without --update"
            )
        if value.ndim:
            own[name][: len(value)] = value[: len(own[name])]
        else:
            own[name] = value
    model.load_state_dict(own)
