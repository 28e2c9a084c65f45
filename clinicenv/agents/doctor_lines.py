"""What the scripted doctor says: one question for each finding, and the lines between the questions."""

import re
from functools import cache, lru_cache

from clinicenv.clinic.differential import Management, diseases
from clinicenv.clinic.lexicon import descendants, label, lexicon
from clinicenv.draws import pick

GREETINGS = (
    "Hello, I am Dr Reed, one of the doctors here. What has brought you in today?",
    "Good morning, my name is Dr Reed and I will be looking after you. What brings you in today?",
    "Hello, nice to meet you. I am Dr Reed. How can I help today?",
)
MORE = (
    "I am sorry to hear that. Please tell me more. Is there anything else?",
    "I am sorry to hear that. Can you tell me more? Have you noticed anything else?",
)
ANYTHING_ELSE = (
    "Is there anything else you would like to add?",
    "Is there anything else that I should know?",
)
ANSWERS = (
    "I can see why you ask. It is too early to be sure, and I will explain what I find as we go.",
    "That is a good question. I will explain it as soon as we know, and we will get to the bottom of it.",
)
COMFORTS = (
    "I am sorry to hear that, it must be hard. Thank you for telling me.",
    "That sounds difficult. Thank you for telling me.",
)
CONFIDING = (
    "What you tell me stays between us. I understand that this is personal, and I ask it of many people.",
    "This is confidential and stays in this room. I understand that it may be hard to talk about.",
)
VIEWS = (
    "Do you have any ideas about what it could be? What worries you most?"
    " What were you hoping we could do today?",
    "What do you think is causing it? Is anything worrying you in particular?"
    " What were you hoping we could do today?",
)
EXAMINING = (
    "Thank you. I would like to examine you now. Is that all right?",
    "I would like to examine you and check your observations, if that is all right with you.",
)
CHILD_EXAMINING = "I would like to examine {him} now. Is that all right?"
TESTING = (
    "I would like to do some tests, because they will tell us more about the cause. Is that all right?",
    "I would like to arrange some tests now. The reason is that they help to find the cause.",
)
FAREWELLS = ("Thank you for talking with me, and take care.", "Thank you for your time. Take care, goodbye.")

EVASIVE = re.compile(r"rather not|to do with it|something else\?|don't want to|not talk about", re.IGNORECASE)
"""How people decline to answer."""
PUZZLED = re.compile(r"another way\?|(?:do|did) you mean\?|don't understand", re.IGNORECASE)
"""How people say that they did not understand."""

ABOUT_PRIVACY = re.compile(
    r"what I (?:tell|say)|tell (?:my|any|her|him|them)|who (?:will|gets|can)|private", re.IGNORECASE
)
"""Questions on who will know."""

SENSITIVE = frozenset(
    {"sexual_history", "sexual_partners", "genital_ulcer", "genital_discharge", "vaginal_discharge", "hiv"}
    | {
        "intercourse_pain",
        "recreational_drugs",
        "injecting",
        "suicidal_thoughts",
        "self_harm",
        "domestic_abuse",
    }
    | {"erectile_problem", "pregnancy", "missed_period"}
)
UPSETTING = frozenset(
    {
        "low_mood",
        "hopelessness",
        "suicidal_thoughts",
        "bereavement",
        "guilt",
        "panic",
        "domestic_abuse",
        "stress",
    }
)

