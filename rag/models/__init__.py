"""The model store: models pinned by the hashes of their files, wherever the bytes come from."""

from rag.models.catalogue import CATALOGUE, Model, ModelFile
from rag.models.store import ModelStore, Status

__all__ = ["CATALOGUE", "Model", "ModelFile", "ModelStore", "Status"]
