"""The rule's judgement: the ranked diagnoses against the answer, and what the log shows of the ending.

Names are compared as sets of word stems. A name that is negated or hedged never counts, and one that holds
more than the answer counts only where the rest does no harm; what a rule cannot tell is `undecided`, without
credit.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from clinicenv.clinic import choices
from clinicenv.clinic.agenda import says
from clinicenv.clinic.answers import OPEN_INTENTS, unsettled
from clinicenv.events import (
    PLAN_FIELDS,
    Answer,
    Chosen,
    Diagnose,
    Event,
    Heard,
    Leave,
    Plan,
    RankVerdict,
    Report,
    Role,
    Say,
    Verdict,
)
from clinicenv.scenario import (
    Condition,
    Conditions,
    Diagnosis,
    Differential,
    Goal,
    Option,
    Question,
    Scenario,
)

RANK_DISCOUNT = (1.0, 0.6, 0.4)
"""What a right diagnosis is worth in first, second and third place; further down nothing."""

Kind = Literal["exact", "synonym", "subtype", "parent", "acceptable", "wrong", "undecided"]

_NEGATED = re.compile(
    r"\b(?:not|no|never|unlikely|improbable|exclud\w+|rul(?:e[sd]?|ing)[ -]?out|r/o|negative for|absence of"
    r"|absent|less likely|doubtful|instead of|rather than|no longer|against)\b",
    re.IGNORECASE,
)
_EITHER = re.compile(r"\s(?:or|vs\.?|versus|and/or)\s|\s*/\s*", re.IGNORECASE)
_CAUSED = re.compile(
    r"[\s,]+(?:due to|secondary to|caused by|because of|following|provoked by|related to|associated with"
    r"|complicating|in the setting of)\s",
    re.IGNORECASE,
)
_BRACKETS = re.compile(r"[(\[]([^)\]]*)[)\]]")
_PERCENT = re.compile(r"\(?\b\d+(?:\.\d+)?\s*%\)?")
_WORD = re.compile(r"[a-z0-9]+")
_DROPPED = frozenset(
    {
        "a",
        "an",
        "the",
        "of",
        "in",
        "on",
        "with",
        "by",
        "to",
        "acute",
        "likely",
        "most",
        "probable",
        "probably",
    }
    | {"possible", "possibly", "suspected", "suspect", "presumed", "presumptive", "provisional", "working"}
    | {"diagnosis", "dx", "confirmed", "query", "clinical", "very", "highly", "consistent", "favoured"}
)
_HARMLESS = frozenset(
    {"left", "right", "bilateral", "unilateral", "side", "sided", "upper", "lower", "middle", "lobe", "lobar"}
    | {"central", "peripheral", "segmental", "subsegmental", "multiple", "single", "large", "small", "mild"}
    | {"moderate", "severe", "massive", "submassive", "extensive", "early", "late", "new", "onset", "first"}
    | {"recent", "recurrent", "episode", "typical", "atypical", "classic", "classical", "uncomplicated"}
    | {
        "complicated",
        "provoked",
        "unprovoked",
        "idiopathic",
        "viral",
        "bacterial",
        "autoimmune",
        "infectious",
    }
    | {
        "postviral",
        "post",
        "spontaneous",
        "proximal",
        "distal",
        "anterior",
        "posterior",
        "inferior",
        "lateral",
    }
    | {"decompensated", "symptomatic", "subacute", "sudden", "intermediate", "high", "low", "risk"}
)
"""Words that add a side, a site, a degree or a cause to a diagnosis and leave it what it is."""

_OPPOSITES = (
    ("acute", "chronic"), ("left", "right"), ("primary", "secondary"), ("upper", "lower"),
    ("viral", "bacterial"),
    ("benign", "malignant"), ("ischemic", "hemorrhagic"), ("stable", "unstable"), ("provoked", "unprovoked"),
    ("1", "2"), ("unilateral", "bilateral"), ("open", "closed"), ("early", "late"), ("anterior", "posterior"),
    ("central", "peripheral"), ("infectious", "autoimmune"), ("systolic", "diastolic"), ("high", "low"),
)  # fmt: skip
_GENERIC = frozenset({"disease", "syndrome", "disorder", "infection", "injury", "failure", "pain", "crisis"})
_ROMAN = {"ii": "2", "iii": "3"}


# --- names


@lru_cache(maxsize=16384)
def _all_words(name: str) -> frozenset[str]:
    text = name.lower().replace("\u2019", "'").replace("'s", "").replace("post-", "post")
    return frozenset(_stem(_ROMAN.get(w, w)) for w in _WORD.findall(text))


def _stem(word: str) -> str:
    """One spelling for American and British forms, singular and plural."""
    word = word.replace("ae", "e").replace("oe", "e").replace("isation", "ization").replace("ise", "ize")
    if len(word) > 4 and word.endswith("our"):
        word = word[:-3] + "or"
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith("boli"):
        return word[:-1] + "us"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


@lru_cache(maxsize=16384)
def _words(name: str) -> frozenset[str]:
    """The words that matter."""
    every = _all_words(name)
    return (every - _DROPPED) or every


def _cleaned(said: str) -> str:
    return " ".join(_PERCENT.sub(" ", said).strip(" .,:;-?!").split())


def _equal(said: str, name: str) -> bool:
    same = _words(said) == _words(name) or _words(said.replace("-", "")) == _words(name.replace("-", ""))
    return same and not _opposed(said, [name])


def _opposed(said: str, names: Iterable[str]) -> bool:
    """Whether it says the contrary of something that every one of the names says, or acute for chronic."""
    words = _all_words(said)
    known = [_all_words(n) for n in names]
    for pair in _OPPOSITES:
        for one, other in (pair, pair[::-1]):
            if one in words and other not in words and any(other in k and one not in k for k in known):
                return True
    return False


def same_diagnosis(said: str, name: str, synonyms: Iterable[str] = ()) -> bool:
    """Whether the words mean this diagnosis: its name or a synonym, whatever the case, punctuation, order
    of words, spelling (American or British) and a leading `acute`, `likely` or `suspected`.

    A negated or hedged name, or one with words beside it, is not the same.
    """
    return _matches(_cleaned(said), [name, *synonyms]) is not None


def _matches(said: str, names: Sequence[str]) -> str | None:
    """The name that is said, alone or with another of the names in brackets."""
    if not said:
        return None
    for name in names:
        if _equal(said, name):
            return name
    if _NEGATED.search(said):
        return None
    either = [part for part in _EITHER.split(said) if part.strip()]
    if len(either) > 1:
        found = [_matches(part, names) for part in either]
        return found[0] if all(found) else None
    inside = _BRACKETS.findall(said)
    if inside:
        found = [_matches(part, names) for part in (_BRACKETS.sub(" ", said), *inside)]
        return found[0] if all(found) else None
    return None


# --- the ranked list


@lru_cache(maxsize=1024)
def rank(said: str, scenario: Scenario) -> RankVerdict:
    answer, text = scenario.answer.diagnosis, _cleaned(said)
    if answer is None:
        return RankVerdict(said, "undecided", "The scenario names no diagnosis.")
    kind, why, credit = _listed(text, answer, scenario.answer.differentials) or _unlisted(text, answer)
    return RankVerdict(said, kind, why, credit)


_Found = tuple[Kind, str, float]


def _listed(text: str, answer: Diagnosis, differentials: Sequence[Differential]) -> _Found | None:
    """By a name that the scenario lists."""
    if _matches(text, [answer.name]):
        return "exact", f"It is the answer, {answer.name}.", 1.0
    own = [answer.name, *answer.synonyms, *answer.abbreviations]
    if name := _matches(text, own):
        return "synonym", f"{name} is another name of the answer, {answer.name}.", 1.0
    subtype = 1.0 if answer.accept_subtype else answer.parent_credit
    if name := _matches(text, answer.subtypes):
        return "subtype", f"{name} is a kind of the answer, {answer.name}.", subtype
    if name := _matches(text, answer.parents):
        return "parent", f"{name} is wider than the answer, {answer.name}.", answer.parent_credit
    for other in differentials:
        if _matches(text, [other.name, *other.synonyms]):
            kind: Kind = "acceptable" if other.credit > 0 else "wrong"
            return kind, f"{other.name} is listed as a differential worth {other.credit:g}.", other.credit
    return None


def _unlisted(text: str, answer: Diagnosis) -> _Found:
    """By words that are shared with the answer's names."""
    own = [answer.name, *answer.synonyms, *answer.abbreviations]
    contained = [n for n in own if _words(n) <= _words(text)]
    if _NEGATED.search(text):
        return "wrong", "The name is negated or hedged.", 0.0
    if len(_EITHER.split(text)) > 1:
        named = any(_matches(part, [*own, *answer.subtypes]) for part in _EITHER.split(text))
        return ("undecided", "It names alternatives.", 0.0) if named or contained else _WRONG
    if _opposed(text, [answer.name]):
        return "wrong", f"It contradicts the answer, {answer.name}, in a word.", 0.0
    subtype = 1.0 if answer.accept_subtype else answer.parent_credit
    head = _CAUSED.split(text, maxsplit=1)[0]
    for name in contained:
        if _words(text) - _words(name) <= _HARMLESS:
            return "subtype", f"It is the answer, {name}, with a side, site, degree or cause added.", subtype
        if head != text and (_equal(head, name) or _only_adds(head, name)):
            return "subtype", f"It is the answer, {name}, with a cause added.", subtype
    if contained:
        return "undecided", f"It holds the answer's words, {contained[0]}, among others.", 0.0
    return _near(text, own) or _WRONG


