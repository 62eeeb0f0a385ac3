"""A folder with a text model gives unit vectors, or one clear line that says what is wrong with it."""

import json
import shutil
import sys

import numpy as np
import pytest

from ritornello.text import TextModel, open_text_model
from text_folder import WORDS, vectors, write_text_model


def unit(vector_D):
    return vector_D / np.linalg.norm(vector_D)


def test_a_text_is_the_mean_of_its_tokens_at_length_one(tmp_path):
    model = TextModel(write_text_model(tmp_path / "model"))
    both = vectors()[[WORDS.index("rainy"), WORDS.index("evening")]]
    np.testing.assert_allclose(model.embed("rainy evening"), unit(both.mean(axis=0)), rtol=1e-5)
    assert model.embed("rainy evening").tolist() == model.embed("rainy evening").tolist()
    assert not model.embed("  ").any()


def test_the_files_of_the_folder_say_how_tokens_are_read(tmp_path):
    folder = write_text_model(tmp_path / "model")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling/config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    np.testing.assert_allclose(TextModel(folder).embed("rainy evening"), unit(vectors()[2]), rtol=1e-5)
    shutil.rmtree(folder / "1_Pooling")
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 1, "do_lower_case": False}))
    np.testing.assert_allclose(TextModel(folder).embed("rainy evening"), unit(vectors()[2]), rtol=1e-5)


def test_a_model_may_pool_by_itself_lie_in_a_folder_and_take_token_types(tmp_path):
    inputs = ("input_ids", "token_type_ids")
    folder = write_text_model(tmp_path / "model", inputs=inputs, output="sentence_embedding")
    (folder / "onnx").mkdir()
    (folder / "model.onnx").rename(folder / "onnx/model.onnx")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling/config.json").write_text(json.dumps({"pooling_mode_max_tokens": True}))  # done by the model
    both = vectors()[[WORDS.index("rainy"), WORDS.index("evening")]]
    np.testing.assert_allclose(TextModel(folder).embed("rainy evening"), unit(both.sum(axis=0)), rtol=1e-5)


def without(name):
    return lambda folder: (folder / name).unlink()


def holding(name, content):
    def write(folder):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)

    return write


@pytest.mark.parametrize(
    ("spoil", "made", "message"),
    [
        (shutil.rmtree, {}, "has no model.onnx"),
        (without("model.onnx"), {}, "has no model.onnx"),
        (without("tokenizer.json"), {}, "has no tokenizer.json"),
        (holding("model.onnx", b"no model"), {}, "model.onnx cannot be read"),
        (holding("tokenizer.json", b"{}"), {}, "tokenizer.json cannot be used"),
        (holding("sentence_bert_config.json", b"[]"), {}, "sentence_bert_config.json cannot be read"),
        (holding("1_Pooling/config.json", b"{}"), {}, "pools as this version does not: allowed are mean or cls"),
        (None, {"inputs": ("pixels",)}, "takes pixels: allowed are input_ids"),
        (None, {"inputs": ("input_ids", "position_ids")}, "takes input_ids, position_ids: allowed are input_ids"),
        (None, {"num_rows": len(WORDS) - 1}, "cannot read 1 tokens"),
        (None, {"output": "sentence_embedding", "axis": 2}, "answers with vectors of 1 and of 128 dimensions"),
        (None, {"output": "sentence_embedding", "axis": 0}, "answers sentence_embedding of shape \\(128, 24\\)"),
    ],
)
def test_a_folder_that_is_no_text_model_is_one_clear_line(tmp_path, spoil, made, message):
    folder = write_text_model(tmp_path / "model", **made)
    if spoil:
        spoil(folder)
    with pytest.raises(ValueError, match=message) as told:
        TextModel(folder)
    assert str(folder) in str(told.value)
    assert "\n" not in str(told.value)


def test_without_the_package_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ValueError, match=r"needs the package tokenizers: pip install 'ritornello\[text\]'"):
        TextModel(write_text_model(tmp_path / "model"))


def test_a_similarity_needs_a_model():
    assert open_text_model(None, None) is None
    with pytest.raises(ValueError, match=r"--text-similarity is 0\.7: it goes with --text-model FOLDER"):
        open_text_model(None, 0.7)
