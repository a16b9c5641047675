"""Where things are and how they run, read from the environment once. What an answer is, is spec."""

import os
import secrets
import tempfile
from datetime import timedelta
from pathlib import Path

import dj_database_url

from search_app import logs
from search_app.environment import flag, number, secret, whole, words

BASE_DIR = Path(__file__).resolve().parent.parent


def _secret_key(path: Path) -> str:
    """The key kept in the data folder; made at the first run, readable by its owner only.

    Linked into place whole, so that two processes that start together end with one key.
    """
    if not path.exists():
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".secret-key-")  # made with mode 0600
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(64))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # the other process was first: its key is used
        finally:
            os.unlink(draft)
    return path.read_text().strip()


# --- Where things are ------------------------------------------------------------------------------------

DATA_DIR: Path = Path(os.environ.get("SIEVE_DATA_DIR") or BASE_DIR / "var").absolute()
"""All state: database, index, key. Copy this folder and you have copied the installation."""
DATA_DIR.mkdir(parents=True, exist_ok=True)

MODEL_DIR: Path = Path(os.environ.get("SIEVE_MODEL_DIR") or DATA_DIR / "models").absolute()
"""The model store. May be shared between installations; nothing is written to it at question time."""

MODEL_SOURCE: Path | None = Path(_source) if (_source := os.environ.get("SIEVE_MODEL_SOURCE")) else None
"""A folder with the models' files, asked before any network: for machines without one."""

INDEX_DIR: Path = DATA_DIR / "index"
CONTENT_DIR: Path = Path(os.environ.get("SIEVE_CONTENT_DIR") or DATA_DIR / "contents").absolute()
"""The uploaded files, by hash. Web processes and ingest workers on several machines share it."""
SERVICES_FILE: Path | None = Path(file).absolute() if (file := os.environ.get("SIEVE_SERVICES")) else None
"""TOML: the services that pipelines may name; see `rag.services`."""
SPEC_DIR: Path = Path(__file__).resolve().parent / "specs"
"""Pipeline specs: the name of the file without `.toml` is the name of the pipeline."""

DEFAULT_PIPELINE: str = os.environ.get("SIEVE_PIPELINE") or "default"
"""The pipeline where none is named. Documents are split and encoded as it says."""

# --- The index on a cluster -------------------------------------------------------------------------------

OPENSEARCH_URLS: list[str] = words("SIEVE_OPENSEARCH", "")
"""`https://host:9200`, more nodes of the same cluster after commas. Empty: the embedded index."""
OPENSEARCH_USER: str = os.environ.get("SIEVE_OPENSEARCH_USER", "")
OPENSEARCH_PASSWORD: str = secret("SIEVE_OPENSEARCH_PASSWORD")
OPENSEARCH_CA: Path | None = Path(_ca) if (_ca := os.environ.get("SIEVE_OPENSEARCH_CA")) else None
"""Certificate of the authority that signed the cluster's. Empty: those of the system."""
OPENSEARCH_PREFIX: str = os.environ.get("SIEVE_OPENSEARCH_PREFIX") or "sieve"
"""Of the names of indices and aliases: several installations may share a cluster."""
OPENSEARCH_TIMEOUT: float = number("SIEVE_OPENSEARCH_TIMEOUT", 3, least=0.1)
"""Seconds that a search may take, all retries counted."""
OPENSEARCH_SHARDS: int = whole("SIEVE_OPENSEARCH_SHARDS", 1, least=1)
OPENSEARCH_REPLICAS: int = whole("SIEVE_OPENSEARCH_REPLICAS", 0)
OPENSEARCH_ENGINE: str = os.environ.get("SIEVE_OPENSEARCH_ENGINE") or "lucene"
OPENSEARCH_COMPRESSION: str = os.environ.get("SIEVE_OPENSEARCH_COMPRESSION", "")
"""Of the vectors: 2x, 4x, 8x, 16x or 32x. Like the three above it counts from the next `reindex` on."""

