"""The objective half of an AgentClinic case: vital signs, examination findings and test results."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal, cast

from clinicenv.importers.fields import Ids, human, leaves, simple, text_of
from clinicenv.importers.prose import Answer
from clinicenv.workup import Component, Finding, Flag, Measured, Range, Test, Vital

Category = Literal["lab", "ecg", "imaging", "micro", "path", "bedside", "procedure"]

_VITALS = {
    "temperature": "temp", "body_temperature": "temp", "blood_pressure": "bp",
    "heart_rate": "hr", "pulse": "hr", "pulse_rate": "hr", "respiratory_rate": "rr", "respirations": "rr",
    "oxygen_saturation": "spo2", "so2": "spo2", "spo2": "spo2",
}  # fmt: skip

_GENERIC = frozenset({
    "finding", "findings", "result", "results", "report", "level", "interpretation", "comments",
    "observation", "analysis", "value", "overall",
})  # fmt: skip
"""Keys that say no more than `here it is`."""

_GROUP = re.compile(
    r"^(?:(?:additional|other|special|basic|screening|assessment|diagnostic|further|head) )?"
    r"(?:imaging|imaging results|imaging studies|imaging and other tests|tests?|tools|x rays|"
    r"(?:blood|lab|laboratory) (?:tests?|work|results|studies|investigations))$"
)
_LABS = re.compile(r"blood|\blab|serum|screening tests|assessment")

_SYSTEMS = (
    (r"neuro|mental status|cranial|positional", "neurological"),
    (r"cardiopulmonary", "cardiorespiratory"),
    (r"cardi|heart", "cardiovascular"),
    (r"respirat|pulmon|lung|chest", "respiratory"),
    (r"abdom", "abdominal"),
    (r"derm|skin", "skin"),
    (r"ophthalm|eye", "eyes"),
    (r"\bent\b|\bears?\b|audiolog|oral|throat|nose", "ent"),
    (r"musculo|joint|knee|shoulder|extremit|hand|leg|hip|spine|back|foot", "musculoskeletal"),
    (r"pelvi|genit|obstet|gyn|vagin|rect", "genitourinary"),
    (r"general|appearance|growth|remainder|^examination$", "general"),
)
_INTIMATE = re.compile(r"pelvi|genit|vagin|rect|breast|speculum|bimanual|scrot|penis|penile")
_NORMAL = re.compile(
    r"^(?:no\b|not\b|non|normal|within normal|intact|clear|unremarkable|without|negative|regular|soft|"
    r"symmetric|physiologic|alert|full range|full strength|5/5|nothing|appears normal|"
    r"bowel sounds (?:present|normal))|"
    r"\b(?:normal|intact|unremarkable|non-?tender)\b",
    re.I,
)
_DENIAL = re.compile(r"^(?:no|not|without|negative)\b", re.I)

_CATEGORIES: tuple[tuple[str, Category], ...] = (
    (r"electrocardio|\becg\b|\bekg\b|holter", "ecg"),
    (
        r"x ?rays?\b|radiogra|\bct\b|\bmri\b|ultraso|echocardio|imaging|mammogra|doppler|angiogra|pyelogra|"
        r"barium|\bscan\b|fluorosc",
        "imaging",
    ),
    (r"biops|histolog|histopath|cytolog|aspirate\b|immunofluor|patholog", "path"),
    (
        r"cultur|gram stain|serolog|stool|swab|\bpcr\b|elisa|\bst[id]\b|torch|tuberculin|scraping|infectious|"
        r"antigen|syphilis|\bhiv\b",
        "micro",
    ),
    (
        r"scopy|puncture|arthrocentesis|aspiration|electromyo|nerve conduction|polysomno|electroenceph",
        "procedure",
    ),
    (
        r"audiolog|audiometr|hearing|vital sign|spirometr|pulmonary function|manoeuvre|maneuver|screening|"
        r"checklist|diary|assessment|evaluation|vestibular|autonomic|consult|blood pressure|suggestion",
        "bedside",
    ),
)  # fmt: skip
_PRICE: dict[Category, tuple[float, int, int]] = {
    "lab": (20, 60, 1), "ecg": (25, 10, 0), "imaging": (200, 60, 0), "micro": (50, 1440, 1),
    "path": (300, 2880, 2), "bedside": (10, 15, 0), "procedure": (400, 120, 2),
}  # fmt: skip
"""Cost, minutes and invasiveness of a category: orders of magnitude, the source has none."""

_ALIASES = (
    (r"^complete blood count$|^cbc\b", ("CBC", "full blood count", "FBC")),
    (r"^liver function", ("LFT", "LFTs")),
    (r"^thyroid function", ("TFT", "TFTs")),
    (r"^electrocardiogram$", ("ECG", "EKG")),
    (r"^electroencephalogram$", ("EEG",)),
    (r"^urinalysis$|^urine analysis$", ("urine dipstick",)),
    (r"^chest x ?ray$|^chest radiograph$", ("CXR",)),
    (r"^erythrocyte sedimentation rate$", ("ESR",)),
)


# Vital signs -------------------------------------------------------------------------------------


def vitals(given: Any) -> dict[str, Vital]:
    """Vital signs by their usual short names; values as written."""
    if not isinstance(given, dict):
        text = "; ".join(text for _, text in leaves(given))
        return {"vital_signs": Vital(value=text)} if text else {}
    found: dict[str, Vital] = {}
    ids = Ids()
    for key, value in given.items():
        found[ids.new(_vital_name(key, found))] = _vital(value)
    return {name: vital for name, vital in found.items() if vital.value != ""}


def _vital_name(key: str, taken: dict[str, Vital]) -> str:
    plain = simple(key).replace(" ", "_")
    name = _VITALS.get(plain)
    if name is None and plain.startswith("blood_pressure_"):
        name = "bp"
    return plain if name is None or name in taken else name


def _vital(value: Any) -> Vital:
    if isinstance(value, (dict, list)):
        parts = [" ".join((*map(human, path), text)).strip() for path, text in leaves(value)]
        return Vital(value="; ".join(parts))
    if isinstance(value, bool) or value is None:
        return Vital(value="" if value is None else text_of(value))
    return Vital(value=value) if isinstance(value, (int, float)) else Vital(value=text_of(value))


# Examination -------------------------------------------------------------------------------------


def findings(given: dict[str, Any]) -> Iterator[Finding]:
    """One finding for each text of the examinations."""
    ids = Ids()
    for key, value in given.items():
        for path, text in leaves(value):
            inner = [human(p) for p in path]
            names = " ".join(simple(p) for p in (key, *path))
            yield Finding(
                id=ids.new("_".join((key, *path))),
                system=_system(simple(key)),
                manoeuvre=": ".join(inner).lower() if inner else human(key).lower(),
                aliases=tuple(dict.fromkeys((human(key), *(p for p in inner if simple(p) not in _GENERIC)))),
                text=text,
                abnormal=not _is_normal(text),
                chaperone=bool(_INTIMATE.search(names)),
            )


def _system(name: str) -> str:
    for pattern, system in _SYSTEMS:
        if re.search(pattern, name):
            return system
    return re.sub(r" (?:examination|exam|findings|assessment|system)$", "", name) or "general"


def _is_normal(text: str) -> bool:
    """Whether every clause says so; what is listed after a `no` is denied with it."""
    for part in re.split(r"[.;]|\bbut\b|\bexcept\b|\bwith\b(?! no)", text):
        denied = False
        for clause in filter(None, (c.strip() for c in part.split(","))):
            denied = denied or bool(_DENIAL.match(clause))
            if not denied and not _NORMAL.search(clause):
                return False
    return True


# Tests -------------------------------------------------------------------------------------------


def tests(given: dict[str, Any], answer: Answer) -> list[Test]:
    """The tests: a group such as `Imaging` is taken apart, a panel stays one test with components."""
    ids = Ids()
    found = [_test(name, value, ids, answer) for name, value in _separate(given)]
    return _unambiguous([t for t in found if t])


def _separate(given: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Name and value of each test. Texts beside each other in a group of laboratory tests stay together."""
    for key, value in given.items():
        if not (isinstance(value, dict) and _GROUP.match(simple(key))):
            yield key, value
            continue
        together: dict[str, Any] = {}
        for name, inner in value.items():
            if simple(name) in _GENERIC or (not isinstance(inner, dict) and _LABS.search(simple(key))):
                together[name] = inner
            else:
                yield name, inner
        if together:
            yield key, together


