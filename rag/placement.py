"""Where torch computes, in which precision and how: settings of a machine, never of a pipeline."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.errors import ModelError
from rag.models import added
from rag.models.sources import sha256_of

PRECISIONS = ("float32", "bfloat16", "float16")
SHORT = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
ON_CPU, ON_GPU = 1024, 32_768
"""Tokens of one run, padding included: more are no faster, and a deadline is looked at between runs."""


@dataclass(frozen=True, slots=True)
class Placement:
    device: str
    """As torch names it: `cpu`, `cuda:0`."""
    dtype: str
    attention: str
    """`sdpa`, `eager`, `flash_attention_2`; empty: what transformers takes for the model."""
    compiled: bool
    batch_tokens: int
    memory: float = 1.0
    """Share of the GPU's memory that this process may take; the rest is left to others, such as vLLM."""

    @property
    def precision(self) -> str:
        return f"{self.dtype} on {self.device}"

    @property
    def on_gpu(self) -> bool:
        return self.device.startswith("cuda")


def placement(environ: Mapping[str, str] = os.environ) -> Placement:
    """Read from `SIEVE_TORCH_*`: by default bfloat16 on the first GPU, or float32 on the CPU.

    Raises `ModelError` where torch is not installed or a setting cannot be.
    """
    torch = get_torch()
    device = environ.get("SIEVE_TORCH_DEVICE") or ("cuda:0" if torch.cuda.is_available() else "cpu")
    device = "cuda:0" if device == "cuda" else device
    kind, _, number = device.partition(":")
    if device != "cpu" and not (kind == "cuda" and number.isdecimal()):
        raise ModelError(f"SIEVE_TORCH_DEVICE is {device!r}: write cpu, cuda:0, cuda:1 and so on.")
    if kind == "cuda" and not int(number) < torch.cuda.device_count():
        raise ModelError(f"SIEVE_TORCH_DEVICE is {device}, but torch finds {torch.cuda.device_count()} GPUs.")
    dtype = environ.get("SIEVE_TORCH_DTYPE") or ("float32" if device == "cpu" else "bfloat16")
    dtype = SHORT.get(dtype, dtype)
    if dtype not in PRECISIONS:
        raise ModelError(f"SIEVE_TORCH_DTYPE is {dtype!r}: write one of {', '.join(PRECISIONS)}.")
    tokens = environ.get("SIEVE_TORCH_BATCH_TOKENS") or str(ON_CPU if device == "cpu" else ON_GPU)
    if not tokens.isdecimal() or int(tokens) < 1:
        raise ModelError(f"SIEVE_TORCH_BATCH_TOKENS is {tokens!r}: write a number of tokens.")
    return Placement(
        device,
        dtype,
        environ.get("SIEVE_TORCH_ATTENTION", ""),
        environ.get("SIEVE_TORCH_COMPILE", "") not in ("", "0"),
        int(tokens),
        _share(environ.get("SIEVE_TORCH_MEMORY") or "1"),
    )


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise ModelError(f"SIEVE_TORCH_MEMORY is {text!r}: write a share of the GPU's memory, such as 0.2.")
    return share


def get_torch() -> Any:
    """The package torch. Raises `ModelError` saying how to get it."""
    try:
        import torch
        import transformers  # noqa: F401
    except ImportError as error:
        raise ModelError("This backend needs torch and transformers: make setup-torch") from error
    return torch


def load_model(kind: str, directory: Path, at: Placement) -> Any:
    """The model in a folder, ready to compute: `kind` is the class of transformers that reads it.

    Its own code is run only where the store says so, and then only as it was when that was said. Raises
    `ModelError` also for weights that lack a part of the model, which transformers would fill with chance.
    """
    torch = get_torch()
    import transformers

    transformers.utils.logging.disable_progress_bar()
    own_code = may_run_own_code(directory, kind)
    try:
        model, info = getattr(transformers, kind).from_pretrained(
            directory,
            dtype=getattr(torch, at.dtype),
            attn_implementation=at.attention or None,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=own_code,
            output_loading_info=True,
        )
    except (OSError, ValueError, ImportError, RuntimeError, KeyError) as error:
        raise ModelError(f"The model in {directory.name} cannot be loaded: {error}") from error
    if lacking := sorted(info["missing_keys"]):
        raise ModelError(
            f"The weights in {directory.name} lack {len(lacking)} parts of the model, {lacking[0]} first: "
            "they are those of another model."
        )
    if at.on_gpu and at.memory < 1:
        torch.cuda.set_per_process_memory_fraction(at.memory, int(at.device.partition(":")[2]))
    model.requires_grad_(False).eval().to(at.device)
    if at.compiled:
        model.base_model.compile(dynamic=True)
    return model


def load_tokenizer(directory: Path) -> Any:
    """The tokenizer of transformers in a folder. Raises `ModelError`."""
    get_torch()
    from transformers import AutoTokenizer

    try:
        loaded = AutoTokenizer.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise ModelError(f"The tokenizer in {directory.name} cannot be loaded: {error}") from error
    if not getattr(loaded, "is_fast", False):
        raise ModelError(f"The tokenizer in {directory.name} has no tokenizer.json that can be made of it.")
    return loaded


def may_run_own_code(directory: Path, kind: str) -> bool:
    """Whether the model's own Python code is to be run. Raises `ModelError` where it must be and may not."""
    try:
        config = json.loads((directory / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"The config.json in {directory.name} cannot be read: {error}") from error
    if kind not in config.get("auto_map", {}):
        return False
    model = next((one for one in added.read(directory.parent) if one.name == directory.name), None)
    if model is None or not model.own_code:
        raise ModelError(
            f"The model {directory.name} is computed by Python code of its own. Read it, and add the model "
            "with its hash: manage.py models add NAME --from DIR --own-code SHA256"
        )
    found = added.code_digest({path.name: sha256_of(path) for path in directory.glob("*.py")})
    if found != model.own_code:
        raise ModelError(f"The code of the model {directory.name} is not what was vouched for any more.")
    return True


def digest_of(directory: Path) -> str:
    """SHA-256 of all files of a model together, as `Model.digest("*")` gives it.

    Those of a store were hashed when they came; the marker says what they had. Any other folder is read.
    """
    import hashlib

    try:
        marker = json.loads((directory / "verified.json").read_text("utf-8"))
        hashes = {name: str(noted["sha256"]) for name, noted in marker.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        hashes = {path.name: sha256_of(path) for path in directory.iterdir() if path.is_file()}
    lines = [f"{sha256}  {name}\n" for name, sha256 in sorted(hashes.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
