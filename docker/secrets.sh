#!/bin/sh
# Write .env for docker-compose.yml: .env.example, with a random value for each secret that is empty. What
# stands in .env already stays. Another file: sh docker/secrets.sh FILE
set -eu
cd "$(dirname "$0")/.."
file=${1:-.env}
umask 077
[ -e "$file" ] || cp .env.example "$file"
chmod 600 "$file"
grep -q '^COMPOSE_PROFILES=' "$file" || echo COMPOSE_PROFILES=cpu >>"$file" # of before there were two
made=
for name in $(sed -n 's/^\([A-Z_]*\)=$/\1/p' .env.example); do
    grep -q "^$name=." "$file" && continue
    value=$(od -An -v -N32 -tx1 /dev/urandom | tr -d ' \n')
    draft=$(mktemp "$file.XXXXXX")
    { grep -v "^$name=" "$file" || true; } >"$draft"
    echo "$name=$value" >>"$draft"
    mv "$draft" "$file"
    made="$made $name"
done
echo "$file:${made:- all secrets were there already}"
