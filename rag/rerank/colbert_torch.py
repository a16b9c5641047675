"""The body of a ColBERT-style model on torch: an encoder and its projection."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rag.encode.base import Floats
from rag.errors import ModelError
from rag.placement import Placement, get_torch


class TorchStates:
    """States of many texts in one run, on the device and in the precision of the settings."""

    lanes = 1

    def __init__(self, directory: Path, at: Placement) -> None:
        """Raises `ModelError` where torch is not installed or the folder holds no such model."""
        self._torch, self._device = get_torch(), at.device
        self.precision, self.batch_tokens = at.precision, at.batch_tokens
        from safetensors.torch import load_file
        from transformers import AutoConfig, AutoModel

        auto: Any = AutoModel
        try:
            weights = load_file(directory / "model.safetensors")
            self._model = auto.from_config(AutoConfig.from_pretrained(directory, local_files_only=True))
        except (OSError, ValueError) as error:
            raise ModelError(f"{directory.name} holds no ColBERT-style model: {error}") from error
        linear = weights.pop("linear.weight", None)
        dense = directory / "1_Dense" / "model.safetensors"
        if linear is None and dense.exists():
            linear = load_file(dense)["linear.weight"]
        self._load(directory.name, weights)
        dtype = getattr(self._torch, at.dtype)
        self._model = self._model.to(device=at.device, dtype=dtype).requires_grad_(False).eval()
        self._linear = None if linear is None else linear.to(device=at.device, dtype=dtype)

    def _load(self, name: str, weights: dict[str, Any]) -> None:
        """ColBERT's checkpoints have the encoder under its name, PyLate's have it bare."""
        own = self._model.state_dict()
        prefix = f"{self._model.base_model_prefix}."
        bare = {key.removeprefix(prefix): value for key, value in weights.items()}
        missing = [
            key for key in own if key not in bare and "pooler" not in key and "position_ids" not in key
        ]
        if missing:
            raise ModelError(f"The weights of {name} lack {missing[0]} and {len(missing) - 1} more.")
        self._model.load_state_dict({key: bare.get(key, value) for key, value in own.items()})

    def of(self, texts: Sequence[Sequence[int]], seen: Sequence[int]) -> list[Floats]:
        torch = self._torch
        longest = max(map(len, texts))
        ids, mask = np.zeros((2, len(texts), longest), np.int64)
        for row, (text, size) in enumerate(zip(texts, seen, strict=True)):
            ids[row, : len(text)] = text
            mask[row, :size] = 1
        try:
            with torch.inference_mode():
                feed = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
                hidden = self._model(**{k: v.to(self._device) for k, v in feed.items()}).last_hidden_state
                if self._linear is not None:
                    hidden = hidden @ self._linear.T
                states = torch.nn.functional.normalize(hidden.float(), dim=-1).cpu().numpy()
        except torch.OutOfMemoryError as error:
            raise MemoryError(str(error)) from error
        return [states[row, : len(text)] for row, text in enumerate(texts)]