_WRONG: _Found = ("wrong", "It is none of the names of the answer, its kinds or its alternatives.", 0.0)


def _only_adds(said: str, name: str) -> bool:
    return _words(name) <= _words(said) and _words(said) - _words(name) <= _HARMLESS


def _near(text: str, own: Iterable[str]) -> _Found | None:
    """A slip of the pen, or a part of the name: a rule cannot say whether it means the answer."""
    from rapidfuzz.distance import OSA

    said = _words(text)
    for name in own:
        words = _words(name)
        last = _WORD.findall(name.lower())[-1:]
        head = {_stem(w) for w in last} - _GENERIC
        if said < words and head <= said and head and 2 * len(said) >= len(words):
            return "undecided", f"It leaves out a part of {name}.", 0.0
        ours, theirs = " ".join(sorted(words)), " ".join(sorted(said))
        if len(ours) >= 8 and OSA.distance(ours, theirs, score_cutoff=1) <= 1:
            return "undecided", f"It differs from {name} by one letter.", 0.0
    return None


# --- the whole


def judge(scenario: Scenario, events: Sequence[Event]) -> Verdict:
    """The verdict on a consultation, from its events alone.

    The credit of the list is the best of rank credits times `RANK_DISCOUNT`.
    """
    whats = [e.what for e in events]
    final = next((w for w in reversed(whats) if isinstance(w, Diagnose)), None)
    ranks = tuple(rank(said, scenario) for said in final.differential) if final else ()
    questions = [(q.ask, q.when.after_turn, q.satisfied_by) for q in scenario.patient.questions]
    return Verdict(
        ranks=ranks,
        credit=max((r.credit * d for r, d in zip(ranks, RANK_DISCOUNT, strict=False)), default=0.0),
        diagnosis_given=final is not None,
        plan_given=bool(final and final.plan),
        questions_resolved=unsettled(questions, events)[1] == 0,
        farewell=any(
            "close" in w.acts if isinstance(w, Heard) else isinstance(w, Leave) and bool(w.text)
            for w in (e.what for e in events if e.role is not Role.PATIENT)
        ),
        answer_correct=_right(scenario.question, whats) if scenario.question else None,
        chosen=_chosen(scenario.question, whats) if scenario.question else None,
        goals_met=_goals_met(scenario, events),
    )


