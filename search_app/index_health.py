"""What health says of an index on a cluster."""

from typing import Any

from rag.index.opensearch import Cluster
from search_app import cluster_state
from search_app.cluster_state import State
from search_app.models import Document


def on_cluster(at: Cluster, encoder: str) -> tuple[bool, str, dict[str, Any]]:
    """Ok, a sentence and details. `encoder`: how the fingerprint of the default pipeline's encoder begins.

    Raises `IndexUnavailable` where the cluster does not answer.
    """
    state = cluster_state.look(at)
    details: dict[str, Any] = {
        "cluster": state.release,
        "elapsed_ms": round(state.elapsed_ms, 2),
        "colour": state.colour,
        "lag": state.lag,
        "versions": [held.as_dict() for held in state.held],
        "passages": 0,
        "documents": 0,
    }
    if state.used:
        used = state.used
        details |= {
            "version": used.version.name,
            "encoder": used.version.meta.encoder,
            "passages": used.size.passages,
            "documents": Document.objects.filter(version__gt=0).count(),
            "bytes": used.size.bytes,
        }
    if wrong := _wrong(state, encoder):
        return False, wrong, details
    return True, _well(state), details


def _wrong(state: State, encoder: str) -> str:
    if state.unfit:
        return state.unfit
    if state.used is None:
        documents = Document.objects.filter(version__gt=0).count()
        return (
            f"There is no index in the cluster, but {documents:,} documents are to be found in it. "
            "Run: manage.py reindex"
            if documents
            else ""
        )
    if state.encoder_of(encoder) is None:
        return (
            f"The index was built with the encoder {state.used.version.meta.encoder}, but the default "
            f"pipeline has {encoder}… Run: manage.py reindex"
        )
    if state.colour == "red":
        return (
            f"{state.used.version.name} is red: {state.unanswered} of its shards "
            f"do{'es' if state.unanswered == 1 else ''} not answer, and answers lack their passages."
        )
    return ""


def _well(state: State) -> str:
    if state.used is None:
        return f"OpenSearch {state.release} answers. There is no index yet; the first document makes it."
    size = state.used.size
    said = (
        f"OpenSearch {state.release} answers in {state.elapsed_ms:.0f} ms: {state.used.version.name} holds "
        f"{size.passages:,} passages and is {state.colour}"
    )
    if state.colour == "yellow":
        said += f": {size.answering} of {size.shards} shard copies answer, and all passages can be found"
    if state.lag:
        said += f"; the version before lacks {state.lag:,} of them"
    return f"{said}."
