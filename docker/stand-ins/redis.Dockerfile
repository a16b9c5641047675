# In the place of the official image of Redis: its user, its folder, its working directory.
FROM sieve-stand-in/debian
RUN groupadd --system --gid 999 redis && useradd --system --uid 999 --gid 999 redis \
    && apt-get update && apt-get install -y --no-install-recommends redis-server \
    && rm -rf /var/lib/apt/lists/* && install -d -o 999 -g 999 /data
VOLUME /data
WORKDIR /data
CMD ["redis-server"]
