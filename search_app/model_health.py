"""Whether the models that pipelines name are here, and whether the services that write for them live."""

import time
from collections.abc import Iterator
from typing import Any

from django.conf import settings

from rag import backends
from rag.chat import openai
from rag.errors import SieveError
from rag.spec import PipelineSpec
from search_app import pipelines

KINDS = ("encoder", "rerank", "generate", "rewrite", "expand", "refuse", "verify")
LIMIT_S = 1.7
"""For the token that a service is to write: a little less than a part of the report may take."""
WELL_S, UNWELL_S = 60.0, 10.0
"""For so long what was found of a service counts: a scrape each few seconds need not write each time."""
_found: dict[tuple[str, str], tuple[float, tuple[str, ...]]] = {}


def models() -> tuple[bool, str, dict[str, Any]]:
    """Those of the default pipeline have to be here; without its own, another one goes on and says so."""
    needed: dict[str, list[str]] = {}
    for name in pipelines.names():
        for model in _models_of(name, pipelines.spec(name)):
            needed.setdefault(model, []).append(name)
    if not needed:
        return True, "No pipeline needs a model.", {"models": []}
    found = pipelines.store().status(needed)
    rows = [
        {
            "name": one.model.name,
            "state": one.state,
            "reason": one.reason,
            "bytes": one.model.bytes,
            "pipelines": needed[one.model.name],
        }
        for one in found
    ]
    wrong = [row for row in rows if row["state"] != "ready"]
    if not wrong:
        return True, f"{len(rows)} models are here and were checked.", {"models": rows}
    missing = [row["name"] for row in wrong if settings.DEFAULT_PIPELINE in row["pipelines"]]
    if missing:
        names = ", ".join(missing)
        sentence = f"Missing or damaged: {names}. Run: manage.py models pull {' '.join(missing)}"
        return False, sentence, {"models": rows}
    others = ", ".join(row["name"] for row in wrong)
    lacking = ", ".join(sorted({name for row in wrong for name in row["pipelines"]}))
    sentence = f"What the default pipeline needs is here. Not here: {others}, for the pipelines {lacking}."
    return True, sentence, {"models": rows}


def services() -> tuple[bool, str, dict[str, Any]]:
    """Each server of a service that writes for a pipeline is to write one token.

    A service that is not known on this machine counts where the default pipeline names it.
    """
    known = pipelines.named_services()
    needed: dict[tuple[str, str], list[str]] = {}
    for name in pipelines.names():
        for service, model in _services_of(pipelines.spec(name)):
            needed.setdefault((service, model), []).append(name)
    rows, wrong = [], []
    for (service, model), names in needed.items():
        if service not in known:
            said: tuple[str, ...] = (f"There is no service {service!r} on this machine.",)
        elif known[service].dialect == openai.DIALECT:
            said = _alive(service, model)
        else:
            continue
        at_fault = [sentence for sentence in said if sentence]
        if at_fault and (service in known or settings.DEFAULT_PIPELINE in names):
            wrong.append(f"{service}/{model}: {at_fault[0]}")
        rows.append({"name": f"{service}/{model}", "servers": list(said), "pipelines": names})
    if wrong:
        return False, " ".join(wrong), {"services": rows}
    live = sum(row["servers"].count("") for row in rows)
    nothing = "No pipeline needs a service that writes, or it is not on this machine."
    sentence = f"Servers that write for pipelines and wrote a token: {live}." if live else nothing
    return True, sentence, {"services": rows}


def _models_of(name: str, spec: PipelineSpec) -> set[str]:
    """Names of the models that its parts load. Raises `SieveError` for one of the default pipeline that
    nobody knows.
    """
    catalogue = {model.name for model in pipelines.catalogue()}
    found = set()
    for kind, part in _parts(spec):
        of = backends.module(kind, part.backend)
        if part.model in catalogue:
            found.add(part.model)
        elif (
            name == settings.DEFAULT_PIPELINE
            and "/" not in part.model
            and getattr(of, "NEEDS_MODEL", True)
            and not getattr(of, "NEEDS_SERVICE", False)
        ):
            raise SieveError(f"A pipeline names the model {part.model}, which is not in the catalogue.")
    return found


def _services_of(spec: PipelineSpec) -> Iterator[tuple[str, str]]:
    for kind, part in _parts(spec):
        service, slash, model = part.model.partition("/")
        if slash and kind not in ("encode", "rerank"):
            yield service, model


def _parts(spec: PipelineSpec) -> Iterator[tuple[str, Any]]:
    """Kind and part of all that name a model."""
    before = spec.rerank.before if spec.rerank else ()
    for name in KINDS:
        for part in (getattr(spec, name), *(before if name == "rerank" else ())):
            if part is not None and part.model:
                yield ("encode" if name == "encoder" else name), part


def _alive(service: str, model: str) -> tuple[str, ...]:
    until, said = _found.get((service, model), (0.0, ()))
    if time.monotonic() < until:
        return said
    at = pipelines.named_services()[service]
    said = openai.alive(at, model, deadline=time.monotonic() + LIMIT_S)
    counts_s = UNWELL_S if any(said) else WELL_S
    _found[service, model] = time.monotonic() + counts_s, said
    return said
