# In the place of python:3.11-slim: Debian 12 has Python 3.11.
FROM sieve-stand-in/debian
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-venv openssl \
    && rm -rf /var/lib/apt/lists/*
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt
