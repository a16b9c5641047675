"""The tables of the Django admin: who sees them, and what they keep to themselves."""

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.test import Client

from search_app import keys
from search_app.models import (
    ApiKey,
    Collection,
    Conversation,
    Document,
    Feedback,
    PipelineRecord,
    TraceRecord,
)

pytestmark = pytest.mark.django_db
OURS = [model for model in admin.site._registry if model._meta.app_label == "search_app"]


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(User.objects.create_user("dana", is_staff=True))
    return client


@pytest.fixture
def asked() -> TraceRecord:
    pipeline = PipelineRecord.objects.create(fingerprint="sha256:1", name="light", spec={})
    eve = User.objects.create_user("eve")
    conversation = Conversation.objects.create(user=eve, title="A private question")
    return TraceRecord.objects.create(
        question="A private question", pipeline=pipeline, user=eve, conversation=conversation, body={}
    )


def address(model: type, page: str = "changelist", *arguments: object) -> str:
    from django.urls import reverse

    return reverse(f"admin:search_app_{model._meta.model_name}_{page}", args=arguments)  # type: ignore[attr-defined]


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_staff_sees_each_table(staff: Client, asked: TraceRecord, model: type) -> None:
    assert staff.get(address(model)).status_code == 200


def test_users_and_groups_are_for_superusers(staff: Client, root: Client) -> None:
    for name in ("user", "group"):
        assert staff.get(f"/admin/auth/{name}/").status_code == 403
        assert root.get(f"/admin/auth/{name}/").status_code == 200


def test_everybody_else_signs_in(client: Client) -> None:
    client.force_login(User.objects.create_user("eve"))
    assert client.get("/admin/").status_code == 302


def test_the_look_is_ours_and_leads_back(staff: Client) -> None:
    page = staff.get("/admin/").content.decode()
    assert "manage-admin.css" in page and 'href="/manage/upload"' in page


def test_members_of_a_group_are_edited_with_it(root: Client) -> None:
    ann, bob = User.objects.create_user("ann"), User.objects.create_user("bob")
    root.post("/admin/auth/group/add/", {"name": "Board", "members": [ann.pk]})
    group = Group.objects.get(name="Board")
    assert list(group.user_set.all()) == [ann]
    page = root.get(f"/admin/auth/group/{group.pk}/change/").content.decode()
    assert f'<option value="{ann.pk}" selected>' in page
    root.post(f"/admin/auth/group/{group.pk}/change/", {"name": "Board", "members": [bob.pk]})
    assert list(group.user_set.all()) == [bob]


def test_who_may_edit_users_cannot_make_oneself_superuser() -> None:
    from django.contrib.auth.models import Permission

    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user"]))
    chief = User.objects.create_superuser("chief")
    client = Client()
    client.force_login(clerk)
    fields = {"username": "clerk", "is_active": "on", "is_staff": "on", "is_superuser": "on"}
    fields |= {"date_joined_0": "2026-01-01", "date_joined_1": "10:00:00"}
    client.post(f"/admin/auth/user/{clerk.pk}/change/", fields)
    clerk.refresh_from_db()
    assert not clerk.is_superuser
    assert client.post(f"/admin/auth/user/{chief.pk}/change/", fields).status_code == 403


def test_keys_are_made_elsewhere_and_revoked_here(staff: Client) -> None:
    key, text = keys.make(User.objects.get(username="dana"), "Script", ["read"])
    assert staff.get(address(ApiKey, "add")).url == "/manage/keys"  # type: ignore[attr-defined]
    page = staff.get(address(ApiKey, "change", key.pk)).content.decode()
    assert key.digest not in page and text not in page
    staff.post(address(ApiKey), {"action": "revoke", "_selected_action": [key.pk]})
    assert keys.verify(text) is None


def test_a_conversation_shows_no_words(staff: Client, asked: TraceRecord) -> None:
    assert "private" not in staff.get(address(Conversation)).content.decode()
    assert staff.get(address(Conversation, "change", asked.conversation_id)).status_code == 403


def test_a_trace_opens_its_page_and_leaves_no_question_in_the_log(staff: Client, asked: TraceRecord) -> None:
    assert staff.get(address(TraceRecord, "change", asked.pk)).url == f"/traces/{asked.pk}/"  # type: ignore[attr-defined]
    staff.post(address(TraceRecord, "delete", asked.pk), {"post": "yes"})
    assert not TraceRecord.objects.exists()
    assert not LogEntry.objects.exists()


def test_feedback_leads_to_its_trace(staff: Client, asked: TraceRecord) -> None:
    Feedback.objects.create(trace=asked, who="user:1", liked=False, reason="Wrong <year>")
    page = staff.get(address(Feedback)).content.decode()
    assert f"/traces/{asked.pk}/" in page and "Wrong &lt;year&gt;" in page


def test_a_collection_is_deleted_on_its_own_page(staff: Client) -> None:
    row = Collection.objects.create(name="notes")
    Document.objects.create(collection=row, name="a.md")
    response = staff.post(address(Collection, "delete", row.pk), {"post": "yes"})
    assert response.url == "/manage/collections/notes/delete"  # type: ignore[attr-defined]
    assert Document.objects.exists()


def test_documents_are_tried_again_from_their_table(staff: Client) -> None:
    row = Collection.objects.create(name="notes")
    document = Document.objects.create(collection=row, name="a.md", state="failed", content_hash="0" * 64)
    staff.post(address(Document), {"action": "try_again", "_selected_action": [document.pk]})
    document.refresh_from_db()
    assert document.state == "queued"
