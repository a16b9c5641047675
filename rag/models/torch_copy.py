"""A torch model out of an int8 ONNX file of a BERT cross-encoder: its weights multiplied out again.

For GPUs, for vLLM and for comparisons, where the publisher's own file cannot be had. A weight is
`scale · (q − zero point)`, so the copy differs from the original by what quantising took: it computes with
the weights of the int8 file and exact activations, and its logits are within some .3 of that file's.
"""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.errors import ModelError
from rag.models.added import record
from rag.models.catalogue import Model
from rag.models.store import ModelStore

_LAYER = re.compile(r"bert\.encoder\.layer\.(\d+)\.")
_NODE = re.compile(r"(?:/Gemm)?(?:/MatMul|_MatMul)_quant$")
HEAD_WIDTH = 32
"""Width of an attention head of the MiniLM models (Wang et al. 2020); the file does not say it."""


def make(model: Model, source: Path, into: Path) -> Model:
    """Fill a folder with `model.safetensors`, configuration and tokenizer; the model with its files.

    `source` is a folder with `model.onnx` and `tokenizer.json`. Raises `ModelError` where the file is no
    quantised BERT cross-encoder, or where what reads and writes weights is not installed.
    """
    try:
        from safetensors.numpy import save_file
    except ImportError as error:
        raise ModelError("A copy for torch needs the extra packages of torch: make setup-torch") from error
    weights = dequantised(source / "model.onnx")
    save_file(weights, into / "model.safetensors", metadata={"format": "pt"})
    words, width = weights["bert.embeddings.word_embeddings.weight"].shape
    positions = len(weights["bert.embeddings.position_embeddings.weight"])
    layers = {int(found[1]) for name in weights if (found := _LAYER.match(name))}
    config: dict[str, Any] = {
        "architectures": ["BertForSequenceClassification"],
        "model_type": "bert",
        "hidden_size": width,
        "num_hidden_layers": len(layers),
        "num_attention_heads": width // HEAD_WIDTH,
        "intermediate_size": len(weights["bert.encoder.layer.0.intermediate.dense.weight"]),
        "vocab_size": words,
        "max_position_embeddings": positions,
        "type_vocab_size": len(weights["bert.embeddings.token_type_embeddings.weight"]),
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
        "id2label": {str(n): f"LABEL_{n}" for n in range(len(weights["classifier.weight"]))},
        "sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"},
        "dtype": "float32",
    }
    of_words = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": True,
        "model_max_length": positions,
        **{f"{name}_token": f"[{name.upper()}]" for name in ("cls", "sep", "pad", "unk", "mask")},
    }
    for name, content in (("config.json", config), ("tokenizer_config.json", of_words)):
        (into / name).write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    shutil.copyfile(source / "tokenizer.json", into / "tokenizer.json")
    return record(model, into)


def add(store: ModelStore, of: str) -> Model:
    """Make the copy of a model of the store, and put it there: `NAME-int8` gives `NAME-torch`."""
    source, was = store.path(of), store.model(of)
    origin = f"{was.origin}, from its int8 file"
    copy = Model(f"{of.removesuffix('-int8')}-torch", was.use, was.licence, origin, ())
    return store.add(copy, lambda folder: make(copy, source, folder))


def dequantised(file: Path) -> dict[str, NDArray[np.float32]]:
    """The weights of a quantised ONNX file by their names in `BertForSequenceClassification`, as torch lays
    them out. Raises `ModelError`."""
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise ModelError("A copy for torch needs the extra packages of torch: make setup-torch") from error
    try:
        graph = onnx.load(str(file)).graph
    except Exception as error:  # protobuf's errors
        raise ModelError(f"The model file {file.name} cannot be read: {error}") from error
    found = {one.name: numpy_helper.to_array(one) for one in graph.initializer}

    def floats(quantised: str) -> NDArray[np.float32]:
        stem = quantised.removesuffix("_quantized")
        zero = found[f"{stem}_zero_point"].astype(np.float32)
        scale = np.float32(found[f"{stem}_scale"])
        return np.asarray((found[quantised].astype(np.float32) - zero) * scale, np.float32)

    weights = {
        name: np.array(array, np.float32) for name, array in found.items() if array.dtype == np.float32
    }
    weights = {name: array for name, array in weights.items() if name.startswith(("bert.", "classifier."))}
    weights = {name: array for name, array in weights.items() if not name.endswith("_scale")}
    for node in graph.node:
        if node.op_type == "Gather" and node.input[0].endswith("_quantized"):
            weights[node.input[0].removesuffix("_quantized")] = floats(node.input[0])
        elif node.op_type == "MatMulInteger" and node.input[1].endswith("_quantized"):
            layer = _NODE.sub("", node.name).strip("/").replace("/", ".")
            weights[f"{layer}.weight"] = np.ascontiguousarray(floats(node.input[1]).T)
    needed = ("bert.embeddings.word_embeddings", "bert.encoder.layer.0.intermediate.dense", "classifier")
    missing = [name for name in needed if f"{name}.weight" not in weights]
    if missing:
        raise ModelError(f"{file.name} is no int8 file of a BERT cross-encoder: it has no {missing[0]}.")
    return weights
