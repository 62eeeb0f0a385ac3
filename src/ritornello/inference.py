"""Models as ONNX, run without torch: one thread, the same answer for the same request."""

from functools import cached_property

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ritornello.contracts import Float32


def open_session(model: bytes | str) -> onnxruntime.InferenceSession:
    """Open a model by its bytes, or by its path where it lies in more than one file."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class Model:
    """An ONNX model with named inputs and one output."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    @cached_property
    def session(self) -> onnxruntime.InferenceSession:
        """Return the session, opened when it is first needed."""
        return open_session(self.content)

    def __call__(self, **inputs: NDArray[np.generic]) -> Float32:
        """Run the model."""
        (output,) = self.session.run(None, inputs)
        return np.asarray(output, dtype=np.float32)
