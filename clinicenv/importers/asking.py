"""Questions that ask for a concept: how a sentence that names it in passing is reached."""

from clinicenv.agents.doctor_lines import addressed, question
from clinicenv.clinic.lexicon import label, parent

_QUESTIONS = {
    "adherence": "Do you take your medicines as prescribed?",
    "education": "Did you go to college?",
    "hobbies": "What are your hobbies?",
    "living_alone": "Do you live alone?",
    "relationship": "Are you in a relationship?",
    "sport": "Do you play any sport?",
}
_MEDICINES = frozenset(("history", "medication"))


def asked_for(concept: str, who: str) -> tuple[str, ...]:
    """The wordings in which a doctor asks for a concept; `who` is `you`, or `he`, `she`, `they` of a child.

    Empty where no natural question is known.
    """
    if concept in _QUESTIONS:
        return (addressed(_QUESTIONS[concept], who),)
    wordings = tuple(dict.fromkeys(question(concept, who, tenth / 10) for tenth in (0, 4, 9)))
    if not any("noticed" in w or " had " in w for w in wordings):
        return wordings
    group = parent(concept)
    if group in _MEDICINES:
        return (addressed(f"Do you take {label(concept)}?", who),)
    return () if group in ("social", "personal_details", "perspective") else wordings
