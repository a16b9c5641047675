"""Saved pipelines: TOML there and back, versions that never change, one in use, and what is refused."""

import msgspec
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from rag import spec as specs
from rag.errors import SpecError
from rag.spec import GenerateSpec, LateSpec, PipelineSpec, RerankSpec
from search_app import asking, pipeline_versions, pipelines, spec_text
from search_app.access import Viewer
from search_app.models import Collection, Document, PipelineVersion, TraceRecord

pytestmark = pytest.mark.django_db


def changed(**parts: object) -> PipelineSpec:
    return msgspec.structs.replace(pipelines.spec("light"), **parts)


def with_depth(depth: int) -> PipelineSpec:
    return changed(fuse=msgspec.structs.replace(pipelines.spec("light").fuse, depth=depth))


def full() -> PipelineSpec:
    rerank = RerankSpec(backend="identity", model='a "quoted\\name', depth=3, budget_ms=7, required=True)
    generate = GenerateSpec(backend="extractive", model="m", threshold=-1.5, max_sentences=2, budget_ms=9)
    return changed(late=LateSpec(backend="late_interaction", depth=4), rerank=rerank, generate=generate)


def test_toml_there_and_back_is_the_same_spec(light: None) -> None:
    for spec in (pipelines.spec("light"), full()):
        assert spec_text.from_toml(spec_text.to_toml(spec)) == spec


@pytest.mark.parametrize("text", ["", "[encoder", "[encoder]\nbackend = 1", "x = 1"])
def test_what_is_no_spec_is_refused_with_a_sentence(light: None, text: str) -> None:
    with pytest.raises(SpecError):
        spec_text.from_toml(text)


def test_differences_in_words_and_in_lines(light: None) -> None:
    old, new = pipelines.spec("light"), with_depth(50)
    assert spec_text.changes(old, new) == ["fuse.depth is 50, was 100"]
    assert [line for line in spec_text.difference(old, new) if line[0]] == [
        ("-", "depth = 100"),
        ("+", "depth = 50"),
    ]
    assert spec_text.changes(old, full())[0] == "late is new"
    assert "late is left out" in spec_text.changes(full(), old)
    assert spec_text.difference(old, old) == []


def test_a_version_is_in_use_from_the_next_question_on_in_this_process_too(light: None) -> None:
    before = pipelines.spec("light")
    saved = pipeline_versions.save("light", with_depth(50))
    assert pipelines.spec("light") == before
    pipeline_versions.activate(saved)
    assert pipelines.spec("light").fuse.depth == 50
    second = pipeline_versions.save("light", with_depth(60))
    pipeline_versions.activate(second)
    assert [row.version for row in PipelineVersion.objects.filter(active=True)] == [2]
    pipeline_versions.activate(saved)
    assert pipelines.spec("light").fuse.depth == 50
    pipeline_versions.withdraw("light")
    assert pipelines.spec("light") == before
    assert PipelineVersion.objects.count() == 2


def test_the_next_trace_carries_the_new_fingerprint(ingest, folder) -> None:  # type: ignore[no-untyped-def]
    ingest(folder)
    asking.ask("ferry", viewer=Viewer(asker="a")).finish()
    saved = pipeline_versions.save("light", with_depth(50))
    pipeline_versions.activate(saved)
    asking.ask("ferry", viewer=Viewer(asker="a")).finish()
    newer, older = TraceRecord.objects.select_related("pipeline").order_by("-created")
    assert newer.pipeline.fingerprint == saved.fingerprint != older.pipeline.fingerprint
    assert pipeline_versions.used()[saved.fingerprint].questions == 1
    assert pipeline_versions.used_by_name()["light"].questions == 2


def test_looking_up_a_spec_is_one_query(light: None) -> None:
    pipeline_versions.activate(pipeline_versions.save("light", with_depth(50)))
    with CaptureQueriesContext(connection) as captured:
        pipelines.spec("light")
    assert len(captured) == 1


def test_a_name_that_only_the_database_knows(light: None) -> None:
    saved = pipeline_versions.save("mine", with_depth(50))
    assert "mine" not in pipelines.names()
    with pytest.raises(SpecError, match="There are: light"):
        pipelines.spec("mine")
    pipeline_versions.activate(saved)
    assert pipelines.names() == ("light", "mine")
    pipeline_versions.withdraw("mine")
    assert pipelines.names() == ("light",)


