"""How a consultation was done: what was asked, examined, ordered, planned and said, each with its evidence.

All of it is read from the scenario and the log. A share is None where the scenario has nothing of the kind.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from clinicenv.clinic.conditions import AGAINST, plainly
from clinicenv.clinic.names import same_diagnosis, stems
from clinicenv.events import PLAN_FIELDS, Diagnose, Event, Heard, Report, Role, Say, Trajectory
from clinicenv.scenario import MustNotMiss, Scenario
from clinicenv.score.checklist import met_items

VITALS = "vitals"


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark: its value, what it is a share or count of, and the events that earned it."""

    value: float | None
    of: float = 1
    events: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Process:
    """The marks of one consultation. Shares are 0 to 1; the others count."""

    history: Mark
    """weight of the key facts that were told, of all"""
    history_asked: Mark
    """the same for those that were asked for"""
    red_flags: Mark
    """share of the red flags that were asked for or told"""
    examination: Mark
    """share of the abnormal findings, and of the vital signs as one, that were looked for"""
    essential: Mark
    """share of the essential tests and images that were done"""
    low_value: Mark
    """tests and images of little value that were done"""
    harmful: Mark
    """harmful ones that were done"""
    must_not_miss: Mark
    """share of the dangerous diagnoses that were ruled out by what was done, or named"""
    management: Mark
    """share of the authors' immediate steps, treatments and referrals that the plan has in words"""
    harm: Mark
    """sum of the harm (1 to 3) of what the plan has and must not have"""
    veto: Mark
    """1 if some of that is of grave harm (3): the whole consultation then counts for nothing"""
    safety_net: Mark
    """1 if the patient was told when to come back, or the plan says so"""
    communication: Mark
    """share of `GOOD` acts that were done at least once, halved for each kind of `BAD` one"""
    questions: Mark
    repeats: Mark
    """questions that had been asked before"""
    goals: Mark
    """points of the goals that were met, of all"""
    checklist: Mark
    """points of the checklist, of all"""

    @property
    def evidence(self) -> dict[str, tuple[int, ...]]:
        """mark -> the events that earned it"""
        return {f.name: getattr(self, f.name).events for f in fields(self)}


GOOD = ("greet", "ask_open", "empathise", "summarise", "explain", "safety_net", "close")
ASKED = ("ideas", "concerns", "expectations")
"""What good communication asks for beside these acts."""

BAD = ("hostile", "leading", "jargon")


def process(scenario: Scenario, trajectory: Trajectory) -> Process:
    """All marks of a consultation."""
    heard = [(e.n, e.what) for e in trajectory.events if isinstance(e.what, Heard)]
    told = {i: e.n for e in reversed(trajectory.events) if _speaks(e, Role.PATIENT) for i in e.what.ids}  # type: ignore[union-attr]
    asked = {i: n for n, h in reversed(heard) for p in h.probes for i in (*p.facts, p.concept) if i}
    done = {i: e.n for e in reversed(trajectory.of(Report)) for r in e.what.results for i in r.ids}  # type: ignore[union-attr]
    acts = {act: n for n, h in reversed(heard) for act in h.acts}
    final = next((e for e in reversed(trajectory.events) if isinstance(e.what, Diagnose)), None)
    avoidable = _not_avoided(scenario, final)
    return Process(
        history=_weighed(scenario, told),
        history_asked=_weighed(scenario, asked),
        red_flags=_share(scenario.answer.red_flags, {**told, **asked}),
        examination=_examined(scenario, done),
        essential=_share([i for i, use in _uses(scenario) if use == "essential"], done),
        low_value=_count([i for i, use in _uses(scenario) if use == "low_value"], done),
        harmful=_count([i for i, use in _uses(scenario) if use == "harmful"], done),
        must_not_miss=_dangers(scenario, done, final),
        management=_planned(scenario, final),
        harm=_harm(avoidable, final),
        veto=_harm([1.0] if GRAVE in avoidable else [], final),
        safety_net=_safety_net(acts, final),
        communication=_talk(acts, asked),
        questions=Mark(sum(len(h.probes) for _, h in heard)),
        repeats=_repeats(heard),
        goals=_goals(scenario, trajectory),
        checklist=_checklist(scenario, trajectory),
    )


def _speaks(event: Event, role: Role) -> bool:
    return event.role is role and isinstance(event.what, Say)


