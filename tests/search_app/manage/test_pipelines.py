"""The pages of pipelines: who may see and change them, and a change from form to answer."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from search_app import pipeline_versions, pipelines, spec_text
from search_app.manage import spec_form
from search_app.models import Document, PipelineVersion

PAGES = (
    "/manage/pipelines",
    "/manage/pipelines/of/light",
    "/manage/pipelines/of/light/edit",
    "/manage/pipelines/of/light/toml",
    "/manage/pipelines/new",
)


@pytest.fixture
def admin(light: None, client: Client) -> Client:
    client.force_login(User.objects.create_user("root", is_staff=True, is_superuser=True))
    return client


def form(**changed: str) -> dict[str, str]:
    post = {
        filled.field.key: filled.value
        for part in spec_form.of_spec(pipelines.spec("light"), pipelines.spec("light"))
        if part.on
        for filled in part.fields
        if filled.field.kind != "flag" or filled.value == "true"
    }
    return post | {key.replace("__", "."): value for key, value in changed.items()}


@pytest.mark.parametrize("address", PAGES)
def test_only_staff_finds_these_pages(light: None, client: Client, address: str) -> None:
    assert client.get(address).status_code == 302
    client.force_login(User.objects.create_user("dana"))
    assert client.get(address).status_code == 404
    client.force_login(User.objects.create_user("root", is_staff=True, is_superuser=True))
    assert client.get(address).status_code == 200


def test_staff_without_the_permission_reads_and_does_not_change(light: None, client: Client) -> None:
    ben = User.objects.create_user("ben", is_staff=True)
    client.force_login(ben)
    saved = pipeline_versions.save("light", spec_text.from_toml(other_toml()))
    assert b"Put version 1 in use" not in client.get("/manage/pipelines/of/light").content
    assert client.get("/manage/pipelines/of/light/edit").status_code == 403
    for address in ("of/light/edit", "of/light/activate", "reindex", "new"):
        assert client.post(f"/manage/pipelines/{address}", form(version="1")).status_code == 403
    assert not PipelineVersion.objects.get(pk=saved.pk).active
    ben.user_permissions.add(Permission.objects.get(codename="change_pipelineversion"))
    assert client.post("/manage/pipelines/of/light/activate", {"version": "1"}).status_code == 302
    assert PipelineVersion.objects.get(pk=saved.pk).active


def other_toml() -> str:
    return spec_text.to_toml(pipelines.spec("light")).replace("depth = 100", "depth = 7")


def test_saved_and_put_in_use(admin: Client) -> None:
    post = form(fuse__depth="50", note="less is <b>more</b>") | {"action": "save", "activate": "on"}
    response = admin.post("/manage/pipelines/of/light/edit", post, follow=True)
    page = response.content.decode()
    assert response.redirect_chain == [("/manage/pipelines/of/light", 302)]
    assert pipelines.spec("light").fuse.depth == 50
    assert "fuse.depth is 50, was 100" in page and "less is &lt;b&gt;more&lt;/b&gt;" in page
    assert PipelineVersion.objects.get().author.get_username() == "root"
    listing = admin.get("/manage/pipelines").content.decode()
    assert "version 1 in use" in listing
    admin.post("/manage/pipelines/of/light/activate", {"version": "file"})
    assert pipelines.spec("light").fuse.depth == 100


def test_a_check_says_what_would_change_and_saves_nothing(admin: Client) -> None:
    post = form(fuse__depth="50", split__max_tokens="32") | {"action": "check"}
    page = admin.post("/manage/pipelines/of/light/edit", post).content.decode()
    assert "fuse.depth is 50, was 100" in page and "until they are indexed again" in page
    assert 'value="50"' in page
    assert not PipelineVersion.objects.exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"fuse__depth": "0"}, "At least 1."),
        ({"fuse__method": "magic"}, "magic"),
        ({}, "Nothing differs from version 1"),
    ],
)
def test_what_is_wrong_is_said_and_saves_nothing(admin: Client, changed: dict[str, str], said: str) -> None:
    pipeline_versions.save("light", pipelines.spec("light"))
    response = admin.post("/manage/pipelines/of/light/edit", form(**changed) | {"action": "save"})
    assert response.status_code == 422 and said in response.content.decode()
    assert PipelineVersion.objects.count() == 1


def test_a_new_pipeline_needs_a_name_of_its_own(admin: Client) -> None:
    post = form(fuse__depth="50") | {"action": "save", "activate": "on"}
    for name, said in (("light", "There is a pipeline light already"), ("a b", "letters, digits")):
        response = admin.post("/manage/pipelines/new", post | {"name": name})
        assert response.status_code == 422 and said in response.content.decode()
    assert admin.post("/manage/pipelines/new", post | {"name": "mine"}).status_code == 302
    assert pipelines.names() == ("light", "mine")
    assert admin.get("/manage/pipelines/of/mine").status_code == 200


def test_toml_out_and_in(admin: Client) -> None:
    response = admin.get("/manage/pipelines/of/light/toml")
    assert response.headers["Content-Disposition"] == 'attachment; filename="light.toml"'
    assert spec_text.from_toml(response.content.decode()) == pipelines.spec("light")
    post = {"action": "import", "toml": other_toml()}
    page = admin.post("/manage/pipelines/of/light/edit", post).content.decode()
    assert "fuse.depth is 7, was 100" in page and not PipelineVersion.objects.exists()
    for text, said in (("[x", "This is not TOML"), ("x" * 70_000, "too long")):
        page = admin.post("/manage/pipelines/of/light/edit", {"action": "import", "toml": text}).content
        assert said in page.decode()


@pytest.mark.parametrize("version", ["9", "x", "-1", "99999999999999999999"])
def test_versions_that_are_not_there_are_not_found(admin: Client, version: str) -> None:
    assert admin.get(f"/manage/pipelines/of/light/toml?version={version}").status_code == 404
    assert admin.get(f"/manage/pipelines/of/light/edit?from={version}").status_code == 404
    assert admin.post("/manage/pipelines/of/light/activate", {"version": version}).status_code == 404
    assert admin.get("/manage/pipelines/of/nothing").status_code == 404


def test_documents_of_another_split_are_offered_to_be_indexed_again(
    ingest: Callable[..., object], folder: object, admin: Client
) -> None:
    ingest(folder)
    post = form(split__max_tokens="32") | {"action": "save", "activate": "on"}
    page = admin.post("/manage/pipelines/of/light/edit", post, follow=True).content.decode()
    assert "3 documents are in passages of another length" in page
    admin.post("/manage/pipelines/reindex")
    assert Document.objects.filter(state=Document.State.QUEUED).count() == 3


def test_a_fusion_that_the_index_cannot_do_is_said_and_saved(admin: Client) -> None:
    post = form(fuse__server="on") | {"action": "check"}
    page = admin.post("/manage/pipelines/of/light/edit", post).content.decode()
    assert "fuse.server is True, was False" in page and "embedded index does not fuse by itself" in page
    admin.post("/manage/pipelines/of/light/edit", post | {"action": "save"})
    assert PipelineVersion.objects.get().spec["fuse"]["server"] is True
