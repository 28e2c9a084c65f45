"""Cases sampled from the disease profiles, without a model: as many as wanted, the same for the same seed.

A case draws a disease by its weight, a person who may have it, and each finding, sign and test result by the
profile's bands (findings of other diseases by their background rate). What is drawn is independent given the
disease, as in naive Bayes: good for training and for seeing small differences, not for rare combinations.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from clinicenv.agents.doctor_lines import bare, on_the_problem, question
from clinicenv.agents.doctor_notes import band_of, unfit
from clinicenv.clinic.denials import Speaker, speaker_of
from clinicenv.clinic.differential import (
    BANDS,
    AgeBand,
    Disease,
    Evidence,
    background,
    disease,
    diseases,
    rank,
)
from clinicenv.clinic.lexicon import descendants, lexicon, mentions
from clinicenv.clinic.lint_text import names_answer
from clinicenv.clinic.presentations import Presentation, presentation
from clinicenv.clinic.ranking import rank as judged
from clinicenv.draws import Draws, pick
from clinicenv.importers import sampled_words as words
from clinicenv.importers.sampled_results import exam, tests
from clinicenv.scenario import Scenario, select
from clinicenv.story import Slot

AGES: dict[AgeBand, tuple[float, float, float]] = {
    "infant": (0.03, 0.1, 1.9),
    "child": (0.12, 3, 15),
    "young": (0.3, 18, 39),
    "middle": (0.3, 40, 64),
    "old": (0.25, 65, 90),
}
"""Age band -> its share of people seen, and the years from and to. The shares are ours."""

_APART = (
    ("weight_loss", "weight_gain"),
    ("appetite_loss", "appetite_increase"),
    ("diarrhoea", "constipation"),
    ("cold_intolerance", "heat_intolerance"),
    ("heavy_periods", "missed_period"),
    ("pregnancy", "contraceptive_pill"),
    ("polyuria", "reduced_urine"),
)
"""Of two that hardly go together the first drawn stays."""

_OWN = re.compile(r"\b(?:I|my|me|myself)\b")
"""What a patient says of itself, and no parent would."""

_DENIED = 6
"""Absent findings of the disease that are recorded as denied."""


def generate(n: int, seed: int, splits: Mapping[str, str]) -> Iterator[Scenario]:
    """`n` cases; `splits` gives a disease its split where one is set, the others' is a keyed draw."""
    for index in range(n):
        yield Sampled(seed, index, splits).scenario


def bundled_splits() -> dict[str, str]:
    """The split of each profile's disease that a bundled case has for its diagnosis."""
    found: dict[str, str] = {}
    for case in select("all"):
        if case.answer.diagnosis:
            for one in diseases():
                if judged(one.name, case).verdict in ("exact", "synonym", "subtype"):
                    found[one.name] = case.meta.split
    return found