_QUESTIONS = {
    "anxiety": "Have you been feeling anxious?",
    "anxiety_history": "Have you had anxiety in the past?",
    "appetite_increase": "Do you have an increased appetite?",
    "aura": "Do you get warning signs before it?",
    "confusion": "Have you been confused?",
    "contraceptive_pill": "Do you take the contraceptive pill?",
    "crying": "Have you been crying a lot?",
    "depression_history": "Have you had depression in the past?",
    "drowsiness": "Have you been drowsy?",
    "fatigue": "Have you been more tired than usual?",
    "guilt": "Do you feel guilty about anything?",
    "hopelessness": "Do you feel hopeless?",
    "infection_history": "Have you had infections in the past?",
    "jaundice": "Have your skin or eyes turned yellow?",
    "loss_of_consciousness": "Have you passed out?",
    "low_mood": "Have you been feeling low?",
    "painkillers": "Do you take any painkillers?",
    "poor_feeding": "Have you been feeding poorly?",
    "recent_antibiotics": "Have you taken any antibiotics lately?",
    "recent_illness": "Have you had a recent illness?",
    "recent_infection": "Have you had a recent infection?",
    "salt_craving": "Have you been craving salt?",
    "suicidal_thoughts": "Have you had thoughts of ending your life?",
    "urinary_retention": "Have you been unable to pass urine?",
    "bereavement": "Have you had a bereavement?",
    "cold_extremities": "Are your hands or feet cold?",
    "cold_intolerance": "Do you feel the cold more than others?",
    "family_sudden_death": "Has anyone in your family died suddenly?",
    "heat_intolerance": "Do you feel the heat?",
    "irritability_infant": "Have you been unsettled?",
    "irritability": "Have you been irritable?",
    "missed_doses": "Do you ever miss a dose?",
    "nocturnal_breathlessness": "Do you wake up breathless?",
    "nursery": "Do you go to nursery?",
    "orthopnoea": "Do you get breathless when lying flat?",
    "over_the_counter": "Do you take anything from the pharmacy?",
    "pelvic_pain": "Have you had pelvic pain?",
    "skin_lesion": "Do you have a skin lesion?",
    "urinary_frequency": "Have you been passing urine more often?",
    "work_exposure": "Have you been exposed to dust or chemicals?",
    "smoking": "Do you smoke?",
    "alcohol": "Do you drink alcohol?",
    "recreational_drugs": "Do you use any recreational drugs?",
    "occupation": "What do you do for work?",
    "home_situation": "Who do you live with?",
    "travel": "Have you travelled anywhere lately?",
    "animals": "Do you have any pets?",
    "medication": "Do you take any medicines?",
    "allergy": "Do you have any allergies?",
    "drug_allergy": "Do you have any drug allergies?",
    "past_illness": "Do you have any medical conditions?",
    "previous_episode": "Have you had this before?",
    "surgery": "Have you had any operations?",
    "family_history": "Are there any illnesses in your family?",
    "contacts_ill": "Has anyone around you been ill?",
    "sexual_partners": "Have you had any new sexual partners?",
    "sexual_history": "Are you sexually active?",
    "exercise": "Do you exercise?",
    "diet": "What is your diet like?",
    "immobility": "Have you had long periods without moving?",
    "stress": "Have you been under stress?",
    "daily_function": "How are you managing day to day?",
    "pregnancy": "Could you be pregnant?",
    "contraception": "Do you use contraception?",
    "injecting": "Have you ever injected drugs?",
    "hospital_admission": "Have you been in hospital before?",
    "vaccination": "Are your vaccinations up to date?",
    "caffeine": "Have you had coffee or tea?",
    "feeding": "How is feeding going?",
    "wet_nappies": "Are there fewer wet nappies?",
    "birth_history": "Were there any problems with the birth?",
    "development": "Is there any worry about development?",
}
_DOING = (
    *("feeling ", "passing ", "coughing ", "leaking ", "getting ", "looking ", "being ", "waking "),
    *("harming ", "seeing ", "vomiting "),
)
"""How labels begin that say what one does, not what one has."""
_TOLD = {
    "chills": "shivering",
    "irritability_infant": "being unsettled",
    "jaundice": "yellow skin",
    "seizure": "fits",
    "tremor": "shaking",
}
"""Labels for a list that "and" joins, in place of those with "or"."""
_PERSON = {"he": ("he", "his", "him"), "she": ("she", "her", "her"), "they": ("they", "their", "them")}
_TURNED = re.compile(r"\b(Have|Do|Are|Could|have|do|are|could) you\b|(?<!\baround )\b(your|you|Your|You)\b")
"""What changes when a parent is asked: "around you" means the family, and stays."""
_SINGULAR = {"have": "has", "do": "does", "are": "is"}


@lru_cache(maxsize=4096)
def addressed(text: str, who: str) -> str:
    """A question to the patient, put to a parent where `who` is `he`, `she` or `they`, not `you`."""
    if who == "you":
        return text
    subject, owner, _ = _PERSON[who]

    def turned(found: re.Match[str]) -> str:
        verb, word = found.groups()
        if word:
            new = owner if word.lower() == "your" else subject
            return new.capitalize() if word[0].isupper() else new
        lower = verb.lower()
        new = lower if who == "they" else _SINGULAR.get(lower, lower)
        return f"{new.capitalize() if verb[0].isupper() else new} {subject}"

    return _TURNED.sub(turned, text)


def him(who: str) -> str:
    """The object form: `her` for `she`."""
    return _PERSON[who][2] if who in _PERSON else "you"


