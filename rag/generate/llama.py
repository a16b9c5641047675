"""Answers written by a model of the store in this process, by llama.cpp."""

from collections.abc import Callable
from typing import Any

from rag.generate.written import WrittenGenerator
from rag.spec import GenerateSpec


def build(spec: GenerateSpec, load: Callable[[str, str, str], Any]) -> WrittenGenerator:
    """Raises `ModelError` where the model or service is not here, `SpecError` for a prompt there is not."""
    return WrittenGenerator(load("chat", "llama", spec.model), spec)
