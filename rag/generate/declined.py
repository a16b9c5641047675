"""The model's own word that the passages do not answer: in the sentence it was told, or in its own.

Small models write the sentence that they were told in other words, or translate it. The first sentence
decides: until it is known whether it says so, nothing of it is shown. A model that goes on with "but" or
"however", and cites a passage for that, has answered after all.
"""

import re

from rag.answers import Citation
from rag.events import Delta
from rag.generate.base import NO_ANSWER
from rag.sentences import sentences

LONGEST = 400
"""Characters: a first sentence that is longer is an answer."""
_TEXTS = r"(?:documents?|passages?|texts?|context|sources?|information|excerpts?)"
_NOT = r"(?:(?:do|does|did|is|are|was|were|can|could)(?: not|n['’]t)|cannot|lacks?)"
_SAYS = (
    r"(?:answer|mention|contain|provide|specif|say|state|include|give|discuss|address|cover|indicate|describe|"
    r"have|offer|tell|refer|provided|mentioned|specified|stated|given|available|enough|sufficient|found|"
    r"determine)"
)
_SAID = re.compile(
    rf"\b{_TEXTS}\b[^.!?]{{0,60}}?\b{_NOT}\b[^.!?]{{0,30}}?\b{_SAYS}"
    rf"|\bno (?:such |specific |relevant |direct |explicit )?(?:information|mention|answer|details?)\b"
    rf"|\bnone of the (?:\w+ )?{_TEXTS}\b"
    rf"|^\W*(?:i(?: am|['’]m) )?sorry\b|^\W*i (?:do not|don['’]t|cannot|can['’]t|could not|couldn['’]t)\b"
    rf"|^\W*unable to answer|\bcan(?:not|['’]t| not) be (?:answered|determined)"
    r"|\b(?:dokumente?|passagen?|texte?)\b[^.!?]{0,60}?\b(?:nicht|kein\w*)\b"
    r"|\b(?:documents?|passages?|textes?)\b[^.!?]{0,30}?\bne\b[^.!?]{0,40}?\b(?:pas|aucune?)\b"
    r"|\b(?:documentos|pasajes|textos)\b[^.!?]{0,30}?\bno\b[^.!?]{0,30}?\b(?:respond|contien|mencion)"
    r"|\b(?:documenti|passaggi|testi)\b[^.!?]{0,30}?\bnon\b[^.!?]{0,30}?\b(?:rispond|conten|menzion)",
    re.IGNORECASE,
)
_BEGINS = frozenset(
    re.findall(
        r"\w+",
        """the these this that there none no of i am m sorry but unfortunately based on upon from in within
        according to given provided supplied numbered above passage passages document documents text texts
        context source sources information excerpt excerpts do does did don doesn didn isn
        aren couldn ve is are was were can could not cannot
        t n any answer question it unable a an direct specific relevant explicit such enough all
        die der das den dem diese dieser dokumente dokument passagen passage texte nicht keine auf frage
        beantworten les ces cette documents passages textes ne pas la question répondent à los las estos
        documentos pasajes textos no responden esta pregunta i documenti questi passaggi non""",
    )
)
"""A first sentence may still say so while it has no other words."""
_BUT = re.compile(
    r"\b(?:but|however|nevertheless|aber|jedoch|mais|cependant|pero|sin embargo|tuttavia)\b", re.I
)
_WORD = re.compile(r"\w+")


def says_no(sentence: str) -> bool:
    """Whether a sentence says that the documents do not answer."""
    return bool(_SAID.search(sentence))


class Declining:
    """Holds back the beginning of an answer while it may be a refusal."""

    def __init__(self) -> None:
        self.sure = False
        """The sentence that it was told has come, and it goes on: there is nothing more to wait for."""
        self._held: list[Delta] | None = []

    def feed(self, delta: Delta) -> list[Delta]:
        """What may be shown now."""
        if self._held is None:
            return [delta]
        self._held.append(delta)
        text = "".join(d.text for d in self._held)
        if says_no(_first(text)):
            self.sure = _plain(text).startswith(_plain(NO_ANSWER) + " ")
            cited = [c for d in self._held for c in d.citations]
            return self._let_go() if not self.sure and _goes_on(text, cited) else []
        words = _WORD.findall(text.casefold())
        whole = words[:-1] if text[-1:].isalnum() or text[-1:] in ("'", "’") else words
        may_be = _first(text) == text and len(text) <= LONGEST and all(word in _BEGINS for word in whole)
        return [] if may_be else self._let_go()

    def end(self) -> tuple[bool, list[Delta]]:
        """Whether the model declined; else what is still held back."""
        if self._held is None:
            return False, []
        if says_no(_first("".join(d.text for d in self._held))):
            return True, []
        return False, self._let_go()

    def _let_go(self) -> list[Delta]:
        held, self._held = self._held or [], None
        return held


def _first(text: str) -> str:
    """The first sentence, or as much of it as there is."""
    spans = sentences(text[:LONGEST])
    return text[: spans[0][1]] if len(spans) > 1 else text[:LONGEST]


def _goes_on(text: str, cited: list[Citation]) -> bool:
    """Whether it says something against that, and cites a passage for it."""
    said = max((match.end() for match in _SAID.finditer(text)), default=0)
    but = _BUT.search(text, said)
    return but is not None and any(c.answer_span[1] > but.end() for c in cited)


def _plain(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))
