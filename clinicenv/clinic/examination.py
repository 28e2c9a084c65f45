"""What an examination shows: the case's findings, its normal text, or nothing abnormal."""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from clinicenv.events import Result
from clinicenv.workup import Exam, Finding

NOTHING_ABNORMAL = "No abnormality found."
NOT_RECORDED = "Could not be measured."
NOT_AN_EXAMINATION = (
    "This cannot be done as an examination. Name a part of the body, a system or a manoeuvre."
)
ORDER_IT = "This is not an examination. Order it as a test or an image."

NEAR_ENOUGH = 0.6
"""Least Dice overlap of words at which an item means a finding: half of the words plus a little."""

_VITALS = {
    "hr": ("Heart rate", "pulse|pulse rate|heart rate|hr|radial pulse"),
    "bp": ("Blood pressure", "blood pressure|bp"),
    "rr": ("Respiratory rate", "respiratory rate|rr|resps|breathing rate|respirations|resp rate"),
    "temp": ("Temperature", "temperature|temp|body temperature"),
    "spo2": (
        "Oxygen saturation",
        "oxygen saturation|oxygen saturations|sats|spo2|o2 sats|o2 saturation|pulse oximetry|oximetry"
        "|oxygen level|oxygen levels|saturation|saturations|sao2",
    ),
    "pain": ("Pain score", "pain score|pain scale|pain rating"),
    "gcs": ("Glasgow coma scale", "gcs|glasgow coma scale|glasgow coma score|conscious level"),
    "weight": ("Weight", "weight|body weight"),
    "height": ("Height", "height|body height"),
    "bmi": ("Body mass index", "bmi|body mass index"),
}
_ALL_VITALS = frozenset(
    {"vitals", "vital", "vital sign", "vital signs", "observations", "obs", "basic observations", "news"}
    | {"full set of observations", "set of observations", "full set of vitals", "set of vitals", "basic obs"}
)
_VITAL_NAMES = {name: key for key, (_, names) in _VITALS.items() for name in names.split("|")}

_FILLERS = frozenset(
    {"a", "an", "the", "of", "on", "in", "at", "and", "or", "for", "to", "with", "his", "her", "their", "my"}
    | {"patient", "patients", "please", "examine", "examination", "exam", "examinations", "check", "assess"}
    | {"assessment", "perform", "physical", "do", "full", "complete", "general", "focused", "brief"}
    | {"system", "any", "both", "whole"}
)
_SAME = {
    "listen": "auscultation auscultate listening stethoscope",
    "feel": "palpation palpate palpating press pressing touch feeling tenderness tender",
    "look": "inspection inspect observe observation look looking",
    "tap": "percussion percuss percussing",
    "abdomen": "abdominal abdomen tummy belly stomach abdo gastrointestinal gi",
    "heart": "cardiovascular cardiac heart cvs cv cardio praecordium precordium",
    "lung": "respiratory lungs lung pulmonary resp",
    "neuro": "neurological neurologic neurology neuro cns nervous",
    "joint": "musculoskeletal joints joint msk locomotor",
    "skin": "skin dermatological cutaneous integument integumentary",
    "eye": "eyes eye ophthalmic ophthalmological ocular visual",
    "genital": "genital genitals genitalia genitourinary gu external",
    "gland": "lymphatic lymph nodes node glands gland lymphadenopathy",
    "mental": "psychiatric mental",
    "breast": "breast breasts",
    "thyroid": "thyroid goitre goiter",
    "calf": "calf calves",
}
_STEMS = {word: stem for stem, words in _SAME.items() for word in words.split()}
_MANOEUVRES = frozenset({"listen", "feel", "look", "tap"})

