#!/bin/sh
# Write the lock files from pyproject.toml: every version, every hash, no address. requirements-EXTRA.lock holds
# only what that extra adds to requirements.lock, in versions that also suit requirements-dev.lock.
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
whole=$(mktemp)
trap 'rm -f "$whole"' EXIT
for extra in postgres torch openvino llama integrations; do
    cp "requirements-$extra.lock" "$whole" 2>/dev/null || : >"$whole"
    compile --extra "$extra" --constraint requirements-dev.lock -o "$whole" ${ARGS:-}
    awk '/^[a-z]/ { new = !($0 in base) } NR == FNR { if (/^[a-z]/) base[$0]; next } new' \
        requirements.lock "$whole" >"requirements-$extra.lock"
done
"$UV" pip compile --group pyproject.toml:gpu --quiet --universal --python-version 3.11 --generate-hashes \
    --no-header --no-annotate --constraint requirements-dev.lock --constraint requirements-torch.lock \
    -o requirements-gpu.lock ${ARGS:-} >/dev/null
grep -c == requirements*.lock | sed 's/:/: /; s/$/ packages/'
