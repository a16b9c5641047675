import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rag.onnx import OnnxModel, tokenizer
from rag.onnx_file import operators, read
from rag.rerank.bert import NO_OVERFLOW, rewritten, without_overflow
from tests import models

WEIGHTS = arrays(
    np.int8, st.tuples(st.sampled_from([2, 4, 8]), st.integers(1, 5)), elements=st.integers(-128, 127)
)


@given(WEIGHTS)
def test_no_two_weights_side_by_side_overflow(weight: np.ndarray) -> None:
    safe, scale = without_overflow(weight, np.ones(weight.shape[1], np.float32))
    states = np.array([[0, 0], [255, 0], [0, 255], [255, 255]], np.int64)
    sums = np.einsum("sp,kpn->skn", states, safe.astype(np.int64).reshape(-1, 2, weight.shape[1]))
    assert sums.min() >= -(2**15)
    assert sums.max() < 2**15
    assert np.abs(safe * scale - weight).max() <= scale.max() / 2 + 1e-4
    fits = np.abs(weight.astype(int).reshape(-1, 2, weight.shape[1])).sum(1).max(0) <= NO_OVERFLOW
    assert (safe[:, fits] == weight[:, fits]).all()


@pytest.mark.models
def test_a_cross_encoder_written_anew_scores_as_its_file_does() -> None:
    folder = models.folder(models.CROSS_ENCODER)
    file = (folder / "model.onnx").read_bytes()
    anew = rewritten(file)
    assert anew is not None
    words = tokenizer(folder / "tokenizer.json", max_tokens=512)
    old = OnnxModel.load(folder / "model.onnx", output="logits")
    new = OnnxModel.load(anew, output="logits", overflows=False)
    for text in ("Berlin has 3.5 million inhabitants.", "Fish is sold there.", "Berlin is large. " * 100):
        pair = [words.encode("How many people live in Berlin?", text)]
        assert new.run(pair)[0, 0] == pytest.approx(old.run(pair)[0, 0], abs=0.4)
    assert len(read(anew)[0]) < len(read(file)[0]) / 5
    assert "DynamicQuantizeMatMul" in operators(anew)


@pytest.mark.models
def test_any_other_file_is_left_as_it_is() -> None:
    encoder = (models.folder(models.ENCODER) / "model.onnx").read_bytes()
    assert rewritten(encoder) is None
    assert rewritten(encoder[: len(encoder) // 2]) is None
    assert rewritten(b"") is None
    assert rewritten(b"no model at all") is None
