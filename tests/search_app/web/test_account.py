"""Signing in and out, a new password, and the pages for what went wrong."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from search_app.models import Collection
from tests.search_app.web.conftest import PASSWORD


def test_signing_in_leads_back_and_signing_out_needs_a_form(light: None, client: Client, dana: User) -> None:
    page = client.get("/sign-in?next=/history/").content.decode()
    assert 'name="next" value="/history/"' in page
    sent = {"username": "dana", "password": PASSWORD, "next": "/history/"}
    assert client.post("/sign-in", sent).headers["Location"] == "/history/"
    assert b"dana" in client.get("/").content
    assert client.get("/sign-out").status_code == 405
    assert client.post("/sign-out").headers["Location"] == "/"
    assert b"Sign in" in client.get("/").content


def test_a_wrong_password_says_nothing_about_the_name(light: None, client: Client, dana: User) -> None:
    pages = []
    for name in ("dana", "nobody"):
        response = client.post("/sign-in", {"username": name, "password": "wrong"})
        assert response.status_code == 200
        pages.append(response.content.decode().split('role="alert"')[1].split("</div>")[0])
    assert pages[0] == pages[1]


@pytest.mark.parametrize("to", ["https://example.com/", "//example.com/", "javascript:alert(1)"])
def test_signing_in_never_leads_away(light: None, client: Client, dana: User, to: str) -> None:
    response = client.post("/sign-in", {"username": "dana", "password": PASSWORD, "next": to})
    assert response.headers["Location"] == "/"


def test_the_account_page_changes_the_password(light: None, client: Client, dana: User) -> None:
    assert client.get("/account").headers["Location"] == "/sign-in?next=/account"
    client.force_login(dana)
    assert b"dana" in client.get("/account").content
    new = {"old_password": PASSWORD, "new_password1": "another good one", "new_password2": "another good one"}
    refused = client.post("/account", new | {"old_password": "wrong"})
    assert refused.status_code == 400 and b'role="alert"' in refused.content
    assert b"too short" in client.post("/account", new | {"new_password1": "x", "new_password2": "x"}).content
    done = client.post("/account", new, follow=True)
    assert b"Your password is changed" in done.content
    assert client.login(username="dana", password="another good one")


def test_a_page_that_is_none_says_what_to_do(light: None, client: Client, dana: User) -> None:
    page = client.get("/nowhere/at/all").content.decode()
    assert "nothing at this address" in page and "Sign in, if it is yours" in page
    client.force_login(dana)
    assert "Sign in, if it is yours" not in client.get("/nowhere").content.decode()


def test_a_form_that_is_too_old_says_so(light: None) -> None:
    client = Client(enforce_csrf_checks=True)
    response = client.post("/sign-in", {"username": "x", "password": "y"})
    assert response.status_code == 403
    assert b"too old to send" in response.content


def test_a_first_run_says_to_each_what_he_can_do(light: None, client: Client, dana: User) -> None:
    assert b"Sign in" in client.get("/").content
    client.force_login(dana)
    assert b"Nothing is open to you yet" in client.get("/").content
    Collection.objects.create(name="empty")
    assert b"hold no documents yet" in client.get("/").content
    client.force_login(User.objects.create_superuser("root", password=PASSWORD))
    page = client.get("/").content.decode()
    assert "Upload documents" in page and "/manage/" in page
