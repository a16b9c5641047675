import re
import statistics
import time

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client, RequestFactory

from search_app import sign_in

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough password"


@pytest.fixture
def ann(settings: object) -> User:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # quick: speed is not meant
    return User.objects.create_user("ann", password=PASSWORD, is_staff=True)


def try_as(client: Client, name: str, password: str, at: str = "/sign-in", **more: str) -> HttpResponse:
    return client.post(at, {"username": name, "password": password}, **more)


@pytest.mark.parametrize("at", ["/sign-in", "/admin/login/"])
@pytest.mark.parametrize("name", ["ann", "nobody"])
def test_after_five_wrong_passwords_a_name_has_to_wait(ann: User, client: Client, at: str, name: str) -> None:
    for _ in range(4):
        assert try_as(client, name, "wrong", at).status_code == 200
    locked = try_as(client, name, "wrong", at)
    assert locked.status_code == 429
    assert locked.headers["Retry-After"] == "900"
    assert b"Too many attempts" in locked.content
    assert name.encode() not in locked.content
    right = try_as(client, name, PASSWORD, at)
    assert right.status_code == 429, "not even the right password opens it now"
    assert "_auth_user_id" not in client.session
    assert _words(right) == _words(locked)


def _words(page: HttpResponse) -> str:
    return re.sub(rb'value="[^"]*"', b"", page.content).decode()


def test_whether_a_name_exists_is_not_told(ann: User) -> None:
    pages = [_words(try_as(Client(), name, "wrong")).replace(name, "") for name in ("ann", "nobody")]
    User.objects.create_user("off", password=PASSWORD, is_active=False)
    pages.append(_words(try_as(Client(), "off", PASSWORD)).replace("off", ""))
    assert len({re.sub(r'value="[^"]*"', "", page) for page in pages}) == 1


def test_an_unknown_name_takes_as_long_as_a_wrong_password(rf: RequestFactory) -> None:
    """With the hasher that is in use: the slower the hash, the plainer a shortcut would be."""
    from django.contrib.auth import authenticate

    User.objects.create_user("ann", password=PASSWORD)
    times: dict[str, list[float]] = {"ann": [], "nobody": []}
    for _ in range(4):
        for name, taken in times.items():
            began = time.process_time()
            assert authenticate(None, username=name, password="wrong") is None
            taken.append(time.process_time() - began)
    known, unknown = (statistics.median(taken) for taken in times.values())
    assert 0.5 < known / unknown < 2


def test_another_address_is_not_held_up(ann: User, client: Client) -> None:
    for _ in range(5):
        try_as(client, "ann", "wrong")
    assert try_as(client, "ann", PASSWORD, REMOTE_ADDR="192.0.2.9").status_code == 302


def test_a_right_password_forgets_the_wrong_ones(ann: User, client: Client) -> None:
    for _ in range(3):
        for _ in range(4):
            assert try_as(client, "ann", "wrong").status_code == 200
        assert try_as(client, "ann", PASSWORD).status_code == 302


def test_an_address_that_tries_many_names_is_closed_too(ann: User, client: Client, settings: object) -> None:
    settings.SIGN_IN_ATTEMPTS_OF_ADDRESS = 10
    answers = [try_as(client, f"name-{number}", "wrong").status_code for number in range(10)]
    assert answers == [200] * 9 + [429]
    assert try_as(client, "ann", PASSWORD).status_code == 429
    assert try_as(client, "ann", PASSWORD, REMOTE_ADDR="192.0.2.9").status_code == 302


def test_nothing_of_the_form_is_kept(ann: User, client: Client) -> None:
    for _ in range(2):
        client.post(
            "/sign-in?next=zanzibar",
            {"username": "ann", "password": "wrong", "other": "zanzibar" * 1000},
            HTTP_ACCEPT="zanzibar",
        )
    row = AccessAttempt.objects.get()
    assert "zanzibar" not in str(vars(row))
    assert row.failures_since_start == 2


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "", "\U0001f600", "ann' OR 1=1--"])
def test_no_name_breaks_it(ann: User, client: Client, name: str) -> None:
    for _ in range(6):
        assert try_as(client, name, "wrong").status_code in {200, 429}


def test_the_address_is_the_one_that_the_proxy_saw(rf: RequestFactory, settings: object) -> None:
    request = rf.get("/", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR="1.1.1.1, 198.51.100.7")
    settings.BEHIND_PROXY = False
    assert sign_in.client_address(request) == "10.0.0.1"
    settings.BEHIND_PROXY = True
    assert sign_in.client_address(request) == "198.51.100.7"
    one, other = (rf.get("/", HTTP_X_FORWARDED_FOR=f"2001:db8:1:2::{end}") for end in ("1", "ffff"))
    assert sign_in.client_address(one) == sign_in.client_address(other) == "2001:db8:1:2::"
    assert sign_in.client_address(rf.get("/", REMOTE_ADDR="", HTTP_X_FORWARDED_FOR="nonsense")) is None


def test_a_session_gets_a_new_name_when_somebody_signs_in(ann: User, client: Client) -> None:
    session = client.session
    session["asker"] = "before"
    session.save()
    before = client.session.session_key
    try_as(client, "ann", PASSWORD)
    assert client.session.session_key != before
    assert client.session["asker"] == "before"
    inside = client.session.session_key
    client.post("/sign-out")
    assert client.session.session_key != inside
    assert "asker" not in client.session
