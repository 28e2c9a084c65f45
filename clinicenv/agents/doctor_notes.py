"""What the scripted doctor has learnt so far, rebuilt from its view at every turn."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from clinicenv.agents.doctor_lines import EVASIVE, PUZZLED, VIEWS, asked_in
from clinicenv.agents.doctor_reports import looks_abnormal, spoken_for
from clinicenv.clinic import catalogue
from clinicenv.clinic.differential import BANDS, SIGN_BACKGROUND, Evidence, Shown, disease, diseases, rank
from clinicenv.clinic.lexicon import descendants, label, lexicon, mentions
from clinicenv.events import ORDERS, DoorNote, Event, Report, Result, Role, Say
from clinicenv.view import DoctorView

CHILD_UNDER = 12.0
"""Years below which a parent is asked about the patient."""

NAMED, NOT_NAMED = 12.0, 0.3
"""Likelihood ratios of a disease that a report names or denies."""

_mentions = lru_cache(maxsize=4096)(mentions)


@dataclass(slots=True)
class Notes:
    """Findings by concept, tests by catalogue id, signs by their words; and what was asked and ordered."""

    age: float
    sex: str
    findings: dict[str, bool] = field(default_factory=dict)
    tests: dict[str, Shown] = field(default_factory=dict)
    signs: dict[str, bool] = field(default_factory=dict)
    named: dict[str, bool] = field(default_factory=dict)
    """diseases that a report names (True) or denies"""
    asked: set[str] = field(default_factory=set)
    ordered: set[str] = field(default_factory=set)
    """as worded, and ids of the catalogue"""
    said: list[str] = field(default_factory=list)
    """the doctor's own lines"""
    reply: str = ""
    """the patient's last line"""
    lead: str | None = None
    """the main problem: the first symptom that was told"""
    evaded: tuple[str, ...] = ()
    """asked about in the last act, and not answered"""
    news: frozenset[str] = frozenset()
    """what the last reply affirmed"""
    told: list[str] = field(default_factory=list)
    """symptoms that the patient's own words clearly affirm"""

    @property
    def who(self) -> str:
        """How the patient is addressed: `you`, or of a child `he`, `she` or `they`."""
        return {"female": "she", "male": "he"}.get(self.sex, "they") if self.age < CHILD_UNDER else "you"

    @property
    def evidence(self) -> Evidence:
        """For the differential; in sorted order, so that sums of logs do not depend on the talk's order."""
        return Evidence(
            self.age, self.sex, dict(sorted(self.findings.items())), dict(sorted(self.tests.items()))
        )

    def present(self) -> tuple[str, ...]:
        """The symptoms that were affirmed, in the order told."""
        return tuple(c for c, there in self.findings.items() if there and c in lexicon().symptoms)

    def told_first(self) -> tuple[str, ...]:
        """What the patient told, in the order told but for the main problem, which comes first."""
        return tuple(sorted(self.told, key=lambda c: c != self.lead))

    def ranked(self) -> list[tuple[str, float]]:
        """All diseases with their probability, best first: findings, tests, signs and what reports name."""
        key = (
            (self.age, self.sex),
            tuple(sorted(self.findings.items())),
            tuple(sorted(self.tests.items(), key=str)),
            tuple(sorted(self.signs.items())),
            tuple(sorted(self.named.items())),
        )
        return list(_ranked(*key))


@lru_cache(maxsize=4096)
def _ranked(
    who: tuple[float, str],
    findings: tuple[tuple[str, bool], ...],
    tests: tuple[tuple[str, Shown], ...],
    signs: tuple[tuple[str, bool], ...],
    named: tuple[tuple[str, bool], ...],
) -> tuple[tuple[str, float], ...]:
    weights = dict(rank(Evidence(*who, dict(findings), dict(tests))))
    for one in diseases():
        for sign, abnormal in signs:
            band = one.signs.get(sign)
            if band:
                rate = BANDS[band]
                ratio = rate / SIGN_BACKGROUND if abnormal else (1 - rate) / (1 - SIGN_BACKGROUND)
                weights[one.name] *= ratio
    for name, affirmed in named:
        weights[name] *= NAMED if affirmed else NOT_NAMED
    total = sum(weights.values())
    return tuple(sorted(((n, w / total) for n, w in weights.items()), key=lambda pair: (-pair[1], pair[0])))


def take_notes(view: DoctorView) -> Notes:
    """All that the view's events tell, in order."""
    notes = Notes(view.age, view.sex)
    asked: tuple[str, ...] = ()
    for event in view.events:
        what = event.what
        if isinstance(what, DoorNote):
            _note(notes, _symptoms(_mentions(what.text)))
        elif isinstance(what, Report):
            for result in what.results:
                _read_result(notes, result)
        elif event.role is Role.DOCTOR:
            asked = _own(notes, event, asked)
        elif isinstance(what, Say):
            _hear(notes, what.text, asked)
            asked = ()
    return notes


