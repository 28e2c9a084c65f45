"""What a line of the doctor does beside asking: empathy, comfort, jargon, hostility, secrecy, leading."""

import pytest

from clinicenv.clinic.router import read

SIX = frozenset({"empathise", "validate", "reassure", "jargon", "hostile", "confidentiality", "leading"})


def heard(text: str) -> set[str]:
    return SIX.intersection(read(text).acts)


@pytest.mark.parametrize(
    "text",
    [
        "Goodness, that sounds exhausting.",
        "You must have been terrified when the lights went out.",
        "What an awful week you've had.",
        "You look worried.",
        "No wonder you feel on edge.",
        "It's hard when nobody believes you.",
        "Anyone in your place would be angry.",
        "I’m so sorry you’ve been left waiting in pain.",
    ],
)
def test_kind_words_are_heard_as_empathy(text: str) -> None:
    assert heard(text) & {"empathise", "validate"}


@pytest.mark.parametrize(
    "text",
    [
        "Sorry, could you say that again?",
        "Sorry to keep you waiting.",
        "Are you worried about your job?",
        "Is it hard to swallow?",
        "It's hard to tell from this picture.",
        "I can see a small rash on your arm.",
        "How frightened were you?",
    ],
)
def test_a_feeling_word_alone_is_no_empathy(text: str) -> None:
    assert not heard(text)


@pytest.mark.parametrize(
    "text",
    [
        "Your kidneys are working perfectly well.",
        "There is no sign of cancer anywhere.",
        "It almost always clears up on its own.",
        "We'll take good care of you.",
        "This is easily treated.",
        "She'll be home before you know it.",
    ],
)
def test_good_prospects_told_are_reassurance(text: str) -> None:
    assert heard(text) == {"reassure"}


@pytest.mark.parametrize(
    "text",
    [
        "Was the scan clear?",
        "Did it get better on its own?",
        "If the scan is clear, you can go home.",
        "It isn't getting any better.",
        "I can't promise that it will heal.",
        "There is no cure for this.",
    ],
)
def test_a_hope_asked_about_doubted_or_denied_is_no_reassurance(text: str) -> None:
    assert not heard(text)


@pytest.mark.parametrize(
    ("text", "jargon"),
    [
        ("Any haematuria?", True),
        ("You have a pneumothorax.", True),
        ("We suspect an NSTEMI.", True),
        ("Your eGFR is down.", True),
        ("Do you have arthritis, asthma or anaemia?", False),
        ("We'll do an MRI and an ECG.", False),
        ("Is the pain inside your chest or on the outside?", False),
        ("I AM THE DOCTOR TODAY.", False),
    ],
)
def test_only_words_of_clinicians_are_jargon(text: str, jargon: bool) -> None:
    assert ("jargon" in heard(text)) is jargon


@pytest.mark.parametrize(
    "text",
    [
        "You have cholecystitis, which means the gallbladder is inflamed.",
        "There is some fluid around the lung, what we call an effusion.",
        "You have diverticulitis, that is, small pouches in the bowel are inflamed.",
    ],
)
def test_jargon_that_is_explained_does_not_count(text: str) -> None:
    assert "jargon" not in heard(text)


@pytest.mark.parametrize(
    "text",
    [
        "You've only yourself to blame.",
        "Don't be so ridiculous.",
        "Quit moaning and sit down.",
        "Are you deaf?",
        "Other people have real illnesses.",
        "You can't be bothered to look after yourself.",
        "I've told you twice already.",
        "Grown women don't cry over a needle.",
    ],
)
def test_blame_scorn_and_impatience_are_hostile(text: str) -> None:
    assert "hostile" in heard(text)


@pytest.mark.parametrize(
    "text",
    [
        "You must stop smoking.",
        "You need to lose some weight.",
        "Don't drive until we know more.",
        "You're not wasting my time.",
        "What do you think is wrong with you?",
        "Be careful with that step.",
    ],
)
def test_firm_advice_is_not_hostile(text: str) -> None:
    assert "hostile" not in heard(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("I won't tell your parents.", True),
        ("What's said in here stays in here.", True),
        ("Nobody at work will find out.", True),
        ("I can't share her results without her permission.", True),
        ("I'd only tell somebody if you were in danger.", True),
        ("The private bathroom is on the left.", False),
        ("Does your wife know about the bleeding?", False),
        ("Who else lives with you?", False),
        ("I'll tell you the results on Friday.", False),
        ("Tell your boss that you need two weeks off.", False),
    ],
)
def test_a_promise_to_keep_a_secret_is_heard(text: str, told: bool) -> None:
    assert ("confidentiality" in heard(text)) is told


@pytest.mark.parametrize(
    "text",
    [
        "The cough is dry, isn't it?",
        "You don't smoke, right?",
        "And no fever?",
        "So the pain is worse when you walk?",
        "Wouldn't you say it's more of an ache?",
        "I take it you sleep well?",
        "Am I right in thinking the rash came first?",
        "You're sleeping well, no nightmares?",
    ],
)
def test_a_question_that_gives_its_answer_is_leading(text: str) -> None:
    assert "leading" in heard(text)


@pytest.mark.parametrize(
    "text",
    [
        "Do you smoke?",
        "How old are you?",
        "Where is it?",
        "And the pain?",
        "You've had it how long?",
        "Take one in the morning, okay?",
        "Let's look at it together, shall we?",
        "Take a seat, would you?",
        "You told me that it began on Monday and moved to your back. Have I got that right?",
        "You said it hurts, where exactly?",
        "No problem, when would suit you?",
        "It's sharp or dull?",
    ],
)
def test_open_and_plain_questions_orders_and_summaries_do_not_lead(text: str) -> None:
    assert "leading" not in heard(text)


@pytest.mark.parametrize(
    ("text", "acts"),
    [
        ("That must have been awful, and you've not slept since, have you?", {"empathise", "leading"}),
        ("I know you're scared, but your heart is fine.", {"empathise", "reassure"}),
        ("There's nothing wrong with your heart, now stop wasting my time.", {"reassure", "hostile"}),
        ("No orthopnoea, I presume?", {"jargon", "leading"}),
    ],
)
def test_one_line_may_do_several_things(text: str, acts: set[str]) -> None:
    assert heard(text) == acts
