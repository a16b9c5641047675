"""Products of small integers, four times as fast as the same in floats.

NumPy has no fast product of integers, the runtime that runs the models has one: it is called with a graph
of a single MatMulInteger, uint8 [n, d] by int8 [d, q] to int32 [n, q]. The result is exact, so it is the same
on every processor. Values of 0 and 1 on the left never overflow in it.
"""

import base64
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_GRAPH = base64.b64decode(
    "CAgSADpiChgKAWEKAWISAXkiDU1hdE11bEludGVnZXISAWdaFQoBYRIQCg4IAhIKCgMSAW4KAxIBZFoVCgFiEhAKDggDEgoKAxIBZAoD"
    "EgFxYhUKAXkSEAoOCAYSCgoDEgFuCgMSAXFCBAoAEA0="
)
"""onnx.helper.make_model of that one node, opset 13, inputs `a` and `b`, output `y`."""


@lru_cache(maxsize=1)
def _session() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(_GRAPH, options, providers=["CPUExecutionProvider"])


def product(left: NDArray[np.uint8], right: NDArray[np.int8]) -> NDArray[np.int32]:
    """`left @ right`, on the thread that calls; threads may call it at the same time."""
    result: NDArray[np.int32] = _session().run(None, {"a": left, "b": right})[0]
    return result
