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
        elif "/" in model and kind != "rerank":
            _served(model)
        elif model and getattr(of, "NEEDS_MODEL", True):
            known = [known.name for known in pipelines.catalogue()]
            if model not in known:
                raise SpecError(f"{part}: there is no model {model!r}. There are: {', '.join(known)}.")
            pipelines.store().path(model)
    except ModelError as error:
        return [f"{error} Until then {part} is left out, and each answer says so."]
    return []


def _served(model: str) -> None:
    """Raises `ModelError` where the service of `service/model` is not known on this machine."""
    service, _, remote = model.partition("/")
    known = pipelines.named_services()
    if service not in known:
        there_are = ", ".join(sorted(known)) or "none"
        raise ModelError(f"There is no service {service!r} here; there are: {there_are}.")
    if not remote:
        raise SpecError(f"Name a model of the service {service}, such as {service}/model.")
