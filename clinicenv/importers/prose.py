"""Sentences of a case: splitting them, putting them in the first person, finding the answer's name."""

import re
import unicodedata
from typing import Literal

Sex = Literal["female", "male", "unknown"]

_BREAK = re.compile(r"(?<=[.!?])['\"”’)]*\s+(?=[\"'“‘(]?[A-Z0-9])")
_ABBREVIATED = re.compile(r"(?:\b(?:Dr|Mr|Mrs|Ms|St|vs|e\.g|i\.e|approx|No)|\b[A-Z])\.$")


def sentences(text: str) -> list[str]:
    """The sentences of a text, whitespace made plain; nothing is lost but the blanks between them."""
    text = " ".join(text.split())
    found: list[str] = []
    start = 0
    for gap in _BREAK.finditer(text):
        if _ABBREVIATED.search(text[start : gap.start()]):
            continue
        found.append(text[start : gap.end()].strip())
        start = gap.end()
    rest = text[start:].strip()
    return [*found, rest] if rest else found


# Into the first person ---------------------------------------------------------------------------

_PEOPLE = {
    "male": "father|dad|brother|son|uncle|grandfather|boyfriend|husband|man|boy|male",
    "female": "mother|mom|sister|daughter|aunt|grandmother|girlfriend|wife|woman|girl|female",
}
_PEOPLE["unknown"] = f"{_PEOPLE['male']}|{_PEOPLE['female']}"
_ANYBODY = (
    "parent|child|children|baby|infant|newborn|fetus|sibling|partner|roommate|friend|player|"
    "teacher|doctor|physician|provider|cousin|relative|member|mr|mrs|ms"
)
"""One person, for whom `he` or `she` may stand; `parents` and `family` are `they`."""
_SUBJECT = r"^(?:the patient|patient|he|she)\s+"
_ADVERB = r"(?:(?:also|now|often|still|never|just|always|sometimes|further|[a-z]+ly)\s+)?"
_PRONOUN = {"male": r"\b(?:he|him|his|himself)\b", "female": r"\b(?:she|her|hers|herself)\b"}
_PRONOUN["unknown"] = r"\b(?:he|him|his|himself|she|her|hers|herself)\b"
_AFTER_OBJECT = "she|he|I|in|by|to|with|from|for|and|or|at|on|as|about|during|because|when"
_HER_OBJECT = rf"\bher(?=\s*(?:$|[.,;:)]|(?:{_AFTER_OBJECT})\b))"
_VERBS = (
    "reports|denies|notes|mentions|describes|states|recalls|experiences|works|takes|drinks|smokes|lives|has|is|"
    "presents|complains|feels|uses|does|consumes|enjoys|admits|remembers|believes|finds|plays|attends|tries|wakes|"
    "thinks|says|suffers|sleeps|eats|exercises|travels|needs|wants|gets|goes|seeks|cites"
)
_THEN = rf"\b(?:and|but|or)\s+{_ADVERB}|[,;]\s+{_ADVERB}"
_CONJUNCT = rf"({_THEN})({_VERBS})\b"
_STATED = r"(?:reports|mentions|notes|states|adds|says|recalls)\s+(?:that\s+|(?=(?:he|she)\b))"
_HAS = r"(?:reports|presents with|complains of|mentions|notes)\s+"
_HAS += r"(?=(?:an?|several|increas\w+|recent|occasional|severe)\b)"


_RELATIVE = r"(?:mother|father|parents?|caregiver|family|wife|husband|brother|sister)"
_TELLS = (
    r"(?:reports?|notes?|states?|mentions?|says?|describes?|recalls?|believes?|denies|deny|is|are|has|have|"
    r"perceives?)\b"
)