def _weighed(scenario: Scenario, found: dict[str, int]) -> Mark:
    key = scenario.answer.key_facts
    whole = sum(f.weight for f in key)
    got = [f for f in key if f.id in found]
    value = sum(f.weight for f in got) / whole if whole else None
    return Mark(value, whole, tuple(found[f.id] for f in got))


def _share(wanted: Iterable[str], found: dict[str, int]) -> Mark:
    names = list(wanted)
    got = [n for n in names if n in found]
    return Mark(len(got) / len(names) if names else None, len(names), tuple(found[n] for n in got))


def _count(wanted: Iterable[str], found: dict[str, int]) -> Mark:
    got = [n for n in wanted if n in found]
    return Mark(len(got), 1, tuple(found[n] for n in got))


def _examined(scenario: Scenario, done: dict[str, int]) -> Mark:
    wanted = [f.id for f in scenario.exam.findings if f.abnormal]
    if scenario.exam.vitals:
        wanted.append(VITALS)
        vital = [done[name] for name in (VITALS, *scenario.exam.vitals) if name in done]
        done = {**done, VITALS: vital[0]} if vital else done
    return _share(wanted, done)


@lru_cache(maxsize=4096)
def _uses(scenario: Scenario) -> tuple[tuple[str, str], ...]:
    tests = ((t.id, t.indicated) for t in scenario.tests)
    return (*tests, *((i.id, i.indicated) for i in scenario.images))


def _dangers(scenario: Scenario, done: dict[str, int], final: Event | None) -> Mark:
    """A danger is addressed when something that rules it out was done, or when it is in the ranked list."""
    dangers = scenario.answer.must_not_miss
    found = [n for d in dangers if (n := _addressed(d, done, final)) is not None]
    return Mark(len(found) / len(dangers) if dangers else None, len(dangers), tuple(found))


def _addressed(danger: MustNotMiss, done: dict[str, int], final: Event | None) -> int | None:
    means = (name.partition(":")[2] for name in danger.ruled_out_by)
    seen = next((done[name] for name in means if name in done), None)
    if seen is None and final and isinstance(final.what, Diagnose):
        named = any(same_diagnosis(d, danger.name, danger.synonyms) for d in final.what.differential)
        return final.n if named else None
    return seen


class Item(NamedTuple):
    """A thing that a plan should have: its telling words, and whether it advises against something."""

    words: frozenset[str]
    against: bool


def item_of(text: str) -> Item:
    return Item(telling(text), bool(AGAINST.search(text)))


@lru_cache(maxsize=4096)
def _wanted(scenario: Scenario) -> tuple[Item, ...]:
    """The items of the authors' plan."""
    plan = scenario.plan
    items = map(item_of, (*plan.immediate, *plan.treatment, *plan.referral))
    return tuple(item for item in items if item.words)


_SMALL = frozenset({
    "and", "any", "for", "from", "into", "not", "once", "out", "over", "per", "that", "the", "then", "this",
    "until", "with", "within", "without", "when", "which", "while", "give", "start", "keep", "check", "watch",
})  # fmt: skip


@lru_cache(maxsize=16384)
def telling(text: str) -> frozenset[str]:
    """The words of a text that say what is to be done."""
    return frozenset(w for w in stems(text) if len(w) > 2) - _SMALL


MOST_WORDS = 30
"""Telling words of a sentence that count: a list of all that might be wanted is no plan."""

_SENTENCE = re.compile(r"[.;\n]")


class Said(NamedTuple):
    """A sentence of a plan, its telling words, and whether it advises against something."""

    text: str
    words: frozenset[str]
    against: bool


def said_in(texts: Iterable[str]) -> list[Said]:
    """The sentences of some parts of a plan."""
    whole = (s for text in texts for s in _SENTENCE.split(plainly(text)) if s.strip())
    return [Said(s, telling(" ".join(s.split()[:MOST_WORDS])), bool(AGAINST.search(s))) for s in whole]


def has(said: Sequence[Said], item: Item) -> bool:
    """Whether two neighbouring sentences have two fifths of the item's telling words.

    Sentences that advise against something count only for an item that does so too.
    """
    every = [s.words for s in said if item.against or not s.against]
    near = [*every[-1:], *(a | b for a, b in pairwise(every))]
    return any(5 * len(item.words & words) >= 2 * len(item.words) for words in near)


def _planned(scenario: Scenario, final: Event | None) -> Mark:
    wanted = _wanted(scenario)
    said = said_in(_parts(final)) if final else []
    got = [item for item in wanted if has(said, item)]
    events = (final.n,) if final and got else ()
    return Mark(len(got) / len(wanted) if wanted else None, len(wanted), events)


