"""The ingest worker, in this process: its real run, parsing here."""

from dataclasses import dataclass

from search_app import pipelines


@dataclass
class Worker:
    def work(self) -> None:
        """Do all there is to be done: claims, commits, removals."""
        with pipelines.ingest() as ingest:
            report = ingest.run()
        assert not report.counts["again"] and not report.counts["failed"]
