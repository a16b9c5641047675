# The rerank worker for a machine with a GPU: torch and the library, no Django, no index, no database. Built from
# the root of the project:
#
#     docker build --file docker/gpu.Dockerfile --tag sieve-gpu .
#
# The engine needs NVIDIA's container toolkit; torch brings the rest of CUDA in its wheels.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
COPY requirements-gpu.lock /build/
RUN python3 -m venv /venv \
    && /venv/bin/pip install --disable-pip-version-check --no-cache-dir --no-input --no-deps \
        --only-binary :all: --require-hashes --requirement /build/requirements-gpu.lock
COPY rag /app/rag
COPY workers /app/workers
COPY search_app/__init__.py search_app/events.py search_app/logs.py /app/search_app/
COPY docker/health.py docker/gpu_models.py /app/docker/
RUN rm -f /app/workers/ingest*.py && python3 -m compileall -q /app

FROM ${PYTHON_IMAGE}
RUN groupadd --gid 10001 sieve \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin sieve \
    && install -d -o 10001 -g 10001 -m 0750 /models
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    USER=sieve \
    HF_HUB_OFFLINE=1 \
    SIEVE_MODEL_DIR=/models
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=10s --start-period=180s --retries=3 \
    CMD ["python", "docker/health.py", "rerank"]
CMD ["python", "-m", "workers", "rerank"]
