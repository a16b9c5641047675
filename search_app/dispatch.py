"""The only door to the queue. A message is a hint: what is to be done stands in the database."""


def hint_ingest() -> None:
    """Say that there is work for the ingest worker, once the transaction is committed."""
