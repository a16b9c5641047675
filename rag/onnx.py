"""One ONNX model on the CPU: texts in, arrays out, several texts at a time.

Each text is run alone, on one core, and as many texts at the same time as there are threads. The int8
models compute the scale of their activations over everything in a run, so a neighbour or its padding
moves a logit (by up to 0.5 for the cross-encoder). Alone, an output is a function of the text, which
replaying a trace stands on, and two texts on two cores are as fast as one batch on both; see
`docs/decisions/0005-one-text-a-run.md`. `batch_tokens` batches all the same, for models in floats.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from rag.errors import ModelError
from rag.parallel import cores


def batches(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Cut texts of these lengths into batches of at most `batch_tokens`, padding included.

    Longest first, so that a batch pads little. A text longer than the budget is a batch of its own.
    """
    cut: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if cut and (len(cut[-1]) + 1) * lengths[cut[-1][0]] <= batch_tokens:
            cut[-1].append(index)
        else:
            cut.append([index])
    return cut


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """A session and how many of its runs go on at the same time. Safe to share among threads."""

    session: onnxruntime.InferenceSession
    output: str
    inputs: frozenset[str]
    threads: int

    @classmethod
    def load(
        cls, model: Path | bytes, *, output: str, threads: int | None = None, overflows: bool = True
    ) -> "OnnxModel":
        """Open a file, or what one holds. `threads` is the number of cores by default. Raises `ModelError`.

        `overflows` is False for a model of which no product of int8 numbers can overflow 16 bits.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Every length is another shape: remembered memory plans would pile up.
        options.enable_mem_pattern = False
        # Without VNNI the faster product of int8 numbers overflows, and a logit is off by .3.
        options.add_session_config_entry("session.x64quantprecision", "1" if overflows else "0")
        held = model if isinstance(model, bytes) else str(model)
        try:
            session = onnxruntime.InferenceSession(
                held,
                options,
                providers=["CPUExecutionProvider"],
                # Fused, this takes twice as long as its two parts.
                disabled_optimizers=None if overflows else ["SkipLayerNormFusion"],
            )
        except Exception as error:
            name = "written anew" if isinstance(model, bytes) else f"file {model.name}"
            raise ModelError(f"The model {name} cannot be opened: {error}") from error
        inputs = frozenset(put.name for put in session.get_inputs())
        return cls(session, output, inputs, threads or cores())

    def run(self, texts: Sequence[Encoding]) -> NDArray[np.float32]:
        """The output for these texts in one run, padded to the longest.

        Raises `RuntimeError` where the runtime fails.
        """
        length = max(len(text.ids) for text in texts)
        ids, mask, types = np.zeros((3, len(texts), length), np.int64)
        for row, text in enumerate(texts):
            size = len(text.ids)
            ids[row, :size] = text.ids
            mask[row, :size] = 1
            types[row, :size] = text.type_ids
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        feed = {name: array for name, array in feed.items() if name in self.inputs}
        try:
            result: NDArray[np.float32] = self.session.run([self.output], feed)[0]
        except Exception as error:  # its errors have no common base but this
            raise RuntimeError(f"A model run over {ids.shape} tokens failed.") from error
        return result


def tokenizer(file: Path, *, max_tokens: int | None, only_second: bool = False) -> Tokenizer:
    """The tokenizer without padding, cutting at `max_tokens` with special tokens. Raises `ModelError`."""
    try:
        loaded = Tokenizer.from_file(str(file))
    except Exception as error:
        raise ModelError(f"The tokenizer file {file.name} cannot be opened: {error}") from error
    loaded.no_padding()
    if max_tokens is None:
        loaded.no_truncation()
    else:
        strategy = "only_second" if only_second else "longest_first"
        loaded.enable_truncation(max_tokens, strategy=strategy)
    return loaded


def plain(text: str) -> str:
    """The same number of characters, without halves of surrogate pairs, which no tokenizer takes."""
    return text.encode("utf-8", "replace").decode("utf-8")
