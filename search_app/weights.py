"""Own weights of a collection, checked as the spec's are."""

import msgspec

from rag.errors import SpecError
from rag.spec import BlendSpec


def blend_of(value: object) -> BlendSpec:
    """Weights from what a collection's row holds. Raises `SpecError` naming the key that is wrong."""
    try:
        return msgspec.convert(value, BlendSpec)
    except msgspec.ValidationError as error:
        raise SpecError(f"The weights are wrong: {error}. Needed: bm25, knn, late, reranked.") from error
