"""The forms of a collection: what it is, and who may read it."""

import re
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, Q
from django.utils.text import slugify

from search_app.models import DEFAULT_LANGUAGE, Collection

WEIGHTS = ("bm25", "knn", "late", "reranked")
ACCESS = [
    ("chosen", "Only the groups and people chosen here"),
    ("public", "Everybody who reaches the site, without signing in"),
]


def _languages() -> list[tuple[str, str]]:
    from rag.index import analyzers  # here, so that the pages do not need the index

    return [(code, f"{name} ({code})") for code, name in analyzers.LANGUAGES.items()]


class GroupChoice(forms.ModelMultipleChoiceField):
    def label_from_instance(self, group: Group) -> str:
        n = group.members  # type: ignore[attr-defined]
        return f"{group.name} ({n:,} {'member' if n == 1 else 'members'})"


def groups() -> Any:
    """All groups by name, each with `members`, its number of active ones."""
    members = Count("user", filter=Q(user__is_active=True), distinct=True)
    return Group.objects.annotate(members=members).order_by("name")


class AccessForm(forms.Form):
    """Title and readers of a collection that exists."""

    title = forms.CharField(max_length=200)
    access = forms.ChoiceField(label="Who may read it", choices=ACCESS, widget=forms.RadioSelect)
    groups = GroupChoice(
        Group.objects.none(), required=False, label="Groups", widget=forms.CheckboxSelectMultiple
    )
    readers = forms.ModelMultipleChoiceField(
        get_user_model().objects.none(),
        required=False,
        label="People, by name",
        widget=forms.CheckboxSelectMultiple,
    )
    add = forms.CharField(
        required=False,
        label="Add people",
        help_text="User names, with commas or spaces between them.",
        widget=forms.TextInput(attrs={"list": "people", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, collection: Collection | None = None, **kwargs: Any) -> None:
        self.collection = collection
        if collection is not None:
            kwargs["initial"] = {
                "title": collection.title or collection.name,
                "access": "public" if collection.public else "chosen",
                "groups": list(collection.groups.values_list("pk", flat=True)),
                "readers": list(collection.readers.values_list("pk", flat=True)),
            } | kwargs.get("initial", {})
        super().__init__(*args, **kwargs)
        self.fields["groups"].queryset = groups()
        if collection is None:
            del self.fields["readers"]
        else:
            self.fields["readers"].queryset = collection.readers.order_by("username")

    def clean_add(self) -> list[Any]:
        """The users that were named. Each unknown name is said."""
        users = get_user_model()
        names = [name for name in re.split(r"[,;\s]+", self.cleaned_data["add"]) if name]
        found = {user.get_username(): user for user in users.objects.filter(username__in=names)}
        unknown = [name for name in names if name not in found]
        if unknown:
            raise ValidationError(
                f"There is no user {', '.join(unknown)}. Use the name that the person signs in with."
            )
        return list(found.values())

    def save(self) -> Collection:
        """Write it all, or nothing."""
        values = self.cleaned_data
        collection = self.collection or Collection()
        with transaction.atomic():
            collection.title, collection.public = values["title"], values["access"] == "public"
            self.fill(collection)
            collection.save()
            collection.groups.set(values["groups"])
            collection.readers.set([*values.get("readers", []), *values["add"]])
        return collection

    def fill(self, collection: Collection) -> None:
        """What only one of the forms sets."""


class CollectionForm(AccessForm):
    """The same with the weights of the final order."""

    bm25 = forms.FloatField(required=False, min_value=0, max_value=1, label="BM25 (words)")
    knn = forms.FloatField(required=False, min_value=0, max_value=1, label="kNN (meaning)")
    late = forms.FloatField(required=False, min_value=0, max_value=1, label="Late interaction")
    reranked = forms.FloatField(required=False, min_value=0, max_value=1, label="Cross-encoder")

    def __init__(self, *args: Any, collection: Collection, **kwargs: Any) -> None:
        super().__init__(*args, collection=collection, initial=collection.blend or {}, **kwargs)
        for name in WEIGHTS:
            self.fields[name].widget.attrs["step"] = "any"

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        given = [name for name in WEIGHTS if values.get(name) is not None]
        if given and len(given) < len(WEIGHTS) and not any(name in self.errors for name in WEIGHTS):
            raise ValidationError(
                "Give all four weights, or leave all four empty to take those of the pipeline."
            )
        return values

    def fill(self, collection: Collection) -> None:
        weights = {name: self.cleaned_data.get(name) for name in WEIGHTS}
        collection.blend = None if None in weights.values() else weights


class NewCollectionForm(AccessForm):
    """A collection that is to be made. Its name is made from the title when none is given."""

    name = forms.SlugField(
        max_length=100,
        required=False,
        help_text="Used in addresses and commands; cannot be changed later. Empty: made from the title.",
        error_messages={"invalid": "A name has letters a to z, digits, hyphens and underscores only."},
    )
    language = forms.ChoiceField(
        choices=_languages,
        initial=DEFAULT_LANGUAGE,
        help_text="How words are cut and stemmed; cannot be changed later.",
    )
    field_order = ("title", "name", "language")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["initial"] = {"access": "chosen"} | kwargs.get("initial", {})
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if "name" in self.errors or "title" in self.errors:
            return values
        values["name"] = name = values.get("name") or slugify(values["title"])[:100]
        if not name:
            self.add_error("name", "No name can be made from this title. Give one in letters a to z.")
        elif Collection.objects.filter(name=name).exists():
            self.add_error("name", f"There is a collection {name} already. Choose it, or give another name.")
        return values

    def fill(self, collection: Collection) -> None:
        collection.name, collection.language = self.cleaned_data["name"], self.cleaned_data["language"]
