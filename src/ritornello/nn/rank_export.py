"""Export of the sequence rankers to ONNX, in a second: their graphs are traced anew with every training.

The older of torch's exporters writes down what is computed for one batch. The newer one reasons about every size as well, which
takes forty times as long.
"""

import warnings
from io import BytesIO

import onnx
import torch
from torch import Tensor, nn

OPSET = 20


class Positional(nn.Module):
    """A network whose inputs come in order, as the exporter wants them."""

    def __init__(self, module: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.module, self.names = module, names

    def forward(self, *values: Tensor) -> Tensor:
        return torch.as_tensor(self.module(dict(zip(self.names, values, strict=True))))


def export(module: nn.Module, inputs: dict[str, Tensor]) -> bytes:
    """Return the network as an ONNX model, for any number of requests, candidates and events."""
    names, content = tuple(inputs), BytesIO()
    widths = {name: {0: "requests", 1: f"{name}_width"} for name in names if name != "context"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about sizes that might be fixed (tests ask at other sizes), and about its age
        torch.onnx.export(
            Positional(module, names).eval(),
            tuple(inputs.values()),
            content,  # type: ignore[arg-type]  # its annotation forgets buffers
            dynamo=False,
            opset_version=OPSET,
            input_names=list(names),
            dynamic_axes={"context": {0: "requests"}, **widths},
        )
    model = onnx.load_from_string(content.getvalue())
    read = {value.name for value in model.graph.input}
    for name in names:
        if name not in read:  # the exporter forgets what a network does not look at, and callers give everything
            kind = onnx.helper.np_dtype_to_tensor_dtype(inputs[name].numpy().dtype)
            model.graph.input.append(onnx.helper.make_tensor_value_info(name, kind, [None] * inputs[name].ndim))
    for node in model.graph.node:
        node.ClearField("doc_string")
    return bytes(model.SerializeToString())
