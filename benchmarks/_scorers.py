"""The ways of running one cross-encoder that `make bench-rerank` sets side by side, if installed."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

Score = Callable[[str, Sequence[str]], Sequence[float]]
"""A question and its texts; a score for each text."""
INT8, TORCH = "ms-marco-MiniLM-L-12-v2-int8", "ms-marco-MiniLM-L-12-v2-torch"
OURS, SENTENCE_TRANSFORMERS = "Sieve onnx int8", "sentence-transformers fp32"


Way = tuple[str, Callable[[Path], Score], str]
WAYS: tuple[Way, ...] = (
    (OURS, lambda folder: sieve_onnx(folder), INT8),
    ("the int8 file, one text a run", lambda folder: plain_runs(folder), INT8),
    ("the int8 file, FlashRank's way", lambda folder: padded_batches(folder, size=None), INT8),
    ("the int8 file, fastembed's way", lambda folder: padded_batches(folder, size=64), INT8),
    ("the int8 file in OpenVINO", lambda folder: openvino(folder), INT8),
    ("OpenVINO fp32", lambda folder: openvino_floats(folder), TORCH),
    ("Sieve cross_encoder fp32", lambda folder: sieve_torch(folder, "float32"), TORCH),
    ("Sieve cross_encoder bf16", lambda folder: sieve_torch(folder, "bfloat16"), TORCH),
    (SENTENCE_TRANSFORMERS, lambda folder: sentence_transformers(folder), TORCH),
    ("sentence-transformers bf16", lambda folder: sentence_transformers(folder, "bfloat16"), TORCH),
)


def scorers(models: Path, vllm: str | None, only: Sequence[str]) -> Iterator[tuple[str, Score]]:
    """Name and function of each whose name holds a word of `only`; why one is left out is printed."""
    for name, way, model in WAYS:
        if only and not any(word in name for word in only):
            continue
        if not (models / model).is_dir():
            print(f"left out: {name}: there is no {model}; manage.py models pull, or torch-copy, brings it")
            continue
        try:
            yield name, way(models / model)
        except ImportError as error:
            print(f"left out: {name}: {error}; make setup-torch, or setup-openvino")
    if vllm:
        yield "vLLM on the CPU, /v1/rerank", by_vllm(vllm)
    else:
        print("left out: vLLM: make vllm ARGS=rerank, then --vllm URL/MODEL")


def sieve_onnx(folder: Path) -> Score:
    from rag.rerank import onnx

    reranker = onnx.load(INT8, folder)
    return lambda query, texts: _whole(reranker.score_texts(query, texts, deadline=math.inf).values)


def sieve_torch(folder: Path, dtype: str) -> Score:
    import torch  # noqa: F401 - what is not installed is to be told apart from what fails

    from rag.placement import placement
    from rag.rerank import cross_encoder

    at = placement({**os.environ, "SIEVE_TORCH_DEVICE": "cpu", "SIEVE_TORCH_DTYPE": dtype})
    reranker = cross_encoder.load(TORCH, folder, at=at)
    return lambda query, texts: _whole(reranker.score_texts(query, texts, deadline=math.inf).values)


def sentence_transformers(folder: Path, dtype: str | None = None) -> Score:
    """Its `predict` as it comes: 32 texts a run, sorted by length."""
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(str(folder), device="cpu", model_kwargs={"dtype": dtype} if dtype else None)

    def score(query: str, texts: Sequence[str]) -> Sequence[float]:
        found: list[float] = model.predict(
            [(query, text) for text in texts], show_progress_bar=False
        ).tolist()
        return found

    return score


def _session(folder: Path, **entries: str):  # type: ignore[no-untyped-def]
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if entries.pop("threads", ""):
        options.intra_op_num_threads = 1
    for key, value in entries.items():
        options.add_session_config_entry(f"session.{key}", value)
    file = str(folder / "model.onnx")
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def padded_batches(folder: Path, *, size: int | None) -> Score:
    """Texts as they come, `size` a run or all of them, padded to the longest, all cores on one run."""
    session, words = _session(folder), _tokenizer(folder, padding=True)

    def score(query: str, texts: Sequence[str]) -> Sequence[float]:
        found: list[float] = []
        for start in range(0, len(texts), size or len(texts)):
            pairs = words.encode_batch(
                [(query, text) for text in texts[start : start + (size or len(texts))]]
            )
            found += session.run(["logits"], _feed(pairs))[0][:, 0].tolist()
        return found

    return score


def plain_runs(folder: Path) -> Score:
    """The file as it is, a text a run, a core for each: what the backend did before it wrote files anew."""
    from rag.parallel import cores, in_parallel

    session, words = _session(folder, threads="1", x64quantprecision="1"), _tokenizer(folder)

    def score(query: str, texts: Sequence[str]) -> Sequence[float]:
        pairs = words.encode_batch([(query, text) for text in texts])
        found = [0.0] * len(pairs)

        def one(i: int) -> None:
            found[i] = float(session.run(["logits"], _feed([pairs[i]]))[0][0, 0])

        in_parallel(one, len(pairs), cores())
        return found

    return score


def openvino(folder: Path) -> Score:
    """Sorted by length, in runs of 8."""
    import openvino as ov

    compiled = ov.Core().compile_model(str(folder / "model.onnx"), "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"})
    return _in_openvino(compiled, _tokenizer(folder, padding=True))


def openvino_floats(folder: Path) -> Score:
    import openvino as ov
    import torch
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="eager").eval()
    example = {name: torch.ones(2, 16, dtype=torch.int64) for name in NAMES}
    converted = ov.convert_model(model, example_input=example)
    compiled = ov.Core().compile_model(converted, "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"})
    return _in_openvino(compiled, _tokenizer(folder, padding=True))


def _in_openvino(compiled, words) -> Score:  # type: ignore[no-untyped-def]
    def score(query: str, texts: Sequence[str]) -> Sequence[float]:
        found = [0.0] * len(texts)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for start in range(0, len(order), 8):
            batch = order[start : start + 8]
            logits = compiled(_feed(words.encode_batch([(query, texts[i]) for i in batch])))[0]
            for i, logit in zip(batch, logits[:, 0].tolist(), strict=True):
                found[i] = logit
        return found

    return score


def by_vllm(address: str) -> Score:
    from rag.rerank import http
    from rag.services import Service

    url, _, model = address.rpartition("/")
    service = Service(dialect="vllm_rerank", url=url, timeout_ms=600_000)
    reranker = http.connect(service, model)
    return lambda query, texts: _whole(reranker.score_texts(query, texts, deadline=math.inf).values)


NAMES = ("input_ids", "attention_mask", "token_type_ids")


def _tokenizer(folder: Path, *, padding: bool = False):  # type: ignore[no-untyped-def]
    from rag.onnx import tokenizer

    words = tokenizer(folder / "tokenizer.json", max_tokens=512, only_second=True)
    if padding:
        words.enable_padding(pad_id=0, pad_token="[PAD]")
    return words


def _feed(pairs):  # type: ignore[no-untyped-def]
    of = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
    return {name: np.array([getattr(pair, of[name]) for pair in pairs], np.int64) for name in NAMES}


def _whole(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]
