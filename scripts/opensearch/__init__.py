"""A real OpenSearch on this machine, without Docker: one node on loopback, from Maven artifacts.

    make opensearch                       3.6.0: Java 21 or later, no users
    make opensearch ARGS=2.19.1           2.19.1: Java 17 or 21, TLS, an authority of its own, users
    make opensearch ARGS=all PORT=9200    both, on ports 9200 and 9201 instead of free ones
    make opensearch-stop                  ends what runs

For trying, for tests and for benchmarks. It needs Maven, Java and, for TLS, openssl; nothing of the project.
Maven's own settings decide where the artifacts come from; each file is checked against its pinned SHA-256.

All lies in var/opensearch, or in the folder that SIEVE_OPENSEARCH_DIR names: downloads in `cache` (or in
SIEVE_OPENSEARCH_CACHE, which checkouts may share), and for each version a folder with the server, its data,
its keys, its log `console.log` and `address.json`, which says where it is and who may ask.
"""
