"""Run by vLLM's Python: a model of the store as the folder that vLLM reads, weights in floats again.

python -m scripts.vllm.from_store MODEL_FOLDER NEW_FOLDER
"""

import sys
from pathlib import Path


def from_gguf(source: Path, into: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(source, gguf_file="model.gguf", dtype=torch.bfloat16)
    model.hf_quantizer = None  # the weights are plain now, and are to be saved as such
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(into)
    AutoTokenizer.from_pretrained(source, gguf_file="model.gguf").save_pretrained(into)


def from_onnx(source: Path, into: Path) -> None:
    from rag.models import Model, torch_copy

    into.mkdir()
    torch_copy.make(Model(into.name, "", "", "", ()), source, into)


def main(source: Path, into: Path) -> None:
    if (source / "model.gguf").exists():
        from_gguf(source, into)
    else:
        from_onnx(source, into)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
