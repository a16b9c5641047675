"""An int8 BERT cross-encoder written anew for the CPU: the same weights, half the time.

A file as exporters and quantisers write it computes much that a ranking does not need. What is left here:

- The three products of attention are one, and attention is one operation. Texts are run alone, so nothing
  is masked.
- Only the first token of the last layer is read, so no other is computed there.
- Where a processor has no VNNI instructions, the fast product of int8 numbers adds two products in 16 bits,
  and that may overflow. The way around it takes half as long again. Weights that cannot overflow need no
  way around: in the few columns (here 3 %) that could, they are made coarser by as little as is needed.
"""

import numpy as np

from rag.onnx_file import MICROSOFT, Array, Graph, Node, read

INPUTS, OUTPUT = ("input_ids", "token_type_ids"), "logits"
EPSILON = 1e-12
"""Of BERT's layer normalisation."""
NO_OVERFLOW = (2**15 - 1) // 255
"""Two weights side by side, of one sign, may be as large as this together."""


def rewritten(file: bytes) -> bytes | None:
    """The model in other words; None where it is no BERT with one logit, quantised dynamically to int8."""
    try:
        return _Writer(*read(file)).write()
    except (_Other, ValueError):
        return None


class _Other(Exception):
    """The file is of another kind."""


class _Writer:
    def __init__(self, nodes: list[Node], tensors: dict[str, Array]) -> None:
        self._nodes, self._tensors, self._graph = nodes, tensors, Graph()
        self._products = {node.name: node.inputs[1] for node in nodes if node.op == "MatMulInteger"}

    def write(self) -> bytes:
        graph = self._graph
        layers = sum(name.endswith("/intermediate/dense/MatMul_quant") for name in self._products)
        heads = self._heads()
        self._zero, self._one = (graph.constant(str(n), np.array([n], np.int64)) for n in (0, 1))
        states = self._embeddings()
        for layer in range(layers):
            states = self._layer(states, layer, heads, last=layer == layers - 1)
        width = self._tensor("bert.pooler.dense.bias").shape[0]
        first = graph.node("Reshape", [states, graph.constant("flat", np.array([-1, width], np.int64))])
        pooled = graph.node("Tanh", [self._in_floats(first, "bert.pooler.dense")])
        if self._tensor("classifier.bias").shape != (1,):
            raise _Other
        return graph.encode(INPUTS, self._in_floats(pooled, "classifier"), OUTPUT)

    def _embeddings(self) -> str:
        graph = self._graph
        length = graph.node("Slice", [graph.node("Shape", [INPUTS[0]]), self._one, graph.constant("2", TWO)])
        words = self._looked_up("word", INPUTS[0])
        types = self._looked_up("token_type", INPUTS[1])
        table = self._held("bert.embeddings.position_embeddings.weight_quantized")
        cut = graph.node("Slice", [table, self._zero, length, self._zero])
        places = self._dequantised(cut, "bert.embeddings.position_embeddings.weight")
        both = graph.node("Add", [words, types])
        return self._normalised(both, places, "bert.embeddings.LayerNorm")

    def _layer(self, states: str, layer: int, heads: int, *, last: bool) -> str:
        graph, at = self._graph, f"bert.encoder.layer.{layer}."
        attention = at + "attention."
        if last:
            key, value = (self._product(states, [attention + f"self.{n}"]) for n in ("key", "value"))
            states = graph.node("Slice", [states, self._zero, self._one, self._one])
            query = self._product(states, [attention + "self.query"])
        else:
            names = [attention + f"self.{n}" for n in ("query", "key", "value")]
            query, key, value = graph.split(self._product(states, names), 3)
        inputs = [query, key, value]
        read_ = graph.node("MultiHeadAttention", inputs, domain=MICROSOFT, num_heads=heads)
        out = self._product(read_, [attention + "output.dense"])
        states = self._normalised(out, states, attention + "output.LayerNorm")
        wide = graph.node("Gelu", [self._product(states, [at + "intermediate.dense"])], domain=MICROSOFT)
        out = self._product(wide, [at + "output.dense"])
        return self._normalised(out, states, at + "output.LayerNorm")

    def _product(self, states: str, names: list[str]) -> str:
        """Of int8 weights and states that are rounded to 8 bits, with the bias; several side by side."""
        weights = [self._weight(name) for name in names]
        joined = np.concatenate([weight for weight, _ in weights], 1)
        scales = np.concatenate([scale for _, scale in weights])
        bias = np.concatenate([self._tensor(f"{name}.bias") for name in names])
        held = [
            self._graph.constant(f"{names[0]}:{part}", value)
            for part, value in (("weight", joined), ("scale", scales), ("bias", bias))
        ]
        inputs = [states, held[0], held[1], "", held[2]]
        return self._graph.node("DynamicQuantizeMatMul", inputs, domain=MICROSOFT)

    def _weight(self, name: str) -> tuple[Array, Array]:
        """int8 [inputs, outputs] and a scale for each output."""
        node = "/" + name.replace(".", "/").replace("/layer/", "/layer.") + "/MatMul_quant"
        if node not in self._products:
            raise _Other
        weight, scale = self._quantised(self._products[node].removesuffix("_quantized"))
        return without_overflow(weight, np.broadcast_to(scale, weight.shape[1:]))

    def _in_floats(self, states: str, name: str) -> str:
        weight, scale = self._quantised(f"{name}.weight")
        held = self._graph.constant(f"{name}.weight", weight.astype(np.float32) * scale)
        return self._graph.node("Gemm", [states, held, self._held(f"{name}.bias")])

    def _normalised(self, states: str, others: str, name: str) -> str:
        both = self._graph.node("Add", [states, others])
        inputs = [both, self._held(f"{name}.weight"), self._held(f"{name}.bias")]
        return self._graph.node("LayerNormalization", inputs, axis=-1, epsilon=EPSILON)

    def _looked_up(self, name: str, ids: str) -> str:
        table = f"bert.embeddings.{name}_embeddings.weight"
        return self._dequantised(self._graph.node("Gather", [self._held(f"{table}_quantized"), ids]), table)

    def _dequantised(self, values: str, name: str) -> str:
        scales = [self._held(f"{name}_scale"), self._held(f"{name}_zero_point")]
        return self._graph.node("DequantizeLinear", [values, *scales])

    def _quantised(self, name: str) -> tuple[Array, Array]:
        weight, scale = self._tensor(f"{name}_quantized"), self._tensor(f"{name}_scale")
        if weight.dtype != np.int8 or self._tensor(f"{name}_zero_point").any():
            raise _Other
        return weight, scale

    def _held(self, name: str) -> str:
        return self._graph.constant(name, self._tensor(name))

    def _tensor(self, name: str) -> Array:
        if name not in self._tensors:
            raise _Other
        return self._tensors[name]

    def _heads(self) -> int:
        """The exporter wrote the number of heads and their width, one after the other, for a reshape."""
        width = self._tensor("bert.pooler.dense.bias").shape[0]
        inside = [
            int(node.value.ravel()[0])
            for node in self._nodes
            if "layer.0/attention/self/" in node.name and node.value is not None and node.value.size == 1
        ]
        for heads, size in zip(inside, inside[1:], strict=False):
            if heads * size == width and min(heads, size) > 1:
                return heads
        raise _Other


