#!/bin/sh
# Run a command with a Docker engine and a Docker Compose of its own, and take both away afterwards:
#
#     sh docker/stand-ins/engine.sh make compose-test
#
# For root on a Debian machine that reaches package indices but no image registry: the engine is Debian's
# docker.io, Docker Compose is built with Go, and SIEVE_STAND_INS says that images are made here. Everything
# lies in ENGINE_DIR, a folder of its own unless it is set; what lies there already is used again.
# Exit code 77: skipped, because something is missing here; it says what.
set -eu
[ $# -gt 0 ] || { echo "Say what to run: sh docker/stand-ins/engine.sh COMMAND..." >&2; exit 2; }
skip() { echo "skipped: $1" >&2; exit 77; }
[ "$(id -u)" -eq 0 ] || skip "a Docker engine of its own needs root."

packages=
command -v dockerd >/dev/null || packages="$packages docker.io"
command -v iptables >/dev/null || packages="$packages iptables"
command -v debootstrap >/dev/null || packages="$packages debootstrap"
if [ -n "$packages" ]; then
    command -v apt-get >/dev/null || skip "$packages cannot be installed without apt-get."
    apt-get update -qq >/dev/null 2>&1 || true
    # shellcheck disable=SC2086 # several words on purpose
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null 2>&1 ||
        skip "$packages cannot be installed."
fi
command -v docker >/dev/null || skip "docker.io has brought no docker command."

folder=${ENGINE_DIR:-$(mktemp -d)}
[ -n "${ENGINE_DIR:-}" ] && keep=yes || keep=
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
plugin=$folder/cli/cli-plugins/docker-compose
if [ ! -x "$plugin" ]; then
    command -v go >/dev/null || skip "Docker Compose is built with Go, which is not here."
    echo "Building Docker Compose with Go"
    mkdir -p "$folder/build" "$(dirname "$plugin")"
    (
        cd "$folder/build"
        [ -e go.mod ] || go mod init build
        go get github.com/docker/compose/v2/cmd@v2.40.3 && go build -o "$plugin" github.com/docker/compose/v2/cmd
    ) >"$folder/build.log" 2>&1 || { tail -n 5 "$folder/build.log" >&2; skip "Docker Compose cannot be built."; }
fi

export DOCKER_HOST="unix://$folder/docker.sock" DOCKER_CONFIG="$folder/cli" SIEVE_STAND_INS=1
dockerd --host "$DOCKER_HOST" --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/pid" \
    >"$folder/engine.log" 2>&1 &
engine=$!
stop() {
    kill "$engine" 2>/dev/null || true
    wait "$engine" 2>/dev/null || true
    [ -n "$keep" ] || rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
waited=0
until docker version >/dev/null 2>&1; do
    kill -0 "$engine" 2>/dev/null || { tail -n 5 "$folder/engine.log" >&2; skip "the Docker engine does not start here."; }
    waited=$((waited + 1))
    [ "$waited" -lt 60 ] || { tail -n 5 "$folder/engine.log" >&2; skip "the Docker engine does not answer."; }
    sleep 0.5
done
"$@"