_SYSTEMS: dict[str, tuple[str, str]] = {
    "cardiovascular": (
        "heart|heart chest",
        "heart murmur jvp jugular pulse apex oedema edema capillary perfusion carotid vein calf bruit refill",
    ),
    "respiratory": ("lung|chest|lung chest", "lung chest breath trachea airway wheeze crackle"),
    "abdominal": (
        "abdomen",
        "abdomen liver spleen kidney bladder rectal rectum pr bowel groin hernia flank loin",
    ),
    "neurological": (
        "neuro",
        "neuro cranial nerve reflex power tone gait sensation coordination cerebellar plantar babinski"
        " meningeal kernig brudzinski fontanelle",
    ),
    "musculoskeletal": (
        "joint",
        "joint knee hip shoulder elbow wrist ankle finger spine back limb leg arm hand foot muscle bone rib"
        " chest wall breastbone sternum costochondral",
    ),
    "skin": ("skin", "skin rash nail hair mole palm sole turgor mucous"),
    "ent": (
        "ent|ear nose throat",
        "ent ear nose throat mouth tongue tonsil sinu teeth oral eardrum otoscopy lip",
    ),
    "eyes": (
        "eye",
        "eye pupil fundi fundu fundoscopy ophthalmoscopy acuity field conjunctiva sclera retina optic",
    ),
    "general": (
        "general|look|appearance|general look",
        "appearance hydration nutrition pallor jaundice build",
    ),
    "genitourinary": (
        "genital",
        "genital penis scrotum testi testicle vulva vagina vaginal pelvic cervix perineum",
    ),
    "lymphatic": ("gland", "gland axilla"),
    "breast": ("breast", "breast nipple"),
    "endocrine": ("endocrine", "thyroid endocrine"),
    "psychiatric": ("mental|mental state|mental statu", "mental mood affect cognition orientation"),
    "head and neck": ("head neck|head|neck", "head neck scalp face temple temporal jaw"),
}
"""System -> the words that mean the whole of it, and words that belong to a part of it."""

_PARTS = {name: frozenset(parts.split()) for name, (_, parts) in _SYSTEMS.items()}
_ANY_PART = frozenset().union(*_PARTS.values())
_WHOLE = {frozenset(w.split()): name for name, (whole, _) in _SYSTEMS.items() for w in whole.split("|")}
_NOT_WORDS = re.compile(r"[^a-z0-9]+")


# --- words


@lru_cache(maxsize=8192)
def plain_words(text: str) -> str:
    return _NOT_WORDS.sub(" ", text.lower().replace("'s", "")).strip()


@lru_cache(maxsize=8192)
def _tokens(text: str) -> frozenset[str]:
    """The words that matter, synonyms and plurals made one."""
    words = (w for w in plain_words(text).split() if w not in _FILLERS)
    return frozenset(_STEMS.get(w) or _STEMS.get(singular(w), singular(w)) for w in words)


def singular(word: str) -> str:
    if word.endswith(("xes", "shes", "ches", "uses")):
        return word[:-2]
    return (
        word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word
    )


# --- examinations


def examine(item: str, exam: Exam, is_test: Callable[[str], bool]) -> Result:
    plain, tokens = plain_words(item), _tokens(item)
    vitals = _vitals(item, exam)
    if vitals:
        return vitals
    exact = _exact(plain, tokens, exam.findings)
    systems = _whole_systems(plain, tokens)
    if systems:
        swept = [f for f in exam.findings if f in exact or _system(f.system) in systems]
        return _shown(item, swept) if swept else _normal(item, exam, systems[0], named=False)
    if exact:
        return _shown(item, exact)
    if is_test(item):
        return Result(item, titled(item), ORDER_IT, "exam", source="unknown")
    part = _part_of(tokens)
    near = _nearest(tokens, [f for f in exam.findings if _fits(f, tokens & _MANOEUVRES)])
    if near is None and not (part and _written(exam, part)):
        near = _nearest(tokens, exam.findings)
    if near:
        return _shown(item, [near])
    if part:
        return _normal(item, exam, part, named=True)
    known = plain in _VITAL_NAMES
    text = NOT_RECORDED if known else NOT_AN_EXAMINATION
    return Result(item, titled(item), text, "exam", source="unavailable" if known else "unknown")


def _whole_systems(plain: str, tokens: frozenset[str]) -> list[str]:
    """The systems that are named as a whole, and nothing else with them: "heart and lungs" are two."""
    if plain.startswith("general") and len(tokens) < 2:
        return ["general"]
    if tokens in _WHOLE:
        return [_WHOLE[tokens]]
    each = [_WHOLE.get(frozenset({t})) for t in sorted(tokens)]
    return [name for name in each if name] if all(each) and tokens.isdisjoint(_MANOEUVRES) else []


def _part_of(tokens: frozenset[str]) -> str | None:
    """The system that most words belong to; the first of equals. Pressing on a chest tests its wall."""
    if {"chest", "feel"} <= tokens:
        return "musculoskeletal"
    shared = {name: len(tokens & parts) for name, parts in _PARTS.items()}
    best = max(shared, key=lambda name: shared[name])
    return best if shared[best] else None


def bedside(item: str, exam: Exam) -> Result | None:
    """What was ordered as a test and is a vital sign or a finding by its name."""
    return _vitals(item, exam) or _exactly(item, exam)


def _exactly(item: str, exam: Exam) -> Result | None:
    """An examination that was ordered as a test by one of its names."""
    found = _exact(plain_words(item), _tokens(item), exam.findings)
    return _shown(item, found) if found else None


