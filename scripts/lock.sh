#!/bin/sh
# Write requirements.lock and requirements-dev.lock from pyproject.toml: every version, every hash, no address.
# Pins that still fit stay; `make lock ARGS=--upgrade` takes the newest. Needs uv (https://docs.astral.sh/uv/).
set -eu
cd "$(dirname "$0")/.."
UV=${UV:-uv}
command -v "$UV" >/dev/null || { echo "make lock needs uv on PATH, or UV=/path/to/uv." >&2; exit 1; }
compile() {
    "$UV" pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate "$@" >/dev/null
}
compile -o requirements.lock ${ARGS:-}
compile --extra dev --constraint requirements.lock -o requirements-dev.lock ${ARGS:-}
echo "requirements.lock: $(grep -c == requirements.lock) packages; requirements-dev.lock: $(grep -c == requirements-dev.lock)"
