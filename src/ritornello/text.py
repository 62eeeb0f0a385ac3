"""Text models: a sentence-embedding model in a folder that the user has, asked without network, the same vector each time.

The folder is as sentence-transformers and optimum write it: `tokenizer.json`, `model.onnx` (or `onnx/model.onnx`) and, where
they are there, `sentence_bert_config.json` (how many tokens it reads) and `1_Pooling/config.json` (the mean of the tokens'
vectors, or the first). A model that pools by itself has the output `sentence_embedding`. L tokens, D dimensions.
"""

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ritornello.contracts import Float32
from ritornello.extras import needing
from ritornello.inference import open_session

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MODELS = ("model.onnx", "onnx/model.onnx")
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
POOLED = "sentence_embedding"
MAX_TOKENS = 128  # names and phrases are shorter; it bounds what a request can cost
SIMILARITY = 0.5

C = TypeVar("C", bound=msgspec.Struct)


class Reading(msgspec.Struct, frozen=True):
    """What `sentence_bert_config.json` says."""

    max_seq_length: int | None = None


class Pooling(msgspec.Struct, frozen=True):
    """What `1_Pooling/config.json` says."""

    pooling_mode_mean_tokens: bool = False
    pooling_mode_cls_token: bool = False


class TextModel:
    """Turns a text into a unit vector; texts whose vectors are `similarity` alike, as a cosine, mean the same."""

    def __init__(self, folder: Path, similarity: float = SIMILARITY) -> None:
        """Open the folder and try the model.

        Raises:
            ValueError: when a file or the package `tokenizers` is missing, or the model is no such model.
        """
        self.folder = folder
        self.similarity = similarity
        model = next((folder / name for name in MODELS if (folder / name).is_file()), folder / MODELS[0])
        for path in (model, folder / "tokenizer.json"):
            if not path.is_file():
                raise ValueError(f"text model {folder} has no {path.name}: export one to ONNX with its tokenizer")
        reading = self._config("sentence_bert_config.json", Reading) or Reading()
        pooling = self._config("1_Pooling/config.json", Pooling) or Pooling(pooling_mode_mean_tokens=True)
        self.is_first = pooling.pooling_mode_cls_token
        self.max_tokens = max(1, min(reading.max_seq_length or MAX_TOKENS, MAX_TOKENS))
        self.tokenizer = self._open_tokenizer()
        self.session = self._open_model(model)
        self.inputs = [one.name for one in self.session.get_inputs()]
        outputs = [one.name for one in self.session.get_outputs()]
        self.output = POOLED if POOLED in outputs else outputs[0]
        if self.output != POOLED and pooling.pooling_mode_mean_tokens == pooling.pooling_mode_cls_token:
            raise ValueError(f"text model {folder} pools as this version does not: allowed are mean or cls")
        self.num_dimensions = self._try()

    def embed(self, text: str) -> Float32:
        """Return the vector of a text [D], of length 1; zeros where no token is left of it."""
        encoding = self.tokenizer.encode(text)
        if not encoding.ids:
            return np.zeros(self.num_dimensions, np.float32)
        vector_D = self._run(np.array([encoding.ids], np.int64), np.array([encoding.type_ids], np.int64))[0]
        return np.asarray(vector_D / max(float(np.linalg.norm(vector_D)), 1e-12), dtype=np.float32)

    def _run(self, token_1L: NDArray[np.int64], type_1L: NDArray[np.int64]) -> Float32:
        """Return the vector of one row of tokens [1, D]."""
        given = dict(zip(INPUTS, (token_1L, np.ones_like(token_1L), type_1L), strict=True))
        (output,) = self.session.run([self.output], {name: given[name] for name in self.inputs})
        if output.ndim == 3:
            output = output[:, 0] if self.is_first else output.mean(axis=1)
        return np.asarray(output, dtype=np.float32)

    def _try(self) -> int:
        """Return the number of dimensions, which the shortest text and the longest one of the last tokens must share.

        Raises:
            ValueError: when the model cannot read them, or answers with something else than a vector.
        """
        unknown = set(self.inputs) - set(INPUTS)
        if unknown or "input_ids" not in self.inputs:
            found = ", ".join(self.inputs)
            raise ValueError(
                f"text model {self.folder} takes {found}: allowed are input_ids, attention_mask, token_type_ids"
            )
        last = max(self.tokenizer.get_vocab().values(), default=0)
        tried = []
        for length in (1, self.max_tokens):
            token_1L = np.full((1, length), last, np.int64)
            try:
                vector_1D = self._run(token_1L, np.zeros_like(token_1L))
            except Exception as error:  # ONNX Runtime's errors have no base of their own
                raise ValueError(f"text model {self.folder} cannot read {length} tokens: {short(error)}") from error
            if vector_1D.ndim != 2 or len(vector_1D) != 1 or not np.isfinite(vector_1D).all():
                raise ValueError(
                    f"text model {self.folder} answers {self.output} of shape {vector_1D.shape}: allowed are finite numbers, "
                    "(1, dimensions) or (1, tokens, dimensions)"
                )
            tried.append(int(vector_1D.shape[1]))
        if tried[0] != tried[1]:
            raise ValueError(
                f"text model {self.folder} answers with vectors of {tried[0]} and of {tried[1]} dimensions"
            )
        return tried[0]

    def _open_tokenizer(self) -> "Tokenizer":
        """Read the tokenizer, and let it fill nothing up: one text is asked at a time."""
        with needing("text", f"text model {self.folder} needs the package tokenizers"):
            from tokenizers import Tokenizer
        try:
            tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
            tokenizer.no_padding()
            tokenizer.enable_truncation(self.max_tokens)
            tokenizer.encode("a text longer than what is cut off")
        except Exception as error:  # the package raises nothing narrower
            raise ValueError(f"text model {self.folder}: tokenizer.json cannot be used: {short(error)}") from error
        return tokenizer

    def _open_model(self, model: Path) -> onnxruntime.InferenceSession:
        """Open the network, whose weights may lie in a file beside it."""
        try:
            return open_session(str(model))
        except Exception as error:  # ONNX Runtime's errors have no base of their own
            raise ValueError(f"text model {self.folder}: {model.name} cannot be read: {short(error)}") from error

    def _config(self, name: str, kind: type[C]) -> C | None:
        """Read a file of settings, none where there is none."""
        path = self.folder / name
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind) if path.is_file() else None
        except msgspec.DecodeError as error:
            raise ValueError(f"text model {self.folder}: {name} cannot be read: {error}") from error


def open_text_model(folder: Path | None, similarity: float | None) -> TextModel | None:
    """Open the model that was asked for, none where none was.

    Raises:
        ValueError: when it cannot be used, or a similarity is given without it.
    """
    if folder is None:
        if similarity is not None:
            raise ValueError(f"--text-similarity is {similarity}: it goes with --text-model FOLDER")
        return None
    return TextModel(folder, SIMILARITY if similarity is None else similarity)


def short(error: Exception) -> str:
    """Return an error in one line of bearable length."""
    return " ".join(str(error).split())[:200]
