"""What a sampled patient says: lay sentences for findings and habits, and invented people."""

from clinicenv.clinic.denials import Speaker, denials, in_person
from clinicenv.clinic.lexicon import label

_GIRLS = "Amina Beth Carla Dorota Esther Farah Grace Hana Ines Joy Kavita Lena Marta Nadia Olive Rosa Tess"
_BOYS = "Adam Bilal Carlos Dev Emeka Finn Goran Hugo Idris Jonas Karim Leo Marek Nikhil Owen Samir Tom"
_FAMILIES = "Abbott Banda Castell Dunne Eriksen Fofana Gill Haddon Ibarra Jarvis Kowal Lund Mistry Novak"
_WORK = (
    "bus driver|teacher|cook|electrician|shop assistant|accountant|gardener|nurse's aide|carpenter|translator"
    "|cleaner|hairdresser|postman|farmer|librarian|welder"
)
NAMES = {"female": tuple(_GIRLS.split()), "male": tuple(_BOYS.split())}
SURNAMES = tuple(_FAMILIES.split())
WORK = tuple(_WORK.split("|"))

TOLD = {
    "alcohol": "two glasses of wine most evenings",
    "allergy": "hay fever in the spring",
    "animals": "there's a dog and a cat at home",
    "anticoagulant": "a blood thinner every day",
    "anxiety_history": "anxiety, some years ago",
    "asthma": "asthma, since childhood",
    "autoimmune_disease": "an autoimmune disease, found two years ago",
    "bereavement": "there was a death in the family this year",
    "caffeine": "five or six coffees a day",
    "cancer_history": "cancer, treated some years ago",
    "contacts_ill": "somebody at home has been ill too",
    "contraception": "we use condoms",
    "contraceptive_pill": "the pill, for two years now",
    "copd": "a lung disease from smoking, for years",
    "daily_function": "everyday things have become a struggle",
    "depression_history": "depression, some years ago",
    "diabetes": "diabetes, for some years",
    "drug_allergy": "penicillin, it gave a rash",
    "exercise": "it comes on with exercise",
    "family_autoimmune": "an autoimmune disease, in an aunt",
    "family_cancer": "cancer, in a parent",
    "family_diabetes": "diabetes, in a parent",
    "family_heart_disease": "heart trouble, in a parent before sixty",
    "family_history": "much the same illness, in a close relative",
    "family_mental_illness": "depression, in a parent",
    "family_migraine": "migraine, in a parent",
    "family_sudden_death": "an uncle died suddenly at forty",
    "family_thrombosis": "blood clots, in a parent",
    "heart_disease": "heart disease, for some years",
    "high_cholesterol": "high cholesterol, on the last blood test",
    "hiv": "HIV, under treatment",
    "hospital_admission": "in hospital, once, last year",
    "hypertension": "high blood pressure, for some years",
    "immobility": "a long time of hardly moving, these last weeks",
    "infection_history": "infections, more than other people get",
    "injecting": "injecting, some years back",
    "kidney_disease": "kidney trouble, for some years",
    "medication": "tablets every day, the usual ones",
    "migraine_history": "migraines, on and off for years",
    "miscarriage": "one miscarriage",
    "missed_doses": "some doses get forgotten",
    "nursery": "nursery, three days a week",
    "over_the_counter": "something from the pharmacy",
    "painkillers": "paracetamol, it takes the edge off",
    "pregnancy": "it could be, the test was positive",
    "previous_episode": "something like it once before",
    "recent_antibiotics": "antibiotics, last month",
    "recent_illness": "an illness some weeks ago",
    "recent_infection": "a cold two weeks ago",
    "sexual_history": "yes, there is a partner",
    "sexual_partners": "a new partner, some months ago",
    "side_effects": "the tablets don't agree with me",
    "smoking": "ten cigarettes a day",
    "sport": "it comes with sport",
    "steroid_use": "steroid tablets, for some months",
    "stress": "a lot of stress lately",
    "stroke_history": "a small stroke, years ago",
    "surgery": "an operation, some weeks ago",
    "thrombosis_history": "a blood clot, years ago",
    "thyroid_disease": "thyroid trouble, for some years",
    "travel": "a long journey, some weeks ago",
    "tuberculosis": "tuberculosis, long ago",
    "work_exposure": "dust and fumes at work, for years",
}
"""What is answered to a question about a habit, a past illness or the like, where there is any."""

SENSITIVE = frozenset({
    "alcohol", "recreational_drugs", "injecting", "hiv", "sexual_history", "sexual_partners", "genital_ulcer",
    "intercourse_pain", "suicidal_thoughts", "self_harm", "vaginal_discharge", "pregnancy", "missed_period",
})  # fmt: skip
"""What is told only once there is trust."""

SINCE = {
    "minutes": ("half an hour ago", "an hour ago"),
    "hours": ("four hours ago", "last night", "this morning"),
    "days": ("two days ago", "four days ago", "six days ago"),
    "weeks": ("two weeks ago", "three weeks ago", "six weeks ago"),
    "months": ("three months ago", "four months ago", "half a year ago"),
    "years": ("two years ago", "three years ago"),
}
"""How long before the visit it began, by tempo."""

_DOING = (
    "feeling",
    "looking",
    "passing",
    "getting",
    "waking",
    "harming",
    "seeing",
    "coughing",
    "crying",
    "being",
)


def thing(concept: str, person: Speaker) -> str:
    """The finding's lay name in the speaker's person: `pain in my chest`."""
    return " ".join(in_person(word, person) for word in label(concept).split())


def affirms(concept: str, person: Speaker) -> tuple[str, ...]:
    """Two ways to say that there is some of it."""
    told = TOLD.get(concept)
    if told:
        return (f"Yes, {told}.", f"{told[0].upper()}{told[1:]}.")
    name = thing(concept, person)
    having, i = ("I've", "I") if person.my == "my" else (person.subject.replace("They're", "They've"), "")
    if name.startswith(_DOING):
        said = f"{having} been {name}"
        return (f"Yes, {said if i else said[0].lower() + said[1:]}.", f"{said}.")
    said = f"{having} had {name}"
    return (f"Yes, {said if i else said[0].lower() + said[1:]}.", f"{said}.")


def denies(concept: str, person: Speaker) -> tuple[str, ...]:
    """How it is said that there is none of it."""
    return tuple(denials([concept], person, short=False, first=True))
