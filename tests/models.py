"""The pulled models, for tests marked `models`."""

import os
from pathlib import Path

from rag.models import ModelStore

ENCODER = "bge-small-en-v1.5-int8"
CROSS_ENCODER = "ms-marco-MiniLM-L-12-v2-int8"


def folder(name: str) -> Path:
    return ModelStore(Path(os.environ["SIEVE_MODEL_DIR"])).path(name)
