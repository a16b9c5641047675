"""Names of users, to choose from."""

from django.contrib.auth import get_user_model

OFFERED = 500
"""More names are not offered; they can still be typed."""


def suggested() -> list[str]:
    """User names with an active account, by name, the first 500."""
    users = get_user_model().objects.filter(is_active=True).order_by("username")
    return list(users.values_list("username", flat=True)[:OFFERED])
