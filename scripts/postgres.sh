#!/bin/sh
# Run a command on a PostgreSQL of its own, and take it away afterwards:
#
#     sh scripts/postgres.sh .venv/bin/python -m pytest tests/search_app
#
# DATABASE_URL names a fresh database behind a unix socket in a temporary folder; nothing listens on a port.
# PostgreSQL itself must be here (Debian: apt-get install postgresql). It refuses to run as root, so that a
# root starts it as the user `postgres`, or as the one in POSTGRES_USER.
set -eu
[ $# -gt 0 ] || { echo "Say what to run: sh scripts/postgres.sh COMMAND..." >&2; exit 2; }

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
command -v initdb >/dev/null && bin=$(dirname "$(readlink -f "$(command -v initdb)")")
[ -x "$bin/initdb" ] || { echo "There is no PostgreSQL here. Debian: apt-get install postgresql" >&2; exit 1; }

if [ "$(id -u)" -eq 0 ]; then
    user=${POSTGRES_USER:-postgres}
    as="setpriv --reuid=$user --regid=$(id -g "$user") --clear-groups --"
else
    user=$(id -un) as=
fi

folder=$(mktemp -d)
chmod 755 "$folder"
mkdir "$folder/data"
[ -z "$as" ] || chown "$user" "$folder" "$folder/data"
stop() {
    $as "$bin/pg_ctl" -D "$folder/data" -m immediate -w stop >/dev/null 2>&1 || true
    rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

cd "$folder" # a folder that its user may read; the command runs where it was called
$as "$bin/initdb" -D "$folder/data" -A trust -E UTF8 --locale=C.UTF-8 -U sieve >"$folder/log" 2>&1 &&
    $as "$bin/pg_ctl" -D "$folder/data" -l "$folder/server" -w -t 60 start \
        -o "-c listen_addresses= -k $folder -c fsync=off -c max_connections=200 -c lock_timeout=60s" >/dev/null &&
    $as "$bin/createdb" -h "$folder" -U sieve sieve ||
    { echo "PostgreSQL did not start:" >&2; tail -n 20 "$folder/log" "$folder/server" >&2; exit 1; }
cd "$OLDPWD"

export DATABASE_URL="postgresql://sieve@$(printf %s "$folder" | sed 's|/|%2F|g')/sieve"
"$@"