@dataclass
class Sampled:
    """One case in the making. All draws are keyed by the seed, the index and what they are for."""

    seed: int
    index: int
    splits: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def _draws(self) -> Draws:
        return Draws(self.seed, 0, f"sampled-{self.index}")

    def number(self, what: str, item: str = "") -> float:
        """A number in [0, 1) for a thing of this case."""
        return self._draws.number("case", what, 0, item)

    @cached_property
    def disease(self) -> Disease:
        """Drawn by weight."""
        known = diseases()
        at = self.number("disease") * sum(d.weight for d in known)
        for one in known:
            at -= one.weight
            if at < 0:
                return one
        return known[-1]

    @cached_property
    def shown(self) -> Presentation:
        """The words for what the disease shows."""
        return presentation(self.disease.name)

    @cached_property
    def age(self) -> float:
        """Years; below two in steps of a month."""
        weights = {band: AGES[band][0] * self.disease.age.get(band, 1.0) for band in AGES}
        at = self.number("band") * sum(weights.values())
        for band, weight in weights.items():
            at -= weight
            if at < 0 or band == "old":
                break
        _, low, high = AGES[band]
        years = low + (high - low) * self.number("age")
        return round(years * 12) / 12 if years < 2 else float(int(years))

    @cached_property
    def sex(self) -> str:
        """`female` or `male`, by the profile's factors."""
        female, male = (self.disease.sex.get(s, 1.0) for s in ("female", "male"))
        return "female" if self.number("sex") * (female + male) < female else "male"

    @cached_property
    def lead(self) -> str:
        """The main complaint: what the patient can say most about, else the disease's commonest symptom."""
        own = [a.concept for a in self.shown.attributes.values()]
        if own:
            return max(dict.fromkeys(own), key=own.count)
        symptoms = [c for c in self.disease.findings if c in lexicon().symptoms]
        return max(symptoms, key=lambda c: BANDS[self.disease.findings[c]])

    @cached_property
    def findings(self) -> dict[str, bool]:
        """Every finding of the disease, present or not, and what is there by chance."""
        barred = unfit(self.sex, band_of(self.age)) - {self.lead}
        found = {self.lead: True}
        for concept, band in self.disease.findings.items():
            if concept not in barred:
                found.setdefault(concept, self.number("finding", concept) < BANDS[band])
        for concept, rate in sorted(background().items()):
            if concept not in barred and concept not in found and self.number("chance", concept) < rate:
                found[concept] = True
        for one, other in _APART:
            if found.get(one) and found.get(other):
                found[other] = False
        return found

    @cached_property
    def person(self) -> Speaker:
        """Who speaks of whom."""
        return speaker_of("parent" if self.age < 12 else "self", self.sex)

    @cached_property
    def who(self) -> str:
        """As the doctor's lines address the patient: `you`, or of a child `he` or `she`."""
        return "you" if self.age >= 12 else "she" if self.sex == "female" else "he"

    # The parts of the file

    @cached_property
    def facts(self) -> list[dict[str, Any]]:
        """As the file has them; what would name the answer is left out."""
        made = [self._fact(c, there) for c, there in self._recorded().items()]
        made += [self._attribute(slot) for slot in self.shown.attributes]
        made += [self._onset(), self._severity()]
        taken: dict[tuple[str, str], dict[str, Any]] = {}
        for fact in made:
            if (
                fact["concept"] in self.findings
                and self.findings[fact["concept"]] is False
                and fact["present"]
            ):
                continue
            taken.setdefault((fact["concept"], fact["slot"]), fact)
        own_words = self.person.my == "my"
        return [
            f
            for f in taken.values()
            if not any(names_answer(self._bare, t) for t in f["say"])
            and (own_words or f["slot"] == "present" or not any(_OWN.search(t) for t in f["say"]))
        ]

    def _recorded(self) -> dict[str, bool]:
        there = {c: True for c, present in self.findings.items() if present}
        absent = [c for c, present in self.findings.items() if not present]
        absent.sort(key=lambda c: (-BANDS[self.disease.findings.get(c, "rare")], c))
        return there | dict.fromkeys(absent[:_DENIED], False)

    def _fact(self, concept: str, there: bool) -> dict[str, Any]:
        own, private = concept in self.disease.findings, there and concept in words.SENSITIVE
        if concept == self.lead:
            disclosure = "spontaneous"
        elif private and concept != "alcohol":
            disclosure = "trust"
        else:
            first = there and own and concept in lexicon().symptoms and self.number("open", concept) < 0.3
            disclosure = "open" if first else "asked"
        fact: dict[str, Any] = {
            "id": concept,
            "section": _section(concept),
            "concept": concept,
            "slot": "present",
            "present": there,
            "say": words.affirms(concept, self.person) if there else words.denies(concept, self.person),
            "question_variants": [question(concept, self.who, 0.0)],
            "disclosure": disclosure,
            "salience": 1.0 if concept == self.lead else 0.5,
            "distractor": there and not own,
        }
        if disclosure == "trust":
            fact |= {"unlock": {"trust": 0.6}, "sensitivity": 0.6, "if_hidden": "evade"}
        return fact

    def _attribute(self, slot: Slot) -> dict[str, Any]:
        told = self.shown.attributes[slot]
        return self._detail(told.concept, slot, told.say)

    def _onset(self) -> dict[str, Any]:
        since = pick(words.SINCE[self.shown.tempo], self.number("since"))
        how = pick(self.shown.onset, self.number("onset"))
        came = {"sudden": "It came on all at once", "gradual": "It came on bit by bit"}[how]
        return self._detail(self.lead, "onset", (f"It started {since}. {came}.", f"{came}, {since}."))

    def _severity(self) -> dict[str, Any]:
        out_of_ten = 3 + int(self.number("severity") * 6)
        return self._detail(
            self.lead, "severity", (f"I'd say {out_of_ten} out of ten.", f"About a {out_of_ten}.")
        )

    def _detail(self, concept: str, slot: str, say: tuple[str, ...]) -> dict[str, Any]:
        asked = on_the_problem(concept, self.who).get(slot) or f"Where is the {bare(concept)}?"
        return {
            "id": f"{concept}-{slot}", "section": "hpi", "concept": concept, "slot": slot, "present": True,
            "say": say, "question_variants": [asked], "disclosure": "asked", "salience": 0.6,
        }  # fmt: skip

    @cached_property
    def _others(self) -> list[tuple[str, float]]:
        """The other diseases that the findings speak for, likeliest first."""
        evidence = Evidence(self.age, self.sex, dict(sorted(self.findings.items())))
        return [(name, p) for name, p in rank(evidence) if name != self.disease.name]

    def _answer(self) -> dict[str, Any]:
        one = self.disease
        clash = {c for f in self.facts for text in f["say"] for c in mentions(text)}
        own = [s for s in one.synonyms if not mentions(s).keys() & clash]
        danger = [n for n, _ in self._others if disease(n).must_not_miss][:3]
        return {
            "diagnosis": {
                "name": one.name,
                "synonyms": own,
                "parents": [s for s in one.synonyms if s not in own],
                "abbreviations": list(one.abbreviations),
            },
            "differentials": [
                {"name": n, "synonyms": list(disease(n).synonyms), "plausibility": round(p, 3)}
                for n, p in self._others[:5]
            ],
            "must_not_miss": [{"name": n, "synonyms": list(disease(n).synonyms)} for n in danger],
            "key_facts": [f["id"] for f in self.facts if f["present"] and not f.get("distractor")][:12],
            "red_flags": [],
        }

    @cached_property
    def _bare(self) -> Scenario:
        """The case with its answer only: what the facts must not name."""
        return Scenario.model_validate(self._frame | {"answer": self._diagnosis_only()})

    def _diagnosis_only(self) -> dict[str, Any]:
        return {"diagnosis": {"name": self.disease.name, "abbreviations": list(self.disease.abbreviations)}}

    @cached_property
    def _frame(self) -> dict[str, Any]:
        since, years = words.SINCE[self.shown.tempo], self.age
        first = pick(words.NAMES[self.sex], self.number("name"))
        name = f"{first} {pick(words.SURNAMES, self.number('surname'))}"
        aged = f"{years:g}" if years >= 2 else f"{round(years * 12)} months"
        complaint = words.thing(self.lead, speaker_of("self", self.sex)).replace("my ", "the ")
        opening = words.affirms(self.lead, self.person)[1]
        patient: dict[str, Any] = {
            "identity": {"name": name, "age": int(years) if years >= 2 else years, "sex": self.sex},
            "opening": [f"{opening} It began {pick(since, self.number('since'))}."],
            "opening_facts": [self.lead],
            "appearance": "Looks unwell, and answers clearly."
            if self.person.my == "my"
            else "Held by a parent.",
            "facts": [],
        }
        if self.person.my != "my":
            patient |= {"informant": "parent", "informant_name": f"{first}'s mother"}
        elif years < 67:
            patient["identity"]["occupation"] = pick(words.WORK, self.number("work"))
        return {
            "schema_version": "1.0",
            "id": f"sampled-{self.seed}-{self.index:05d}",
            "title": f"{complaint[0].upper()}{complaint[1:]}, {aged}",
            "meta": {
                "specialty": self.disease.specialty,
                "split": self._split(),
                "tags": ["sampled"],
                "authors": ["clinicenv"],
                "license": "CC-BY-4.0",
                "sources": [{"name": "clinicenv disease profiles"}],
            },
            "setting": {
                "site": "ed" if self.shown.tempo in ("minutes", "hours") else "clinic",
                "door_note": f"{name}, {aged}. {complaint[0].upper()}{complaint[1:]}. Please assess.",
            },
            "patient": patient,
        }

    def _split(self) -> str:
        name = self.disease.name
        drawn = Draws(0, 0, name).number("case", "split", 0)
        return self.splits.get(name) or ("train" if drawn < 0.7 else "dev" if drawn < 0.85 else "test")

    @cached_property
    def scenario(self) -> Scenario:
        """The whole case."""
        data = dict(self._frame)
        data["patient"] = data["patient"] | {"facts": self._with_distractors()}
        one = self.disease
        data |= {
            "exam": exam(self.disease, self.shown, self.age, self.findings.get("fever"), self.number),
            "tests": tests(self.disease, self.shown, self.age, self.sex, self.number),
            "answer": self._answer(),
            "plan": {
                "investigations": [one.plan.investigations],
                "treatment": [one.plan.treatment],
                "disposition": one.plan.disposition,
                "safety_net": [one.plan.safety_net],
            },
            "checklist": _checklist(self.lead),
        }
        return Scenario.model_validate(data)

    def _with_distractors(self) -> list[dict[str, Any]]:
        """Where chance gave fewer than two: what is there and tells least."""
        facts = [dict(f) for f in self.facts]
        spare = [f for f in facts if f["present"] and f["id"] != self.lead and f["slot"] == "present"]
        spare.sort(key=lambda f: BANDS[self.disease.findings.get(f["concept"], "rare")])
        short = 2 - sum(bool(f.get("distractor")) for f in facts)
        for fact in [f for f in spare if not f.get("distractor")][: max(short, 0)]:
            fact["distractor"] = True
        return facts


