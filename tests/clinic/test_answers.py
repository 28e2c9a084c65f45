"""What the scripted patient says, and the rule annotator."""

from dataclasses import replace
from typing import Any

import pytest

from clinicenv.clinic.annotate import facts_told
from clinicenv.clinic.answers import MOST_FACTS, rate, reply
from clinicenv.clinic.hearing import Hearing
from clinicenv.clinic.lexicon import lexicon
from clinicenv.clinic.lookup import FactIndex
from clinicenv.draws import Draws, TurnDraw
from clinicenv.events import Event, Heard, Leave, Probe, Role, Say
from clinicenv.profile import BiasProfile
from clinicenv.scenario import Scenario, find_files, load_file
from clinicenv.shipped import folder
from clinicenv.view import PatientView, script_of


def fact(id: str, concept: str, say: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "section": "hpi", "concept": concept, "say": [say], **more}


FACTS = [
    fact("pain", "chest_pain", "It hurts in my chest.", disclosure="spontaneous"),
    fact("onset", "chest_pain", "It began on Monday.", slot="onset", disclosure="spontaneous"),
    fact("site", "chest_pain", "It's on the left.", slot="site", disclosure="spontaneous"),
    fact("sleep", "sleep_problem", "I can't sleep.", disclosure="open"),
    fact("fever", "fever", "Yes, I've been hot.", say_vague="A bit warm, perhaps.", salience=0.0),
    fact("no-cough", "cough", "No, I don't cough.", present=False, salience=1.0),
    fact("sputum-colour", "sputum", "It's green.", slot="character", disclosure="probed"),
    fact("blood", "haemoptysis", "I coughed up blood.", disclosure="probed"),
    fact(
        "drugs", "recreational_drugs", "I took cocaine.", section="sh",
        disclosure="trust", unlock={"after": ["confidentiality"]}, if_hidden="evade",
    ),
    fact("fall", "falls", "I fell.", disclosure="never", if_hidden="deny"),
    fact(
        "drink", "alcohol", "A bottle of gin.", say_vague="Now and then.",
        disclosure="never", if_hidden="partial",
    ),
]  # fmt: skip


def case(**patient: Any) -> Scenario:
    return Scenario.model_validate(
        {
            "schema_version": "1.0",
            "id": "case",
            "title": "Pain",
            "meta": {"specialty": "cardiology", "license": "MIT"},
            "setting": {"site": "ed", "door_note": "Pain."},
            "patient": {
                "identity": {"name": "Ann Lee", "age": 40, "sex": "female"},
                "opening": ["Doctor, I am not well."],
                "appearance": "Pale.",
                "facts": FACTS,
                **patient,
            },
            "answer": {"diagnosis": {"name": "pleurisy"}},
        }
    )


class Talk:
    """A patient that is talked to, with every line heard as a consultation hears it."""

    def __init__(self, scenario: Scenario, profile: BiasProfile | None = None, seed: int = 0) -> None:
        self.scenario = scenario
        self.profile = profile or BiasProfile(id="plain", target="patient")
        self.hearing = Hearing(scenario, self.profile.trust)
        self.draws = Draws(seed, 0, scenario.lineage)
        self.events = [self.event(Role.PATIENT, Say(scenario.patient.opening[0]), 0, 0)]
        self.turn = 0

    def event(self, role: Role, what: Any, n: int, turn: int) -> Event:
        return Event(n, turn, role, what)

    def log(self, role: Role, what: Any) -> Event:
        self.events.append(self.event(role, what, len(self.events), self.turn))
        return self.events[-1]

    def view(self, due: tuple[Event, ...]) -> PatientView:
        h = self.hearing
        return PatientView(
            role=Role.PATIENT, turn=self.turn, max_turns=50, events=tuple(self.events), profile=self.profile,
            script=script_of(self.scenario), trust=h.trust, opened=tuple(h.opened),
            locked=tuple(h.shut.values()), due=due,
        )  # fmt: skip

    def draw(self) -> TurnDraw:
        return TurnDraw(self.draws, "patient", self.turn)

    def says(self, *lines: str) -> Say:
        said = self.act(*lines)
        assert isinstance(said, Say)
        return said

    def act(self, *lines: str) -> Say | Leave:
        self.turn += 1
        due = []
        for line in lines:
            asked = self.log(Role.DOCTOR, Say(line))
            due.append(self.log(Role.CORE, self.hearing.hear(line, of=asked.n, turn=self.turn)))
        said = reply(self.view(tuple(due)), self.draw())
        self.log(Role.PATIENT, said)
        return said