def _own(notes: Notes, event: Event, asked: tuple[str, ...]) -> tuple[str, ...]:
    what = event.what
    if isinstance(what, Say):
        asked = (*asked, *asked_in(what.text))
        notes.asked.update(asked)
        notes.said.append(what.text)
    elif isinstance(what, ORDERS):
        notes.ordered.update(what.items)
        notes.ordered.update(t.id for i in what.items if (t := catalogue.find(i)))
    return asked


def _note(notes: Notes, found: Iterable[tuple[str, bool]]) -> None:
    """Once affirmed stays affirmed: people deny in passing what they told before."""
    for concept, there in found:
        notes.findings[concept] = there or notes.findings.get(concept, False)


def _symptoms(found: Mapping[str, bool]) -> Iterator[tuple[str, bool]]:
    return ((c, there) for c, there in found.items() if c in lexicon().symptoms)


def _hear(notes: Notes, text: str, asked: tuple[str, ...]) -> None:
    read, open_, declined = _understood(text, asked)
    found = dict(read)
    if not any(line in said for said in notes.said[-1:] for line in VIEWS):  # a fear is no finding
        _note(notes, found.items() if asked or not notes.said else _symptoms(found))
        _remember(notes, text, asked, found)
    if notes.lead is None:
        notes.lead = _main_problem(notes, found)
    if notes.lead and found.get(notes.lead) and notes.lead not in notes.told:
        notes.told.append(notes.lead)
    notes.reply = text
    notes.evaded = open_ if declined else ()
    notes.news = frozenset(c for c, there in found.items() if there)


def _remember(notes: Notes, text: str, asked: tuple[str, ...], found: Mapping[str, bool]) -> None:
    """What to say back to the patient: what is denied later is in doubt, and left out."""
    notes.told = [c for c in notes.told if c == notes.lead or found.get(c, True)]
    notes.told += [c for c in _clearly_told(text, asked) if c not in notes.told]


@lru_cache(maxsize=8192)
def _clearly_told(text: str, asked: tuple[str, ...]) -> tuple[str, ...]:
    """Symptoms that a reply affirms by the words of their own name, or in answer to the question about them.

    Sentences on relatives and on what makes a thing better or worse do not count, nor do wide terms such as
    `pain` that have narrower ones.
    """
    lex, told = lexicon(), list[str]()
    complaints = lex.symptoms - _TOPICS
    for sentence in _SENTENCE.findall(text):
        if _BESIDE.search(sentence):
            continue
        starts = {w[:_START] for w in _WORD.findall(sentence.lower())}
        for concept, there in mentions(sentence).items():
            narrow = concept in complaints and not lex.children.get(concept)
            if there and narrow and (concept in asked or _named_by(concept) <= starts):
                told.append(concept)
    if len(asked) == 1 and asked[0] in complaints and dict(_understood(text, asked)[0]).get(asked[0]):
        told.append(asked[0])
    return tuple(dict.fromkeys(told))


_TOPICS = frozenset({"development", "feeding", "wet_nappies"})
"""What a history asks of every child: to have it is no complaint."""

_START = 4
"""Letters that tell words apart here, whatever their ending: `dizz` for dizzy and dizziness."""
_LAY_WORDS = {"breathlessness": "brea", "falls": "fell", "syncope": "unco", "weight_loss": "weig"}
"""What names a finding where its label does not: "faint" also is a colour, and one falls asleep."""
_WORD = re.compile(r"[a-z]+")
_SENTENCE = re.compile(r"[^.!?]+[.!?]?")
_BESIDE = re.compile(
    r"\b(?:mother|father|mum|mom|dad|brother|sister|aunt|uncle|cousin|grand\w+|wife|husband|family"
    r"|daughter|worse|better|helps?|when|if)\b",
    re.IGNORECASE,
)


@lru_cache(maxsize=1024)
def _named_by(concept: str) -> frozenset[str]:
    small = {"a", "an", "the", "your", "in", "of", "on", "at", "to", "when", "feeling", "trouble"}
    if concept in _LAY_WORDS:
        return frozenset({_LAY_WORDS[concept]})
    return frozenset(w[:_START] for w in _WORD.findall(label(concept).lower()) if w not in small)


@lru_cache(maxsize=8192)
def _understood(
    text: str, asked: tuple[str, ...]
) -> tuple[tuple[tuple[str, bool], ...], tuple[str, ...], bool]:
    """Findings that a reply to questions affirms or denies, what it leaves open, and whether it declines.

    A bare "yes" or "no" is taken for the one finding that the reply does not name.
    """
    found = mentions(text)
    declined = bool(EVASIVE.search(text) or PUZZLED.search(text))
    open_ = tuple(c for c in asked if c not in found)
    word = text.split(None, 1)[0].strip(",.!").lower() if text.split() else ""
    if len(open_) == 1 and not declined and not any(found.get(c) for c in asked):
        if word in ("yes", "yeah", "yep"):
            found = {**found, open_[0]: True}
        elif word in ("no", "nope", "never") and len(asked) == 1:
            found = {**found, open_[0]: False}
    return tuple(found.items()), open_, declined


