"""The form of a spec: every key has a field with its limits, and what is sent comes back as a spec."""

from pathlib import Path

import msgspec
import pytest

from rag import spec as specs
from rag.spec import LateSpec, PipelineSpec
from search_app import pipelines
from search_app.manage import spec_form
from search_app.manage.spec_words import HELP

pytestmark = pytest.mark.django_db

SPECS = Path(__file__).resolve().parents[3] / "search_app/specs"


def sent(spec: PipelineSpec, **changed: str) -> dict[str, str]:
    """What a browser sends of a form as it is shown."""
    post = {}
    for part in spec_form.of_spec(spec, spec):
        if part.optional and part.on:
            post[f"{part.name}.on"] = "on"
        for filled in part.fields:
            if filled.field.kind != "flag":
                post[filled.field.key] = filled.value
            elif filled.value == "true":
                post[filled.field.key] = "on"
    return post | {key.replace("__", "."): value for key, value in changed.items()}


def test_every_key_of_a_spec_has_a_field_and_words(light: None) -> None:
    keys = {field.key for part in spec_form.fields().values() for field in part}
    whole = specs.load(SPECS / "default.toml").whole()
    written = {f"{part}.{key}" for part, values in whole.items() for key in values}
    assert keys == {key for key in written if key.partition(".")[2] not in spec_form.ONLY_TOML}
    assert all(field.help and field.label for part in spec_form.fields().values() for field in part)
    assert {key for key in HELP if "." in key} <= keys


def test_limits_are_those_of_the_structs(light: None) -> None:
    fields = {field.key: field for part in spec_form.fields().values() for field in part}
    assert (fields["fuse.depth"].least, fields["fuse.depth"].most) == (1, 1000)
    assert (fields["blend.late"].least, fields["blend.late"].most) == (0, 1)
    assert fields["fuse.method"].choices == ("minmax", "rrf", "zscore")
    assert fields["context.max_tokens"].most is None


def test_a_form_sent_as_it_was_shown_is_the_same_spec(light: None) -> None:
    plain = pipelines.spec("light")
    for spec in (plain, msgspec.structs.replace(plain, late=LateSpec(backend="late_interaction", depth=4))):
        again, _, errors = spec_form.of_post(sent(spec), plain)
        assert (again, errors) == (spec, [])


def test_a_switch_leaves_a_part_out(light: None) -> None:
    plain = pipelines.spec("light")
    spec = msgspec.structs.replace(plain, late=LateSpec(backend="late_interaction", depth=4))
    post = sent(spec)
    del post["late.on"]
    post["late.depth"] = "nonsense, but it is left out"
    again, _, _ = spec_form.of_post(post, plain)
    assert again == plain


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("fuse.depth", "0", "At least 1."),
        ("fuse.depth", "1001", "At most 1,000."),
        ("fuse.depth", "1.5", "Write a whole number."),
        ("fuse.depth", "", "Write a whole number."),
        ("blend.knn", "nan", "Write a number."),
        ("blend.knn", "inf", "At most 1."),
        ("blend.knn", "much", "Write a number."),
    ],
)
def test_a_wrong_value_is_said_at_its_field(light: None, key: str, value: str, said: str) -> None:
    plain = pipelines.spec("light")
    spec, parts, _ = spec_form.of_post(sent(plain) | {key: value}, plain)
    assert spec is None
    wrong = {f.field.key: (f.value, f.error) for part in parts for f in part.fields if f.error}
    assert wrong == {key: (value, said)}


def test_what_is_not_among_the_choices_is_refused(light: None) -> None:
    spec, _, errors = spec_form.of_post(
        sent(pipelines.spec("light"), fuse__method="magic"), pipelines.spec("light")
    )
    assert spec is None and "method" in errors[0]


def test_a_fixed_part_is_that_of_the_index_whatever_is_sent(light: None) -> None:
    plain = pipelines.spec("light")
    spec, _, _ = spec_form.of_post(sent(plain, encoder__model="other"), plain)
    assert spec == plain
