"""People and collections of the staff pages' tests. No model and no index is needed."""

from pathlib import Path

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from search_app import uploads
from search_app.models import Collection, Document


@pytest.fixture(autouse=True)
def store(tmp_path: Path, settings: object, db: None) -> Path:
    """Uploaded bytes lie in a folder of the test."""
    settings.CONTENT_DIR = tmp_path / "contents"
    return settings.CONTENT_DIR


@pytest.fixture
def dana() -> User:
    return User.objects.create_user("dana", is_staff=True)


@pytest.fixture
def staff(dana: User) -> Client:
    """Signed in as dana, who is staff and no superuser."""
    client = Client()
    client.force_login(dana)
    return client


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def notes() -> Collection:
    """A collection that only the group Board and carl read."""
    collection = Collection.objects.create(name="notes", title="Notes", public=False)
    board = Group.objects.create(name="Board")
    board.user_set.add(User.objects.create_user("ann"), User.objects.create_user("bob"))
    collection.groups.add(board)
    collection.readers.add(User.objects.create_user("carl"))
    return collection


def documents(collection: Collection, *names: str, **values: object) -> list[Document]:
    """Documents of these names as they lie after an upload, then with these columns."""
    rows = []
    for name in names:
        (put,) = uploads.put(collection, uploads.arrive(name, [name.encode()]))
        rows.append(put.document)
    Document.objects.filter(pk__in=[row.pk for row in rows]).update(**values) if values else None
    return rows
