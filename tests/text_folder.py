"""A tiny text model in a folder: random vectors of words, those of a word and its synonym nearly the same."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

WORDS = ("[UNK]", "quiet", "rainy", "french", "2020s", "a", "b", "c", "evening", "calme", "pluie", "zydeco", "bravo")
SYNONYMS = {"calme": "quiet", "pluie": "rainy", "bravo": "b"}
NUM_DIMENSIONS = 24


def write_text_model(
    folder: Path,
    *,
    inputs: tuple[str, ...] = ("input_ids", "attention_mask"),
    output: str = "last_hidden_state",
    num_rows: int = len(WORDS),
    axis: int = 1,
) -> Path:
    """Write a model that answers with the vector of every token [1, L, D], or with their sum over an axis: [1, D] over 1."""
    folder.mkdir(parents=True)
    tokenizer = Tokenizer(models.WordLevel({word: row for row, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    pooled = output == "sentence_embedding"
    nodes = [helper.make_node("Gather", ["vectors", inputs[0]], ["summed" if pooled else output])]
    if pooled:
        nodes.append(helper.make_node("ReduceSum", ["summed", "axis"], [output], keepdims=0))
    graph = helper.make_graph(
        nodes,
        "text",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in inputs],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(vectors()[:num_rows], "vectors"), numpy_helper.from_array(np.array([axis]), "axis")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, folder / "model.onnx")
    return folder


def vectors() -> np.ndarray:
    """Return the vectors of all words [V, D]."""
    random = np.random.default_rng(7)
    vector_VD = random.normal(size=(len(WORDS), NUM_DIMENSIONS)).astype(np.float32)
    for word, meaning in SYNONYMS.items():
        noise_D = random.normal(size=NUM_DIMENSIONS).astype(np.float32)
        vector_VD[WORDS.index(word)] = vector_VD[WORDS.index(meaning)] + 0.2 * noise_D
    return vector_VD
