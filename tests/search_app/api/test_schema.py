import json
from pathlib import Path

from django.test import Client

from search_app.api import docs, problems, urls

ROOT = Path(__file__).resolve().parents[3]


def test_the_kept_schema_is_that_of_the_code() -> None:
    kept = (ROOT / "docs" / "openapi.json").read_text("utf-8")
    assert kept == docs.written(), "write it anew: manage.py api_schema --write"


def test_every_route_says_who_may_and_what_may_go_wrong() -> None:
    schema = docs.schema()
    operations = [(p, m, shape) for p, path in schema["paths"].items() for m, shape in path.items()]
    named = {p.name for p in urls.urlpatterns if getattr(p, "name", None)} - {"api-schema", "api-docs"}
    assert len(schema["paths"]) == len(named)
    for path, method, shape in operations:
        where = f"{method} {path}"
        assert shape["summary"] and shape["operationId"] and shape["tags"], where
        assert "A key needs the scope" in shape["description"], where
        assert {"key": []} in shape["security"] and {"session": []} in shape["security"], where
        assert {"400", "401", "403", "404", "406", "429", "500", "503"} <= set(shape["responses"]), where
        if "requestBody" in shape:
            assert {"413", "415"} <= set(shape["responses"]), where
    codes = {
        e["summary"]
        for r in schema["components"]["responses"].values()
        for e in r["content"][problems.MEDIA_TYPE]["examples"].values()
    }
    assert codes == set(problems.KINDS) - {"method_not_allowed"}


def test_the_schema_is_for_everybody(db: None, client: Client) -> None:
    response = client.get("/api/schema/")
    assert response.headers["Content-Type"] == "application/json"
    assert json.loads(response.content)["openapi"].startswith("3.1")


def test_the_docs_page_has_no_inline_script(db: None, client: Client) -> None:
    response = client.get("/api/docs/")
    page = response.content.decode()
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert "<script>" not in page and "style=" not in page and "onclick" not in page
    for code in problems.KINDS:
        assert f'id="{code}"' in page