def test_open_questions_release_one_or_two_facts_at_a_time_spontaneous_before_open() -> None:
    talk = Talk(case())
    told: list[str] = []
    for _ in range(6):
        ids = talk.says("Tell me more.").ids
        assert len(ids) <= 2
        told += ids
    assert told == ["pain", "onset", "site", "sleep"]
    assert talk.says("Anything else?").text == "No, I think that's everything."


def test_a_question_gets_its_fact_and_asked_again_the_same_one() -> None:
    talk = Talk(case())
    first = talk.says("Have you had a fever?")
    assert first.ids == ("fever",)
    assert first.ids_by == "agent"
    assert talk.says("Have you had a fever?").ids == ("fever",)
    assert talk.says("Can you not sleep?").ids == ("sleep",)


def test_several_questions_get_one_reply_with_facts_and_denials() -> None:
    said = Talk(case()).says("Any fever, vomiting or rash?")
    assert said.text == "Yes, I've been hot. No vomiting and no rash."
    assert said.ids == ("fever",)


def test_a_reply_holds_only_so_many_facts() -> None:
    talk = Talk(case())
    asked = ["Have you had a fever?", "Do you have a cough?", "Where is the chest pain?"]
    asked += ["When did the chest pain start?", "Have you coughed up blood?", "Can you not sleep?"]
    assert len(talk.says(*asked).ids) == MOST_FACTS


def test_every_question_gets_its_share_of_the_facts() -> None:
    names = ("asthma", "diabetes", "epilepsy", "hypertension", "stroke_history", "hiv")
    ills = [fact(f"ill{n}", c, f"I have {c}.", section="pmh") for n, c in enumerate(names)]
    tablets = [fact(f"tablet{n}", "medication", f"I take tablet {n}.", section="meds") for n in range(4)]
    allergic = fact("nuts", "food_allergy", "Nuts.", section="allergy")
    said = Talk(case(facts=[*ills, *tablets, allergic])).says("Medical conditions? Medicines? Allergies?")
    assert said.ids == ("ill0", "ill1", "ill2", "tablet0", "tablet1", "nuts")
    assert len(Talk(case(facts=ills)).says("Any medical conditions?").ids) == len(ills)


def test_the_same_sentence_is_said_once() -> None:
    twins = [fact("one", "fever", "I feel awful."), fact("two", "cough", "Yes, I feel awful.")]
    said = Talk(case(facts=twins)).says("Any fever or cough?")
    assert said.text.count("feel awful") == 1
    assert said.ids == ("one", "two")


def test_other_symptoms_are_neither_the_topic_nor_what_was_told() -> None:
    talk = Talk(case())
    talk.says("Do you have chest pain?")
    assert talk.says("Are there any other symptoms with it?").ids == ("sleep",)
    assert talk.says("Do you get any other symptoms with it?").text == "Nothing else that I've noticed."


def test_asking_for_consent_tells_nothing() -> None:
    neck = fact("neck", "neck_stiffness", "I can bend my neck all right.", present=False)
    assert Talk(case(facts=[neck])).says("Is that all right?") == Say("Yes, that's fine.", (), "agent")


def test_what_is_nearly_the_same_is_told_instead_of_denied() -> None:
    facts = [
        fact("dry", "reduced_urine", "Hardly a wet nappy."),
        fact("fell", "trauma", "He fell off a chair."),
    ]
    talk = Talk(case(facts=facts))
    assert talk.says("How many wet nappies?").ids == ("dry",)
    assert talk.says("Has he had a fall?").ids == ("fell",)


def test_denials_are_sentences_that_a_person_would_say() -> None:
    baby = case(informant="parent", identity={"name": "Tom", "age": 0.5, "sex": "male"})
    said = Talk(baby).says("Any rash, looking pale, passing less urine?").text
    assert said == "No, no rash. He hasn't been looking pale. He hasn't been passing less urine."
    assert Talk(case()).says("Any vomiting, any ill people around you?").text == (
        "No, no vomiting. Nobody around me has been ill."
    )
    assert Talk(case()).says("What is your home like?").text == "Nothing special to tell."