def _parts(final: Event) -> list[str]:
    assert isinstance(final.what, Diagnose)
    plan = final.what.plan
    return [text for name in ("text", *PLAN_FIELDS) if (text := getattr(plan, name))]


_BESIDE = re.compile(
    r"\b(?:as|before|without|while|for|with|unless|until|in|after|when|if|other than)\b.*", re.IGNORECASE
)
"""What is said beside the thing that must be avoided: when, for whom, why."""

_ANY = frozenset({"treatment", "therapy", "drug", "medicine", "test", "management"})
"""Words that name nothing in particular."""

_AFTER = re.compile(
    r"\b(?:contraindicated|harmful|ruled out|unnecessary"
    r"|(?:not|never) (?:be )?(?:indicated|needed|given|used))\b",
    re.IGNORECASE,
)


GRAVE = 3
"""Harm that a veto stands on."""


def _not_avoided(scenario: Scenario, final: Event | None) -> list[float]:
    """The harm of each thing to be avoided that a sentence of the plan names and does not advise against."""
    said = said_in(_parts(final)) if final else []
    return [
        a.harm
        for a in scenario.plan.avoid
        if any(_advised(s, words) for words in _avoided(scenario, a.item) for s in said)
    ]


def _harm(harms: Sequence[float], final: Event | None) -> Mark:
    return Mark(sum(harms), 1, (final.n,) if final and harms else ())


@lru_cache(maxsize=4096)
def _avoided(scenario: Scenario, item: str) -> tuple[frozenset[str], ...]:
    """The telling words of each thing that an item names, without what stands beside it; with that, where the
    thing is any treatment, or the authors' own plan has it at another time or for another reason."""
    bare, plan = _BESIDE.sub("", item).strip(), scenario.plan
    things = [words for part in re.split(r"\bor\b|,|/", bare) if (words := telling(part))]
    own = telling(" ".join((*plan.immediate, *plan.investigations, *plan.treatment, *plan.referral)))
    return tuple(words for words in things if not words <= own | _ANY) or (telling(item),)


def _advised(said: Said, words: frozenset[str]) -> bool:
    """Whether a sentence names a thing with no word against it, before it or behind."""
    if not words or not words <= said.words:
        return False
    tokens = said.text.split()
    first = next((n for n, token in enumerate(tokens) if telling(token) & words), 0)
    return not AGAINST.search(" ".join(tokens[max(0, first - 8) : first])) and not _AFTER.search(said.text)


def _safety_net(acts: dict[str, int], final: Event | None) -> Mark:
    if "safety_net" in acts:
        return Mark(1, 1, (acts["safety_net"],))
    planned = final and isinstance(final.what, Diagnose) and final.what.plan.safety_net
    return Mark(1, 1, (final.n,)) if final and planned else Mark(0)


def _talk(acts: dict[str, int], asked: dict[str, int]) -> Mark:
    done = {**{a: acts[a] for a in GOOD if a in acts}, **{a: asked[a] for a in ASKED if a in asked}}
    bad = [acts[a] for a in BAD if a in acts]
    value = len(done) / (len(GOOD) + len(ASKED)) / 2 ** len(bad)
    return Mark(value, len(GOOD) + len(ASKED), (*done.values(), *bad))


def _repeats(heard: list[tuple[int, Heard]]) -> Mark:
    seen: set[tuple[str, str | None, str | None]] = set()
    again: list[int] = []
    for n, h in heard:
        for probe in h.probes:
            key = (probe.intent, probe.concept, probe.slot)
            if key in seen and probe.concept:
                again.append(n)
            seen.add(key)
    return Mark(len(again), 1, tuple(dict.fromkeys(again)))


def _goals(scenario: Scenario, trajectory: Trajectory) -> Mark:
    whole = sum(g.points for g in scenario.goals)
    met = trajectory.verdict.goals_met if trajectory.verdict else ()
    got = sum(g.points for g in scenario.goals if g.id in met)
    return Mark(got / whole if whole else None, whole)


def _checklist(scenario: Scenario, trajectory: Trajectory) -> Mark:
    whole = sum(item.points for item in scenario.checklist)
    met = met_items(scenario, trajectory) if whole else ()
    got = sum(item.points for item in scenario.checklist if item.id in met)
    return Mark(got / whole if whole else None, whole)
