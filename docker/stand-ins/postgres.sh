#!/bin/sh
# The first start of the stand-in for PostgreSQL: make the folder, the user and the database, then serve.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    words=$(mktemp)
    printf '%s\n' "${POSTGRES_PASSWORD:?}" >"$words"
    # shellcheck disable=SC2086 # several words on purpose
    initdb --username="$POSTGRES_USER" --pwfile="$words" ${POSTGRES_INITDB_ARGS:-} >/dev/null
    rm "$words"
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    pg_ctl -w start -o "-c listen_addresses= -k /tmp" >/dev/null
    PGPASSWORD=$POSTGRES_PASSWORD createdb -h /tmp -U "$POSTGRES_USER" "$POSTGRES_DB" 2>/dev/null || true
    pg_ctl -w -m fast stop >/dev/null
fi
exec "$@" -c listen_addresses='*' -c unix_socket_directories=/run/postgresql
