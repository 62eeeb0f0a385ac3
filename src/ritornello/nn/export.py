"""Export to ONNX: the graph is traced once per shape of a tower and process, every tower then fills in its own weights."""

import logging
import warnings
from typing import TYPE_CHECKING

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from ritornello.data.tokens import EVENT_SIZES, REQUEST_SIZES
from ritornello.data.transitions import LAGS
from ritornello.nn.user_tower import UserTower

if TYPE_CHECKING:  # the channel's settings live with the channel, which loads this module only to train
    from ritornello.recall.vector import VectorConfig

TRACED: dict[tuple[object, ...], onnx.ModelProto] = {}
PREFIX = "tower."  # of a weight's name in the graph


class Served(nn.Module):
    """The user tower as it is served: the newest position alone."""

    def __init__(self, tower: UserTower) -> None:
        super().__init__()
        self.tower = tower

    def forward(
        self, track: Tensor, follow: Tensor, strength: Tensor, event: Tensor, request: Tensor, is_key: Tensor
    ) -> Tensor:
        return self.tower.served(track, follow, strength, event, request, is_key)


def make_user_tower(config: "VectorConfig") -> UserTower:
    """Build the user tower of a configuration."""
    return UserTower(
        config.dim,
        pooling=config.pooling,
        width=config.width,
        blocks=config.blocks,
        heads=config.heads,
        reach=config.length,
        dropout=config.dropout,
        temperature=config.temperature,
    )


def export_user_tower(tower: UserTower, config: "VectorConfig") -> bytes:
    """Return the tower as an ONNX model.

    From track [B, L, D], follow [B, J, D], strength [B, L], event [B, L, F], request [B, F], is_key [B, L] to what
    `UserTower.served` returns.
    """
    shape = (config.dim, config.pooling, config.width, config.blocks, config.heads, config.length)
    if shape not in TRACED:
        TRACED[shape] = trace(config)
    model = onnx.ModelProto()
    model.CopyFrom(TRACED[shape])
    weights = {PREFIX + name: value for name, value in tower.state_dict().items()}
    for initializer in model.graph.initializer:
        value = weights.pop(initializer.name).detach().numpy()
        assert tuple(initializer.dims) == value.shape, f"{initializer.name} has another shape than the traced tower"
        initializer.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(value), initializer.name))
    assert not weights, f"the traced tower lacks {sorted(weights)}"
    return bytes(model.SerializeToString())


def trace(config: "VectorConfig") -> onnx.ModelProto:
    """Trace the graph of a configuration's tower, with fresh weights that are to be replaced."""
    example = (
        torch.zeros(2, 5, config.dim),
        torch.zeros(2, LAGS, config.dim),
        torch.zeros(2, 5),
        torch.zeros(2, 5, len(EVENT_SIZES), dtype=torch.int64),
        torch.zeros(2, len(REQUEST_SIZES), dtype=torch.int64),
        torch.ones(2, 5, dtype=torch.bool),
    )
    any_size = torch.export.Dim.DYNAMIC
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch uses what torch has deprecated
        program = torch.onnx.export(
            Served(make_user_tower(config)).eval(),
            example,
            dynamo=True,
            verbose=False,
            optimize=False,  # keeps every weight under its own name; the runtime optimises when it loads
            dynamic_shapes={
                "track": {0: any_size, 1: any_size},
                "follow": {0: any_size},
                "strength": {0: any_size, 1: any_size},
                "event": {0: any_size, 1: any_size},
                "request": {0: any_size},
                "is_key": {0: any_size, 1: any_size},
            },
        )
    assert program is not None, "the exporter gives a program where no file is named"
    return program.model_proto
