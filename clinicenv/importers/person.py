"""Who a text speaks of: age and sex."""

import re

from clinicenv.importers.prose import Sex

_YEARS = {"year": 1.0, "month": 1 / 12, "week": 7 / 365.25, "day": 1 / 365.25, "hour": 1 / 8766}


def age_in(text: str) -> float | None:
    """The first age in a text, in years; None where it gives none."""
    found = re.search(r"(\d{1,3}(?:\.\d+)?)[\s-]*(year|month|week|day|hour)s?[\s-]*old", text, re.I)
    if found:
        return round(float(found[1]) * _YEARS[found[2].lower()], 3)
    return 0.0 if re.search(r"newborn|neonate|post delivery", text, re.I) else None


def sex_in(text: str) -> Sex | None:
    """The sex that a text speaks of: by the first noun, else by the more frequent pronoun."""
    nouns = re.search(r"\b(?:(female|woman|girl|lady)|(male|man|boy|gentleman))\b", text[:80], re.I)
    if nouns:
        return "female" if nouns[1] else "male"
    she, he = (len(re.findall(p, text, re.I)) for p in (r"\b(?:she|her)\b", r"\b(?:he|his|him)\b"))
    return None if she == he else "female" if she > he else "male"
