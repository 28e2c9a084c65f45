"""What the scripted doctor asks, examines and orders next, by its differential."""

from functools import lru_cache

from clinicenv.agents.doctor_notes import Notes
from clinicenv.clinic.catalogue import CatalogueTest, catalogue, find
from clinicenv.clinic.differential import BANDS, Evidence, Shown, disease, next_findings, next_tests

SURE = 0.95
"""The posterior at which the scripted doctor confirms and stops."""

DANGER = 0.02
"""The posterior from which a disease that must not be missed gets its own test."""


def worth_asking(notes: Notes, barred: frozenset[str]) -> list[str]:
    """The three findings that tell most, of those not asked yet and not `barred`: a history is taken whole,
    however clear the case may seem."""
    return list(
        _next_findings(
            (notes.age, notes.sex),
            tuple(sorted(notes.findings.items())),
            tuple(sorted(notes.tests.items(), key=str)),
            frozenset(notes.asked | barred),
        )
    )


@lru_cache(maxsize=4096)
def _next_findings(
    who: tuple[float, str],
    findings: tuple[tuple[str, bool], ...],
    tests: tuple[tuple[str, Shown], ...],
    asked: frozenset[str],
) -> tuple[str, ...]:
    return tuple(next_findings(Evidence(*who, dict(findings), dict(tests)), 3, asked, least=0.0))


def telling_signs(notes: Notes, most: int) -> list[str]:
    """The examinations that the likely diseases would show most of."""
    worth: dict[str, float] = {}
    for name, probability in notes.ranked()[:8]:
        for sign, band in disease(name).signs.items():
            worth[sign] = worth.get(sign, 0.0) + probability * BANDS[band]
    worth.pop("vital signs", None)
    return sorted(worth, key=lambda sign: (-worth[sign], sign))[:most]


def _proposed(notes: Notes, most: int) -> list[CatalogueTest]:
    names = next_tests(notes.evidence, most, notes.ordered)
    return [test for name in names if (test := find(name))]


def basic_tests(notes: Notes) -> list[CatalogueTest]:
    """Blood and bedside tests and the ECG, the most telling for their cost."""
    simple = [
        t for t in _proposed(notes, 12) if t.category in ("lab", "bedside", "ecg") and t.invasiveness == 0
    ]
    return simple[:4]


def telling_tests(notes: Notes) -> list[CatalogueTest]:
    """The best tests for the favourite and for the likeliest danger, and the most telling for its cost.

    Where the favourite is all but sure, one test to confirm it, or else to rule out the worst. Invasive ones,
    which may be the treatment itself, come only after the favourite's best test that is not invasive.
    """
    ranked = notes.ranked()
    if ranked[0][1] > SURE:
        worst = next((n for n, _ in ranked[1:] if disease(n).must_not_miss), ranked[0][0])
        confirming = best_tests(ranked[0][0], notes, invasive=1)
        return (confirming or best_tests(worst, notes, invasive=1))[:1]
    limit = 2 if looked_into(ranked[0][0], notes) else 1
    wanted = best_tests(ranked[0][0], notes, invasive=limit)[:2]
    danger = next((n for n, p in ranked[1:] if p > DANGER and disease(n).must_not_miss), None)
    if danger:
        wanted += best_tests(danger, notes, invasive=1)[:1]
    wanted += [t for t in _proposed(notes, 2) if t.invasiveness <= limit]
    return list({t.id: t for t in wanted}.values())[:4]


def best_tests(name: str, notes: Notes, invasive: int) -> list[CatalogueTest]:
    """The disease's tests that were not ordered, up to that invasiveness, by sensitivity plus specificity."""
    return [
        t
        for t in _by_worth(name)
        if t.invasiveness <= invasive and t.id not in notes.ordered and t.id not in notes.tests
    ]


def _by_worth(name: str) -> list[CatalogueTest]:
    known = disease(name).tests
    best = sorted(known, key=lambda t: (-known[t].sensitivity - known[t].specificity, t))
    return [catalogue()[t] for t in best]


def looked_into(name: str, notes: Notes) -> bool:
    """Whether the disease's best test that is not invasive was done, or it has none."""
    best = next((t.id for t in _by_worth(name) if t.invasiveness <= 1), None)
    return best is None or best in notes.ordered or best in notes.tests
