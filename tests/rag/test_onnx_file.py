import numpy as np
import onnxruntime
import pytest

from rag.onnx_file import Graph, operators, read


def doubled_and_cut() -> bytes:
    graph = Graph()
    table = graph.constant("table", np.array([[1.5], [2.5], [-3.0]], np.float32))
    looked_up = graph.node("Gather", [table, "ids"])
    both = graph.node("Concat", [looked_up, looked_up], axis=-1)
    first, second = graph.split(both, 2)
    total = graph.node("Add", [first, second])
    scaled = graph.node("LeakyRelu", [total], alpha=0.5)
    flat = graph.node("Reshape", [scaled, graph.constant("shape", np.array([-1, 1], np.int64))])
    return graph.encode(("ids",), flat, "sums")


def test_what_is_written_runs() -> None:
    session = onnxruntime.InferenceSession(doubled_and_cut(), providers=["CPUExecutionProvider"])
    (found,) = session.run(["sums"], {"ids": np.array([[0, 1, 2]], np.int64)})
    assert found.ravel().tolist() == [3.0, 5.0, -3.0]


def test_what_is_written_reads_back() -> None:
    nodes, tensors = read(doubled_and_cut())
    assert [node.op for node in nodes][:3] == ["Gather", "Concat", "Split"]
    assert nodes[0].inputs == ("table", "ids")
    assert tensors["table"].tolist() == [[1.5], [2.5], [-3.0]]
    assert tensors["shape"].tolist() == [-1, 1]
    assert "LeakyRelu" in operators(doubled_and_cut())


@pytest.mark.parametrize("data", [b"", b"\xff\xff", b"%PDF-1.7 no model", doubled_and_cut()[:40]])
def test_what_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no ONNX file"):
        read(data)