def _main_problem(notes: Notes, found: dict[str, bool]) -> str | None:
    """The first symptom told, or the one on the door note that says more closely what it is."""
    first = next((c for c, there in _symptoms(found) if there and c != "main_problem"), None)
    if first is None or first not in lexicon().children:
        return first or next(iter(notes.present()), None)
    return next((c for c in notes.present() if c in lexicon().children[first]), first)


# --- results

_NUMBER = r"\D{0,12}?(\d+(?:\.\d+)?)"
_VITALS = {
    name: re.compile(rf"{words}{_NUMBER}", re.IGNORECASE)
    for name, words in {"temp": "temperature", "spo2": "oxygen saturation", "hr": "heart rate"}.items()
}
_NOT_DONE = re.compile(r"^(?:not available|could not be|this (?:cannot|is not))", re.IGNORECASE)


def _read_result(notes: Notes, result: Result) -> None:
    if _NOT_DONE.match(result.text):
        return
    abnormal = bool(result.flags)
    if result.kind == "exam":
        notes.signs[result.item] = abnormal
        _vital_signs(notes, result)
        for concept, there in _symptoms(_mentions(result.text)):
            if abnormal or not there:  # a normal examination shows no symptom
                notes.findings.setdefault(concept, there)
        return
    test = catalogue.find(result.name) or catalogue.find(result.item)
    if test is None:
        return
    named = {n: yes for n, yes in spoken_for(result.text) if test.id in disease(n).tests}
    if result.kind == "image" or abnormal:
        notes.named.update({n: yes or notes.named.get(n, False) for n, yes in named.items()})
    if abnormal or any(named.values()):
        notes.tests[test.id] = _shown(result.flags)
    elif result.kind == "test" or not looks_abnormal(result.text):
        notes.tests[test.id] = False


def _shown(flags: tuple[str, ...]) -> Shown:
    """The side of the first value that has one: panels give their leading value first."""
    if "low" in flags or "high" in flags:
        return "low" if next(f for f in flags if f in ("low", "high")) == "low" else "high"
    return True


def _vital_signs(notes: Notes, result: Result) -> None:
    """Fever from 38 degrees, low saturation below 94 %, and whether any sign is out of range in an adult."""
    values = {n: float(m.group(1)) for n, p in _VITALS.items() if (m := p.search(result.text))}
    if not values:
        return
    temp, spo2, rate = values.get("temp"), values.get("spo2"), values.get("hr")
    if temp is not None and temp >= 38:
        notes.findings["fever"] = True
    if spo2 is not None:
        notes.tests.setdefault("pulse_oximetry", "low" if spo2 < 94 else False)
    most = 160 if notes.age < 2 else 130 if notes.age < CHILD_UNDER else 100
    out = (temp is not None and not 35 <= temp < 38) or (spo2 is not None and spo2 < 94)
    notes.signs[result.item] = bool(result.flags) or out or (rate is not None and not 50 <= rate <= most)


# --- what is no question for this patient


@lru_cache(maxsize=256)
def unfit(sex: str, age_band: int) -> frozenset[str]:
    """Findings that are not asked of a patient: by sex, and by `age_band` (see `band_of`)."""
    lex = lexicon()
    out: set[str] = set()
    if sex == "male" or age_band < 2 or age_band > 3:
        out.update(descendants(lex, "gynae_trouble"), descendants(lex, "obstetric_history"))
        out.update(("pregnancy", "contraceptive_pill", "contraception"))
    if age_band > 0:
        out.update(
            (
                *descendants(lex, "child_trouble"),
                "nursery",
                "irritability_infant",
                "rash_nappy",
                "poor_feeding",
            )
        )
    if age_band < 2:
        fit = {"contacts_ill", "travel", "nursery", "animals", "vaccination", "diet"}
        out.update(set(descendants(lex, "social")) - fit, descendants(lex, "mood_trouble"))
        out.update(
            ("sexual_history", "sexual_partners", "injecting", "hiv", "intercourse_pain", "genital_ulcer")
        )
    if age_band == 0:
        out.update(
            ("headache", "dizziness", "numbness", "tingling", "palpitations", "blurred_vision", "heartburn")
        )
        out.update(
            ("double_vision", "concentration_problem", "photophobia", "chest_pain", "confusion", "itching")
        )
    return frozenset(out - {"crying"} if age_band == 0 else out)


def band_of(age: float) -> int:
    """0 under 4 years, 1 under 12, 2 under 18, 3 under 56, else 4."""
    return sum(age >= end for end in (4, CHILD_UNDER, 18, 56))
