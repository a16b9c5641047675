import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings

from rag import evaluate
from rag.evaluate import MEASURES, Judged, Report
from rag.index import embedded
from rag.spec import PipelineSpec
from search_app import pipelines
from search_app.management.base import CommandParser, SieveCommand, progress, table
from search_app.models import DEFAULT_LANGUAGE


class Command(SieveCommand):
    help = (
        "Measure every stage of a pipeline on a judged collection, a folder in BEIR's layout\n"
        "(corpus.jsonl, queries.jsonl, qrels/test.tsv), over an index of its own that is thrown away.\n\n"
        "Exit code 0: measured. Exit code 1: the folder or a pipeline is wrong."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR")
        parser.add_argument("--pipeline", action="append", default=[], metavar="NAME", help="may be repeated")
        parser.add_argument("--limit", type=int, metavar="N", help="ask only N of the questions")
        parser.add_argument("--language", default=DEFAULT_LANGUAGE, metavar="CODE")
        parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE as well")
        parser.add_argument(
            "--cached", action="store_true", help="take scores from the score cache: ms then say less"
        )

    def run(self, **options: Any) -> None:
        if not options["cached"]:
            pipelines.score_anew()
        names = options["pipeline"] or [settings.DEFAULT_PIPELINE]
        specs = {name: pipelines.spec(name) for name in names}
        judged = evaluate.read(options["folder"])
        reports = []
        for group in _same_passages(specs):
            with tempfile.TemporaryDirectory(prefix="evaluate-", dir=settings.DATA_DIR) as folder:
                reports += self._measure(judged, group, Path(folder), options)
        if options["json"]:
            options["json"].parent.mkdir(parents=True, exist_ok=True)
            written = [asdict(report) for report in reports]
            found = {**written[0], "collection": judged.folder.name, "pipelines": written}
            options["json"].write_text(json.dumps(found, indent=1) + "\n", "utf-8")

    def _measure(
        self, judged: Judged, specs: dict[str, PipelineSpec], root: Path, options: dict[str, Any]
    ) -> list[Report]:
        first = next(iter(specs.values()))
        encoder = pipelines.encoder(first)
        built = evaluate.build_index(judged, root, encoder, first.split, options["language"])
        documents = dict(progress(built, unit="document", label=f"Index {judged.folder.name}"))
        index = embedded.open_reader(root, encoder.fingerprint, encoder.dimension)
        reports = []
        questions = judged.sample(options["limit"])
        for name, spec in specs.items():
            pipeline = pipelines.backends().pipeline(name, spec, index)
            asked = progress(questions, unit="question", label=f"Ask {name}")
            report = evaluate.measure(name, pipeline.answer, asked, judged, documents)
            self._print(judged, report)
            reports.append(report)
        return reports

    def _print(self, judged: Judged, report: Report) -> None:
        self.say(f"\n{judged.folder.name}: {report.questions} questions, pipeline {report.pipeline}")
        rows = [
            (stage, *(f"{values[measure]:.4f}" for measure in MEASURES), f"{values['ms']:.1f}")
            for stage, values in report.stages.items()
        ]
        self.say(table(("stage", *MEASURES, "ms"), rows))
        statuses = ", ".join(f"{status} {count}" for status, count in sorted(report.rerank.items()))
        self.say(f"Rerank: {statuses}. {report.fingerprint}")
        if report.cached:
            self.say(f"{report.cached} scores came from the score cache; ms do not count what they cost.")


def _same_passages(specs: dict[str, PipelineSpec]) -> list[dict[str, PipelineSpec]]:
    """Pipelines grouped by encoder and split: one index serves each group."""
    groups: dict[object, dict[str, PipelineSpec]] = {}
    for name, spec in specs.items():
        groups.setdefault((spec.encoder, spec.split), {})[name] = spec
    return list(groups.values())
