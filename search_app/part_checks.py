"""Whether a part of a spec could work: its backend exists and fits, its model or service is known here."""

from typing import Any

from rag import backends
from rag.errors import ModelError, SpecError
from search_app import pipelines


def check(part: str, kind: str, needs: str, chosen: Any) -> list[str]:
    """What follows from using this part, in sentences. `chosen` names a backend, and a model where its
    kind has one; `needs` is the function that a module must have for it.

    Raises `SpecError` for what cannot work on any machine.
    """
    of = backends.module(kind, chosen.backend)
    model: str = getattr(chosen, "model", "")
    served = kind == "rerank" and getattr(of, "NEEDS_SERVICE", False)
    if not served and not hasattr(of, needs):
        raise SpecError(f"The backend {chosen.backend} of rag/{kind} cannot be used for {part}.")
    try:
        if served:
            pipelines.backends().cross_encoder(chosen)
        elif model and getattr(of, "NEEDS_MODEL", True):
            known = [known.name for known in pipelines.catalogue()]
            if model not in known:
                raise SpecError(f"{part}: there is no model {model!r}. There are: {', '.join(known)}.")
            pipelines.store().path(model)
    except ModelError as error:
        return [f"{error} Until then {part} is left out, and each answer says so."]
    return []
