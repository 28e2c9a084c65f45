"""Lint rules on words: nothing names the answer too early, and patients talk like people."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from clinicenv.clinic.lexicon import label
from clinicenv.clinic.lint_case import Case, Finding, Where
from clinicenv.scenario import Diagnosis, Scenario
from clinicenv.story import Fact
from clinicenv.workup import Image, Test

MAX_GRADE = 8.0
"""The school grade that patient text should not go above."""

LONG_TEXT = 25
"""Words from which on a single text's grade means something."""

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_SENTENCE_END = re.compile(r"[.!?;:\n]+")


@lru_cache(maxsize=64)
def _answer_patterns(answer: Diagnosis | None) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """What names the answer: words in any case, abbreviations as written, abbreviations in an id."""
    names = (answer.name, *answer.synonyms) if answer else ()
    short = answer.abbreviations if answer else ()
    capitals = dict.fromkeys(form for s in short for form in (s, s.upper()))
    any_case = re.IGNORECASE
    return _pattern(names, "s?", any_case), _pattern(capitals, "", 0), _pattern(short, "", any_case)


def _pattern(names: tuple[str, ...] | dict[str, None], ending: str, flags: int) -> re.Pattern[str]:
    """Any of the names as whole words, however their words are joined."""
    forms = [
        r"[\W_]+".join(map(re.escape, words)) for name in names if (words := _WORD.findall(_plain(name)))
    ]
    whole = "|".join(forms) or r"(?!)"
    return re.compile(rf"(?<![^\W_])(?:{whole}){ending}(?![^\W_])", flags)


def _plain(text: str) -> str:
    """Without accents and with straight apostrophes, so that other spellings of a name match."""
    apart = unicodedata.normalize("NFKD", text.replace("\u2019", "'"))
    return "".join(c for c in apart if not unicodedata.combining(c))


def names_answer(scenario: Scenario, text: str, is_id: bool = False) -> str | None:
    """The words of a text that name the scenario's answer, or None."""
    return _named(scenario.answer.diagnosis, text, is_id)


def _named(answer: Diagnosis | None, text: str, is_id: bool = False) -> str | None:
    words, capitals, any_case = _answer_patterns(answer)
    plain = _plain(text)
    found = words.search(plain) or (any_case if is_id else capitals).search(plain)
    return found.group() if found else None


def telling_concepts(scenario: Scenario) -> frozenset[str]:
    """The concepts of the patient's facts and denials whose common name names the answer."""
    used = (*(f.concept for f in scenario.facts.values()), *scenario.patient.denials.explicit)
    return _telling(scenario.answer.diagnosis, used)


@lru_cache(maxsize=1024)
def _telling(answer: Diagnosis | None, concepts: tuple[str, ...]) -> frozenset[str]:
    return frozenset(c for c in concepts if _named(answer, label(c)))


def answer_named(case: Case) -> Iterator[Finding]:
    """The answer's name, synonyms and abbreviations stand nowhere that a doctor sees before it is due."""
    s = case.scenario
    if found := names_answer(s, s.id, is_id=True):
        yield case.finding(("id",), f"`{found}` names the answer; choose a neutral id", case.level)
    if found := names_answer(s, case.file.stem, is_id=True):
        yield case.finding((), f"the file's name: `{found}` names the answer; rename the file", case.level)
    for where, text in _seen(case):
        if found := names_answer(s, text):
            yield case.finding(where, f"`{found}` names the answer; describe it instead", case.level)
    for where, text in _results(s):
        if found := names_answer(s, text):
            yield case.finding(
                where,
                f"`{found}` names the answer; describe what is seen, or set `report_reveals: true` if this"
                " test proves it",
                case.level,
            )


def _seen(case: Case) -> Iterator[tuple[Where, str]]:
    """What is seen or said without any test."""
    s = case.scenario
    yield ("title",), s.title
    yield from _each(("meta", "tags"), s.meta.tags)
    yield ("setting", "door_note"), s.setting.door_note
    yield from _each(("setting", "resources"), s.setting.resources)
    yield ("patient", "appearance"), s.patient.appearance
    yield from patient_text(case)
    for where, fact in case.facts():
        yield (*where, "id"), fact.id
        if fact.value:
            yield (*where, "value"), fact.value
    for name, vital in s.exam.vitals.items():
        yield ("exam", "vitals", name), f"{name} {vital.value} {vital.unit}"
    for n, finding in enumerate(s.exam.findings):
        for part in ("id", "manoeuvre", "site", "text"):
            yield ("exam", "findings", n, part), getattr(finding, part) or ""
    for name, text in s.exam.normal_text.items():
        yield ("exam", "normal_text", name), text
    for n, image in enumerate(s.images):
        yield ("images", n, "alt_text"), image.alt_text


