"""Understanding a doctor's line: probes, acts, what a statement denies, and which facts are asked for."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinicenv.clinic.lexicon import concepts, label, lexicon, mentions, normalise, parent
from clinicenv.clinic.lookup import FactIndex
from clinicenv.clinic.router import MAX_PER_LINE, read
from clinicenv.events import Probe
from clinicenv.scenario import Scenario

ASKED = [
    # open questions
    ("What brings you to the clinic today?", None, "opening:main_problem"),
    ("How can I help?", None, "opening:main_problem"),
    ("Tell me more about the cough.", None, "tell_me_more:cough"),
    ("Could you tell me a bit more about that?", "rash", "tell_me_more:rash"),
    ("Is there anything else you wanted to mention?", None, "anything_else"),
    # attributes of the finding in focus, and of a named one
    ("When did the headache begin?", None, "onset:headache:onset"),
    ("Since when?", "cough", "onset:cough:onset"),
    ("How long have you been feeling dizzy?", None, "onset:dizziness:onset"),
    ("Where exactly is the pain?", "abdominal_pain", "site:abdominal_pain:site"),
    ("Can you show me where it hurts?", "knee_pain", "site:knee_pain:site"),
    ("How would you describe the pain?", "chest_pain", "character:chest_pain:character"),
    ("Is it sharp or dull?", "chest_pain", "character:chest_pain:character"),
    ("Does it spread to your arm or jaw?", "chest_pain", "radiation:chest_pain:radiation"),
    ("Do you get any other symptoms with it?", "headache", "association:headache:association"),
    ("How often does the palpitation come?", None, "timing:palpitations:timing"),
    ("And at night?", "cough", "timing:cough:timing"),
    ("How long do the attacks last?", "vertigo", "timing:vertigo:timing"),
    ("What makes it worse?", "back_pain", "exacerbating:back_pain:exacerbating"),
    ("Is it worse after eating?", "abdominal_pain", "exacerbating:abdominal_pain:exacerbating"),
    ("Does anything ease the pain?", "back_pain", "relieving:back_pain:relieving"),
    ("Do painkillers help it?", "headache", "relieving:headache:relieving"),
    ("On a scale from one to ten, how bad is it?", "earache", "severity:earache:severity"),
    ("How much?", "sputum", "severity:sputum:severity"),
    ("Is it getting worse?", "breathlessness", "course:breathlessness:course"),
    ("Have you ever had anything like this before?", "vertigo", "previous_episodes:previous_episode"),
    ("On your face?", "rash", "site:rash:site"),
    # findings, in lay, medical, British and American words
    ("Any trouble catching your breath?", None, "presence:breathlessness"),
    ("Do you have dyspnea?", None, "presence:breathlessness"),
    ("Have you coughed up any blood?", None, "presence:haemoptysis"),
    ("Any hemoptysis?", None, "presence:haemoptysis"),
    ("Have your ankles been swelling?", None, "presence:ankle_swelling"),
    ("Do you feel sick at all?", None, "presence:nausea"),
    ("Does it burn when you pee?", None, "presence:dysuria"),
    ("Have you noticed blood in your poo?", None, "presence:rectal_bleeding"),
    ("Is there pain in your left calf?", None, "presence:calf_pain"),
    ("Have you had any diarrhea?", None, "presence:diarrhoea"),
    ("Any diarhoea?", None, "presence:diarrhoea"),
    ("Have you lost any weight?", None, "presence:weight_loss"),
    ("Does bright light bother you?", None, "presence:photophobia"),
    ("Have you ever thought about ending your life?", None, "presence:suicidal_thoughts"),
    ("Do you hear voices when nobody is there?", None, "presence:hallucinations"),
    ("Is he having enough wet nappies?", None, "presence:wet_nappies"),
    # systems and sections
    ("Any problems with your waterworks?", None, "ros_bladder:bladder_trouble"),
    ("How is your mood?", None, "mood:mood_trouble"),
    ("How are you sleeping?", None, "sleep:sleep_problem"),
    ("Do you have any long-term conditions?", None, "pmh:past_illness"),
    ("Do you have high blood pressure?", None, "presence:hypertension"),
    ("Have you had any operations?", None, "surgery:surgery"),
    ("What tablets do you take?", None, "medicines:medication"),
    ("Are you allergic to anything?", None, "allergy:allergy"),
    ("Are you allergic to any medicines?", None, "allergy:drug_allergy"),
    ("Are there any illnesses that run in the family?", None, "family:family_history"),
    ("Has anyone in your family had diabetes?", None, "family:family_diabetes"),
    ("Did your father or brother have heart trouble?", None, "family:family_heart_disease"),
    ("Do you smoke?", None, "smoking:smoking"),
    ("How much alcohol do you drink?", None, "alcohol:alcohol:severity"),
    ("Do you use recreational drugs?", None, "drugs:recreational_drugs"),
    ("What do you do for a living?", None, "work:occupation"),
    ("Who is at home with you?", None, "home:home_situation"),
    ("Have you been abroad recently?", None, "travel:travel"),
    ("Are his vaccinations up to date?", None, "immunisation:vaccination"),
    ("What do you think is causing it?", "cough", "ideas:ideas"),
    ("Is there anything you are particularly worried about?", None, "concerns:concerns"),
    ("What were you hoping we could do today?", None, "expectations:expectations"),
    ("How has this affected your life?", "cough", "impact:impact"),
    ("How old are you?", None, "demographics:age"),
    # compounds
    ("Any fever, cough or rash?", None, "presence:fever presence:cough presence:rash"),
    ("No fever, any cough?", None, "presence:fever presence:cough"),
    ("Any chest or belly pain?", None, "presence:chest_pain presence:abdominal_pain"),
    ("Where is the headache and when did it start?", None, "site:headache:site onset:headache:onset"),
    ("You mentioned a cough. When did it start?", None, "onset:cough:onset"),
    ("Do you smoke or drink alcohol?", None, "smoking:smoking alcohol:alcohol"),
    ("Do you have any nausea with the pain?", "abdominal_pain", "presence:nausea"),
    ("Any other symptoms apart from the cough?", None, "association:cough:association"),
    ("You take warfarin, is that right?", None, "medicines:anticoagulant"),
    # circumstances, and what only looks like a topic
    ("Does it get worse when you lie flat?", "chest_pain", "exacerbating:chest_pain:exacerbating"),
    ("Does it get worse when you lie flat?", None, "exacerbating:exacerbating"),
    ("Is it worse when lying down?", "chest_pain", "exacerbating:chest_pain:exacerbating"),
    ("Does breathing in make it worse?", "chest_pain", "exacerbating:chest_pain:exacerbating"),
    ("Does leaning forward make it better?", "chest_pain", "relieving:chest_pain:relieving"),
    ("Are you breathless when you lie flat?", "chest_pain", "presence:orthopnoea"),
    ("Is it worse when you lie flat?", "breathlessness", "exacerbating:breathlessness:exacerbating"),
    ("Has your child had a fever?", None, "presence:fever"),
    ("Does your baby cry a lot?", None, "presence:crying"),
    ("I will explain what I think it is. When did it start?", "chest_pain", "onset:chest_pain:onset"),
    # declarative questions and tags
    ("No rash or itching, right?", None, "presence:rash presence:itching"),
    ("You've been wheezing, haven't you?", None, "presence:wheeze"),
    ("So there's no vomiting, correct?", None, "presence:vomiting"),
    ("Regarding your chest, is there anything else, any wheezing?", None, "presence:wheeze anything_else"),
    ("You told me the cough is dry, so when did it begin?", None, "onset:cough:onset"),
    # whether there is any, or how what there is behaves
    ("Do you get chest pain when you climb stairs?", None, "exacerbating:chest_pain:exacerbating"),
    ("Is the chest pain sharp?", None, "character:chest_pain:character"),
    ("Are you breathless at rest?", None, "presence:breathlessness"),
    ("Does your elbow hurt when you lift things?", None, "presence:joint_pain"),
    # words that belong together at a distance
    ("Have both of your ankles been puffing up?", None, "presence:ankle_swelling"),
    ("Did any blood come from your nose?", None, "presence:nosebleed"),
    ("Where exactly in your tummy is the pain?", None, "site:abdominal_pain:site"),
    ("Any cough, blood in your urine?", None, "presence:cough presence:haematuria"),
    ("Does it hurt when you have sex?", None, "presence:intercourse_pain"),
    # medicines by name, by the ending of the name, and by being taken
    ("Are you on sertraline?", None, "medicines:medication"),
    ("Do you take zofenopril?", None, "medicines:medication"),
    ("Have you been prescribed Quixotan?", None, "medicines:medication"),
    ("How many milligrams of gabapentin do you take?", None, "dose:medication:dose"),
    ("Did the ibuprofen work?", None, "relieving:painkillers:relieving"),
    ("Are you taking any tablets for your cough?", None, "relieving:cough:relieving"),
    ("Did you skip your inhaler?", None, "adherence:missed_doses"),
    ("Any allergies at all, to medicines?", None, "allergy:drug_allergy"),
    # what others did and found
    ("What did the cardiologist say?", None, "results"),
    ("When was your last smear test?", None, "results"),
    ("Have you checked your temperature at home?", None, "results:fever"),
    ("Did you see a nurse about the wound?", None, "results:wound"),
    # relatives
    ("Anyone with diabetes?", None, "family:family_diabetes"),
    ("How old was your father when he died?", None, "family:family_history"),
    # where it is
    ("Whereabouts in your head is the pain?", None, "site:headache:site"),
    ("Does kneeling aggravate your knee?", None, "exacerbating:knee_pain:exacerbating"),
    ("Have you had any symptoms in your left leg?", None, "presence:leg_pain"),
    # side by side
    ("Any excessive sweating or night sweats?", None, "presence:sweats presence:night_sweats"),
    ("Have you been diagnosed with diabetes or asthma?", None, "presence:diabetes presence:asthma"),
    # on what it has had an effect
    ("Has it affected your sleep?", "cough", "sleep:sleep_problem"),
    ("How is this affecting your schoolwork?", None, "impact:impact"),
    ("Has a tablet ever given you a rash?", None, "allergy:drug_allergy"),
    # a scene is no topic
    ("Is there any stress at home?", None, "presence:stress"),
    ("Does your wife say that you snore?", None, "presence:snoring"),
    ("Did it get better on its own?", "cough", "course:cough:course"),
    ("When did your symptoms start?", None, "onset:symptom:onset"),
    ("How are your tablets working?", None, "relieving:medication:relieving"),
    ("Do you have any children?", None, "home:home_situation"),
    # a thing that the lexicon has no word for
    ("Do you have any hernias?", None, "presence"),
]


def shown(probe: Probe) -> str:
    return ":".join(filter(None, (probe.intent, probe.concept, probe.slot)))


@pytest.mark.parametrize(("text", "focus", "expected"), ASKED)
def test_a_question_is_read(text: str, focus: str | None, expected: str) -> None:
    assert " ".join(map(shown, read(text, focus).probes)) == expected


@pytest.mark.parametrize(
    ("text", "act"),
    [
        ("Good morning, I am Dr Okafor.", "greet"),
        ("Tell me what happened.", "ask_open"),
        ("Do you have a fever?", "ask_closed"),
        ("Is the pain sharp or dull?", "ask_choice"),
        ("When you say dizzy, what do you mean?", "clarify"),
        ("Let me summarise what you have told me.", "summarise"),
        ("That must be frightening for you. I'm so sorry.", "empathise"),
        ("Try not to worry, you're in good hands.", "reassure"),
        ("This is caused by a narrowed vessel.", "explain"),
        ("I'd like to listen to your chest.", "request_exam"),
        ("Can I examine you?", "request_exam"),
        ("I'd like to order some blood tests.", "order_test"),
        ("It is most likely a viral infection.", "diagnose"),
        ("We will start you on tablets today.", "plan"),
        ("Come back if it gets worse.", "safety_net"),
        ("Goodbye and take care.", "close"),
        ("What do you think of the weather?", "off_topic"),
        ("Whatever you say stays between us.", "confidentiality"),
        ("It makes sense that you feel this way.", "validate"),
        ("You don't have any chest pain, do you?", "leading"),
        ("No chest pain?", "leading"),
        ("Stop wasting my time.", "hostile"),
        ("Any orthopnoea or haemoptysis?", "jargon"),
        ("As I asked before, where is it?", "repeat"),
        ("Would that be okay with you?", "consent"),
        ("Could we speak in private for a moment?", "ask_private"),
    ],
)
def test_a_dialogue_act_is_heard(text: str, act: str) -> None:
    assert act in read(text).acts


@pytest.mark.parametrize(
    ("text", "hostile"),
    [
        ("You're lying.", True),
        ("Why are you lying to me? You are lying.", True),
        ("You are stupid.", True),
        ("Stop wasting my time!", True),
        ("You are a liar.", True),
        ("Does it get worse when you lie flat?", False),
        ("Is it worse when you lie down?", False),
        ("Is it worse when you are lying on your side?", False),
        ("Do you lie awake at night?", False),
        ("Is there any drama at home?", False),
        ("Do you feel lazy or stupid?", False),
        ("Is it all in your head or on one side?", False),
        ("We do not have time for breakfast?", False),
        ("Where did you grow up?", False),
        ("Did the pain calm down?", False),
    ],
)
def test_only_an_insult_is_hostile(text: str, hostile: bool) -> None:
    assert ("hostile" in read(text).acts) is hostile


@pytest.mark.parametrize(
    "text",
    [
        "I am sorry to hear that.",
        "The chest pain is caused by a strained muscle.",
        "You have told me about the cough and the fever.",
        "We will do an X-ray and check your blood.",
    ],
)
def test_a_statement_asks_nothing(text: str) -> None:
    reading = read(text)
    assert reading.probes == ()
    assert not {"ask_open", "ask_closed", "ask_choice"} & set(reading.acts)


@pytest.mark.parametrize("text", ["Did you see the grebes nesting?", "Is your umbrella purple?"])
def test_a_question_that_is_not_understood_is_one_unknown_probe(text: str) -> None:
    assert read(text, "cough").probes == (Probe("unknown", text=text),)


@pytest.mark.parametrize(
    "text",
    [
        "Okay?",
        "I'm going to press on your tummy now, okay?",
        "The ambulance is on its way, all right?",
        "If the pain comes back give me a call, OK?",
        "Could you open your mouth for me?",
    ],
)
def test_an_announcement_or_a_request_is_no_question(text: str) -> None:
    assert all(p.intent == "unknown" for p in read(text).probes)


def test_what_is_not_named_is_never_taken_for_the_topic(index: FactIndex) -> None:
    for text in ("Do you have any tattoos?", "When was your umbrella mended?", "Have you been to a casino?"):
        for probe in read(text, "chest_pain").probes:
            assert (probe.concept, probe.slot, index.find(probe)) == (None, None, ())


def test_stuffing_a_line_with_questions_does_not_pay() -> None:
    line = "Any fever, cough, rash, nausea, vomiting, headache or itching?"
    assert [p.concept for p in read(line).probes] == ["fever", "cough", "rash"]
    many = "Any fever, cough, rash? Any nausea, vomiting, itching? Any headache? Any wheeze?"
    assert len(read(many).probes) == MAX_PER_LINE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No fever or cough.", {"fever": False, "cough": False}),
        ("I don't smoke.", {"smoking": False}),
        ("I haven't had any vomiting but I do have a rash.", {"vomiting": False, "rash": True}),
        ("The patient denies headache and nausea.", {"headache": False, "nausea": False}),
        ("No, I have a cough.", {"cough": True}),
        ("I've never smoked, I drink two pints a week.", {"smoking": False, "alcohol": True}),
        ("I can't sleep.", {"sleep_problem": True}),
        ("Neither nausea nor vomiting.", {"nausea": False, "vomiting": False}),
        ("Jaundice: absent.", {"jaundice": False}),
        ("I don't think I have a fever.", {"fever": False}),
        ("Not only a cough, there is blood in my phlegm too.", {"cough": True, "haemoptysis": True}),
        ("My mother had diabetes.", {"family_diabetes": True}),
        ("Had a fever on Monday. No fever now.", {"fever": True}),
        ("Could it be cancer?", {}),
        ("There is no change in the rash.", {"rash": True}),
        ("No changes in bowel habit.", {"bowel_change": False}),
        ("Non-smoker, drinks alcohol.", {"smoking": False, "alcohol": True}),
        ("She notes a rash and noted a cough.", {"rash": True, "cough": True}),
        ("I fainted.", {"syncope": True}),
        ("It is faint on my belly.", {}),
        ("I fall asleep on the sofa.", {}),
        ("I slept with two people.", {"sexual_history": True}),
        ("Weight 8.6 kg.", {}),
        ("He woke up with a scream.", {"crying": True}),
        ("It wakes me.", {}),
        ("A cold January morning.", {}),
        ("She needs care, that is the plan.", {}),
        ("The contractions came after the ingestion.", {}),
        ("It is controlled, but the figure is high.", {}),
    ],
)
def test_what_a_statement_affirms_and_denies(text: str, expected: dict[str, bool]) -> None:
    assert mentions(text) == expected


def test_concepts_have_positions_and_the_longest_form_wins() -> None:
    text = "I have been coughing up blood and I am tired"
    found = concepts(text)
    assert [name for name, _, _ in found] == ["haemoptysis", "fatigue"]
    tokens = normalise(text)
    assert tokens[found[0][1] : found[0][2]] == ["cough", "up", "blood"]


def test_groups_and_labels() -> None:
    assert label("chest_pain") == "pain in your chest"
    assert label("no_such_thing") == "no such thing"
    assert parent("nausea") == "stomach_trouble"
    assert parent("symptom") is None


def test_the_lexicon_is_whole() -> None:
    lex = lexicon()
    names = set(lex.concepts)
    assert {c.parent for c in lex.concepts.values()} - {None} <= names
    assert {c.in_family for c in lex.concepts.values()} - {None} <= names
    assert {i.concept for i in lex.intents.values()} - {None} <= names
    assert {member for members in lex.children.values() for member in members} <= names
    readable = set(lex.concept_table.names.values())
    assert sorted(names - readable) == []


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300), st.sampled_from([None, "chest_pain", "smoking"]))
def test_any_text_is_read_and_twice_the_same(text: str, focus: str | None) -> None:
    reading = read.__wrapped__(text, focus)
    assert reading == read.__wrapped__(text, focus)
    assert len(reading.probes) <= MAX_PER_LINE
    mentions(text)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(sorted(lexicon().known) + list(",?.;'")), max_size=30))
def test_any_string_of_known_words_is_read(words: list[str]) -> None:
    for probe in read(" ".join(words), "cough").probes:
        assert probe.concept is None or probe.concept in lexicon().concepts
        assert probe.intent in {"unknown", "presence", *lexicon().intents}


@pytest.mark.parametrize(
    "text", ["", "   ", "?", "\x00\x1b[31m?", "что болит？", "a" * 16_000, "why? " * 3_200, "é'" * 99]
)
def test_odd_text_is_read(text: str) -> None:
    assert len(read(text).probes) <= MAX_PER_LINE
    mentions(text)


def test_readings_do_not_depend_on_the_hash_seed() -> None:
    program = (
        "from clinicenv.clinic.router import read;"
        "print(read('Any diahrea or nausea? How long has it lasted, and what helps?', 'headache'))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(said) == 1


def fact(id: str, section: str, concept: str, say: str, **more: object) -> dict[str, object]:
    return {"id": id, "section": section, "concept": concept, "say": [say], **more}


FACTS = [
    fact("pain", "hpi", "chest_pain", "My chest hurts.", disclosure="spontaneous"),
    fact("pain-onset", "hpi", "chest_pain", "It began two hours ago.", slot="onset"),
    fact("pain-worse", "hpi", "chest_pain", "Stairs bring it on.", slot="exacerbating"),
    fact("sweat", "hpi", "sweats", "I have been sweating.", disclosure="open"),
    fact("sick", "ros", "nausea", "I feel a bit sick."),
    fact("no-vomit", "ros", "vomiting", "I have not been sick.", present=False),
    fact("bp", "pmh", "hypertension", "I have high blood pressure."),
    fact("hernia", "psh", "surgery", "I had a hernia mended."),
    fact("jabs", "pmh", "vaccination", "My jabs are up to date."),
    fact("tablet", "meds", "medication", "I take ramipril."),
    fact("thinner", "meds", "anticoagulant", "And a blood thinner."),
    fact("missed", "meds", "adherence", "I forget it now and then."),
    fact("allergy", "allergy", "allergy", "I have no allergies.", present=False),
    fact("dad", "fh", "family_heart_disease", "My father had a heart attack."),
    fact("smokes", "sh", "smoking", "Ten a day.", slot="severity"),
    fact("budgie", "sh", "hobbies", "I breed show budgerigars.", question_variants=["do you keep an aviary"]),
]  # fmt: skip


@pytest.fixture(scope="module")
def index() -> FactIndex:
    return FactIndex.of(scenario())


def scenario() -> Scenario:
    return Scenario.model_validate(
        {
            "schema_version": "1.0",
            "id": "router-test",
            "title": "A test",
            "meta": {"specialty": "general", "license": "MIT"},
            "setting": {"site": "clinic", "door_note": "A patient."},
            "patient": {
                "identity": {"name": "Pat Lee", "age": 60, "sex": "male"},
                "opening": ["My chest hurts."],
                "appearance": "Grey.",
                "facts": FACTS,
                "ice": {"concerns": fact("worry", "ice", "concerns", "I fear for my heart.")},
            },
            "answer": {"diagnosis": {"name": "Nothing"}},
        }
    )


@pytest.mark.parametrize(
    ("text", "focus", "expected"),
    [
        ("What brings you in?", None, "pain sweat"),
        ("Anything else?", "chest_pain", "pain sweat"),
        ("Do you have chest pain?", None, "pain"),
        ("When did it start?", "chest_pain", "pain-onset"),
        ("How often does it come?", "chest_pain", "pain-onset"),  # authors file time under either slot
        ("What brings it on?", "chest_pain", "pain-worse"),
        ("Does it spread anywhere?", "chest_pain", ""),
        ("Any stomach trouble?", None, "sick"),  # no denials beside what there is
        ("Any vomiting?", None, "no-vomit"),
        ("How often do you vomit?", None, "no-vomit"),
        ("Any pain?", None, "pain"),
        ("Do you have a headache?", None, ""),
        ("Any medical conditions?", None, "bp"),
        ("Do you have diabetes?", None, ""),
        ("Any operations in the past?", None, "hernia"),
        ("What medicines are you on?", None, "tablet thinner"),
        ("Do you take blood thinners?", None, "thinner"),
        ("Do you take them every day?", "medication", "missed"),
        ("Are you allergic to penicillin?", None, "allergy"),
        ("Any heart disease in your family?", None, "dad"),
        ("Does anything run in the family?", None, "dad"),
        ("Any cancer in the family?", None, ""),
        ("Do you smoke?", None, "smokes"),
        ("What worries you most?", None, "worry"),
        ("Do you keep an aviary?", None, "budgie"),
        ("Do you breed show budgerigars?", None, "budgie"),
        ("Is that all right with your show?", None, ""),
        ("Any tightness in your chest?", None, "pain"),
        ("Any other symptoms with it?", "chest_pain", "sweat"),
        ("Do you own a submarine?", None, ""),
    ],
)
def test_the_facts_that_a_question_asks_for(
    index: FactIndex, text: str, focus: str | None, expected: str
) -> None:
    (probe,) = read(text, focus).probes
    assert index.find(probe) == tuple(expected.split())


def test_the_same_scenario_is_indexed_once() -> None:
    assert FactIndex.of(scenario()) is FactIndex.of(scenario())