def first_person(sentence: str, sex: Sex) -> str:
    """The sentence as the patient would say it, or as it stands where no mechanical change is safe.

    Safe means: the patient is the subject, and no third-person pronoun can stand for somebody else.
    """
    others = re.search(rf"\b(?:{_PEOPLE[sex]}|{_ANYBODY})\b", sentence, re.I)
    if others and re.search(_PRONOUN[sex], sentence[others.start() :], re.I):
        return sentence
    said = re.sub(r"\b(?:the patient|patient)['’]s\b", "my", sentence, flags=re.I)
    said = re.sub(rf"^(?:the\s+)?({_RELATIVE})(?=\s+(?:{_TELLS}))", r"My \1", said, flags=re.I)
    said = re.sub(r"^My \w+", lambda m: m[0].capitalize(), said)
    said = _denial(said) or _subject(said)
    if sex != "unknown":
        said = _pronouns(said, sex)
    if _ambiguous(said):
        return sentence
    other_sex = {"male": "female", "female": "male"}.get(sex, sex)
    left = rf"\bpatient\b|{_PRONOUN[sex]}" + ("" if others else rf"|{_PRONOUN[other_sex]}")
    return sentence if re.search(left, said, re.I) else said[:1].upper() + said[1:]


_CHILD = r"(?:patient|infant|newborn|baby|child|boy|girl)"
_PARENT_REPORTS = re.compile(
    rf"^(?:the\s+|his\s+|her\s+|(?:the\s+)?{_CHILD}['’]s\s+)?(?P<who>mother|father|parents)\s+"
    r"(?:report|note|state|mention|say)s?\s+that\s+",
    re.I,
)


def of_child(sentence: str, sex: Sex) -> str:
    """The sentence as a parent would say it, or as it stands where the parents are mentioned in it.

    `sex` is the child's. What a parent is said to report, the parent says.
    """
    said = _reported(sentence, sex) or sentence
    if re.search(r"\b(?:parents?|mother|father|caregiver)\b", said, re.I):
        return sentence
    said = _denial(said) or said
    said = re.sub(rf"\bthe {_CHILD}\b", "my child", said, flags=re.I)
    said = re.sub(r"^Patient\b", "my child", said)
    return said[:1].upper() + said[1:]


def _reported(sentence: str, sex: Sex) -> str | None:
    """What a parent reports, as this parent would say it; None where somebody else may be meant."""
    found = _PARENT_REPORTS.match(sentence)
    if not found:
        return None
    rest, who = sentence[found.end() :], found["who"].lower()
    if who == "parents":
        return None if re.search(r"\b(?:they|them|their|we)\b", rest, re.I) else rest
    own: Sex = "female" if who == "mother" else "male"
    if not re.search(_PRONOUN[own], rest, re.I):
        return rest
    if sex in (own, "unknown") or re.search(rf"\b(?:{_PEOPLE[own]})\b", rest, re.I):
        return None
    return _pronouns(rest, own)


def is_third_person(said: str, sex: Sex, informant: Literal["self", "parent"]) -> bool:
    """Whether a line speaks about its own speaker, or of the patient as a case report does.

    A pronoun that stands for somebody else cannot be told from one for the patient and counts too.
    """
    if re.search(r"\bpatient\b", said, re.I):
        return True
    if informant == "self":
        named = rf"{_PRONOUN[sex]}|^(?:the\s+)?{_RELATIVE}\s+{_TELLS}"
    else:
        named = (
            rf"\b(?:the|his|her|{_CHILD}['’]s)\s+(?:mother|father|parents?|caregiver)\b|\bthe {_CHILD}\b|"
            rf"^(?:mother|father|parents?)\s+{_TELLS}|\bby (?:the |his |her )?(?:mother|father|parents)\b"
        )
    return bool(re.search(named, said, re.I))


def _denial(sentence: str) -> str | None:
    """`Denies fever or cough.` as `No fever or cough.`; None for other sentences and for `denies taking`."""
    found = re.match(
        rf"(?:{_SUBJECT[1:]})?{_ADVERB}denies\s+(?:having |experiencing )?(?:any )?(?!\w+ing\b|that\b)",
        sentence,
        re.I,
    )
    if not found or re.search(rf"\b(?:and|but)\s+{_ADVERB}(?:{_VERBS})\b", sentence[found.end() :]):
        return None
    return "No " + sentence[found.end() :]


def _subject(sentence: str) -> str:
    found = re.match(rf"(?:{_SUBJECT[1:]})?(?P<adverb>{_ADVERB})(?P<verb>[a-z']+)\b", sentence, re.I)
    if not found:
        return sentence
    told = re.match(_SUBJECT, sentence, re.I)
    if not told and not re.match(rf"{_ADVERB}(?:{_VERBS})\b", sentence, re.I):
        return sentence
    rest = sentence[found.start("adverb") :]
    rest = rest[:1].lower() + rest[1:]
    if clause := re.match(_STATED, rest):
        return rest[clause.end() :]
    rest = re.sub(rf"^{_HAS}", "have ", rest)
    rest = re.sub(r"^(?:reports|mentions|describes|notes) (experiencing|feeling)\b", r"have been \1", rest)
    verb = re.match(rf"({_ADVERB})([a-z']+)", rest)
    if verb:
        rest = verb[1] + plain(verb[2]) + rest[verb.end() :]
    return "I " + rest


