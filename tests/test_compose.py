"""docker-compose.yml holds its promises on paper; `make compose-test` runs it for real."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docker-compose.yml").read_text("utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
ONCE = {"certificates", "search-user", "models", "models-gpu", "llm", "migrate"}
GPU = {"rerank-gpu", "vllm", "models-gpu", "llm"}
"""Of the profile gpu alone."""
LONG_RUNNING = sorted(set(SERVICES) - ONCE)
SECRETS = (
    *("POSTGRES_PASSWORD", "REDIS_PASSWORD", "SIEVE_OPENSEARCH_PASSWORD", "SIEVE_SECRET_KEY"),
    "VLLM_API_KEY",
)


def test_only_the_web_server_publishes_a_port_and_on_this_machine_only() -> None:
    assert [name for name, service in SERVICES.items() if service.get("ports")] == ["web"]
    assert SERVICES["web"]["ports"] == ["${SIEVE_PORT:-127.0.0.1:8000}:8000"]
    assert all(service.get("network_mode", "none") == "none" for service in SERVICES.values())


def test_a_profile_has_one_reranker_and_the_gpu_one_has_vllm() -> None:
    of = {name: service.get("profiles") for name, service in SERVICES.items()}
    assert {name for name, profiles in of.items() if profiles == ["gpu"]} == GPU
    assert {name for name, profiles in of.items() if profiles == ["cpu"]} == {"rerank"}
    assert all(profiles is None for name, profiles in of.items() if name not in {*GPU, "rerank"})
    for name in sorted(set(SERVICES) - GPU):
        assert not GPU & set(SERVICES[name].get("depends_on", {})), f"{name} waits for a part of the other"


def test_the_gpu_is_shared_in_fixed_parts() -> None:
    def share(text: str) -> float:
        found = re.search(r"_SHARE:-([\d.]+)\}", text)
        assert found is not None
        return float(found[1])

    devices = [
        SERVICES[name]["deploy"]["resources"]["reservations"]["devices"] for name in ("rerank-gpu", "vllm")
    ]
    assert devices[0] == devices[1]
    shares = [
        share(SERVICES["rerank-gpu"]["environment"]["SIEVE_TORCH_MEMORY"]),
        share(next(word for word in SERVICES["vllm"]["command"] if "memory-utilization" in word)),
    ]
    assert min(shares) > 0 and sum(shares) <= 0.95


def test_the_gpu_image_has_no_django() -> None:
    """Neither in its packages nor in what the worker imports: here every other package is out of reach."""
    lock = (ROOT / "requirements-gpu.lock").read_text("utf-8")
    assert "django" not in lock.lower()
    names = {name.replace("-", "_") for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)}
    code = f"""
import sys
from importlib.metadata import packages_distributions
have = {names!r}
for module, of in packages_distributions().items():
    if not any(name.lower().replace("-", "_").replace(".", "_") in have for name in of):
        sys.modules.setdefault(module, None)
import workers.__main__, workers.rerank, workers.encode
assert not [name for name, module in sys.modules.items() if name.startswith("django") and module]
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    copied = (ROOT / "docker" / "gpu.Dockerfile").read_text("utf-8")
    told = re.findall(r"^COPY search_app/(.*) /app/search_app/$", copied, re.MULTILINE)
    assert told == ["__init__.py search_app/events.py search_app/logs.py"]


