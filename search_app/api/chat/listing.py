"""The pipelines as OpenAI's API lists models."""

from typing import Any

from django.conf import settings

from search_app import pipelines
from search_app.api.chat.body import DEFAULT
from search_app.api.problems import Problem
from search_app.models import PipelineVersion

OWNER = "sieve"


def known(model: str) -> str | None:
    """The pipeline behind a model; None for the site's own. Raises `Problem` saying which there are."""
    if model == DEFAULT:
        return None
    if model not in pipelines.names():
        said = f"There is no model {model[:200]}. Models: {', '.join(names())}."
        raise Problem("not_found", said, [{"field": "model", "detail": said}])
    return model


def names() -> list[str]:
    return [DEFAULT, *(name for name in pipelines.names() if name != DEFAULT)]


def shown(model: str) -> dict[str, Any]:
    """A model, with the time when its version was saved or its file was written."""
    name = known(model) or settings.DEFAULT_PIPELINE
    saved = PipelineVersion.objects.filter(name=name, active=True).values_list("created", flat=True).first()
    made = saved.timestamp() if saved else (settings.SPEC_DIR / f"{name}.toml").stat().st_mtime
    return {"id": model, "object": "model", "created": int(made), "owned_by": OWNER}