KEEP_PREVIOUS_DAYS: float = number("SIEVE_KEEP_PREVIOUS_DAYS", 7)
"""Days that the version before is kept after a switch. Until then `manage.py rollback` goes back to it."""

# --- The queue ------------------------------------------------------------------------------------------

QUEUE_URL: str = secret("SIEVE_QUEUE")
"""Redis of the queue: `redis://host:6379/0` or `unix:///path/to.sock`. Empty: no queue, this process
reranks by itself, and documents wait for `manage.py ingest` or a worker's next round."""
ENCODE_BY_QUEUE: bool = flag("SIEVE_ENCODE_BY_QUEUE")
"""Whether an encode worker encodes the passages of an ingest, and not the ingest worker itself."""
SCORE_CACHE: int = whole("SIEVE_SCORE_CACHE", 100_000)
SCORE_CACHE_REDIS: str = secret("SIEVE_SCORE_CACHE_REDIS")
"""Scores of rerankers that are kept, 0: none; and the Redis that shares them, empty: the queue's."""

# --- Ingest ----------------------------------------------------------------------------------------------

INGEST_GROUP_PASSAGES: int = 512
"""Passages gathered before the index and the database are committed. Larger: fewer, longer commits."""
INGEST_GROUP_SECONDS: float = 5.0
"""Longest time that finished documents wait for their commit, in seconds."""

MAX_FILE_BYTES: int = 256 * 2**20
"""A larger file is refused, unread where its size is known."""
INGEST_LEASE_SECONDS: float = number("SIEVE_LEASE_SECONDS", 30, least=1)
"""A document whose worker gave no sign of life for so long is taken up by another one."""
INGEST_ATTEMPTS: int = 3
"""Claims of a document after which it has failed."""

# --- Watching over it -------------------------------------------------------------------------------------

METRICS_OPEN: bool = flag("SIEVE_METRICS_OPEN")
"""Everybody who reaches `/metrics` may read it; else staff and keys with the scope `metrics`."""
TRACE_DAYS: float = number("SIEVE_TRACE_DAYS", 90)
"""Days that a trace is kept, with what was said of it. 0: for ever."""

# --- Limits of a request ----------------------------------------------------------------------------------

MAX_REQUEST_BYTES: int = MAX_FILE_BYTES + 4 * 2**20
"""Longest body of who is signed in or brings a key: one largest file with the form around it."""
ANONYMOUS_REQUEST_BYTES: int = 2**20
"""Longest body of everybody else."""
FILE_UPLOAD_TEMP_DIR: Path = DATA_DIR / "incoming"
"""Files while they are received: on the disk of the data, for elsewhere `/tmp` may be memory."""
FILE_UPLOAD_TEMP_DIR.mkdir(exist_ok=True)
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
"""Bytes of a body without its files."""
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000
DATA_UPLOAD_MAX_NUMBER_FILES = 100

# --- REST API ---------------------------------------------------------------------------------------------

API_RATE_KEY: str = os.environ.get("SIEVE_API_RATE_KEY") or "300/minute"
"""Requests of one key. Units: second, minute, hour, day. Without a queue each process counts for itself."""
API_RATE_USER: str = os.environ.get("SIEVE_API_RATE_USER") or "600/minute"
"""Requests of one user, by session and by all keys together."""
API_RATE_ANONYMOUS: str = os.environ.get("SIEVE_API_RATE_ANONYMOUS") or "60/minute"
"""Requests from one address without key and session."""
API_RATE_TEXTS: str = os.environ.get("SIEVE_API_RATE_TEXTS") or "60000/hour"
"""Texts that one user may have ranked, by all keys together."""
API_MAX_JSON_BYTES: int = 256 * 1024
API_MAX_TEXTS_BYTES: int = 4 * 2**20  # of texts to be ranked
API_RERANK_MS: int = whole("SIEVE_API_RERANK_MS", 20_000, least=1)  # longest time for ranking them
REST_FRAMEWORK = {  # all else stands in search_app/api/base.py
    "DEFAULT_SCHEMA_CLASS": "search_app.api.schema.AutoSchema",
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Sieve",
    "DESCRIPTION": "RAG search that shows its work. See the handbook, REST API.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": ["search_app.api.schema.finish"],
}

