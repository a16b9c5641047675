import json
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from rag import evaluate, sweep, sweep_plot
from rag.evaluate import MEASURES, Judged, Report
from rag.evaluate_answers import AnswerReport
from rag.index import embedded
from rag.pipeline import Pipeline
from rag.spec import PipelineSpec
from rag.sweep import Sweep
from search_app import pipelines
from search_app.management import answers
from search_app.management.base import CommandParser, SieveCommand, progress, table
from search_app.models import DEFAULT_LANGUAGE

Reported = Report | Sweep | AnswerReport


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
        parser.add_argument(
            "--sweep-depth",
            type=_depths,
            metavar="5,10,20,…",
            help="how deep to rerank here: nDCG@10 and milliseconds at each of these depths, the knee marked",
        )
        parser.add_argument(
            "--answers",
            action="store_true",
            help="measure what is written: gold answers, citations, support, refusals, first words",
        )
        parser.add_argument(
            "--keep", type=Path, metavar="FILE", help="with --answers: write each answer to FILE"
        )
        parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the sweep into FILE, an SVG")
        parser.add_argument(
            "--index",
            type=Path,
            metavar="FOLDER",
            help="keep the index there, and take the one that is there",
        )
        parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE as well")
        parser.add_argument(
            "--cached", action="store_true", help="take scores from the score cache: ms then say less"
        )

    def run(self, **options: Any) -> None:
        if not options["cached"]:
            pipelines.score_anew()
        elif options["sweep_depth"]:
            raise CommandError(
                "A sweep measures time, and a score from the cache takes none: leave out --cached."
            )
        names = options["pipeline"] or [settings.DEFAULT_PIPELINE]
        specs = {name: pipelines.spec(name) for name in names}
        judged = evaluate.read(options["folder"])
        if options["plot"] and not options["sweep_depth"]:
            raise CommandError("--plot draws a sweep: say which depths, --sweep-depth 5,10,20,50")
        if options["answers"] and options["sweep_depth"]:
            raise CommandError("--answers and --sweep-depth are two measurements: run one after the other.")
        reports: list[Reported] = []
        groups = _same_passages(specs)
        if options["index"] and len(groups) > 1:
            raise CommandError("These pipelines need an index each: --index keeps one.")
        for group in groups:
            if options["index"]:
                reports += self._measure(judged, group, options["index"], options)
                continue
            with tempfile.TemporaryDirectory(prefix="evaluate-", dir=settings.DATA_DIR) as folder:
                reports += self._measure(judged, group, Path(folder), options)
        if options["plot"]:
            title = f"How deep to rerank on {judged.folder.name}"
            drawn = sweep_plot.svg(title, [one for one in reports if isinstance(one, Sweep)])
            options["plot"].parent.mkdir(parents=True, exist_ok=True)
            options["plot"].write_text(drawn, "utf-8")
        if options["json"]:
            options["json"].parent.mkdir(parents=True, exist_ok=True)
            written = [asdict(report) for report in reports]
            found = {**written[0], "collection": judged.folder.name, "pipelines": written}
            options["json"].write_text(json.dumps(found, indent=1) + "\n", "utf-8")

    def _measure(
        self, judged: Judged, specs: dict[str, PipelineSpec], root: Path, options: dict[str, Any]
    ) -> list[Reported]:
        first = next(iter(specs.values()))
        encoder = pipelines.encoder(first)
        built = evaluate.kept_index(judged, root, encoder, first.split, options["language"])
        documents = dict(progress(built, unit="document", label=f"Index {judged.folder.name}"))
        index = embedded.open_reader(root, encoder.fingerprint, encoder.dimension)
        reports: list[Reported] = []
        questions = judged.sample(options["limit"])
        for name, spec in specs.items():
            pipeline = pipelines.backends().pipeline(name, spec, index)
            if options["answers"]:
                reports.append(self._answers(pipeline, judged, documents, options))
                continue
            asked = progress(questions, unit="question", label=f"Ask {name}")
            if options["sweep_depth"]:
                reports.append(self._sweep(pipeline, options["sweep_depth"], asked, judged, documents))
                continue
            report = evaluate.measure(name, pipeline.answer, asked, judged, documents)
            self._print(judged, report)
            reports.append(report)
        return reports

    def _answers(
        self, pipeline: Pipeline, judged: Judged, documents: dict[str, str], options: dict[str, Any]
    ) -> AnswerReport:
        report = answers.measure(
            pipeline,
            judged,
            documents,
            limit=options["limit"],
            keep=options["keep"],
            progress=lambda asked: progress(asked, unit="question", label=f"Ask {pipeline.name}"),
        )
        self.say(answers.printed(judged.folder.name, report))
        return report

    def _sweep(
        self,
        pipeline: Pipeline,
        depths: list[int],
        questions: Iterable[tuple[str, str]],
        judged: Judged,
        documents: dict[str, str],
    ) -> Sweep:
        if pipeline.spec.rerank is None or pipeline.reranker is None:
            raise CommandError(
                f"The pipeline {pipeline.name} has no reranker here: there is no depth to sweep."
            )
        swept = sweep.sweep(pipeline, depths, questions, judged, documents)
        model = pipeline.spec.rerank.model
        self.say(f"\n{judged.folder.name}: {swept.questions} questions, pipeline {pipeline.name}, {model}")
        self.say(table(sweep_plot.COLUMNS, sweep_plot.rows(swept)))
        said = f"rerank {swept.knee} deep" if swept.knee else "do without reranking"
        self.say(f"The knee: {said}. No deeper one is better by more than chance.")
        return swept

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


def _depths(text: str) -> list[int]:
    depths = [int(part) for part in text.split(",")]
    if not all(1 <= depth <= 1000 for depth in depths):
        raise ValueError(text)
    return depths


def _same_passages(specs: dict[str, PipelineSpec]) -> list[dict[str, PipelineSpec]]:
    """Pipelines grouped by encoder and split: one index serves each group."""
    groups: dict[object, dict[str, PipelineSpec]] = {}
    for name, spec in specs.items():
        groups.setdefault((spec.encoder, spec.split), {})[name] = spec
    return list(groups.values())