def _goals_met(scenario: Scenario, events: Sequence[Event]) -> tuple[str, ...]:
    if not scenario.goals:
        return ()
    shown = gather(events)
    met = {g.id for g in scenario.goals if met_by(scenario, shown, g.met_by)}
    for goal in scenario.goals:
        if goal.id in met and goal.before in met and not _in_order(scenario, events, goal):
            met.discard(goal.id)
    return tuple(g.id for g in scenario.goals if g.id in met)


def _in_order(scenario: Scenario, events: Sequence[Event], goal: Goal) -> bool:
    """Whether the goal was met by the time that the one was which it must come before."""
    later = next(g for g in scenario.goals if g.id == goal.before)
    for turn in range(events[-1].turn + 1):
        shown = gather(e for e in events if e.turn <= turn)
        if met_by(scenario, shown, goal.met_by):
            return True
        if met_by(scenario, shown, later.met_by):
            return False
    return False


def _said(whats: Iterable[object]) -> str | None:
    """The last answer."""
    return next((w.text for w in reversed(list(whats)) if isinstance(w, Answer)), None)


def _option(question: Question, text: str) -> Option | None:
    """The option that an answer means: by id or text, else by other words for the same."""
    if option := choices.option(question.options, text):
        return option
    meant = [o for o in question.options if same_diagnosis(text, o.text)]
    return meant[0] if len(meant) == 1 else None


def _right(question: Question, whats: Iterable[object]) -> bool:
    """Whether the last answer names the right option, by id or text, or is one of the accepted texts."""
    text = _said(whats)
    if text is None:
        return False
    if option := _option(question, text):
        return option.correct
    polar = choices.polar(text)
    return any(same_diagnosis(text, name) or polar == name.strip().lower() for name in question.accept)


def _chosen(question: Question, whats: Iterable[object]) -> Chosen:
    text = _said(whats)
    option = _option(question, text) if text else None
    offered = tuple(o.text for o in question.options)
    return Chosen(question.pair or "", offered, option.text if option else "")


# --- conditions


