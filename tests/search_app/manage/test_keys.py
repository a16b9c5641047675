from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from search_app import keys
from search_app.models import ApiKey, Collection

PAGE = "/manage/keys"


def text_of(page: str) -> str:
    return page.partition('<code id="key-text">')[2].partition("<")[0]


def test_a_key_is_shown_once_and_works(staff: Client, dana: User, notes: Collection) -> None:
    day = (timezone.localdate() + timedelta(days=3)).isoformat()
    fields = {"name": "Nightly", "scopes": ["search", "read"], "collections": [notes.pk], "expires": day}
    response = staff.post(PAGE, fields)
    assert response.status_code == 201
    assert "no-store" in response.headers["Cache-Control"]
    text = text_of(response.content.decode())
    key = keys.verify(text)
    assert key is not None and key.user == dana
    assert (key.scopes, list(key.collections.all())) == (["search", "read"], [notes])
    assert key.expires is not None and timezone.localdate(key.expires).isoformat() == day
    page = staff.get(PAGE).content.decode()
    assert text not in page and key.prefix in page and "Nightly" in page


def test_a_revoked_key_opens_nothing(staff: Client, dana: User) -> None:
    key, text = keys.make(dana, "Old", ["read"])
    response = staff.post(f"{PAGE}/{key.pk}/revoke", follow=True)
    assert "Old is revoked" in response.content.decode()
    assert keys.verify(text) is None
    assert staff.post(f"{PAGE}/999/revoke").status_code == 404
    assert staff.get(f"{PAGE}/{key.pk}/revoke").status_code == 405


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "This field is required."),
        ({"name": "x"}, "A key needs at least one scope"),
        ({"name": "x", "scopes": ["all"]}, "Select a valid choice."),
        ({"name": "x", "scopes": ["read"], "expires": "2020-01-01"}, "That day is over."),
        ({"name": "x", "scopes": ["read"], "expires": "soon"}, "Enter a valid date."),
        ({"name": "x", "scopes": ["read"], "collections": ["77"]}, "Select a valid choice."),
        ({"name": "x" * 101, "scopes": ["read"]}, "at most 100 characters"),
    ],
)
def test_what_is_wrong_is_said(staff: Client, fields: dict[str, object], sentence: str) -> None:
    response = staff.post(PAGE, fields)
    assert response.status_code == 400 and sentence in response.content.decode()
    assert not ApiKey.objects.exists()


def test_only_superusers_make_keys_for_others(staff: Client, root: Client) -> None:
    User.objects.create_user("carl")
    fields = {"name": "x", "scopes": ["read"], "user": "carl"}
    staff.post(PAGE, fields)
    assert ApiKey.objects.get().user.username == "dana"
    root.post(PAGE, fields)
    assert ApiKey.objects.filter(user__username="carl").count() == 1
    assert "There is no active user nobody." in root.post(PAGE, fields | {"user": "nobody"}).content.decode()


def test_own_keys(notes: Collection, dana: User) -> None:
    eve = User.objects.create_user("eve")
    others, _ = keys.make(dana, "Of dana", ["write"])
    client = Client()
    assert client.get("/account/keys").status_code == 302
    client.force_login(eve)
    page = client.get("/account/keys").content.decode()
    assert "Of dana" not in page and "Notes" not in page  # neither keys nor collections of others
    assert 'value="write"' not in page and 'value="metrics"' not in page
    made = client.post("/account/keys", {"name": "Mine", "scopes": ["search"]})
    assert keys.verify(text_of(made.content.decode())).user == eve  # type: ignore[union-attr]
    refused = {"name": "More", "scopes": ["write"]}
    assert client.post("/account/keys", refused).status_code == 400
    foreign = {"name": "Foreign", "scopes": ["read"], "collections": [notes.pk]}
    assert client.post("/account/keys", foreign).status_code == 400
    assert client.post(f"/account/keys/{others.pk}/revoke").status_code == 404
    assert ApiKey.objects.get(pk=others.pk).revoked is None
    mine = ApiKey.objects.get(user=eve)
    assert client.post(f"/account/keys/{mine.pk}/revoke").status_code == 302
    assert ApiKey.objects.get(pk=mine.pk).revoked is not None


def test_the_token_is_asked_for(dana: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(dana)
    assert strict.post(PAGE, {"name": "x", "scopes": ["read"]}).status_code == 403
    assert strict.post("/account/keys", {"name": "x", "scopes": ["read"]}).status_code == 403
    assert not ApiKey.objects.exists()
