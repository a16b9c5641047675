"""Pages of the people who look after Sieve: documents, access, keys, pipelines, health. Staff only."""
