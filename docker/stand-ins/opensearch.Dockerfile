# In the place of the official image of OpenSearch: its user, its folders, its program; fewer plugins.
FROM sieve-stand-in/debian
RUN groupadd --gid 1000 opensearch && useradd --uid 1000 --gid 1000 --home-dir /usr/share/opensearch opensearch \
    && apt-get update && apt-get install -y --no-install-recommends openjdk-17-jre-headless procps \
    && rm -rf /var/lib/apt/lists/*
COPY --chown=1000:1000 server /usr/share/opensearch
RUN install -d -o 1000 -g 1000 /usr/share/opensearch/data /usr/share/opensearch/logs \
    && ln -s /usr/lib/jvm/java-17-openjdk-* /usr/lib/jvm/here
ENV JAVA_HOME=/usr/lib/jvm/here
USER 1000
WORKDIR /usr/share/opensearch
CMD ["bin/opensearch"]
