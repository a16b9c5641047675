"""ONNX files read and written without the package of that name: what rewriting a model needs, and no more.

An ONNX file is one message in protocol buffers; the numbers of its fields are those of `onnx.proto`.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
DTYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64}
"""TensorProto.DataType, as far as it is read here."""
NUMBERS = {np.dtype(dtype): number for number, dtype in DTYPES.items()}
IR_VERSION, OPSET, MICROSOFT = 8, 18, "com.microsoft"


@dataclass(frozen=True, slots=True)
class Node:
    op: str
    name: str
    inputs: tuple[str, ...]
    value: Array | None = None
    """Of a `Constant`."""


def read(data: bytes) -> tuple[list[Node], dict[str, Array]]:
    """A model's nodes in their order, and its initializers by name. Raises `ValueError` for another file."""
    try:
        graph = _graph(data)
        nodes = [_node(value) for number, value in _fields(graph) if number == 1]
        tensors = dict(_tensor(value) for number, value in _fields(graph) if number == 5)
    except (IndexError, KeyError, StopIteration, TypeError, struct.error) as error:
        raise ValueError("This is no ONNX file that can be read here.") from error
    return nodes, tensors


def operators(data: bytes) -> set[str]:
    """The names of what a model's nodes compute; its numbers are not read."""
    nodes = (value for number, value in _fields(_graph(data)) if number == 1)
    return {str(held, "utf-8") for node in nodes for number, held in _fields(node) if number == 4}


@dataclass
class Graph:
    """A model in the making: nodes in the order of their computation."""

    _nodes: list[bytes] = field(default_factory=list)
    _tensors: dict[str, bytes] = field(default_factory=dict)

    def constant(self, name: str, value: Array) -> str:
        tensor = b"".join(_number(1, size) for size in value.shape) + _number(2, NUMBERS[value.dtype])
        tensor += _text(8, name) + _bytes(9, np.ascontiguousarray(value).tobytes())
        self._tensors[name] = tensor
        return name

    def node(self, op: str, inputs: Sequence[str], *, domain: str = "", **attributes: float) -> str:
        """Add a node of one output; gives the output's name."""
        return self._node(op, inputs, 1, domain, attributes)[0]

    def split(self, value: str, parts: int) -> list[str]:
        """Equal parts of the last axis."""
        return self._node("Split", [value], parts, "", {"axis": -1, "num_outputs": parts})

    def _node(
        self, op: str, inputs: Sequence[str], outputs: int, domain: str, attributes: Mapping[str, float]
    ) -> list[str]:
        names = [f"{op}_{len(self._nodes)}_{n}" for n in range(outputs)]
        node = b"".join(_text(1, put) for put in inputs) + b"".join(_text(2, name) for name in names)
        node += _text(3, names[0]) + _text(4, op)
        for name, value in attributes.items():
            is_float = isinstance(value, float)
            held = _float(2, value) if is_float else _number(3, int(value))
            node += _bytes(5, _text(1, name) + held + _number(20, 1 if is_float else 2))
        self._nodes.append(node + _text(7, domain))
        return names

    def encode(self, inputs: Sequence[str], value: str, output: str) -> bytes:
        """The model: `inputs` are int64 [batch, length], `value`, float32 [batch, 1], is named `output`."""
        self._nodes.append(_text(1, value) + _text(2, output) + _text(3, output) + _text(4, "Identity"))
        graph = b"".join(_bytes(1, node) for node in self._nodes) + _text(2, "sieve")
        graph += b"".join(_bytes(5, tensor) for tensor in self._tensors.values())
        graph += b"".join(_bytes(11, _put(name, np.int64, "batch", "length")) for name in inputs)
        graph += _bytes(12, _put(output, np.float32, "batch", "label"))
        opsets = _bytes(8, _number(2, OPSET)) + _bytes(8, _text(1, MICROSOFT) + _number(2, 1))
        return _number(1, IR_VERSION) + _bytes(7, graph) + opsets


def _graph(data: bytes) -> memoryview:
    found: memoryview = next(value for number, value in _fields(memoryview(data)) if number == 7)
    return found


def _node(data: memoryview) -> Node:
    inputs, op, name, value = [], "", "", None
    for number, held in _fields(data):
        if number == 1:
            inputs.append(str(held, "utf-8"))
        elif number == 3:
            name = str(held, "utf-8")
        elif number == 4:
            op = str(held, "utf-8")
        elif number == 5 and op == "Constant":
            value = next((_tensor(t)[1] for inner, t in _fields(held) if inner == 5), None)
    return Node(op, name, tuple(inputs), value)


def _tensor(data: memoryview) -> tuple[str, Array]:
    dims: list[int] = []
    name, dtype, plain = "", 1, b""
    raw: bytes | memoryview = b""
    for number, held in _fields(data):
        if number == 1:
            dims += [held] if isinstance(held, int) else _varints(held)
        elif number == 2:
            dtype = held
        elif number == 4:
            plain += struct.pack("<f", held) if isinstance(held, float) else bytes(held)
        elif number in (5, 7):
            values = [held] if isinstance(held, int) else _varints(held)
            plain += np.array(values, np.uint64).astype(np.int64).astype(DTYPES[dtype]).tobytes()
        elif number == 8:
            name = str(held, "utf-8")
        elif number == 9:
            raw = held
    return name, np.frombuffer(raw or plain, DTYPES[dtype]).reshape(dims)


def _fields(data: memoryview) -> Iterator[tuple[int, Any]]:
    """Number and value of each field; a value is an int, a float or a view of bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
        elif wire == 5:
            yield number, struct.unpack_from("<f", data, at)[0]
            at += 4
        elif wire == 2:
            size, at = _varint(data, at)
            if at + size > len(data):
                raise ValueError("This is no ONNX file that can be read here: its end is missing.")
            yield number, data[at : at + size]
            at += size
        else:
            raise ValueError("This is no ONNX file that can be read here.")


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _varints(data: memoryview) -> list[int]:
    values, at = [], 0
    while at < len(data):
        value, at = _varint(data, at)
        values.append(value)
    return values


def _encoded(value: int) -> bytes:
    value, out = value & (1 << 64) - 1, bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _number(number: int, value: int) -> bytes:
    return _encoded(number << 3) + _encoded(value)


def _float(number: int, value: float) -> bytes:
    return _encoded(number << 3 | 5) + struct.pack("<f", value)


def _bytes(number: int, value: bytes) -> bytes:
    return _encoded(number << 3 | 2) + _encoded(len(value)) + value


def _text(number: int, value: str) -> bytes:
    return _bytes(number, value.encode())


def _put(name: str, dtype: type, *dims: str) -> bytes:
    shape = b"".join(_bytes(1, _text(2, dim)) for dim in dims)
    tensor = _number(1, NUMBERS[np.dtype(dtype)]) + _bytes(2, shape)
    return _text(1, name) + _bytes(2, _bytes(1, tensor))