def _pronouns(text: str, sex: Sex) -> str:
    pronoun = "he" if sex == "male" else "she"

    def subject(found: re.Match[str]) -> str:
        return f"I {found['adverb'] or ''}{plain(found['verb'])}"

    text = re.sub(
        rf"\b(?:{pronoun}|the patient)\s+(?P<adverb>{_ADVERB})(?P<verb>[a-z']+)", subject, text, flags=re.I
    )
    text = re.sub(r"\b(?:himself|herself)\b" if pronoun == "he" else r"\bherself\b", "myself", text)
    if sex == "male":
        text = re.sub(r"\bhim\b", "me", text)
        text = re.sub(r"\bhis\b", "my", text)
        text = re.sub(r"\bHis\b", "My", text)
    else:
        text = re.sub(_HER_OBJECT, "me", text)
        text = re.sub(r"\bher\b", "my", text)
        text = re.sub(r"\bHer\b", "My", text)
    return re.sub(_CONJUNCT, lambda m: f"{m[1]}{plain(m[2])}", text) if _spoken(text) else text


def _spoken(text: str) -> bool:
    return bool(re.search(r"\bI\b", text))


def _ambiguous(text: str) -> bool:
    """Whether a verb after `and` may belong to a relative clause: `pain that started and has worsened`."""
    return _spoken(text) and bool(
        re.search(rf"\b(?:that|which|who)\b.*(?:{_THEN})(?:{_VERBS}|have|am)\b", text)
    )


def plain(verb: str) -> str:
    """A verb of the third person as it follows `I`: `denies` -> `deny`."""
    irregular = {"is": "am", "has": "have", "does": "do", "was": "was", "isn't": "am not", "doesn't": "don't"}
    irregular["hasn't"] = "haven't"
    if verb in irregular:
        return irregular[verb]
    if verb.endswith("ies"):
        return verb[:-3] + "y"
    if re.search(r"(?:ss|sh|ch|x|zz|go)es$", verb):
        return verb[:-2]
    return verb[:-1] if verb.endswith("s") and not verb.endswith("ss") else verb


# The answer's name -------------------------------------------------------------------------------

_GENERIC = frozenset(("disease", "syndrome", "disorder", "infection"))
_BRACKET = re.compile(r"\s*\(([^()]*)\)")


def words(text: str) -> str:
    """Lower-case words without accents, possessive endings and punctuation, one blank between them."""
    folded = unicodedata.normalize("NFKD", text.replace("’", "'"))
    folded = "".join(c for c in folded if not unicodedata.combining(c)).casefold()
    return " ".join(re.findall(r"[^\W_]+", re.sub(r"'s\b", "", folded)))


def abbreviations(name: str) -> list[str]:
    """What stands in brackets in capitals: `Some disease (SD)` -> `SD`."""
    return [a for a in _BRACKET.findall(name) if re.fullmatch(r"[A-Z][A-Z0-9-]{1,7}", a)]


def unbracketed(name: str) -> str:
    """The name without its brackets."""
    return " ".join(_BRACKET.sub("", name).split()) or name


class Answer:
    """Finds a diagnosis in text: its full name, its abbreviation, an eponym without its `disease`."""

    def __init__(self, name: str):
        full = words(unbracketed(name))
        parts = full.split()
        while len(parts) > 1 and (parts[-1] in _GENERIC or len(parts[-1]) == 1):
            parts.pop()
        self._terms = {full, *map(words, abbreviations(name))} - {""}
        if len(parts) == 1 and len(parts[0]) > 5:
            self._terms.add(parts[0])

    def named_in(self, *texts: str) -> bool:
        """Whether any of the texts names it; capitals, accents, possessives and a plural s do not matter."""
        for text in texts:
            padded = f" {words(text)} "
            if any(f" {term} " in padded or f" {term}s " in padded for term in self._terms):
                return True
        return False