TWO = np.array([2], np.int64)


def without_overflow(weight: Array, scale: Array) -> tuple[Array, Array]:
    """Weights [inputs, outputs] of which no two side by side overflow 16 bits, and their scales [outputs].

    Columns that cannot overflow stay as they are; the others are divided by as little as is needed.

    >>> weight, scale = without_overflow(np.array([[100, 3], [60, 4]], np.int8), np.ones(2, np.float32))
    >>> weight.tolist(), scale.tolist()
    ([[80, 3], [48, 4]], [1.25, 1.0])
    """
    divisor = np.maximum(_worst(weight) / NO_OVERFLOW, 1.0)
    rounded = np.rint(weight / divisor)
    while (over := _worst(rounded) > NO_OVERFLOW).any():
        divisor[over] *= 1.005
        rounded = np.rint(weight / divisor)
    return rounded.astype(np.int8), (scale * divisor).astype(np.float32)


def _worst(weight: Array) -> Array:
    """The largest sum of two weights of one sign side by side, for each output."""
    pairs = weight.astype(np.int16).reshape(-1, 2, weight.shape[1])
    above, below = np.maximum(pairs, 0).sum(1), np.maximum(-pairs, 0).sum(1)
    worst: Array = np.maximum(above, below).max(0)
    return worst
