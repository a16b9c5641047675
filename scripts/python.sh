#!/bin/sh
# Run the first suitable Python (3.11 or newer, with venv) with the given arguments.
# Each candidate is really run: a shim may stand on PATH for a version that is not installed.
set -u
for candidate in ${SIEVE_PYTHON:-} python3.11 python3.12 python3.13 python3; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        if "$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then
            exec "$candidate" "$@"
        fi
        without_venv=$candidate
    fi
done
if [ -n "${without_venv:-}" ]; then
    echo "$without_venv has no venv module. Install it (on Debian and Ubuntu: apt-get install python3-venv) and run make again." >&2
else
    echo "Sieve needs Python 3.11 or newer, and none of python3.11, python3.12, python3.13, python3 is one." >&2
    echo "Install one, or name one: make setup SIEVE_PYTHON=/path/to/python3.12" >&2
fi
exit 1
