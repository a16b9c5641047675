import sys
from typing import Any

from django.db import DatabaseError

from rag.errors import RerankUnavailable
from rag.spec import RerankSpec, ScorerSpec
from search_app import pipelines, rerankers
from search_app.management.base import CommandParser, SieveCommand, table
from search_app.management.commands.ask import printable


class Command(SieveCommand):
    help = (
        "Rerankers. `list`: the backends, the models and services here, and what each pipeline uses.\n"
        "`try BACKEND MODEL`, or `try --pipeline NAME`: score three texts, or yours, and say how it went;\n"
        "a service is really asked, and may charge for it.\n\n"
        "Exit code 0: listed; for `try`, there is a score for each text and the text that answers is first.\n"
        "Exit code 1: a service cannot be asked as it is; for `try`, no scores, or scores that put another\n"
        "text first."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", nargs="?", default="list", choices=("list", "try"))
        parser.add_argument("backend", nargs="?", default="", metavar="BACKEND")
        parser.add_argument("model", nargs="?", default="", metavar="MODEL")
        parser.add_argument("--pipeline", metavar="NAME", help="try each reranker of this pipeline")
        parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE")
        parser.add_argument("--question", default=rerankers.QUESTION, metavar="TEXT")
        parser.add_argument("--text", action="append", default=[], metavar="TEXT", help="may be repeated")
        parser.add_argument("--budget-ms", type=int, default=30_000, metavar="MS")

    def run(self, **options: Any) -> None:
        if options["action"] == "list":
            return self._list()
        if options["pipeline"]:
            rerank = pipelines.spec(options["pipeline"]).rerank
            tried: tuple[ScorerSpec, ...] = (*rerank.before, rerank) if rerank else ()
            if not tried:
                self.say(f"The pipeline {options['pipeline']} does not rerank.")
        else:
            chosen = dict(rerankers.option(text) for text in options["option"])
            tried = (
                ScorerSpec(
                    backend=options["backend"],
                    model=options["model"],
                    depth=1000,
                    budget_ms=options["budget_ms"],
                    options=chosen,
                ),
            )
        right = [self._try(spec, options["question"], tuple(options["text"])) for spec in tried]
        if not all(right):
            sys.exit(1)

    # --- try ------------------------------------------------------------

    def _try(self, spec: ScorerSpec, question: str, own: tuple[str, ...]) -> bool:
        texts = own or rerankers.TEXTS
        try:
            trial = rerankers.attempt(spec, question, texts)
        except RerankUnavailable as error:
            self.say(f"{spec.backend} {spec.model}: {error}")
            if said := getattr(error.__cause__, "said", ""):
                self.say(f"It said: {printable(said)}")
            return False
        scores, spent = trial.scores, trial.scores.spent
        self.say(trial.fingerprint)
        rows = [(place, _number(scores.values[place]), _short(texts[place])) for place in trial.order]
        self.say(
            table(
                ("text", "score", ""), [(place + 1, score, text) for place, score, text in rows], words=True
            )
        )
        details = [
            f"{rerankers.KINDS.get(scores.kind, scores.kind)}, in {trial.elapsed_ms:.0f} ms",
            f"loaded in {trial.load_ms:.0f} ms",
            spent.precision,
            f"{spent.tokens} tokens" if spent.tokens else "",
            f"{spent.requests} requests" if spent.requests else "",
            f"${spent.usd:.6f}" if spent.usd else "",
            f"{spent.repaired} replies mended" if spent.repaired else "",
        ]
        self.say("; ".join(detail for detail in details if detail) + ".\n")
        if None in scores.values:
            self.say("Not every text has a score: the time was over.")
            return False
        if not own and trial.order[0] != 0:
            self.say("The text that answers the question is not first.")
            return False
        return True

    # --- list ------------------------------------------------------------

    def _list(self) -> None:
        services = rerankers.named()
        found = [(one.name, one.takes, one.about) for one in rerankers.found()]
        self.say(table(("backend", "takes", ""), found, words=True))
        models = [
            (one.model.name, one.model.use, one.model.licence, one.state, one.reason)
            for one in pipelines.store().status()
            if not one.model.use.startswith(("bi-encoder", "language model"))
        ]
        self.say("\n" + table(("model", "use", "licence", "state", ""), models, words=True))
        wrong = {name: rerankers.trouble(service) for name, service in services.items()}
        told = [
            (name, one.dialect, one.url, _price(one.usd_per_search, one.usd_per_million_tokens), wrong[name])
            for name, one in sorted(services.items())
        ]
        if told:
            self.say("\n" + table(("service", "dialect", "url", "price", ""), told, words=True))
        else:
            self.say("\nNo services: SIEVE_SERVICES names no file, or an empty one.")
        try:
            used = [row for name in pipelines.names() for row in _stages(name, pipelines.spec(name).rerank)]
            self.say("\n" + table(("pipeline", "stage", "backend", "model"), used, words=True))
        except DatabaseError:
            self.say("\nThe pipelines are not listed: there is no database here.")
        if any(wrong.values()):
            sys.exit(1)


def _stages(name: str, rerank: RerankSpec | None) -> list[tuple[str, str, str, str]]:
    if rerank is None:
        return [(name, "none", "", "")]
    before = [(name, f"before, keeps {one.keep}", one.backend, one.model) for one in rerank.before]
    return [*before, (name, "reranked", rerank.backend, rerank.model)]


def _price(search: float, tokens: float) -> str:
    said = [f"${search:g} a search" if search else "", f"${tokens:g} a million tokens" if tokens else ""]
    return ", ".join(part for part in said if part)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


def _short(text: str) -> str:
    line = printable(text).replace("\n", " ")
    return line if len(line) <= 60 else f"{line[:59]}…"