def _results(scenario: Scenario) -> Iterator[tuple[Where, str]]:
    """What tests and images report, apart from those that may reveal the answer."""
    for n, test in enumerate(scenario.tests):
        if not test.report_reveals:
            yield from (((*("tests", n), *where), text) for where, text in result_text(test))
    for n, image in enumerate(scenario.images):
        if not image.report_reveals:
            yield from (((*("images", n), *where), text) for where, text in result_text(image))


def result_text(item: Test | Image) -> Iterator[tuple[Where, str]]:
    """The texts of a test's or an image's result, and where in it they stand."""
    if isinstance(item, Image):
        yield ("report",), item.report
        yield from _each(("findings",), item.findings)
        return
    measured = [(("result",), item.result)] if item.result else []
    for where, m in [*measured, *((("components", n), c) for n, c in enumerate(item.components))]:
        for part in ("name", "value", "text"):
            text = getattr(m, part, None)
            if isinstance(text, str):
                yield (*where, part), text


def patient_text(case: Case) -> Iterator[tuple[Where, str]]:
    """Every text that the patient says, and where it stands."""
    patient = case.scenario.patient
    yield from _each(("patient", "opening"), patient.opening)
    for where, fact in case.facts():
        yield from _said(where, fact)
    for n, question in enumerate(patient.questions):
        yield ("patient", "questions", n, "ask"), question.ask
    for name, fields in (
        ("cues", ("say",)),
        ("beliefs", ("holds", "then_says")),
        ("decisions", ("agrees", "refuses")),
    ):
        for n, item in enumerate(getattr(patient, name)):
            yield from ((("patient", name, n, field), getattr(item, field)) for field in fields)
    yield from _each(("patient", "challenge", "script"), patient.challenge.script)


def _said(where: Where, fact: Fact) -> Iterator[tuple[Where, str]]:
    yield from _each((*where, "say"), fact.say)
    if fact.say_vague:
        yield (*where, "say_vague"), fact.say_vague


def _each(where: Where, texts: tuple[str, ...]) -> Iterator[tuple[Where, str]]:
    return (((*where, n), text) for n, text in enumerate(texts))


def grade(text: str) -> float:
    """The Flesch-Kincaid grade: the year of US schooling that a text needs; 0 for a text without words.

    0.39 words per sentence + 11.8 syllables per word - 15.59 (Kincaid et al. 1975, Naval Technical Training
    Command, Research Branch Report 8-75). Syllables are counted as groups of vowels.
    """
    words = _WORD.findall(text)
    if not words:
        return 0.0
    sentences = sum(bool(_WORD.search(part)) for part in _SENTENCE_END.split(text))
    return 0.39 * len(words) / sentences + 11.8 * sum(map(_syllables, words)) / len(words) - 15.59


def _syllables(word: str) -> int:
    plain = _plain(word.lower())
    groups = len(re.findall(r"[aeiouy]+", plain))
    silent = plain.endswith("e") and not plain.endswith(("le", "ee")) and groups > 1
    return max(1, groups - silent)


def readability(case: Case) -> Iterator[Finding]:
    """All that the patient says, and each longer text of it, can be read by a pupil of grade 8."""
    texts = list(patient_text(case))
    fix = "use shorter sentences and everyday words"
    whole = grade("\n".join(text for _, text in texts))
    if whole > MAX_GRADE:
        yield case.finding(
            ("patient",), f"the patient's words need school grade {whole:.1f}, above 8; {fix}", "warning"
        )
    for where, text in texts:
        if len(_WORD.findall(text)) >= LONG_TEXT and grade(text) > MAX_GRADE:
            yield case.finding(where, f"needs school grade {grade(text):.1f}, above 8; {fix}", "warning")