@lru_cache(maxsize=1024)
def _wordings(concept: str) -> tuple[str, ...]:
    if concept in _QUESTIONS:
        return (_QUESTIONS[concept],)
    name, entry = label(concept), lexicon().concepts.get(concept)
    parent = entry.parent if entry else None
    if parent == "family_history":
        return (f"{'Are' if _plural(name) else 'Is'} there any {name}?", f"Do you know of any {name}?")
    if name.startswith(_DOING):
        return (f"Have you been {name}?",)
    if parent == "past_illness":
        return (f"Do you have {name}?", f"Have you had {name}?")
    some = name if name.startswith(("a ", "an ")) else f"any {name}"
    return (f"Have you had {some}?", f"Have you noticed {some}?", f"Do you have {some}?")


_HEAD = re.compile(r"^(.*?)(?: (?:of|in|on|at|to|with|from|around|before|when|during|lately|low)\b.*)?$")


def _plural(name: str) -> bool:
    """Whether a label takes "are": by the last word before "of", "in" and the like."""
    head = _HEAD.sub(r"\1", name)
    return head.endswith(("s", "feet")) and not head.endswith(("ss", "us", "is", "diabetes"))


def question(concept: str, who: str, number: float) -> str:
    """A closed question about a finding or topic; `number` in [0, 1) picks the wording."""
    wordings = _wordings(concept)
    if who != "you":  # a parent notices, not the child
        wordings = tuple(w for w in wordings if "noticed" not in w) or wordings
    return addressed(pick(wordings, number), who)


@cache
def topics() -> tuple[str, ...]:
    """All findings of the disease profiles, and what every history asks for, in a fixed order."""
    return tuple(sorted({c for d in diseases() for c in d.findings} | set(_QUESTIONS)))


@cache
def _meant() -> dict[str, str]:
    return {
        addressed(text, who): concept
        for concept in topics()
        for text in _wordings(concept)
        for who in ("you", *_PERSON)
    }


_SENTENCE = re.compile(r"[^.?!]+\?")


@lru_cache(maxsize=8192)
def asked_in(text: str) -> tuple[str, ...]:
    """The findings that a line of this doctor asks about."""
    meant = _meant()
    return tuple(meant[s] for q in _SENTENCE.findall(text) if (s := q.strip()) in meant)


def bare(concept: str) -> str:
    """The finding's lay name without an article."""
    return re.sub(r"^(a|an|the) ", "", label(concept))


@lru_cache(maxsize=512)
def on_the_problem(concept: str | None, who: str) -> dict[str, str]:
    """The questions of SOCRATES on the main problem; `site` and `radiation` only of pain."""
    name = bare(concept) if concept else "problem"
    the = "this" if name.startswith(_DOING) else f"the {name}"
    many = _plural(name)
    are, do, they, them = ("are", "do", "they", "them") if many else ("is", "does", "it", "it")
    lines = {
        "onset": f"When did {the} start?",
        "character": f"What {are} {the} like?",
        "timing": f"{are.capitalize()} {they} there all the time, or {do} {they} come and go?",
        "exacerbating": f"Does anything make {them} worse?",
        "relieving": f"Does anything make {them} better?",
        "severity": f"How bad {are} {the}?",
        "course": f"{are.capitalize()} {they} getting better or worse?",
        "association": f"Are there any other symptoms with {them}?",
    }
    if concept == "pain" or concept in _pains():
        lines |= {
            "site": f"Where exactly {are} {the}?",
            "radiation": f"{do.capitalize()} {they} spread anywhere?",
            "severity": f"How bad {are} {the} on a scale of one to ten?",
        }
    return {slot: addressed(line, who) for slot, line in lines.items()}


@cache
def _pains() -> frozenset[str]:
    return frozenset(descendants(lexicon(), "pain"))


def summary(told: tuple[str, ...], ranked: list[str], plan: Management, who: str) -> str:
    """The closing words: what was told, what it most likely is, what happens next, when to come back.

    Of `told`, the findings that the patient named, the first four are said back.
    """
    names = [addressed(_TOLD.get(c, label(c)), who) for c in told[:4]]
    listed = ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else "".join(names)
    heard = f"To summarise, you told me about {listed}. " if names else "To summarise what we found: "
    other = f" It could also be {ranked[1]}." if len(ranked) > 1 else ""
    return (
        f"{heard}I think this is most likely {ranked[0]}.{other}"
        f" The plan is this: {plan.treatment}. Next: {plan.disposition}."
        f" Please look out for changes: {plan.safety_net}. Come back if it gets worse."
    )