def _vitals(item: str, exam: Exam) -> Result | None:
    plain = " ".join(
        w for w in plain_words(item).split() if w not in ("check", "measure", "take", "the", "his", "her")
    )
    if plain in _ALL_VITALS:
        names = tuple(exam.vitals)
        text = "; ".join(_vital(name, exam) for name in names) or NOT_RECORDED
        return Result(item, "Vital signs", text, "exam", ("vitals", *names) if names else (), minutes=2)
    name = _VITAL_NAMES.get(plain)
    if name is None or (name not in exam.vitals and name in ("weight", "height", "bmi")):
        return None
    if name not in exam.vitals:
        return Result(item, _VITALS[name][0], NOT_RECORDED, "exam", source="unavailable", minutes=1)
    return Result(item, _VITALS[name][0], _vital(name, exam), "exam", (name,), minutes=1)


def _vital(name: str, exam: Exam) -> str:
    vital = exam.vitals[name]
    label = _VITALS[name][0] if name in _VITALS else name.replace("_", " ").capitalize()
    return f"{label} {with_unit(vital.value, vital.unit)}"


@lru_cache(maxsize=512)
def _system(name: str) -> str:
    """Our name of a system as a scenario calls it; its own where we have none."""
    return _WHOLE.get(_tokens(name), plain_words(name))


def _names(finding: Finding, with_system: bool = True) -> Iterator[str]:
    yield finding.id
    yield from finding.aliases
    yield finding.manoeuvre
    if finding.site:
        yield finding.site
        yield f"{finding.manoeuvre} {finding.site}"
    if with_system:
        yield f"{finding.manoeuvre} {finding.system}"


def _manoeuvres(finding: Finding) -> frozenset[str]:
    return frozenset().union(*map(_tokens, (finding.manoeuvre, *finding.aliases))) & _MANOEUVRES


def _fits(finding: Finding, asked: frozenset[str]) -> bool:
    """Whether these manoeuvres show the finding: pressing shows nothing that is heard."""
    own = _manoeuvres(finding)
    return not asked or not own or bool(own & asked)


def _exact(plain: str, tokens: frozenset[str], findings: Iterable[Finding]) -> list[Finding]:
    """Findings that have this name; by the words that matter where no name is the very same."""
    findings = tuple(findings)
    same = [f for f in findings if any(plain_words(n) == plain for n in (f.id, *f.aliases))]
    if same or not tokens:
        return same
    return [f for f in findings if any(_tokens(n) == tokens for n in _names(f))]


def _nearest(tokens: frozenset[str], findings: Iterable[Finding]) -> Finding | None:
    """The finding that shares most words, if enough of them or a part of the body.

    Where the words name a manoeuvre, a part of the body is enough only for findings of one of them.
    """
    asked = tokens & _MANOEUVRES
    best, nearest = 0.0, None
    for finding in findings:
        any_part = not asked or bool(_manoeuvres(finding) & asked)
        for name in _names(finding, with_system=not asked):
            words = _tokens(name)
            shared = words & tokens
            if not shared or shared <= _MANOEUVRES:
                continue
            score = 2 * len(shared) / (len(words) + len(tokens))
            near = score >= NEAR_ENOUGH or (any_part and not shared.isdisjoint(_ANY_PART))
            if near and score > best:
                best, nearest = score, finding
    return nearest


def titled(item: str) -> str:
    return item[:1].upper() + item[1:]


def _shown(item: str, findings: list[Finding]) -> Result:
    return Result(
        item,
        titled(item),
        " ".join(f.text for f in findings),
        "exam",
        tuple(f.id for f in findings),
        flags=tuple("abnormal" for f in findings if f.abnormal),
        minutes=sum(f.minutes for f in findings),
    )


_LABELS = {"ent": "ENT", "eyes": "Eye"}


def _written(exam: Exam, system: str) -> str | None:
    return next((t for name, t in exam.normal_text.items() if _system(name) == system), None)


def _normal(item: str, exam: Exam, system: str, named: bool) -> Result:
    """What is recorded of a system; `named` by it, where the item was about a part of it or a manoeuvre."""
    written = _written(exam, system)
    if written and named:
        written = f"{_LABELS.get(system, system.capitalize())} examination: {written}"
    return Result(
        item,
        titled(item),
        written or NOTHING_ABNORMAL,
        "exam",
        source="scenario" if written else "normal",
        route=() if written else ("normal",),
        minutes=1,
    )


# --- tests and images


def with_unit(value: float | str, unit: str) -> str:
    shown = str(value)
    if isinstance(value, float) and value.is_integer():
        shown = str(int(value))
    return f"{shown}{unit}" if unit.startswith(("/", "%")) else f"{shown} {unit}".strip()