def test_the_servers_are_reached_from_inside_only() -> None:
    networks = yaml.safe_load(TEXT)["networks"]
    assert networks["inside"] == {"internal": True}
    own = {name: service.get("networks", []) for name, service in SERVICES.items()}
    assert {name for name, of in own.items() if of not in ([], ["inside"])} == {"web", "models", "llm"}
    assert own["web"] == ["inside", "front"]
    for name in ("models", "llm"):
        assert own[name] == ["outside"]
        assert "environment" in SERVICES[name]
        assert not any(secret in str(SERVICES[name]) for secret in SECRETS)


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_what_runs_has_a_health_check_and_is_started_again(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"]
    assert service["restart"] == "unless-stopped"
    assert "stop_grace_period" in service


@pytest.mark.parametrize("name", sorted(ONCE))
def test_what_ends_is_waited_for_by_its_end(name: str) -> None:
    assert SERVICES[name]["healthcheck"] == {"disable": True}
    assert "restart" not in SERVICES[name]
    assert name != "llm" or SERVICES["vllm"]["volumes"] == ["llm:/llm:ro"]
    waiting = [of["depends_on"][name] for of in SERVICES.values() if name in of.get("depends_on", {})]
    assert waiting and all(how == {"condition": "service_completed_successfully"} for how in waiting)


def test_who_reads_the_certificates_waits_for_them() -> None:
    """Directly, or through one that does."""

    def waits(name: str) -> bool:
        before = SERVICES[name].get("depends_on", {})
        return "certificates" in before or any(waits(one) for one in before)

    readers = [
        name for name, of in SERVICES.items() if "certificates:/certificates:ro" in of.get("volumes", [])
    ]
    assert set(readers) == {"web", "ingest", "opensearch", "search-user", "migrate"}
    assert all(waits(name) for name in readers)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_no_service_has_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    user, _, group = service["user"].partition(":")
    assert int(user) > 0 and int(group) > 0
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service and "cap_add" not in service
    limits = service["deploy"]["resources"]["limits"]
    assert set(limits) == {"cpus", "memory", "pids"}
    assert service["logging"]["options"]["max-size"]
    assert not [volume for volume in service.get("volumes", []) if "docker.sock" in volume]


def test_images_are_pinned() -> None:
    for name, service in SERVICES.items():
        image = service["image"]
        if not image.startswith(("sieve:", "sieve-gpu:")):
            assert re.search(r":v?\d+\.\d+[\w.-]*\}$", image), f"{name}: {image}"


def test_no_secret_stands_in_a_file_that_is_kept() -> None:
    for name in SECRETS:
        for use in re.findall(rf"\$\{{{name}[^}}]*\}}", TEXT):
            assert use == f"${{{name}:?is missing in .env. Run make compose-env}}"
    written = re.findall(r"^\s*\w*(?:PASSWORD|SECRET|KEY):[ ]*(\S.*)$", TEXT, re.MULTILINE)
    assert written and all(value.startswith("${") for value in written), written
    example = (ROOT / ".env.example").read_text("utf-8")
    written = re.findall(r"^([A-Z_]+)=(.*)$", example, re.MULTILINE)
    assert written == [*((name, "") for name in SECRETS), ("COMPOSE_PROFILES", "cpu")]
    ignored = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    assert ".env" in ignored
    assert (ROOT / ".dockerignore").read_text("utf-8").splitlines()[1] == "*"


def test_settings_that_are_handed_on_are_settings() -> None:
    described = (ROOT / "docs" / "operations.md").read_text("utf-8")
    named = {key for key in SERVICES["web"]["environment"] if key.startswith("SIEVE_")}
    assert {name for name in named if f"`{name}`" not in described} == set()


def test_secrets_are_made_once(tmp_path: Path) -> None:
    file = tmp_path / "env"

    def make() -> dict[str, str]:
        subprocess.run(["sh", "docker/secrets.sh", file], cwd=ROOT, check=True, capture_output=True)
        return dict(re.findall(r"^([A-Z_]+)=(.*)$", file.read_text("utf-8"), re.MULTILINE))

    made = make()
    assert set(made) == {*SECRETS, "COMPOSE_PROFILES"}
    assert all(re.fullmatch(r"[0-9a-f]{64}", made[name]) for name in SECRETS)
    assert len({made[name] for name in SECRETS}) == len(SECRETS)
    assert file.stat().st_mode & 0o777 == 0o600
    assert make() == made


def test_the_certificates_are_good_and_the_authority_keeps_no_key(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl here")

    def make() -> str:
        command = ["sh", "docker/opensearch/certificates.sh", tmp_path]
        return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout

    assert "Made" in make()
    assert {path.name for path in tmp_path.iterdir()} == {
        "admin.key", "admin.pem", "ca.pem", "node.key", "node.pem"
    }  # fmt: skip
    for name, mode in (("ca.pem", 0o644), ("node.key", 0o600), ("admin.key", 0o600)):
        assert (tmp_path / name).stat().st_mode & 0o777 == mode, name
    for name in ("node.pem", "admin.pem"):
        command = ["openssl", "verify", "-CAfile", "ca.pem", name]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    seen = subprocess.run(
        ["openssl", "x509", "-in", "node.pem", "-noout", "-text"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "DNS:opensearch, DNS:localhost" in seen.stdout
    before = (tmp_path / "node.pem").read_bytes()
    assert "there already" in make()
    assert (tmp_path / "node.pem").read_bytes() == before


def test_without_secrets_compose_says_what_to_do(tmp_path: Path) -> None:
    if shutil.which("docker") is None or subprocess.run(["docker", "compose", "version"]).returncode:
        pytest.skip("there is no Docker Compose here")
    kept = {name: value for name, value in os.environ.items() if name not in SECRETS}
    empty = tmp_path / "env"
    empty.touch()
    command = ["docker", "compose", "--env-file", str(empty), "config"]
    done = subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True)
    assert done.returncode != 0
    assert "is missing in .env. Run make compose-env" in done.stderr


@pytest.mark.parametrize("profile", ["cpu", "gpu"])
def test_compose_accepts_every_profile(profile: str, tmp_path: Path) -> None:
    if shutil.which("docker") is None or subprocess.run(["docker", "compose", "version"]).returncode:
        pytest.skip("there is no Docker Compose here")
    file = tmp_path / "env"
    subprocess.run(["sh", "docker/secrets.sh", file], cwd=ROOT, check=True, capture_output=True)
    command = ["docker", "compose", "--env-file", str(file), "--profile", profile, "config", "--services"]
    own = os.environ | {"COMPOSE_PROFILES": ""}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=own)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == (
        set(SERVICES) - GPU if profile == "cpu" else set(SERVICES) - {"rerank"}
    )