def test_what_is_not_recorded_is_denied_in_the_speakers_person() -> None:
    assert Talk(case()).says("Any headaches?").text in (
        "No, no headaches.",
        "No, I haven't had any headaches.",
    )
    mother = case(informant="parent", identity={"name": "Tom", "age": 3, "sex": "male"})
    assert Talk(mother).says("Any headaches?").text == "No, he hasn't had any headaches."
    assert Talk(mother).says("Any pain in the belly?").text.endswith("his belly.")
    assert Talk(mother).says("Does he smoke?").text == "No, he doesn't smoke."


def test_without_denial_as_default_only_listed_concepts_are_denied() -> None:
    talk = Talk(case(denials={"default": "unsure", "explicit": ["rash"]}))
    assert talk.says("Any headaches?").text == "I'm not sure."
    assert "rash" in talk.says("Any rash?").text


def test_an_unknown_detail_of_a_recorded_finding_is_not_known() -> None:
    talk = Talk(case())
    assert talk.says("Have you had a fever?").ids == ("fever",)
    assert talk.says("Does your cough spread anywhere?").ids == ("no-cough",)
    assert talk.says("What is your home like?").text not in ("No.", "")
    probe = Probe("course", "chest_pain", "course", "Is it getting worse?")
    heard = Event(1, 1, Role.CORE, Heard(of=0, probes=(probe,)))
    assert reply(talk.view((heard,)), talk.draw()) == Say("I'm not sure.", (), "agent")


def test_probed_facts_need_a_question_on_just_them() -> None:
    assert "blood" not in Talk(case()).says("Tell me more.", "Anything else?").ids
    assert Talk(case()).says("Have you coughed up any blood?").ids == ("blood",)
    vague = Talk(case()).says("Any breathing trouble?")
    assert "blood" not in vague.ids
    assert "sputum-colour" not in vague.ids
    assert Talk(case()).says("What colour is the phlegm?").ids == ("sputum-colour",)


def test_shut_facts_are_hidden_as_they_say_and_told_once_opened() -> None:
    talk = Talk(case())
    evaded = talk.says("Do you take any recreational drugs?")
    assert evaded.ids == ()
    assert "cocaine" not in evaded.text
    assert not evaded.text.startswith("No")
    assert talk.says("Have you had any falls?").text.startswith("No, ")
    assert talk.says("Do you drink alcohol?") == Say("Now and then.", (), "agent")
    talk.says("Everything you tell me is confidential.")
    assert talk.says("Do you take any recreational drugs?").ids == ("drugs",)


def test_a_line_that_is_not_understood_twice_running_is_given_up() -> None:
    talk = Talk(case())
    assert "another way" in talk.says("Flarb the wug zeb?").text
    assert talk.says("Wug flarb zeb snark?").text == "I don't know."
    talk.says("Have you had a fever?")
    assert "another way" in talk.says("Flarb wug?").text


def test_short_words_answer_what_is_no_question() -> None:
    talk = Talk(case())
    assert talk.says("Hello, good morning.").text == "Hello, doctor."
    assert talk.says("I'm sorry to hear that.").text == "Thank you."
    assert "You're the doctor" in talk.says("What do my results show?").text
    assert "Goodbye" in talk.says("Thank you, goodbye.").text


def test_poor_recall_makes_minor_facts_vague_and_leaves_striking_ones() -> None:
    forgetful = BiasProfile.model_validate(
        {"id": "forgetful", "target": "patient", "persona": {"recall": 0.0}}
    )
    said = Talk(case(), forgetful).says("Any fever or cough?")
    assert said.ids == ("fever", "no-cough")
    assert said.text == "A bit warm, perhaps. I don't cough."
    assert Talk(case()).says("Any fever?").text == "Yes, I've been hot."


def test_challenge_lines_come_first_one_a_reply_until_they_are_defused() -> None:
    angry = case(challenge={"type": "angry", "script": ["I waited for hours!", "Nobody cares!"],
                            "defused_by": ["empathise"]})  # fmt: skip
    talk = Talk(angry)
    assert talk.says("Any fever?").text.startswith("I waited for hours! ")
    assert talk.says("Any cough?").text.startswith("Nobody cares! ")
    assert talk.says("Any rash?").text.startswith("No, ")
    calmed = Talk(angry)
    assert "hours" not in calmed.says("I'm so sorry you had to wait. Any fever?").text
    assert "!" not in calmed.says("Any cough?").text


