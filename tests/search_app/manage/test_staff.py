"""Who gets to see the pages of /manage/."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, reverse

from search_app.manage.urls import urlpatterns

pytestmark = pytest.mark.django_db
VALUES = {"document_id": 1, "key_id": 1, "name": "notes", "version": 1}


def addresses() -> list[str]:
    pages = [pattern for pattern in urlpatterns if isinstance(pattern, URLPattern) and pattern.name]
    return [
        reverse(page.name, kwargs={key: VALUES[key] for key in page.pattern.converters}) for page in pages
    ]


@pytest.mark.parametrize("address", addresses())
def test_a_stranger_is_sent_to_sign_in_and_a_user_finds_nothing(client: Client, address: str) -> None:
    response = client.get(address)
    assert response.status_code == 302 and f"next={address}" in response.headers["Location"]
    assert client.get(address, headers={"accept": "application/json"}).status_code == 401
    client.force_login(User.objects.create_user("dana", password="long enough to pass"))
    assert client.get(address).status_code == 404
    assert client.post(address).status_code == 404