@dataclass(frozen=True, slots=True)
class Shown:
    """What a log shows, as far as conditions ask for it."""

    asked: frozenset[str]
    """facts and concepts that questions were about; open questions are about none of their facts"""
    told: frozenset[str]
    examined: frozenset[str]
    ordered: frozenset[str]
    acts: frozenset[str]
    diagnosed: tuple[str, ...]
    plan: tuple[frozenset[str], ...]
    """the words of each clause of the plan that does not advise against something"""
    lines: tuple[str, ...] = ()
    """what the doctor said"""
    picked_up: frozenset[str] = frozenset()
    corrected: frozenset[str] = frozenset()
    agreed: frozenset[str] = frozenset()


def gather(events: Iterable[Event]) -> Shown:
    """What these events show; give it the part of the log that counts, e.g. up to a turn."""
    asked, told, examined, ordered, acts = set[str](), set[str](), set[str](), set[str](), set[str]()
    agenda = {kind: set[str]() for kind in ("picked_up", "corrected", "agreed")}
    lines: list[str] = []
    final: Diagnose | None = None
    for event in events:
        what = event.what
        if isinstance(what, Heard):
            acts.update(what.acts)
            for kind, ids in agenda.items():
                ids.update(getattr(what, kind))
            for probe in what.probes:
                asked.update([probe.concept] if probe.concept else [])
                whole = probe.intent in OPEN_INTENTS and probe.concept in (None, "main_problem")
                asked.update(() if whole else probe.facts)
        elif isinstance(what, Say) and event.role is Role.PATIENT:
            told.update(what.ids)
        elif isinstance(what, (Say, Leave)) and event.role is Role.DOCTOR:
            lines.append(what.text)
        elif isinstance(what, Report):
            for result in what.results:
                (examined if result.kind == "exam" else ordered).update(result.ids)
        elif isinstance(what, Diagnose):
            final = what
    return Shown(
        frozenset(asked),
        frozenset(told),
        frozenset(examined),
        frozenset(ordered),
        frozenset(acts),
        final.differential if final else (),
        _clauses(final.plan) if final else (),
        tuple(lines),
        **{kind: frozenset(ids) for kind, ids in agenda.items()},
    )


_CLAUSE = re.compile(r"[.;,\n]| but | then ", re.IGNORECASE)
_AGAINST = re.compile(
    r"\b(?:no|not|avoid\w*|without|stop\w*|never|withhold\w*|hold|don't|contraindicated|unnecessary)\b", re.I
)


def _clauses(plan: Plan) -> tuple[frozenset[str], ...]:
    texts = (getattr(plan, name) for name in ("text", *PLAN_FIELDS))
    clauses = (c for text in texts for c in _CLAUSE.split(text) if not _AGAINST.search(c))
    return tuple(words for c in clauses if (words := _all_words(c)))


def met(scenario: Scenario, events: Iterable[Event], conditions: Conditions) -> bool:
    """Whether events meet conditions: all of `all`, and one of `any` where there are some."""
    return met_by(scenario, gather(events), conditions)


def met_by(scenario: Scenario, shown: Shown, conditions: Conditions) -> bool:
    """As `met`, for several conditions on the same events."""
    return all(_holds(scenario, shown, c) for c in conditions.all) and (
        not conditions.any or any(_holds(scenario, shown, c) for c in conditions.any)
    )


def _holds(scenario: Scenario, shown: Shown, condition: Condition) -> bool:
    (kind,) = condition.model_fields_set
    value = str(getattr(condition, kind))
    if kind == "diagnosed":
        synonyms = _synonyms(scenario, value)
        return any(same_diagnosis(said, value, synonyms) for said in shown.diagnosed)
    if kind == "planned":
        wanted = _all_words(value)
        return any(all(_has(clause, w) for w in wanted) for clause in shown.plan)
    if kind == "told":
        return any(says(line, value) for line in shown.lines)
    if kind == "examined":
        whole = "vitals" in shown.examined and value in scenario.exam.vitals
        return whole or value in shown.examined
    seen = {
        "asked": shown.asked,
        "reached": shown.told,
        "ordered": shown.ordered,
        "act": shown.acts,
        "picked_up": shown.picked_up,
        "corrected": shown.corrected,
        "agreed": shown.agreed,
    }
    return value in seen[kind]


def _has(clause: frozenset[str], word: str) -> bool:
    """Whether a clause has the word, or one that begins with it: `anticoagul` is in `anticoagulate`."""
    return word in clause or (len(word) >= 5 and any(w.startswith(word) for w in clause))


def _synonyms(scenario: Scenario, name: str) -> tuple[str, ...]:
    """Other names of a diagnosis that the scenario lists."""
    a = scenario.answer
    known = [(d.name, d.synonyms) for d in a.differentials]
    known += [(d.name, d.synonyms) for d in a.must_not_miss]
    if a.diagnosis:
        known.append((a.diagnosis.name, (*a.diagnosis.synonyms, *a.diagnosis.abbreviations)))
    return tuple(s for main, others in known if same_diagnosis(name, main, others) for s in (main, *others))
