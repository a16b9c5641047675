"""Versions of an index in a real cluster: made once, switched at once, never mistaken for another's."""

import multiprocessing
import threading
from dataclasses import asdict, replace

import pytest

from rag.errors import IndexCorrupt, SpecError
from rag.index.opensearch import Address, Cluster, Form, Meta, create, layout
from rag.index.opensearch.cluster import Able
from rag.index.opensearch.versions import alias, begin, drop, fitting, promote, rollback, versions, with_role

META = Meta(encoder="one", dimension=8)
ALL = frozenset({"knn"})


@pytest.fixture
def at(opensearch: Address) -> Cluster:
    return Cluster(replace(opensearch, timeout_s=20.0))


def roles(at: Cluster) -> dict[int, set[str]]:
    return {version.number: set(version.roles) for version in versions(at)}


def _create(address: Address, go, done) -> None:
    cluster = Cluster(address)
    assert cluster.able
    go.wait()
    create(cluster, META, Form())
    done.put([version.name for version in versions(cluster)])


@pytest.mark.parametrize("opensearch_server", ["3.6.0"], indirect=True)
def test_two_processes_make_one_first_version(at: Cluster) -> None:
    context = multiprocessing.get_context("spawn")
    go, done = context.Event(), context.Queue()
    processes = [context.Process(target=_create, args=(at.address, go, done)) for _ in range(3)]
    for process in processes:
        process.start()
    go.set()
    seen = [done.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(timeout=10)
    assert seen == [[f"{at.address.prefix}-passages-0001"]] * 3
    assert roles(at) == {1: {"read", "write"}}


def test_versions_begun_at_once_have_numbers_of_their_own(at: Cluster) -> None:
    create(at, META, Form())
    names: list[str] = []
    threads = [threading.Thread(target=lambda: names.append(begin(at, META, Form()))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names) == [f"{at.address.prefix}-passages-000{n}" for n in (2, 3, 4)]


def test_promote_and_rollback_move_the_roles_at_once(at: Cluster) -> None:
    other = replace(META, encoder="another")
    create(at, META, Form())
    first = versions(at)[0].name
    assert roles(at) == {1: {"read", "write"}}
    second = begin(at, other, Form(m=8))
    assert roles(at) == {1: {"read", "write"}, 2: {"write"}}
    assert fitting(versions(at), META).name == first
    with pytest.raises(IndexCorrupt, match="manage.py reindex"):
        fitting(versions(at), other)
    promote(at, second)
    promote(at, second)
    assert roles(at) == {1: {"previous", "write"}, 2: {"read", "write"}}
    assert fitting(versions(at), META).name == first  # a process of the old encoder goes on
    assert fitting(versions(at), other).name == second
    assert rollback(at) == first
    assert roles(at) == {1: {"read", "write"}, 2: {"previous", "write"}}
    with pytest.raises(IndexCorrupt, match="in use"):
        drop(at, first)
    drop(at, second)
    drop(at, second)
    assert roles(at) == {1: {"read", "write"}}
    with pytest.raises(IndexCorrupt, match="nothing to go back to"):
        rollback(at)
    with pytest.raises(IndexCorrupt, match="no version"):
        promote(at, second)


def test_what_an_index_was_built_with_comes_back(at: Cluster) -> None:
    create(at, replace(META, backend="onnx", model="m"), Form(m=24))
    (version,) = versions(at)
    assert (version.meta.backend, version.meta.model, version.meta.dimension) == ("onnx", "m", 8)
    assert version.meta.analyzers["en"] == "words" and version.meta.analyzers["cjk"] == "pairs"
    mapping = at.client.indices.get(index=version.name)[version.name]["mappings"]
    assert mapping["properties"]["vector"]["method"]["parameters"] == {"m": 24, "ef_construction": 128}
    assert mapping["dynamic"] == "strict"


@pytest.mark.parametrize("opensearch_server", ["3.6.0"], indirect=True)
def test_indices_of_others_are_passed_over(at: Cluster) -> None:
    prefix = at.address.prefix
    foreign = (f"{prefix}-passages-0007", f"{prefix}-passages-old", f"{prefix}-passages-x-passages-0009")
    for name in foreign:
        at.client.indices.create(index=name)
    assert versions(at) == ()
    create(at, META, Form())
    assert [version.number for version in versions(at)] == [8]  # never one that is taken


@pytest.mark.parametrize(
    "meta",
    [
        {},
        {"sieve": {}},
        {"sieve": asdict(META) | {"dimension": "8"}},
        {"sieve": asdict(META) | {"later": 1}},
        {"sieve": []},
    ],
)
@pytest.mark.parametrize("opensearch_server", ["3.6.0"], indirect=True)
def test_a_damaged_meta_of_an_index_in_use_is_said(at: Cluster, meta: dict) -> None:
    name = f"{at.address.prefix}-passages-0001"
    at.client.indices.create(index=name, body={"mappings": {"_meta": meta}})
    assert versions(at) == ()
    action = {"add": {"index": name, "alias": alias(at, "read")}}
    at.client.indices.update_aliases(body={"actions": [action]})
    for call in (lambda: versions(at), lambda: create(at, META, Form())):
        with pytest.raises(IndexCorrupt, match=rf"{name} .*damaged.*manage\.py reindex"):
            call()


def test_a_reader_of_something_else_is_refused(at: Cluster) -> None:
    create(at, META, Form())
    for change in ({"encoder": "x"}, {"dimension": 16}, {"scheme": "x"}, {"format": 99}):
        (key,) = change
        with pytest.raises(IndexCorrupt, match=f"built with {key}"):
            fitting(versions(at), replace(META, **change))
    assert with_role(versions(at), "previous") is None


@pytest.mark.parametrize(
    ("form", "version", "said"),
    [
        (Form(compression="8x"), (3, 6, 0), "lucene of OpenSearch 3.6.0 takes: 4x, 32x, or nothing"),
        (Form(compression="32x"), (2, 19, 1), "takes: 4x, or nothing"),
        (Form(engine="faiss", compression="4x"), (3, 6, 0), "takes: 2x, 8x, 16x, 32x"),
        (Form(engine="nmslib"), (3, 6, 0), "there are: lucene, faiss"),
        (Form(shards=0), (3, 6, 0), "at least one shard"),
        (Form(m=1), (3, 6, 0), "m must be"),
    ],
)
def test_a_form_that_no_cluster_takes_is_refused_before(
    form: Form, version: tuple[int, int, int], said: str
) -> None:
    with pytest.raises(SpecError, match=said):
        layout.body(META, form, Able(version, ALL))
    with pytest.raises(SpecError, match="opensearch-knn"):
        layout.body(META, Form(), Able(version, frozenset()))


def test_the_cluster_takes_the_forms_that_are_taken_here(at: Cluster) -> None:
    """Those of the engine lucene: builds without native libraries die of the other."""
    for compression in ("", "4x", "32x"):
        form = Form(compression=compression, m=24, ef_construction=256, shards=2)
        try:
            layout.check(form, at.able)
        except SpecError:
            assert at.able.version < (3, 6) and compression == "32x"
            continue
        begin(at, META, form)
