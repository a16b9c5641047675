"""Every kind of viewer, and something private that only some of them may read."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from search_app import keys, services, uploads
from search_app.access import Viewer
from search_app.asking import ask
from search_app.models import ApiKey, Collection, Conversation, Document, TraceRecord
from tests.search_app.rights.indexing import Worker

SESSIONS = ("anon", "user", "reader", "group", "owner", "former", "staff", "super")
"""Who comes with a browser. `owner` asked the trace, `former` did so too and lost the right since."""
KEYS = ("search", "read", "write", "metrics", "chief", "other", "expired", "revoked", "inactive")
"""Who comes with a key. The first four are keys of `owner` with one scope; the others have all scopes:
`chief` is of `staff`, `other` is cut to the public collection, and the user of `inactive` is."""
KINDS = SESSIONS + KEYS
BACKEND = "django.contrib.auth.backends.ModelBackend"

TRUSTED = frozenset({"reader", "group", "owner", "staff", "super", "search", "read", "chief"})
"""Who may see the private words. A key for metrics sees nothing but numbers."""
SECRETS = ("mkbodyzq", "mktitlezq", "mkheadingzq", "nmfilezq", "cmboard", "cmtitlezq")
"""Words of the private document: its text, title, heading, file, and its collection."""
QUESTION, FORMER_QUESTION = "quownerzq", "quformerzq"
ASKERS = {
    QUESTION: frozenset({"owner", "staff", "super", "read", "chief"}),
    FORMER_QUESTION: frozenset({"former", "staff", "super", "chief"}),
}
"""Whose history holds these words. Staff reads all questions."""
TEXT = "# Plan mktitlezq\n\n## Part mkheadingzq\n\nThe ferry company mkbodyzq will be sold in spring.\n"


@dataclass
class Scene:
    """Ids of what is private, by the names that routes give to their parameters, and how to come as whom."""

    users: dict[str, User]
    keys: dict[str, str]
    document: Document
    trace: TraceRecord
    former: TraceRecord

    def ids(self) -> list[str]:
        """What may stand in a page only because it was asked for."""
        rows = (self.trace, self.former, self.trace.conversation, self.former.conversation)
        own = [str(row.pk) for row in rows if row is not None]
        return [*own, "cmboard", "no-such-thing"]

    def client(self, kind: str) -> Client:
        """A browser or a program of this kind."""
        client = Client()
        if kind in self.keys:
            client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {self.keys[kind]}"
        elif kind != "anon":
            client.force_login(self.users[kind], backend=BACKEND)
        return client


def scene(worker: Worker) -> Scene:
    """A public collection, and a private one with one document, about which two people have asked."""
    users = {
        name: User.objects.create_user(
            name, is_staff=name in {"staff", "super"}, is_superuser=name == "super"
        )
        for name in (*SESSIONS[1:], "inactive")
    }
    public = services.collection("public")
    board = services.collection("cmboard")
    Collection.objects.filter(pk=board.pk).update(public=False, title="All of cmtitlezq")
    board.readers.set([users["reader"], users["owner"], users["former"], users["inactive"]])
    group = Group.objects.create(name="readers")
    group.user_set.add(users["group"])
    board.groups.add(group)
    put(public, "harbour.md", "# Harbour\n\nThe ferry leaves at nine.\n")
    document = put(board, "nmfilezq.md", TEXT)
    worker.work()
    Document.objects.create(collection=board, name="nmfilezq-failed.md", state="failed", reason="No text.")
    owned = asked(users["owner"], f"Will {QUESTION} the ferry company be sold?")
    former = asked(users["former"], f"Will {FORMER_QUESTION} the ferry company be sold?")
    board.readers.remove(users["former"])
    return Scene(users, _keys(users, public), document, owned, former)


def put(collection: Collection, name: str, text: str) -> Document:
    (done,) = uploads.put(collection, uploads.arrive(name, [text.encode()]))
    return done.document


def asked(user: User, question: str) -> TraceRecord:
    viewer = Viewer(user_id=user.pk)
    conversation = Conversation.objects.create(user=user, title=question)
    recording = ask(question, viewer=viewer, conversation=conversation)
    recording.finish()
    return TraceRecord.objects.get(pk=recording.trace_id)


def _keys(users: dict[str, User], public: Collection) -> dict[str, str]:
    made = {scope: keys.make(users["owner"], scope, [scope])[1] for scope in KEYS[:4]}
    made["chief"] = keys.make(users["staff"], "chief", keys.SCOPES)[1]
    made["other"] = keys.make(users["owner"], "other", keys.SCOPES, [public])[1]
    made["expired"] = _ended(users["owner"], lambda rows: rows.update(expires=timezone.now() - timedelta(1)))
    made["revoked"] = _ended(users["owner"], lambda rows: rows.update(revoked=timezone.now()))
    made["inactive"] = keys.make(users["inactive"], "inactive", keys.SCOPES)[1]
    User.objects.filter(pk=users["inactive"].pk).update(is_active=False)
    return made


def _ended(user: User, end: Callable[..., object]) -> str:
    key, text = keys.make(user, "ended", keys.SCOPES)
    end(ApiKey.objects.filter(pk=key.pk))
    return text
