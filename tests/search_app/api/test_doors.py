"""Who comes in: keys, sessions, anonymous; how often; and the shape of every refusal."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from search_app import checks, keys
from search_app.api import rates, throttling
from search_app.models import ApiKey, Collection
from tests.search_app.api.conftest import ApiClient

LIST, SEARCH, QUESTION = "/api/v1/collections", "/api/v1/search", {"question": "ferry"}


def bearer(text: str) -> ApiClient:
    return ApiClient(headers={"Authorization": f"Bearer {text}"})


def test_a_key_is_kept_as_a_hash_and_says_when_it_was_used(people: dict[str, User]) -> None:
    key, text = keys.make(people["reader"], "mine", ["read"])
    assert text.startswith(f"sv_{key.prefix}_") and len(text) > 50
    row = ApiKey.objects.get()
    assert text not in str(row.__dict__) and text.split("_", 2)[2] not in str(row.__dict__)
    assert row.last_used is None
    assert bearer(text).get(LIST).status_code == 200
    row.refresh_from_db()
    assert row.last_used is not None and (row.last_used.second, row.last_used.microsecond) == (0, 0)


def test_every_bad_key_is_refused_in_the_same_words(people: dict[str, User]) -> None:
    good, text = keys.make(people["reader"], "good", ["read"])
    revoked, revoked_text = keys.make(people["reader"], "revoked", ["read"])
    keys.revoke(revoked)
    expired, expired_text = keys.make(
        people["reader"], "expired", ["read"], expires=timezone.now() + timedelta(days=1)
    )
    ApiKey.objects.filter(pk=expired.pk).update(expires=timezone.now() - timedelta(seconds=1))
    _, inactive_text = keys.make(people["stranger"], "inactive", ["read"])
    User.objects.filter(pk=people["stranger"].pk).update(is_active=False)
    wrong = [
        *(revoked_text, expired_text, inactive_text, text + "x", text[:-1], f"sv_{good.prefix}_", ""),
        *(
            "sv_",
            "sv__",
            "x",
            "sv_\x00_x",
            "sv_ü_x",
            "é",
            "sv_" + "a" * 5000 + "_b",
            f"sv_nothere1_{text[12:]}",
        ),
    ]
    answers = {(r.status_code, r.content) for r in (bearer(w).get(LIST) for w in wrong)}
    assert len(answers) == 1
    response = bearer("x").get(LIST)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer ")
    assert bearer(text).get(LIST).status_code == 200


def test_a_key_does_what_its_scopes_say(filled: None, keyed: Callable[..., ApiClient]) -> None:
    assert keyed("reader", "read").json("post", SEARCH, QUESTION).status_code == 403
    assert keyed("reader", "search").json("post", SEARCH, QUESTION).status_code == 200
    assert keyed("reader", "search").get("/api/v1/documents").status_code == 403
    assert keyed("reader", "metrics").get("/api/v1/traces").status_code == 403


def test_a_key_reads_no_more_than_its_collections(filled: None, keyed: Callable[..., ApiClient]) -> None:
    Collection.objects.create(name="other")
    limited = keyed("staff", only=["other"])
    assert limited.json("post", SEARCH, QUESTION).json()["code"] == "nothing_to_search"
    assert limited.json("post", SEARCH, QUESTION | {"collections": ["notes"]}).status_code == 404
    assert [c["name"] for c in limited.get(LIST).json()["results"]] == ["other"]


@pytest.mark.parametrize("scopes", [[], ["admin"], ["read", "root"]])
def test_a_key_needs_scopes_that_exist(people: dict[str, User], scopes: list[str]) -> None:
    with pytest.raises(keys.SieveError, match="scope"):
        keys.make(people["reader"], "x", scopes)


def test_a_session_writes_only_with_the_csrf_token(filled: None, people: dict[str, User]) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(people["reader"])
    refused = browser.post(SEARCH, QUESTION, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    assert browser.get(LIST).status_code == 200
    browser.get("/api/docs/")
    token = browser.cookies["csrftoken"].value
    allowed = browser.post(SEARCH, QUESTION, content_type="application/json", headers={"X-CSRFToken": token})
    assert allowed.status_code == 200
    assert browser.get("/api/v1/traces").json()["results"][0]["id"] == allowed.json()["trace_id"]


def test_anonymous_search_is_possible_in_public_collections_only(filled: None, nobody: ApiClient) -> None:
    assert nobody.json("post", SEARCH, QUESTION).status_code == 200
    assert "sessionid" not in nobody.cookies, "a program is given no session"
    Collection.objects.update(public=False)
    assert nobody.json("post", SEARCH, QUESTION).json()["code"] == "nothing_to_search"


# --- Throttles -------------------------------------------------------------------------------------------


def test_limits_are_said_and_kept(reader: ApiClient, nobody: ApiClient, settings: Any) -> None:
    settings.API_RATE_KEY, settings.API_RATE_ANONYMOUS = "3/hour", "2/hour"
    left = [reader.get(LIST) for _ in range(4)]
    assert [r.headers["RateLimit-Remaining"] for r in left] == ["2", "1", "0", "0"]
    assert [r.status_code for r in left] == [200, 200, 200, 429]
    assert left[0].headers["RateLimit-Limit"] == "3"
    assert 0 < int(left[3].headers["Retry-After"]) <= 3600
    assert left[3].json()["code"] == "throttled"
    assert [nobody.get(LIST).status_code for _ in range(3)] == [200, 200, 429], "each for itself"
    assert bearer("bad").get(LIST).status_code == 429, "guessing keys counts for the address"


def test_many_keys_of_one_user_are_one_user(keyed: Callable[..., ApiClient], settings: Any) -> None:
    settings.API_RATE_USER = "4/hour"
    clients = [keyed("reader", "read") for _ in range(3)]
    assert [c.get(LIST).status_code for c in clients * 2] == [200] * 4 + [429] * 2


def test_a_window_ends(nobody: ApiClient, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.API_RATE_ANONYMOUS = "1/minute"
    assert [nobody.get(LIST).status_code for _ in range(2)] == [200, 429]
    now = time.time()
    monkeypatch.setattr(throttling.time, "time", lambda: now + 60)
    assert nobody.get(LIST).status_code == 200


def test_the_address_is_the_proxys_word_only_behind_one(nobody: ApiClient, settings: Any) -> None:
    settings.API_RATE_ANONYMOUS = "1/hour"
    forged = [{"X-Forwarded-For": f"203.0.113.{i}"} for i in range(2)]
    assert [nobody.get(LIST, headers=h).status_code for h in forged] == [200, 429]
    settings.BEHIND_PROXY = True
    assert [nobody.get(LIST, headers=h).status_code for h in forged] == [200, 200]
    chain = {"X-Forwarded-For": "198.51.100.7, 203.0.113.0"}
    assert nobody.get(LIST, headers=chain).status_code == 429, "only the last address is the proxy's word"
    network = [{"X-Forwarded-For": f"2001:db8::{i}"} for i in range(2)]
    assert [nobody.get(LIST, headers=h).status_code for h in network] == [200, 429]


@pytest.mark.parametrize("rate", ["", "5", "5/week", "0/minute", "-1/hour", "many/day"])
def test_a_rate_that_is_none_is_refused(rate: str) -> None:
    with pytest.raises(ValueError, match="no rate"):
        rates.parse(rate)


def test_a_wrong_rate_stops_the_start_with_a_sentence(settings: Any) -> None:
    settings.API_RATE_USER = "many"
    (error,) = checks._rates()
    assert "SIEVE_API_RATE_USER" in error.msg and "60/minute" in error.msg


# --- Errors ----------------------------------------------------------------------------------------------


def test_every_error_below_api_has_the_one_shape(staff: ApiClient, nobody: ApiClient) -> None:
    for path in ("/api/", "/api/v1", "/api/v1/search/", "/api/v2/search", "/api/v1/traces/7", "/api/v1/%00"):
        assert staff.get(path).status_code == 404
        assert staff.post(path).status_code == 404
    for method, path in (
        ("get", SEARCH),
        ("delete", LIST),
        ("patch", "/api/v1/documents"),
        ("put", "/api/docs/"),
    ):
        response = getattr(staff, method)(path)
        assert response.status_code == 405
        assert response.headers["Allow"]
    assert staff.generic("TRACE", LIST).status_code == 405
    assert staff.options(LIST).status_code == 405
    assert staff.get(LIST, headers={"Accept": "text/html"}).status_code == 406
    assert (
        staff.post(SEARCH, "question=x", content_type="application/x-www-form-urlencoded").status_code == 415
    )
    assert staff.post(SEARCH, "{", content_type="application/json").json()["code"] == "malformed"
    assert nobody.get(LIST, SERVER_NAME="elsewhere.example").status_code == 400
