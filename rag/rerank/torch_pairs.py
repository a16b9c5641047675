"""Pairs through a torch model: what every backend that computes with torch has in common.

Runs are as long as their longest pair; padding stands behind. Where all pairs of a run have one length no
mask is given, which is what the fastest attention kernels ask for.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.errors import SpecError
from rag.placement import Placement, get_torch
from rag.rerank.base import Pair

Ints = NDArray[np.int64]
MULTIPLE = 8
"""On a GPU lengths are rounded up to this: tensor cores multiply eights."""


class TorchRuns:
    """Runs of a model: arrays in, one float a pair out. Threads may share it."""

    def __init__(self, model: Any, at: Placement, *, pad: int, masked: bool = True) -> None:
        """`pad` is the id of the padding token; `masked` is False for a model that only looks back."""
        self.torch = get_torch()
        self.model, self.at = model, at
        self._pad, self._masked = pad, masked

    def scores(self, pairs: Sequence[Pair], names: Sequence[str]) -> list[float]:
        """Raises `MemoryError` where the device has none left, `RuntimeError` where a run fails."""
        torch = self.torch
        try:
            with torch.inference_mode():
                return [float(score) for score in self.forward(self._feed(pairs, names), _lengths(pairs))]
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            raise MemoryError(
                f"{len(pairs)} pairs do not fit into the memory of {self.at.device}."
            ) from error
        except RuntimeError as error:
            if "memory" in str(error) and "alloc" in str(error):
                raise MemoryError(f"{len(pairs)} pairs do not fit into memory.") from error
            raise

    def forward(self, feed: Mapping[str, Any], lengths: Sequence[int]) -> Sequence[float]:
        raise NotImplementedError

    def _feed(self, pairs: Sequence[Pair], names: Sequence[str]) -> dict[str, Any]:
        """The arrays of these names, int64 [pairs, length], on the device."""
        lengths = _lengths(pairs)
        longest = max(lengths)
        width = -(-longest // MULTIPLE) * MULTIPLE if self.at.on_gpu else longest
        arrays: dict[str, Ints] = {}
        for name in names:
            fill = self._pad if name == "input_ids" else 0
            arrays[name] = np.full((len(pairs), width), fill, np.int64)
            for row, pair in enumerate(pairs):
                arrays[name][row, : lengths[row]] = pair.data[name]
        if self._masked and min(lengths) < width:
            arrays["attention_mask"] = (np.arange(width) < np.array(lengths)[:, None]).astype(np.int64)
        return {name: self._there(array) for name, array in arrays.items()}

    def _there(self, array: Ints) -> Any:
        tensor = self.torch.from_numpy(array)
        if not self.at.on_gpu:
            return tensor
        return tensor.pin_memory().to(self.at.device, non_blocking=True)


def _lengths(pairs: Sequence[Pair]) -> list[int]:
    return [pair.tokens for pair in pairs]


def take_options(backend: str, given: Mapping[str, Any] | None, known: Mapping[str, type]) -> dict[str, Any]:
    """The options of a spec, checked. Raises `SpecError` naming those there are."""
    options = dict(given or {})
    for name, value in options.items():
        wanted = known.get(name)
        if wanted is None:
            there_are = ", ".join(sorted(known)) or "none"
            raise SpecError(f"The backend {backend} has no option {name!r}; there are: {there_are}.")
        if type(value) is not wanted or value in (0, "") or (isinstance(value, int) and value < 0):
            what = {int: "a whole number from 1", str: "words in quotes"}[wanted]
            raise SpecError(f"The option {name} of the backend {backend} is {what}, not {value!r}.")
    return options