def test_the_patients_questions_come_once_after_their_turn() -> None:
    talk = Talk(
        case(questions=[{"ask": "Is it bad?", "when": {"after_turn": 2}, "satisfied_by": ["explain"]}])
    )
    replies = [talk.says(f"Any {c}?").text for c in ("fever", "cough", "rash", "vomiting")]
    assert ["Is it bad?" in r for r in replies] == [False, False, True, False]


def test_a_patient_whose_patience_is_used_up_leaves() -> None:
    short = BiasProfile.model_validate({"id": "short", "target": "patient", "persona": {"patience": 2}})
    talk = Talk(case(), short)
    for _ in range(3):
        assert isinstance(talk.act("Have you had a fever?"), Say)
    assert isinstance(talk.act("Have you had a fever?"), Leave)
    assert isinstance(Talk(case(), short).act("Any fever?"), Say)


def test_ratings_rise_with_trust_and_settled_questions() -> None:
    asks = case(questions=[{"ask": "Is it bad?", "satisfied_by": ["explain"]}])
    talk = Talk(asks)
    talk.says("Any fever?")
    left = rate(talk.view(()))
    talk.says("Let me explain. It is caused by a virus.")
    settled = rate(talk.view(()))
    assert settled.consultation > left.consultation
    assert settled.confidence > left.confidence
    trusting = rate(replace(talk.view(()), trust=1.0))
    assert (trusting.confidence, trusting.compliance, trusting.consultation) == (10, 10, 10)
    low = rate(replace(talk.view(()), trust=0.0, events=tuple(talk.events[:4])))
    assert (low.confidence, low.compliance, low.consultation) == (1, 1, 1)


BUNDLED = [load_file(p) for p in find_files(folder("scenarios"))]


@pytest.mark.parametrize("scenario", BUNDLED, ids=lambda s: s.id)
def test_facts_are_told_to_their_own_questions_unless_they_are_shut(scenario: Scenario) -> None:
    missed = []
    for f in scenario.facts.values():
        told = []
        for question in f.question_variants:
            talk = Talk(scenario)
            told.append(f.id in talk.says(question).ids)
            assert not (told[-1] and f.id in talk.hearing.shut)
        if not f.gated and told and not any(told):
            missed.append(f.id)
    assert missed == []


@pytest.mark.parametrize("scenario", BUNDLED, ids=lambda s: s.id)
def test_nothing_is_denied_that_is_nearly_a_fact(scenario: Scenario) -> None:
    present = {f.concept for f in scenario.facts.values() if f.present}
    near = {c for f in present for c in lexicon().same_as.get(f, ())} - set(scenario.patient.denials.explicit)
    index = FactIndex.of(scenario)
    assert [c for c in sorted(near) if not index.find(Probe("presence", c, None, ""))] == []


def test_the_annotator_finds_what_was_told_whoever_worded_it() -> None:
    facts = list(case().facts.values())
    assert facts_told("Well, I've had a high temperature, and I don't cough.", facts) == ("fever", "no-cough")
    assert facts_told("It all began on Monday, on the left side of my chest.", facts) == ("onset",)
    assert facts_told("I took some cocaine.", facts) == ("drugs",)


def test_the_annotator_takes_no_denial_question_or_chatter_for_a_fact() -> None:
    facts = list(case().facts.values())
    assert facts_told("I have no fever.", facts) == ()
    assert facts_told("I do have a cough.", facts) == ()
    assert facts_told("Could it be that I have a fever?", facts) == ()
    assert facts_told("Hello doctor, thank you for seeing me.", facts) == ()
    assert facts_told("", facts) == ()


@pytest.mark.parametrize("scenario", BUNDLED, ids=lambda s: s.id)
def test_the_annotator_finds_nearly_all_scripted_wordings(scenario: Scenario) -> None:
    facts = list(scenario.facts.values())
    says = [(f.id, say) for f in facts for say in f.say]
    found = [facts_told(say, facts) for _, say in says]
    assert sum(i in ids for (i, _), ids in zip(says, found, strict=True)) >= 0.93 * len(says)
    assert sum(len(set(ids) - {i}) for (i, _), ids in zip(says, found, strict=True)) <= 0.2 * len(says)
