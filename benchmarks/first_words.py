"""From the end of retrieval to the first words on the screen: a running Sieve, seen by a real Chromium.

    make run, and in another terminal: make bench-first_words ARGS="--url http://127.0.0.1:8000"

The end of retrieval is when the fused ranking stands, by the trace of the same question. The browser
notes when the first passage was painted after it sent the question. The difference of the two is an upper
bound: it holds the way of the request to the pipeline as well. Needs Chromium.
"""

import argparse
import json
import shutil
import statistics
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
QUESTIONS = (
    "What happens to my answer when the reranker runs out of time?",
    "How do I bring documents into a collection?",
    "Why does a passage fall after reranking?",
    "What does a trace hold?",
    "How is a deleted document removed from the index?",
    "Which models are used, and where do they come from?",
)
WATCH = """
() => {
  const Plain = window.EventSource;
  window.moments = {};
  window.EventSource = class extends Plain {
    constructor(address) { super(address); window.moments.sent = performance.now(); }
  };
  const painted = (name) => requestAnimationFrame(() => requestAnimationFrame(() => {
    window.moments[name] ??= performance.now();
  }));
  new MutationObserver(() => {
    if (document.querySelector(".card[data-passage]")) painted("passages");
    if (document.querySelector(".answer.streaming")?.textContent) painted("answer");
    if (document.querySelector("[data-answer-url]")) painted("done");
  }).observe(document, { subtree: true, childList: true, characterData: true });
}
"""


def measure(page: Page, question: str) -> dict[str, float]:
    """Milliseconds of one question: by the browser's clock, and by the trace's."""
    page.goto("/")
    page.get_by_role("textbox", name="Your question").fill(question)
    page.keyboard.press("Enter")
    page.wait_for_url("**/answers/*", timeout=120_000)
    page.wait_for_function("window.moments.done")
    moments = page.evaluate("window.moments")
    sent = moments.pop("sent")
    seen = {name: at - sent for name, at in moments.items()}
    trace = page.request.get(page.url.replace("/answers/", "/traces/") + ".json").json()
    timings = {t["step"]: t for t in trace["body"]["timings"]}
    fused = timings["fused"]["started_ms"] + timings["fused"]["elapsed_ms"]
    return {
        "retrieval": fused,
        "first words": seen["passages"],
        "after retrieval": seen["passages"] - fused,
        "reranking ends": timings["final"]["started_ms"] + timings["final"]["elapsed_ms"],
        "answer begins": seen.get("answer", seen["done"]),
        "answer whole": seen["done"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--rounds", type=int, default=5, help="times that each question is asked")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("There is no Chromium here. Install the package chromium.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--headless", "--no-sandbox"])
        page = browser.new_page(base_url=options.url)
        page.add_init_script(f"({WATCH})()")
        measure(page, QUESTIONS[0])  # loads the models
        runs = [measure(page, question) for _ in range(options.rounds) for question in QUESTIONS]
        browser.close()
    table = {
        name: {
            "p50": round(statistics.median(values), 1),
            "p95": round(statistics.quantiles(values, n=20)[18], 1),
            "max": round(max(values), 1),
        }
        for name in runs[0]
        if (values := [run[name] for run in runs])
    }
    print(f"{len(runs)} questions, milliseconds since the question was sent")
    for name, row in table.items():
        print(f"  {name:16} p50 {row['p50']:8.1f}  p95 {row['p95']:8.1f}  max {row['max']:8.1f}")
    target = ROOT / "var" / "bench" / "first_words.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
