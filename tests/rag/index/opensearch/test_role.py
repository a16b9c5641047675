"""The user with the role of `scripts/opensearch/security`: all that Sieve does, and nothing else.

The contract suite runs as this user, too; here is what it does not reach, and what must be refused.
"""

import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opensearchpy.exceptions import AuthenticationException, TransportError

from rag.errors import IndexUnavailable
from rag.index import opensearch as engine
from rag.index.opensearch import Address, Cluster, Form, Meta
from rag.index.opensearch.building import size
from rag.index.opensearch.versions import begin, drop, promote, rollback, versions
from rag.types import Dense, Hybrid, Lexical
from tests.contracts.index import ALL, DIMENSION, FINGERPRINT, document, found, unit
from tests.opensearch import Server, fresh, running

ROLES = Path(__file__).parents[4] / "scripts" / "opensearch" / "security" / "roles.yml"
SECURED = pytest.mark.opensearch("2.19.1")
META = Meta(encoder=FINGERPRINT, dimension=DIMENSION)
OTHER = Meta(encoder="another", dimension=16)


@pytest.fixture
def server() -> Server:
    found = running("2.19.1")
    if not found.address.user:
        pytest.skip("this cluster has no users")
    return found


@pytest.fixture
def address(server: Server) -> Iterator[Address]:
    yield from fresh(server)


@pytest.fixture
def foreign(server: Server) -> Iterator[str]:
    """An index of somebody else, with one document."""
    admin = Cluster(replace(server.admin, timeout_s=30.0)).client
    name = f"payroll-{secrets.token_hex(4)}"
    admin.index(index=name, id="1", body={"salary": 1}, params={"refresh": "true"})
    yield name
    assert admin.count(index=name)["count"] == 1
    admin.indices.delete(index=name)


def ask(cluster: Cluster, method: str, path: str, body: object = None) -> tuple[int, Any]:
    lines = "".join(json.dumps(line) + "\n" for line in body) if isinstance(body, list) else body
    try:
        return 200, cluster.client.transport.perform_request(method, path, body=lines)
    except TransportError as error:
        return int(error.status_code), None


# --- What it may -------------------------------------------------------------------------------------------


@SECURED
def test_the_whole_life_of_an_index(address: Address) -> None:
    cluster = Cluster(address)
    assert {"knn", "hybrid"} <= cluster.able.abilities
    engine.create(cluster, META, Form())
    reader = engine.open_reader(cluster, META)
    writer = engine.open_writer(
        cluster, META, lambda meta, d: replace(d, vectors=d.vectors[:, : meta.dimension])
    )
    writer.set_languages({"a": "de"})
    writer.write([document("d", "Bücher und Häuser", "mehr"), document("e", "Haus")])
    writer.delete("e", version=1)
    fused = Hybrid("Buch", unit(1)[0], "rrf", 1.0, 1.0)
    legs = reader.search([Lexical("Buch"), Dense(unit(1)[0]), fused], 5, ALL)
    assert [leg.error for leg in legs] == [None] * 3
    assert [len(leg.ranking) for leg in legs if leg.ranking] == [1, 2, 2]
    assert reader.token_codes(["d:1:0"])[0] is not None
    assert reader.documents() == {("d", 1): 2} and reader.count(["a"]) == 2
    assert engine.verify(cluster, META).problems == ()

    first = reader.version
    second = begin(cluster, META, Form())
    writer.write([document("f", "Buch")])
    promote(cluster, second)
    assert size(cluster, second).passages == 1
    assert rollback(cluster) == first
    glance = engine.glance(cluster)
    assert glance is not None and (glance.version, glance.documents) == (first, 2)
    drop(cluster, second)
    assert [version.name for version in versions(cluster)] == [first]


@SECURED
def test_two_clusters_users_do_not_meet(address: Address) -> None:
    """Two prefixes inside the role are two indices."""
    one, two = Cluster(address), Cluster(replace(address, prefix=address.prefix + "-b"))
    for cluster in (one, two):
        engine.create(cluster, META, Form())
    engine.open_writer(one, META).write([document("d", "alpha")])
    (leg,) = engine.open_reader(two, META).search([Lexical("alpha")], 5, ALL)
    assert leg.ranking is not None and found(leg.ranking) == []


# --- What it may not ---------------------------------------------------------------------------------------


@SECURED
def test_other_indices_are_closed(address: Address, foreign: str) -> None:
    cluster = Cluster(address)
    engine.create(cluster, META, Form())
    ours, match = f"{address.prefix}-passages-0001", {"query": {"match_all": {}}}
    actions = {
        "alias of ours on theirs": {"add": {"index": foreign, "alias": f"{address.prefix}-read"}},
        "removing theirs": {"remove_index": {"index": foreign}},
    }
    refused = {
        "making": ask(cluster, "PUT", f"/{foreign}-new", {}),
        "looking": ask(cluster, "GET", f"/{foreign}"),
        "searching": ask(cluster, "POST", f"/{foreign}/_search", match),
        "counting": ask(cluster, "POST", f"/{foreign}/_count", match),
        "reading": ask(cluster, "GET", f"/{foreign}/_doc/1"),
        "writing": ask(cluster, "PUT", f"/{foreign}/_doc/2", {"salary": 2}),
        "deleting one": ask(cluster, "DELETE", f"/{foreign}/_doc/1"),
        "deleting": ask(cluster, "DELETE", f"/{foreign}"),
        "mapping": ask(cluster, "PUT", f"/{foreign}/_mapping", {"properties": {}}),
        "refreshing": ask(cluster, "POST", f"/{foreign}/_refresh"),
        "list": ask(cluster, "POST", f"/{foreign}/_search/point_in_time?keep_alive=1m"),
        "copying": ask(cluster, "PUT", f"/{foreign}/_clone/{address.prefix}-copy", {}),
        "all": ask(cluster, "POST", f"/{ours},{foreign}/_search", match),
        **{name: ask(cluster, "POST", "/_aliases", {"actions": [act]}) for name, act in actions.items()},
    }
    assert {name: status for name, (status, _) in refused.items() if status != 403} == {}


