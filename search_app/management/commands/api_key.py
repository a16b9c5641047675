"""Keys of the REST API: make, list, revoke."""

from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.utils import timezone

from rag.errors import SieveError
from search_app import keys
from search_app.management.base import CommandParser, SieveCommand, table
from search_app.models import ApiKey, Collection


class Command(SieveCommand):
    help = (
        "Keys of the REST API.\n\n"
        "create USER NAME prints a new key, once; list shows keys without their secrets; "
        "revoke PREFIX ends one.\n\n"
        "Exit codes: 0 done; 1 not done, and the last line says why."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="make a key and print it, once")
        create.add_argument("user", help="name of the user it acts for")
        create.add_argument("name", help="what it is for")
        create.add_argument(
            "--scope", action="append", choices=keys.SCOPES, help="may be repeated; default: search and read"
        )
        create.add_argument(
            "--collection", action="append", default=[], help="limit it to this one; may be repeated"
        )
        create.add_argument("--days", type=int, help="days until it expires; default: never")
        shown = actions.add_parser("list", help="show the keys")
        shown.add_argument("--user", help="only those of this user")
        revoke = actions.add_parser("revoke", help="end a key")
        revoke.add_argument("prefix", help="the middle part of the key, as the list shows it")

    def run(self, **options: Any) -> None:
        match options["action"]:
            case "create":
                self._create(**options)
            case "list":
                self._list(options["user"])
            case "revoke":
                self._revoke(options["prefix"])

    def _create(self, **options: Any) -> None:
        user = _user(options["user"])
        wanted = set(options["collection"])
        collections = list(Collection.objects.filter(name__in=wanted))
        if unknown := sorted(wanted - {c.name for c in collections}):
            raise SieveError(f"There is no collection {', '.join(unknown)}.")
        days = options["days"]
        if days is not None and not 1 <= days <= 36_500:
            raise SieveError("A key is good for 1 to 36500 days.")
        expires = timezone.now() + timedelta(days=days) if days else None
        scopes = options["scope"] or ["search", "read"]
        _, text = keys.make(user, options["name"], scopes, collections, expires)
        self.stderr.write("Keep this key: it cannot be shown again.")
        self.say(text)

    def _list(self, username: str | None) -> None:
        rows = ApiKey.objects.select_related("user").prefetch_related("collections")
        if username:
            rows = rows.filter(user=_user(username))
        header = ("prefix", "user", "name", "scopes", "collections", "expires", "last used", "state")
        self.say(table(header, [_row(key) for key in rows]))

    def _revoke(self, prefix: str) -> None:
        key = ApiKey.objects.filter(prefix=prefix).first()
        if key is None:
            raise SieveError(f"There is no key with the prefix {prefix!r}. See: manage.py api_key list.")
        keys.revoke(key)
        self.say(f"The key {prefix} opens nothing any more.")


def _user(name: str) -> Any:
    user = get_user_model().objects.filter(username=name).first()
    if user is None:
        raise SieveError(f"There is no user {name!r}.")
    return user


def _row(key: ApiKey) -> tuple[str, ...]:
    names = ",".join(c.name for c in key.collections.all())
    expired = key.expires is not None and key.expires <= timezone.now()
    return (
        key.prefix,
        key.user.get_username(),
        key.name,
        ",".join(key.scopes),
        names or ("none" if key.limited else "all"),
        f"{key.expires:%Y-%m-%d}" if key.expires else "never",
        f"{key.last_used:%Y-%m-%d %H:%M}" if key.last_used else "never",
        "revoked" if key.revoked else "expired" if expired else "good",
    )