def test_the_default_pipeline_is_never_left_without_a_spec(light: None, settings: object) -> None:
    pipeline_versions.activate(pipeline_versions.save("mine", with_depth(50)))
    settings.DEFAULT_PIPELINE = "mine"  # type: ignore[attr-defined]
    with pytest.raises(SpecError, match="must stay in use"):
        pipeline_versions.withdraw("mine")


@pytest.mark.parametrize("name", ["", "a b", "../light", "a/b", "x" * 101, "ä"])
def test_a_name_is_a_slug(light: None, name: str) -> None:
    with pytest.raises(SpecError, match="letters, digits"):
        pipeline_versions.save(name, with_depth(50))


def test_the_same_spec_twice_makes_one_version(light: None) -> None:
    pipeline_versions.save("light", with_depth(50))
    with pytest.raises(SpecError, match="Nothing differs from version 1"):
        pipeline_versions.save("light", with_depth(50))


def test_an_encoder_that_the_index_was_not_built_with_is_refused(light: None) -> None:
    other = changed(encoder=msgspec.structs.replace(pipelines.spec("light").encoder, model="other"))
    with pytest.raises(SpecError, match=r"holds vectors of the encoder hashing.*manage\.py reindex"):
        pipeline_versions.save("light", other)


def test_what_does_not_exist_is_refused_by_name(light: None) -> None:
    late = LateSpec(backend="identity", depth=4)
    with pytest.raises(SpecError, match="cannot be used for late"):
        pipeline_versions.check("light", changed(late=late))
    rerank = RerankSpec(backend="onnx", model="none", depth=3, budget_ms=7, required=False)
    with pytest.raises(SpecError, match="no model 'none'"):
        pipeline_versions.check("light", changed(rerank=rerank))
    with pytest.raises(SpecError, match="no backend 'x'"):
        pipeline_versions.check("light", changed(rerank=msgspec.structs.replace(rerank, backend="x")))


def test_another_split_says_what_follows_and_which_documents_it_concerns(ingest, folder) -> None:  # type: ignore[no-untyped-def]
    ingest(folder)
    split = msgspec.structs.replace(pipelines.spec("light").split, max_tokens=32)
    assert "no effect" in " ".join(pipeline_versions.check("other", changed(split=split)))
    saved = pipeline_versions.save("light", changed(split=split))
    assert pipeline_versions.split_otherwise() == 0
    assert "until they are indexed again" in " ".join(pipeline_versions.activate(saved))
    assert pipeline_versions.split_otherwise() == Document.objects.count() == 3


def test_a_collection_with_weights_of_its_own_counts_under_the_same_name(ingest, folder) -> None:  # type: ignore[no-untyped-def]
    ingest(folder)
    Collection.objects.update(blend={"bm25": 1.0, "knn": 0.0, "late": 0.0, "reranked": 0.0})
    asking.ask("ferry", viewer=Viewer(asker="a"), collections=["notes"]).finish()
    assert pipeline_versions.used_by_name()["light"].questions == 1
    assert pipeline_versions.used().keys() != {pipelines.spec("light").fingerprint}


def test_who_saved_it_and_why_is_kept(light: None) -> None:
    dana = User.objects.create(username="dana")
    saved = pipeline_versions.save("light", with_depth(50), note="n" * 300, author=dana.pk)
    assert (saved.author, len(saved.note), saved.fingerprint) == (dana, 200, with_depth(50).fingerprint)
    assert specs.from_mapping(PipelineVersion.objects.get().spec) == with_depth(50)


def test_two_who_save_at_once_make_one_version(light: None, monkeypatch: pytest.MonkeyPatch) -> None:
    real = PipelineVersion.objects.create

    def second(**fields: object) -> PipelineVersion:
        monkeypatch.setattr(PipelineVersion.objects, "create", real)
        real(**fields | {"fingerprint": "of the other one"})
        return real(**fields)

    monkeypatch.setattr(PipelineVersion.objects, "create", second)
    with pytest.raises(SpecError, match="at the same moment"):
        pipeline_versions.save("light", with_depth(50))