def _test(key: str, value: Any, ids: Ids, answer: Answer) -> Test | None:
    texts = list(leaves(value))
    if not texts:
        return None
    lines = [(_line_name(path), text) for path, text in texts]
    name = human(key)
    category = _category(simple(key))
    cost, minutes, invasiveness = _PRICE[category]
    aliases: list[str] = [a for pattern, names in _ALIASES if re.search(pattern, simple(key)) for a in names]
    single = len(lines) == 1 and not lines[0][0]
    if category == "lab" and not re.search(r"urin|stool|csf|fluid", simple(key)):
        aliases += [line for line, _ in lines if line]
    elif category == "path":
        aliases += [f"{line} {name.lower()}" for line, _ in lines if line]
    return Test(
        id=ids.new(key),
        name=name,
        aliases=tuple(dict.fromkeys(a for a in aliases if simple(a) != simple(name))),
        category=category,
        result=measured(lines[0][1]) if single else None,
        components=()
        if single
        else tuple(
            _component(_line_name(path) or human(path[-1] if path else "Result"), text)
            for path, text in texts
        ),
        cost=cost,
        minutes=minutes,
        invasiveness=invasiveness,
        report_reveals=answer.named_in(name, *(t for line in lines for t in line)),
    )


def _line_name(path: Sequence[str]) -> str:
    return ": ".join(human(p) for p in path if simple(p) not in _GENERIC)