@SECURED
def test_inside_of_requests_other_indices_are_closed(address: Address, foreign: str) -> None:
    """Requests of several parts are let in and each part is checked by itself."""
    cluster = Cluster(address)
    engine.create(cluster, META, Form())
    ours, match = f"{address.prefix}-passages-0001", {"query": {"match_all": {}}}
    _, answer = ask(cluster, "POST", "/_msearch", [{"index": foreign}, match, {"index": ours}, match])
    assert [part["status"] for part in answer["responses"]] == [403, 200]
    lines = [
        {"index": {"_index": foreign, "_id": "2"}},
        {"salary": 2},
        {"delete": {"_index": foreign, "_id": "1"}},
    ]
    _, answer = ask(cluster, "POST", "/_bulk", lines)
    assert [entry["status"] for item in answer["items"] for entry in item.values()] == [403, 403]
    _, answer = ask(cluster, "POST", "/_mget", {"docs": [{"_index": foreign, "_id": "1"}]})
    assert "security_exception" in json.dumps(answer)
    _, answer = ask(cluster, "POST", "/_bulk", [{"index": {"_index": f"{ours}-late", "_id": "1"}}, {"a": 1}])
    assert answer["items"][0]["index"]["status"] == 403, "a write made an index"


@SECURED
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/_cluster/settings", None),
        ("PUT", "/_cluster/settings", {"persistent": {"action.auto_create_index": "false"}}),
        ("GET", "/_cluster/state", None),
        ("GET", "/_cat/indices", None),
        ("GET", "/_cat/plugins", None),
        ("GET", "/_nodes/stats", None),
        ("GET", "/_tasks", None),
        ("GET", "/_search", None),
        ("GET", "/.opendistro_security/_search", None),
        ("DELETE", "/.opendistro_security", None),
        ("DELETE", "/*", None),
        ("DELETE", "/_all", None),
        ("GET", "/_plugins/_security/api/internalusers", None),
        ("GET", "/_plugins/_security/api/roles", None),
        ("PUT", "/_plugins/_security/api/roles/sieve", {"cluster_permissions": ["*"]}),
        ("PUT", "/_plugins/_security/api/internalusers/sieve", {"backend_roles": ["admin"]}),
        ("PUT", "/_snapshot/copy", {"type": "fs", "settings": {"location": "copy"}}),
        ("PUT", "/_scripts/one", {"script": {"lang": "painless", "source": "1"}}),
        ("PUT", "/_index_template/one", {"index_patterns": ["some*"]}),
        ("PUT", "/_search/pipeline/one", {}),
        ("PUT", "/_ingest/pipeline/one", {"processors": []}),
    ],
)
def test_the_cluster_is_closed(server: Server, method: str, path: str, body: object) -> None:
    assert ask(Cluster(server.address), method, path, body)[0] == 403


@SECURED
def test_who_is_nobody_may_nothing(server: Server) -> None:
    patient = replace(server.address, timeout_s=30.0)
    for address in (replace(patient, password="wrong"), replace(patient, user="")):
        with pytest.raises(IndexUnavailable, match="user name or the password") as raised:
            Cluster(address).able  # noqa: B018
        assert isinstance(raised.value.__cause__, AuthenticationException)
        assert server.address.password not in str(raised.value)


@SECURED
def test_a_cluster_that_cannot_prove_who_it_is_gets_no_password(server: Server, tmp_path: Path) -> None:
    with pytest.raises(IndexUnavailable, match="SIEVE_OPENSEARCH_CA"):
        Cluster(replace(server.address, ca=None)).able  # noqa: B018


# --- The file ----------------------------------------------------------------------------------------------


def test_the_role_has_no_wide_permission_and_each_is_explained() -> None:
    text = ROLES.read_text("utf-8")
    granted = re.findall(r'^ +- "([a-z][^"]*:[^"]*)"', text, re.MULTILINE)
    assert len(granted) > 10
    assert re.findall(r'index_patterns:\s+- "([^"]+)"\s+allowed', text) == ["sieve-*"]
    for permission in granted:
        assert re.fullmatch(r"(cluster|indices):[a-z_]+/[a-z_/]+\*?", permission), permission
        assert permission.count("/") + permission.count(":") >= 2 or "*" not in permission
    page = (ROLES.parents[3] / "docs" / "cluster.md").read_text("utf-8")
    assert [permission for permission in granted if f"`{permission}`" not in page] == []