def _section(concept: str) -> str:
    lex = lexicon()
    if concept in lex.symptoms:
        return "hpi"
    for section, group in (("fh", "family_history"), ("pmh", "past_illness"), ("gyn", "obstetric_history")):
        if concept == group or concept in descendants(lex, group):
            return section
    if concept in ("medication", *descendants(lex, "medication")):
        return "meds"
    if concept in ("allergy", *descendants(lex, "allergy")):
        return "allergy"
    return "psh" if concept == "surgery" else "sh" if concept in descendants(lex, "social") else "pmh"


def _checklist(lead: str) -> list[dict[str, Any]]:
    items: list[tuple[str, str, str, list[dict[str, str]]]] = [
        ("onset", "history", "Finds out when it began", [{"reached": f"{lead}-onset"}]),
        ("vitals", "exam", "Checks the vital signs", [{"examined": "vitals"}]),
        ("allergy", "safety", "Asks about allergies", [{"asked": "allergy"}, {"asked": "drug_allergy"}]),
        ("worry", "communication", "Hears what is feared", [{"asked": "concerns"}, {"act": "empathise"}]),
        ("net", "safety", "Says when to come back", [{"act": "safety_net"}]),
    ]
    return [{"id": i, "domain": d, "text": t, "met_by": {"any": any_}} for i, d, t, any_ in items]
