"""How a patient, or who speaks for it, says that there is none of something."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from clinicenv.clinic.lexicon import label, lexicon
from clinicenv.view import Script

_DENIALS = {
    "smoking": "{do} smoke",
    "alcohol": "{do} drink alcohol",
    "recreational_drugs": "{do} use any drugs",
    "injecting": "{have} injected anything",
    "medication": "{do} take any medicines",
    "pregnancy": "{am} pregnant",
    "travel": "{have} been travelling",
    "immobility": "{have} been sitting or lying still for long",
    "contacts_ill": "nobody around {me} has been ill",
    "animals": "{do} have any pets",
    "living_alone": "{do} live alone",
    "previous_episode": "{have} had this before",
    "surgery": "{have} had any operations",
    "contraceptive_pill": "{am} on the pill",
    "hospital_admission": "{have} been in hospital",
    "cancer_history": "{have} had cancer",
}
_SOCIAL_DENIABLE = frozenset(
    {"stress", "bereavement", "work_exposure", "caffeine", "domestic_abuse", "carers", *_DENIALS}
)
_NOT_YES_OR_NO = frozenset({"social", "personal_details", "perspective", "adherence", "child_trouble"})
"""Groups whose members are asked for in words, so that "no" is no answer, but for those above."""
_CHILD_DENIABLE = frozenset({"child_trouble", "irritability_infant", "crying", "rash_nappy", "poor_feeding"})
_DOING = frozenset(
    {"feeling", "looking", "passing", "getting", "leaking", "waking", "harming", "seeing", "coughing"}
    | {"vomiting", "wheezing", "drooling", "fainting", "sweating", "snoring", "itching", "crying"}
)
"""What is not had but done."""


class Speaker(NamedTuple):
    """Who speaks of whom: the patient of itself, or a parent or carer of the patient."""

    have: str
    do: str
    am: str
    subject: str
    my: str
    me: str


_SELF = Speaker("I haven't", "I don't", "I'm not", "I'm", "my", "me")
_HE = Speaker("he hasn't", "he doesn't", "he's not", "He's", "his", "him")
_SHE = Speaker("she hasn't", "she doesn't", "she's not", "She's", "her", "her")
_THEY = Speaker("they haven't", "they don't", "they're not", "They're", "their", "them")


def denials(concepts: Sequence[str], person: Speaker, *, short: bool, first: bool) -> list[str]:
    """Sentences that deny all of the concepts; `first` if they begin the reply, `short` for "No, no fever."

    What has a noun for its name is denied in one sentence; things that are done get one each.
    """
    if len(concepts) == 1 and first:
        return [_denial(concepts[0], person, short)]
    named = [f"no {_bare(c, person)}" for c in concepts if not _own_sentence(c)]
    said = [_denial(c, person, False) for c in concepts if _own_sentence(c)]
    if not named:
        return said
    listed = named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
    return [f"No, {listed}." if first else f"N{listed[1:]}.", *said]


def _own_sentence(concept: str) -> bool:
    first, *rest = label(concept).split()
    return concept in _DENIALS or first == "being" or (first in _DOING and bool(rest))


def deniable(concept: str) -> bool:
    """Whether "no" is an answer to a question about the concept."""
    entry = lexicon().concepts.get(concept)
    if entry is None or concept in _SOCIAL_DENIABLE or concept in _CHILD_DENIABLE:
        return True
    return concept not in _NOT_YES_OR_NO and entry.parent not in _NOT_YES_OR_NO


def speaker(script: Script) -> Speaker:
    """The person in whom the informant speaks of the patient."""
    return speaker_of(script.informant, script.identity.sex, script.identity.pronouns)


@lru_cache(maxsize=64)
def speaker_of(informant: str, sex: str, pronouns: str | None = None) -> Speaker:
    """As `speaker`, of what decides it."""
    if informant in ("self", "interpreter"):
        return _SELF
    pronoun = (pronouns or {"female": "she", "male": "he"}.get(sex, "they")).lower()
    return _HE if pronoun.startswith("he") else _SHE if pronoun.startswith("she") else _THEY


@lru_cache(maxsize=4096)
def _bare(concept: str, person: Speaker) -> str:
    """The concept's label without an article, in the speaker's person."""
    words = label(concept).split()
    if words[0] in ("a", "an", "the") and len(words) > 1:
        words = words[1:]
    return " ".join(in_person(w, person) for w in words)


def in_person(word: str, person: Speaker) -> str:
    """`your`, `you` and `yourself` as the speaker says them; other words stay."""
    if word == "yourself":
        return "myself" if person is _SELF else f"{person.me}self" if person.me != "them" else "themselves"
    return person.my if word == "your" else person.me if word == "you" else word


@lru_cache(maxsize=4096)
def _denial(concept: str, person: Speaker, short: bool) -> str:
    special = _DENIALS.get(concept)
    if special:
        return f"No, {special.format(**person._asdict())}."
    first, *rest = label(concept).split()
    bare = _bare(concept, person)
    if first == "being":
        return f"No, {person.am} {bare.partition(' ')[2]}."
    if first in _DOING and rest:
        return f"No, {person.have} been {bare}."
    if person is _SELF and short:
        return f"No, no {bare}."
    return f"No, {person.have} had {first if first in ('a', 'an') else 'any'} {bare}."
