"""Whether the part that runs in this container does its work: `python docker/health.py web|rerank|ingest`.

Exit code 0: yes. The web server answers /healthz; a worker has given its sign of life in the last seconds.
"""

import os
import socket
import sys
from pathlib import Path

PATIENCE_S = 4


def web() -> bool:
    """Whether the server answers, under a host name that it answers to."""
    from urllib.request import Request, urlopen

    allowed = os.environ.get("SIEVE_ALLOWED_HOSTS", "").split(",")[0].strip().lstrip(".")
    port = os.environ.get("SIEVE_BIND", ":8000").rpartition(":")[2]
    host = allowed if allowed not in {"", "*"} else "localhost"
    asked = Request(f"http://127.0.0.1:{port}/healthz", headers={"Host": host})
    with urlopen(asked, timeout=PATIENCE_S) as answer:
        return bool(answer.status == 200)


def worker(kind: str) -> bool:
    """Whether a worker of this kind has a key of its own in Redis, which expires when it is silent."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    import redis

    from rag.rerank.message import beat_key

    queue = redis.Redis.from_url(os.environ["SIEVE_QUEUE"], socket_timeout=PATIENCE_S)
    mine = beat_key(kind, socket.gethostname(), 0).removesuffix("0") + "*"
    return next(queue.scan_iter(mine, count=1000), None) is not None


def main() -> None:
    kind = sys.argv[1] if len(sys.argv) == 2 else ""
    if kind not in {"web", "rerank", "ingest"}:
        raise SystemExit(__doc__)
    try:
        well = web() if kind == "web" else worker(kind)
    except Exception as error:  # whatever it is, the part is not well; the engine shows this line
        raise SystemExit(f"{type(error).__name__}: {error}") from error
    raise SystemExit(0 if well else f"There is no sign of life of a worker for {kind} here.")


if __name__ == "__main__":
    main()