# --- Django ----------------------------------------------------------------------------------------------

DEBUG: bool = flag("SIEVE_DEBUG")
SECRET_KEY: str = secret("SIEVE_SECRET_KEY") or _secret_key(DATA_DIR / "secret-key")
ALLOWED_HOSTS: list[str] = words("SIEVE_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS: list[str] = words("SIEVE_TRUSTED_ORIGINS", "")

HTTPS: bool = flag("SIEVE_HTTPS")
"""Set where the site is served over https: cookies then never travel over http."""
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]  # asked from within, past the proxy
SECURE_HSTS_SECONDS: int = 31_536_000 if HTTPS else 0
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 14 * 24 * 3600
"""Seconds. A browser that is not signed in is known by its session, too: so long it has a history."""
if HTTPS:  # such a cookie can be set by this host only, and by no page that came over http
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
BEHIND_PROXY: bool = flag("SIEVE_BEHIND_PROXY")
"""A proxy sets X-Forwarded-Proto and X-Forwarded-For itself; else any client could, and they are not read."""
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
BIND: str = os.environ.get("SIEVE_BIND") or "127.0.0.1:8000"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
SILENCED_SYSTEM_CHECKS = [
    # Whether other hosts below this one, or lists in browsers, shall know of it is for their owner to say.
    "security.W005",
    "security.W021",
]
if not HTTPS:
    # On the loopback there is no https to ask for; `sieve.W001` says where there ought to be one.
    SILENCED_SYSTEM_CHECKS += ["security.W004", "security.W008", "security.W012", "security.W016"]

INSTALLED_APPS = [
    "search_app",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
]

MIDDLEWARE = [
    "search_app.middleware.Observed",
    "django.middleware.security.SecurityMiddleware",
    "search_app.middleware.Closed",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "search_app.seats.Seated",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "search_app.middleware.BoundedBody",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",  # the last: it turns a refused sign-in into its page
]

ROOT_URLCONF = "search_app.urls"
WSGI_APPLICATION = "search_app.wsgi.application"
LOGIN_URL = "sign-in"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {
    "default": dj_database_url.parse(
        secret("DATABASE_URL") or f"sqlite:///{DATA_DIR / 'sieve.sqlite3'}",
        conn_max_age=60,
        conn_health_checks=True,
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # A transaction takes the write lock when it begins: one that reads first and writes later would
        # otherwise fail at once, without waiting, when another has written in between.
        "transaction_mode": "IMMEDIATE",
        # Seconds a writer waits for another; the longest transaction, one group of an ingest, is far shorter.
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-16000;",
    }
    # A file, because threads and child processes of a test open it too.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    # Its own, because a counter that is pushed out by others counts anew.
    "rates": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "rates",
        "OPTIONS": {"MAX_ENTRIES": 50_000},
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

AUTHENTICATION_BACKENDS = ["search_app.sign_in.Throttle", "django.contrib.auth.backends.ModelBackend"]
SIGN_IN_ATTEMPTS: int = 5
"""Wrong passwords for one name from one address before it has to wait."""
SIGN_IN_ATTEMPTS_OF_ADDRESS: int = 50
"""The same for all names from one address: many people may share it."""
AXES_HANDLER = "search_app.sign_in.Handler"
AXES_FAILURE_LIMIT = SIGN_IN_ATTEMPTS
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
AXES_CLIENT_IP_CALLABLE = "search_app.sign_in.client_address"
AXES_USERNAME_CALLABLE = "search_app.sign_in.name_tried"
AXES_LOCKOUT_CALLABLE = "search_app.sign_in.locked"

LANGUAGE_CODE = "en-us"
TIME_ZONE = os.environ.get("SIEVE_TIME_ZONE") or "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
"""Static files are served from where they lie: a fresh clone runs without `collectstatic`."""

LOGGING_CONFIG = "search_app.logs.configure"
LOGGING = logs.config()
