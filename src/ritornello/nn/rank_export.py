"""Export of the sequence rankers to ONNX: a graph is traced once per shape of a network, every network fills in its weights."""

import logging
import warnings
from copy import deepcopy
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

if TYPE_CHECKING:  # the settings live with the rankers
    from ritornello.rank.network import NetworkConfig

TRACED: dict[tuple[object, ...], onnx.ModelProto] = {}
PREFIX = "module."  # of a weight's name in the graph
TRAINING_SETTINGS = (
    *("dropout", "epochs", "learning_rate", "weight_decay", "unplayed", "batch_requests", "order", "chain"),
    *("position", "held_out", "utility", "seed", "trees", "cascade"),
)


class Positional(nn.Module):
    """A network whose inputs come in order, as the exporter wants them."""

    def __init__(self, module: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.module, self.names = module, names

    def forward(self, *values: Tensor) -> Tensor:
        return torch.as_tensor(self.module(dict(zip(self.names, values, strict=True))))


def example_inputs(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return nothing in the right shapes, no two sizes the same: the exporter takes equal sizes for one and the same."""
    widths = {name: place for place, name in enumerate(sorted(name for name in inputs if name.endswith("_age")), 5)}

    def size(name: str) -> tuple[int, ...]:
        domain = f"{name.partition('_')[0]}_age"
        if domain not in widths:
            return (2,) if name == "context" else (2, 3)
        least = inputs[domain].shape[1] if domain == "play_age" else 0
        return (2, least + 7 + widths[domain])

    return {
        name: torch.zeros(*size(name), *value.shape[len(size(name)) :], dtype=value.dtype)
        for name, value in inputs.items()
    }


def traced_by(config: "NetworkConfig") -> tuple[object, ...]:
    """Return the settings that shape a network; those of its training do not."""
    return tuple(
        value for name, value in sorted(msgspec.structs.asdict(config).items()) if name not in TRAINING_SETTINGS
    )


def export(module: nn.Module, inputs: dict[str, Tensor], *, key: tuple[object, ...]) -> bytes:
    """Return the network as an ONNX model, for any number of requests, candidates and events.

    A graph is traced once per shape of a network and process; every network fills in its own weights.
    """
    if key not in TRACED:
        TRACED[key] = trace(module, example_inputs(inputs))
    model = onnx.ModelProto()
    model.CopyFrom(TRACED[key])
    weights = {PREFIX + name: value for name, value in module.state_dict().items()}
    for initializer in model.graph.initializer:
        if initializer.name in weights:
            value = weights[initializer.name].detach().numpy()
            initializer.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(value), initializer.name))
    return bytes(model.SerializeToString())


def trace(module: nn.Module, inputs: dict[str, Tensor]) -> onnx.ModelProto:
    """Trace the graph of a network."""
    any_size = torch.export.Dim.DYNAMIC
    names = tuple(inputs)
    shapes = tuple({0: any_size, 1: any_size} if name != "context" else {0: any_size} for name in names)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch uses what torch has deprecated
        program = torch.onnx.export(
            Positional(deepcopy(module).requires_grad_(False), names).eval(),  # a scan is not traced with gradients
            tuple(inputs.values()),
            dynamo=True,
            verbose=False,
            optimize=False,  # keeps every weight under its own name; the runtime optimises when it loads
            input_names=list(names),
            dynamic_shapes=(shapes,),
        )
    assert program is not None, "the exporter gives a program where no file is named"
    model: onnx.ModelProto = program.model_proto
    forget_sources(model.graph)
    return model


def forget_sources(graph: onnx.GraphProto) -> None:
    """Leave out where in the source each node came from: it is more than all the weights."""
    for node in graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                forget_sources(attribute.g)
    graph.ClearField("value_info")  # the runtime finds the shapes by itself
