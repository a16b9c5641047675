"""A server between Sieve and a real OpenSearch that breaks what a test tells it to break."""
