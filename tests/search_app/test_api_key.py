"""`manage.py api_key`."""

import re
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from search_app import keys
from search_app.models import ApiKey, Collection


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("api_key", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada")


def test_a_key_is_made_listed_and_revoked(ada: User) -> None:
    Collection.objects.create(name="notes")
    text = run("create", "ada", "nightly", "--scope", "read", "--collection", "notes", "--days", "30").strip()
    assert re.fullmatch(r"sv_[a-z0-9]{8}_[\w-]{43}", text)
    key = keys.verify(text)
    assert key is not None and key.scopes == ["read"] and key.limited
    assert keys.viewer_of_key(key).only == ("notes",)
    listed = run("list")
    assert key.prefix in listed and text not in listed and "good" in listed
    run("revoke", key.prefix)
    assert keys.verify(text) is None
    assert "revoked" in run("list", "--user", "ada")


def test_without_more_a_key_searches_and_reads(ada: User) -> None:
    run("create", "ada", "x")
    key = ApiKey.objects.get()
    assert (key.scopes, key.limited, key.expires) == (["search", "read"], False, None)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("create", "eve", "x"), "no user 'eve'"),
        (("create", "ada", "x", "--collection", "nope"), "no collection nope"),
        (("create", "ada", "x", "--days", "0"), "1 to 36500 days"),
        (("create", "ada", " "), "cannot be made"),
        (("revoke", "nope"), "no key with the prefix 'nope'"),
        (("list", "--user", "eve"), "no user 'eve'"),
    ],
)
def test_what_cannot_be_done_is_said(ada: User, arguments: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        run(*arguments)