def _component(name: str, text: str) -> Component:
    m = measured(text)
    return Component(name=name, value=m.value, unit=m.unit, ref=m.ref, flag=m.flag, text=m.text)


def _category(name: str) -> Category:
    return next((category for pattern, category in _CATEGORIES if re.search(pattern, name)), "lab")


def _unambiguous(found: list[Test]) -> list[Test]:
    """Takes away aliases that are another test's name or alias: the first test that has it keeps it."""
    names = {simple(t.name) for t in found}
    result = []
    for test in found:
        kept = tuple(a for a in test.aliases if simple(a) not in names)
        names.update(map(simple, kept))
        result.append(test.model_copy(update={"aliases": kept}))
    return result


# Values ------------------------------------------------------------------------------------------

_NUMBER = r"-?\d{1,9}(?:,\d{3}){0,3}(?:\.\d{1,9})?"
_UNIT = (
    r"%|/(?:HPF|hpf|[a-zμµ]*[LlMm]\w*[\^³]?\d?)|[a-zA-Zμµ]{1,6}(?: cells)?/\s?[a-zA-Zμµ\d.]{1,6}[\^³]?\d?|"
    r"cells/m+3|mm ?Hg|cm H2O|copies/mL|mEq/L|U/L|fL|pg|seconds|second|secs?|s|min|minutes|hours|"
    r"mL|cm|mm|kg|°C"
)
_VALUE = re.compile(rf"^(?P<number>{_NUMBER})\s*(?P<unit>{_UNIT})?(?:\s*\((?P<note>[^()]*)\))?$")
_REF = re.compile(
    rf"^(?:normal|reference)(?: range)?:?\s*"
    rf"(?P<low>{_NUMBER})\s*(?:-|–|to)\s*(?P<high>{_NUMBER})\s*(?P<unit>.*)$"
)
_FLAGS: dict[str, Flag] = {
    **dict.fromkeys(("elevated", "high", "increased", "raised", "prolonged"), "high"),
    **dict.fromkeys(("low", "decreased", "reduced"), "low"),
    **dict.fromkeys(("normal", "within normal limits", "within normal range", "negative"), "normal"),
    **dict.fromkeys(("abnormal", "positive", "present"), "abnormal"),
}  # fmt: skip


def measured(text: str) -> Measured:
    """`10.2 g/dL (low)` as value, unit and flag; what is not clearly a number with a unit stays text."""
    found = _VALUE.match(text)
    if found:
        value, unit, note = _number(found["number"]), found["unit"] or "", found["note"]
        if note is None:
            return Measured(value=value, unit=unit)
        if note.casefold() in _FLAGS:
            return Measured(value=value, unit=unit, flag=_FLAGS[note.casefold()])
        if (ref := _REF.match(note)) and ref["unit"] in (unit, ""):
            low, high = _number(ref["low"]), _number(ref["high"])
            flag = "low" if value < low else "high" if value > high else "normal"
            return Measured(value=value, unit=unit, ref=Range(low=low, high=high), flag=cast(Flag, flag))
    return Measured(text=text, flag=_flag_of(text))


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def _flag_of(text: str) -> Flag | None:
    """The flag that a text names by itself or in closing brackets: `>50 (markedly low)`."""
    named = re.search(r"\(([^()]*)\)$", text)
    plain = re.sub(
        r"^(?:slightly|mildly|moderately|markedly|severely)\s+", "", (named[1] if named else text).casefold()
    )
    return _FLAGS.get(plain.rstrip(". "))
