"""The form of a spec: every key has a field with its limits, and what is sent comes back as a spec."""

from pathlib import Path
from typing import get_args, get_type_hints

import msgspec
import pytest

from rag.errors import SpecError
from rag.spec import (
    ExpandSpec,
    GenerateSpec,
    LateSpec,
    PipelineSpec,
    RerankSpec,
    RewriteSpec,
    StageSpec,
    VerifySpec,
)
from search_app import part_checks, pipelines, spec_text
from search_app.manage import spec_form
from search_app.manage.spec_words import HELP

pytestmark = pytest.mark.django_db


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
    structs = {
        part: next(kind for kind in (*get_args(said), said) if hasattr(kind, "__struct_fields__"))
        for part, said in get_type_hints(PipelineSpec).items()
    }
    written = {f"{part}.{key}" for part, of in structs.items() for key in of.__struct_fields__}
    written -= {"rerank.before"}
    stage = {f"{part}.{key}" for part in spec_form.BEFORE for key in StageSpec.__struct_fields__}
    assert keys == written | stage
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


def staged(plain: PipelineSpec) -> PipelineSpec:
    """A spec with everything that a reranker may have."""
    stages = (
        StageSpec(backend="onnx", model="small", depth=200, budget_ms=150, keep=40),
        StageSpec(
            backend="http",
            model="house/reranker",
            depth=40,
            budget_ms=300,
            keep=9,
            options={"top": 4, "b": True},
        ),
    )
    last = RerankSpec(
        backend="pointwise",
        model="house/chat",
        depth=9,
        budget_ms=2000,
        required=False,
        before=stages,
        window_tokens=400,
        window_overlap=100,
        stop_gap=1.5,
        options={"style": 'say "yes" or no\n', "temperature": 0.5},
    )
    return msgspec.structs.replace(plain, rerank=last)


def test_stages_and_options_go_through_the_form_unchanged(light: None) -> None:
    plain = pipelines.spec("light")
    spec = staged(plain)
    again, parts, errors = spec_form.of_post(sent(spec), plain)
    assert (again, errors) == (spec, [])
    assert [part.name for part in parts if part.on][3:6] == ["coarse", "middle", "rerank"]


def test_a_stage_is_added_and_taken_away_by_its_switch(light: None) -> None:
    plain = pipelines.spec("light")
    spec = staged(plain)
    one, _, _ = spec_form.of_post({k: v for k, v in sent(spec).items() if k != "coarse.on"}, plain)
    assert one is not None and one.rerank is not None and spec.rerank is not None
    assert one.rerank.before == spec.rerank.before[1:]
    post = sent(one) | {"middle.on": "on", "middle.backend": "onnx", "middle.model": "other"}
    two, _, errors = spec_form.of_post(post, plain)
    assert errors == []
    assert two is not None and two.rerank is not None
    assert [stage.model for stage in two.rerank.before] == ["house/reranker", "other"]
    assert two.rerank.before[1].keep == 20, "what stands ready"


def test_what_differs_is_said_stage_by_stage(light: None) -> None:
    plain = pipelines.spec("light")
    spec = staged(plain)
    assert spec.rerank is not None
    stages = (msgspec.structs.replace(spec.rerank.before[0], keep=30),)
    other = msgspec.structs.replace(spec, rerank=msgspec.structs.replace(spec.rerank, before=stages))
    assert spec_text.changes(spec, other) == ["coarse.keep is 30, was 40", "middle is left out"]
    assert spec_text.changes(plain, spec) == ["coarse is new", "middle is new", "rerank is new"]


def test_stages_without_a_last_one_are_refused(light: None) -> None:
    plain = pipelines.spec("light")
    post = sent(staged(plain))
    del post["rerank.on"]
    spec, _, errors = spec_form.of_post(post, plain)
    assert spec is None
    assert "switch reranking on" in errors[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("style", "Write a line for each"),
        ("style = rating", "Write a line for each"),
        ("many = [1, 2]", "many is no number"),
        ("[table]\na = 1", "table is no number"),
    ],
)
def test_wrong_options_are_said_at_their_field(light: None, text: str, said: str) -> None:
    plain = pipelines.spec("light")
    spec, parts, _ = spec_form.of_post(sent(staged(plain)) | {"rerank.options": text}, plain)
    assert spec is None
    errors = {f.field.key: f.error for part in parts for f in part.fields if f.error}
    assert list(errors) == ["rerank.options"]
    assert errors["rerank.options"].startswith(said)


def test_models_of_the_store_and_services_are_offered_and_others_are_taken(
    light: None, settings: object, tmp_path: Path
) -> None:
    file = tmp_path / "services.toml"
    file.write_text('[house]\ndialect = "openai"\nurl = "http://127.0.0.1:1"\n')
    settings.SERVICES_FILE = file
    spec = staged(pipelines.spec("light"))
    fields = {f.field.key: f.field for part in spec_form.of_spec(spec, spec) for f in part.fields}
    assert {"ms-marco-MiniLM-L-12-v2-int8", "house/"} <= set(fields["coarse.model"].choices)
    assert not any(name.startswith("bge") for name in fields["rerank.model"].choices)
    assert {"onnx", "http", "listwise"} <= set(fields["middle.backend"].choices)
    assert "late_interaction" not in fields["coarse.backend"].choices


def test_what_is_understood_and_trusted_is_switched_on_and_off(light: None) -> None:
    plain = pipelines.spec("light")
    spec = msgspec.structs.replace(
        plain,
        rewrite=RewriteSpec(backend="rule", model="", budget_ms=100),
        expand=ExpandSpec(backend="hyde", model="house/chat", number=2, budget_ms=900),
        verify=VerifySpec(backend="overlap", model="", threshold=0.4, budget_ms=500),
        context=msgspec.structs.replace(plain.context, near_duplicates=0.8, merge=True),
    )
    again, parts, errors = spec_form.of_post(sent(spec), plain)
    assert (again, errors) == (spec, [])
    assert {"rewrite", "expand", "verify"} <= {part.name for part in parts if part.on and part.optional}
    off, _, _ = spec_form.of_post({k: v for k, v in sent(spec).items() if k != "verify.on"}, plain)
    assert off == msgspec.structs.replace(spec, verify=None)
    assert spec_text.from_toml(spec_text.to_toml(spec)) == spec
    assert spec_text.changes(plain, off) == [
        "rewrite is new",
        "expand is new",
        "context.near_duplicates is 0.8, was 0.0",
        "context.merge is True, was False",
    ]


def test_a_service_may_write_and_an_unknown_one_is_told(
    light: None, settings: object, tmp_path: Path
) -> None:
    file = tmp_path / "services.toml"
    file.write_text('[house]\ndialect = "openai"\nurl = "http://127.0.0.1:1"\n')
    settings.SERVICES_FILE = file
    generate = GenerateSpec(backend="extractive", model="", threshold=0, max_sentences=3, budget_ms=100)

    def told(model: str) -> list[str]:
        return part_checks.check(
            "generate", "generate", "build", msgspec.structs.replace(generate, model=model)
        )

    assert told("house/chat") == []
    assert told("nowhere/chat")[0].startswith("There is no service 'nowhere' here; there are: house.")
    with pytest.raises(SpecError, match="Name a model"):
        told("house/")
    fields = {f.field.key: f.field for part in spec_form.of_spec(base(), base()) for f in part.fields}
    assert "house/" in fields["generate.model"].choices and "house/" in fields["expand.model"].choices


def base() -> PipelineSpec:
    return pipelines.spec("light")
