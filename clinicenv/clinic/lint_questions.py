"""Lint rules on questions: one right option, no two alike, and pairs that are two and cannot be guessed."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from clinicenv.clinic.choices import plain
from clinicenv.clinic.lint_case import Case, Finding, Where
from clinicenv.files import InputError, load_model, read_text
from clinicenv.scenario import Question, Scenario, find_files

_PAIR: Where = ("question", "pair")
_PAIRED = re.compile(r"\bpair\b\W{0,2}:")


def question_form(case: Case) -> Iterator[Finding]:
    """What can be seen of a question in its own file."""
    s, q = case.scenario, case.scenario.question
    if q is None:
        return
    right = sum(o.correct for o in q.options)
    if q.options and q.kind != "free" and (right > 1 or (right == 0 and q.accept)):
        what = f"{right} options are right; mark exactly one `correct: true`, or set `kind: free`"
        yield case.finding(("question", "options"), what)
    if len(q.options) == 1:
        yield case.finding(("question", "options"), "one option is no choice; add others or take it out")
    texts: dict[str, str] = {}
    for n, option in enumerate(q.options):
        first = texts.setdefault(plain(option.text), option.id)
        if first != option.id:
            what = f"says the same as option {first}; take one of them out"
            yield case.finding(("question", "options", n, "text"), what)
    named = [i.name for i in s.images if i.id == q.image]
    if named and sum(plain(i.name) == plain(named[0]) for i in s.images) > 1:
        what = f"two images are called `{named[0]}`, so that the wrong one may be shown; rename one"
        yield case.finding(("question", "image"), what)
    if q.pair and s.task != "question":
        yield case.finding(_PAIR, f"pairs are for task `question`, not `{s.task}`; take it out")


def pair_findings(files: Sequence[Path]) -> list[Finding]:
    """What can be seen of pairs in several files: of each pair there are two, and one answer to both is not
    right for both. A question whose other one is not among the files is looked for in its own folder."""
    given = [case for file in files if (case := _paired(file))]
    pairs: dict[str, list[Case]] = {}
    for case in given:
        pairs.setdefault(_question(case).pair or "", []).append(case)
    known = {file.resolve() for file in files}
    for folder in {c.file.resolve().parent for cases in pairs.values() if len(cases) < 2 for c in cases}:
        for file in find_files(folder):
            if file.parent == folder and file not in known and (case := _paired(file)):
                pairs.setdefault(_question(case).pair or "", []).append(case)
    return [f for case in given for f in _in_pair(case, pairs[_question(case).pair or ""])]


def _in_pair(case: Case, cases: list[Case]) -> Iterator[Finding]:
    name = _question(case).pair
    if len(cases) == 1:
        what = f"no other question here has the pair `{name}`; put the two together, or take it out"
        yield case.finding(_PAIR, what)
    elif len(cases) > 2:
        what = f"{len(cases)} questions have the pair `{name}`; a pair has exactly two, give others their own"
        yield case.finding(_PAIR, what)
    else:
        offered, right = zip(*(_answers(c) for c in cases), strict=True)
        if offered[0] and offered[0] == offered[1] and right[0] == right[1]:
            what = "the same answer is right for both of the pair; their right options should differ"
            yield case.finding(_PAIR, what, "warning")


def _answers(case: Case) -> tuple[frozenset[str], frozenset[str]]:
    """What a question offers, and what of it is right."""
    options = _question(case).options
    return frozenset(plain(o.text) for o in options), frozenset(plain(o.text) for o in options if o.correct)


def _question(case: Case) -> Question:
    assert case.scenario.question
    return case.scenario.question


def _paired(file: Path) -> Case | None:
    """The file's case where it loads and its question has a pair; other faults are found elsewhere."""
    try:
        if not _PAIRED.search(read_text(file)):  # most files have none, and loading takes its time
            return None
        scenario, document = load_model(Scenario, file)
    except InputError:
        return None
    has = scenario.question and scenario.question.pair
    return Case(scenario, document, file) if has else None
