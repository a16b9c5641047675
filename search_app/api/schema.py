"""How the routes stand in the OpenAPI schema: each with its keys, its errors and examples."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from drf_spectacular.openapi import AutoSchema as _AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from search_app.api import problems, serializers
from search_app.api.fields import Body
from search_app.api.pagination import MAX_PAGE

EVERYWHERE = (
    *("malformed", "invalid", "bad_key", "not_allowed", "not_found", "not_acceptable"),
    *("throttled", "broken", "unavailable"),
)
WITH_BODY = ("length_required", "too_large", "unsupported_media_type")
IDEMPOTENT = ("still_running", "key_reused")
SENTENCES = {
    "malformed": "The body is not JSON: Expecting value at line 1, column 1.",
    "invalid": "question: This field is required.",
    "not_authenticated": "Send a key as `Authorization: Bearer sv_…`, or sign in.",
    "bad_key": "This key is unknown, expired or revoked.",
    "not_allowed": "This key does not have the scope write.",
    "not_found": problems.NOT_FOUND,
    "not_acceptable": "Answers are application/json; ask for that, or for */*.",
    "conflict": "The document has not failed: there is nothing to try again.",
    "nothing_to_search": "There is nothing to ask yet.",
    "still_running": "The first request with this Idempotency-Key is still running. Ask again in a moment.",
    "length_required": "Send the length of the body: chunked bodies are not read.",
    "too_large": "The body is larger than 256 kB.",
    "unsupported_media_type": "The body is of a type that is not read here.",
    "key_reused": "This Idempotency-Key was sent with another request. Choose a new one.",
    "throttled": "Too many requests. Try again in 12 s.",
    "broken": problems.BROKEN,
    "unavailable": "Nothing can be searched now: the index cannot be opened.",
}

CURSOR = OpenApiParameter(
    "cursor",
    {"type": "string", "pattern": "^[A-Za-z0-9+/=]{1,500}$"},
    description="Where to go on, from `next` of the page before.",
)
LIMIT = OpenApiParameter(
    "limit", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 50}, description="Rows a page."
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": r"^[!-~]{1,200}$"},
    OpenApiParameter.HEADER,
    description="A word of your own. The same request with the same word is done once, for 24 hours.",
)


def operation(
    name: str,
    summary: str,
    *,
    tag: str,
    answers: Mapping[Any, Any],
    request: Any = None,
    also: Sequence[str] = (),
    parameters: Sequence[OpenApiParameter] = (),
    examples: Sequence[OpenApiExample] = (),
    description: str = "",
    documented: Callable[..., Mapping[Any, OpenApiResponse]] | None = None,
) -> Callable[[Any], Any]:
    """`extend_schema` with the errors that every route has, and those named in `also`.

    `documented` gives the responses for codes of errors where these do not come in our shape.
    """
    codes = [*EVERYWHERE, *(WITH_BODY if request is not None else ()), *also]
    if IDEMPOTENCY_KEY in parameters:
        codes += IDEMPOTENT
    return extend_schema(
        operation_id=name,
        summary=summary,
        description=description,
        tags=[tag],
        request=request,
        responses={**answers, **(documented(codes, SENTENCES) if documented else _problems(codes))},
        parameters=list(parameters),
        examples=list(examples),
    )


def _problems(codes: Sequence[str]) -> dict[Any, OpenApiResponse]:
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(problems.KINDS[code].status, []).append(code)
    return {
        (status, problems.MEDIA_TYPE): OpenApiResponse(
            serializers.Problem,
            description="; ".join(f"`{code}`: {problems.KINDS[code].title}" for code in same) + ".",
            examples=[
                OpenApiExample(
                    code,
                    value=problems.Problem(code, SENTENCES[code]).as_dict(),
                    response_only=True,
                    status_codes=[str(status)],
                    media_type=problems.MEDIA_TYPE,
                )
                for code in same
            ],
        )
        for status, same in sorted(by_status.items())
    }


class AutoSchema(_AutoSchema):
    """Says which routes need a key or a session, and which scope."""

    def get_auth(self) -> list[dict[str, list[str]]]:
        needed = self.method in self.view.for_staff | self.view.for_somebody | self.view.for_users
        return [{"key": []}, {"session": []}, *([] if needed else [{}])]

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        shape = super().get_operation(*args, **kwargs)
        if shape is None:
            return None
        needs = f"A key needs the scope `{self.view.scopes[self.method]}`"
        needs += ", and its user must be staff." if self.method in self.view.for_staff else "."
        return shape | {"description": f"{shape.get('description', '')}\n\n{needs}".strip()}

    def _map_basic_serializer(self, serializer: Any, direction: str) -> dict[str, Any]:
        shape = super()._map_basic_serializer(serializer, direction)
        return shape | {"additionalProperties": False} if isinstance(serializer, Body) else shape


def finish(result: dict[str, Any], generator: Any, **_: Any) -> dict[str, Any]:
    """A hook of the generator: the two ways to say who one is, and each kind of error once."""
    result["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "A key, `sv_…`; see manage.py api_key."},
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "sessionid",
            "description": "The session of the pages; what writes carries `X-CSRFToken` too.",
        },
    }
    shared: dict[str, Any] = {}
    for path in result["paths"].values():
        for shape in path.values():
            for status, response in shape["responses"].items():
                media = response.get("content", {}).get(problems.MEDIA_TYPE)
                if media is not None:
                    codes = [example["summary"] for example in media["examples"].values()]
                    name = "_".join([status, *codes])
                    shared[name] = response
                    shape["responses"][status] = {"$ref": f"#/components/responses/{name}"}
    result["components"]["responses"] = dict(sorted(shared.items()))
    return result
