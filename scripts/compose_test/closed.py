"""What docker-compose.yml promises of its containers, looked at from inside and outside."""

import json
import re
from typing import Any

from scripts.compose_test.docker import Failed, Project, docker

LONG_RUNNING = ("web", "ingest", "rerank", "opensearch", "postgres", "redis")
"""Of the profile cpu. Among stand-ins there is vLLM, too: its build for the CPU."""
ONCE = ("certificates", "search-user", "models", "migrate")
NO_RIGHTS = "0000000000000000"


def check_all(project: Project) -> list[str]:
    """One line for each container. Raises `Failed` at the first promise that is not kept."""
    found = project.containers()
    running = (*LONG_RUNNING, *(("vllm",) if project.stand_ins else ()))
    expect(set(found) == {*running, *ONCE}, f"the services are {sorted(found)}")
    for network in ("inside", "front"):
        seen = json.loads(docker("network", "inspect", f"{project.name}_{network}"))[0]
        masked = seen["Options"].get("com.docker.network.bridge.enable_ip_masquerade", "true") == "true"
        expect(seen["Internal"] or not masked, f"the network {network} leads out")
    lines = []
    for name in running:
        lines.append(f"{name:10}  {_running(project, name, found[name])}")
    for name in ONCE:
        state = found[name]["State"]
        expect(state["Status"] == "exited" and state["ExitCode"] == 0, f"{name} did not end well: {state}")
    return lines


def expect(fact: bool, otherwise: str) -> None:
    if not fact:
        raise Failed(otherwise)


def _running(project: Project, name: str, seen: dict[str, Any]) -> str:
    expect(seen["State"].get("Health", {}).get("Status") == "healthy", f"{name} is not healthy")
    ports = {
        f"{b['HostIp']}:{b['HostPort']}"
        for bound in seen["NetworkSettings"]["Ports"].values()
        for b in bound or ()
    }
    expect(bool(ports) == (name == "web"), f"{name} publishes {ports or 'nothing'}")
    expect(all(port.startswith("127.0.0.1:") for port in ports), f"{name} publishes {ports}")
    host = seen["HostConfig"]
    expect(host["Memory"] > 0 and host["NanoCpus"] > 0 and host["PidsLimit"] > 0, f"{name} has no limits")
    expect(host["ReadonlyRootfs"], f"the root of {name} can be written")
    status = project.execute(name, "cat", "/proc/1/status")
    user = _field(status, "Uid").split()[0]
    expect(user != "0", f"{name} runs as root")
    for kind in ("CapPrm", "CapEff", "CapBnd"):
        expect(_field(status, kind) == NO_RIGHTS, f"{name} has {kind} {_field(status, kind)}")
    expect(_field(status, "NoNewPrivs") == "1", f"{name} may gain rights")
    said = project.execute(name, "sh", "-c", "touch /here 2>&1; touch /usr/here 2>&1; true")
    expect(said.count("Read-only file system") == 2, f"{name} could write: {said}")
    networks = set(seen["NetworkSettings"]["Networks"])
    wanted = {f"{project.name}_inside", *({f"{project.name}_front"} if name == "web" else ())}
    expect(networks == wanted, f"{name} is on the networks {networks}")
    return f"user {user}, read-only, no rights, {', '.join(sorted(ports)) or 'no port'}"


def _field(status: str, name: str) -> str:
    match = re.search(rf"^{name}:\s*(.+)$", status, re.MULTILINE)
    return match[1].strip() if match else ""


CLUSTER = """
import base64, os, ssl, urllib.error, urllib.request
def ask(url, user="", password=""):
    request = urllib.request.Request(url)
    if user:
        words = base64.b64encode(f"{user}:{password}".encode()).decode()
        request.add_header("Authorization", "Basic " + words)
    try:
        ca = ssl.create_default_context(cafile=os.environ["SIEVE_OPENSEARCH_CA"])
        tls = ca if url.startswith("https") else None
        return urllib.request.urlopen(request, timeout=20, context=tls).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError as error:
        return type(error).__name__
base, word = os.environ["SIEVE_OPENSEARCH"], os.environ["SIEVE_OPENSEARCH_PASSWORD"]
print(ask(base), ask(base, "sieve", "wrong"), ask(base, "admin", "admin"), ask(base, "sieve", word),
      ask(base + "/_cat/indices", "sieve", word), ask(base + "/.opendistro_security/_search", "sieve", word),
      ask("http://opensearch:9200") != 200)
"""


def check_cluster(project: Project) -> str:
    """The search cluster lets in who has the password, over TLS, and for its own indices only."""
    said = project.execute("web", "python", "-c", CLUSTER).split()
    wanted = ["401", "401", "401", "200", "403", "403", "True"]
    expect(said == wanted, f"the search cluster answers {said}, expected {wanted}")
    return (
        "opensearch: no password 401, wrong 401, admin/admin 401, ours 200, other indices 403, no plain http"
    )
