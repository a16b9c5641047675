# In the place of the official image of PostgreSQL: its user, its folder, and what its entry point does with
# POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB and POSTGRES_INITDB_ARGS.
FROM sieve-stand-in/debian
RUN groupadd --system --gid 999 postgres && useradd --system --uid 999 --gid 999 postgres \
    && apt-get update && apt-get install -y --no-install-recommends postgresql-common \
    && sed -i 's/^#*create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf \
    && apt-get install -y --no-install-recommends postgresql \
    && rm -rf /var/lib/apt/lists/* && ln -s /usr/lib/postgresql/* /usr/lib/postgresql/here \
    && install -d -o 999 -g 999 -m 0700 /var/lib/postgresql/data
ENV PATH=$PATH:/usr/lib/postgresql/here/bin PGDATA=/var/lib/postgresql/data LANG=C.UTF-8
COPY postgres.sh /usr/local/bin/docker-entrypoint.sh
VOLUME /var/lib/postgresql/data
ENTRYPOINT ["sh", "/usr/local/bin/docker-entrypoint.sh"]
CMD ["postgres"]
