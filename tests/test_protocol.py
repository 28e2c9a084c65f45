"""Actions as text: what models and people write, and that parser and renderer are each other's inverse."""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clinicenv.events import (
    MAX_ITEMS,
    Action,
    Answer,
    Diagnose,
    Examine,
    IllegalAction,
    Judge,
    Leave,
    OrderTests,
    Plan,
    Report,
    RequestImage,
    Result,
    Say,
    Unparsed,
)
from clinicenv.protocol import (
    BESIDE,
    EMPTY,
    MAX_ITEM,
    PLAN_ALONE,
    SECOND,
    parse,
    render,
    render_results,
    usage,
)

ALL = (Say, Examine, OrderTests, RequestImage, Diagnose, Answer, Leave)
DIAGNOSING = (Say, Examine, OrderTests, RequestImage, Diagnose, Leave)

READINGS: list[tuple[str, list[Action]]] = [
    # prose
    ("When did the pain start?", [Say("When did the pain start?")]),
    ("  \nHello.\n\nWhat brings you in?\n", [Say("Hello.\n\nWhat brings you in?")]),
    ("I would like to order: bloods first.", [Say("I would like to order: bloods first.")]),
    ("We may request test: later.", [Say("We may request test: later.")]),
    ("In order to help, I must ask more.", [Say("In order to help, I must ask more.")]),
    ("Ordered: nothing yet", [Say("Ordered: nothing yet")]),
    ("Two things:\n- do you smoke?\n- do you drink?", [Say("Two things:\n- do you smoke?\n- do you drink?")]),
    ("Doctor: Any fever?", [Say("Any fever?")]),
    ("**Doctor:** Any fever?", [Say("Any fever?")]),
    ("**Dr. O'Neill**: Any fever?", [Say("Any fever?")]),
    ("*Dr Smith: Any fever?*", [Say("Any fever?")]),
    ("Patient: it hurts\nMeasurement: 38 C", [Say("Patient: it hurts\nMeasurement: 38 C")]),
    ("SAY: ORDER: is what I would shout.", [Say("ORDER: is what I would shout.")]),
    ("SAY: Hello.\nHow are you?", [Say("Hello.\nHow are you?")]),
    ("**SAY:** Hello.", [Say("Hello.")]),
    ("Hello.\r\nHow are you?\r\n", [Say("Hello.\nHow are you?")]),
    ("```\nHow are you?\n```", [Say("How are you?")]),
    # orders
    ("ORDER: troponin; ECG", [OrderTests(("troponin", "ECG"))]),
    ("order: troponin ;; ECG;", [OrderTests(("troponin", "ECG"))]),
    ("ORDER: urea, creatinine and electrolytes", [OrderTests(("urea, creatinine and electrolytes",))]),
    ("**ORDER:** troponin", [OrderTests(("troponin",))]),
    ("**ORDER: troponin; ECG**", [OrderTests(("troponin", "ECG"))]),
    ("**ORDER**: **troponin**; *ECG*", [OrderTests(("troponin", "ECG"))]),
    ("`ORDER: troponin`", [OrderTests(("troponin",))]),
    ("- ORDER: troponin\n* IMAGE: chest x-ray", [OrderTests(("troponin",)), RequestImage(("chest x-ray",))]),
    ("1. EXAMINE: calf\n2) ORDER: D-dimer", [Examine(("calf",)), OrderTests(("D-dimer",))]),
    ("• Examine: abdomen; calf", [Examine(("abdomen", "calf"))]),
    ("### ORDER: troponin", [OrderTests(("troponin",))]),
    ("Doctor: ORDER: troponin", [OrderTests(("troponin",))]),
    ("**Doctor:** **ORDER:** troponin", [OrderTests(("troponin",))]),
    ("**Doctor: ORDER: troponin**", [OrderTests(("troponin",))]),
    ("```text\nORDER: troponin\n```", [OrderTests(("troponin",))]),
    ("ORDER:\n- troponin\n- ECG\n\nDo you smoke?", [OrderTests(("troponin", "ECG")), Say("Do you smoke?")]),
    ("ORDER: 1. troponin; 2. ECG", [OrderTests(("troponin", "ECG"))]),
    ("ORDER: HLA-B*57:01", [OrderTests(("HLA-B*57:01",))]),
    (
        "Let me look at you.\nEXAMINE: chest\nORDER: ECG\nThis won't hurt.",
        [Say("Let me look at you."), Examine(("chest",)), OrderTests(("ECG",)), Say("This won't hurt.")],
    ),
    ("ORDER: ECG\nORDER: troponin", [OrderTests(("ECG",)), OrderTests(("troponin",))]),
    # AgentClinic's words
    ("REQUEST TEST: Chest CT", [OrderTests(("Chest CT",))]),
    ("Request Tests: FBC; CRP", [OrderTests(("FBC", "CRP"))]),
    ("REQUEST IMAGES", [RequestImage(("images",))]),
    ("**REQUEST IMAGES**", [RequestImage(("images",))]),
    ("REQUEST IMAGES: chest x-ray", [RequestImage(("chest x-ray",))]),
    ("DIAGNOSIS READY: Myasthenia gravis", [Diagnose(("Myasthenia gravis",))]),
    ("Thank you.\nDIAGNOSIS READY: **Gout**", [Say("Thank you."), Diagnose(("Gout",))]),
    # endings
    ("DIAGNOSE: gout; pseudogout", [Diagnose(("gout", "pseudogout"))]),
    ("DIAGNOSE:\n1. Gout\n2. **Pseudogout**\n3) Sepsis", [Diagnose(("Gout", "Pseudogout", "Sepsis"))]),
    ("**DIAGNOSE:**\n\n**1. Gout**\n\n**2.** Sepsis", [Diagnose(("Gout", "Sepsis"))]),
    ("DIAGNOSE:\n- Gout\n- Sepsis", [Diagnose(("Gout", "Sepsis"))]),
    ("DIAGNOSE: gout\nPLAN: rest and ice", [Diagnose(("gout",), Plan("rest and ice"))]),
    (
        "DIAGNOSE: gout\nPLAN:\n**Treatment:** colchicine\n- Follow up: two weeks\nsafety_net: fever\n"
        "treatment: ice\nORDER: urate in a month\nStay well.",
        [
            Diagnose(
                ("gout",),
                Plan(
                    text="ORDER: urate in a month\nStay well.",
                    treatment="colchicine\nice",
                    follow_up="two weeks",
                    safety_net="fever",
                ),
            )
        ],
    ),
    (
        "DIAGNOSE: gout\nPLAN:\nInvestigations:\n- urate\n- joint tap\nSee you.",
        [Diagnose(("gout",), Plan("See you.", investigations="- urate\n- joint tap"))],
    ),
    ("PLAN: rest\nDIAGNOSE: gout", [Diagnose(("gout",), Plan("rest"))]),
    (
        "DIAGNOSE: gout\nI am fairly sure.\nPLAN: rest",
        [Say("I am fairly sure."), Diagnose(("gout",), Plan("rest"))],
    ),
    ("```\nDIAGNOSE: gout\nPLAN: rest\n```", [Diagnose(("gout",), Plan("rest"))]),
    ("ANSWER: **B**", [Answer("B")]),
    ("The film shows it.\nAnswer: B", [Say("The film shows it."), Answer("B")]),
    ("LEAVE:\nTake care.", [Say("Take care."), Leave()]),
    ("**LEAVE:** goodbye", [Leave("goodbye")]),
]


@pytest.mark.parametrize(("text", "actions"), READINGS, ids=range(len(READINGS)))
def test_reads_what_models_write(text: str, actions: list[Action]) -> None:
    assert parse(text, ALL) == actions


UNREADABLE: list[tuple[str, str, str]] = [
    ("ORDER:", "ORDER:", "ORDER: item; item"),
    ("ORDER: ; -", "ORDER: ; -", "ORDER: item; item"),
    ("ORDER troponin", "ORDER troponin", "colon"),
    ("LEAVE", "LEAVE", "LEAVE: words"),
    ("DIAGNOSIS READY gout", "DIAGNOSIS READY gout", "DIAGNOSE: most likely"),
    ("REQUEST IMAGES of the chest", "REQUEST IMAGES of the chest", "IMAGE: item; item"),
    ("DIAGNOSE:", "DIAGNOSE:", "DIAGNOSE: most likely"),
    ("DIAGNOSE:\nPLAN: rest\nand ice", "DIAGNOSE:\nPLAN: rest\nand ice", "DIAGNOSE is empty"),
    ("ANSWER: ", "ANSWER:", "ANSWER: words"),
    ("PLAN: rest\n- ice", "PLAN: rest\n- ice", PLAN_ALONE),
    ("DIAGNOSE: " + "gout; " * 11, "DIAGNOSE: " + ("gout; " * 11).strip(), "10 at most"),
    ("ORDER: " + "ECG; " * (MAX_ITEMS + 1), "ORDER: " + ("ECG; " * (MAX_ITEMS + 1)).strip(), "20 at most"),
    ("ORDER: " + "x" * (MAX_ITEM + 1), "ORDER: " + "x" * (MAX_ITEM + 1), "300 characters"),
]


@pytest.mark.parametrize(("text", "line", "reason"), UNREADABLE, ids=range(len(UNREADABLE)))
def test_an_unreadable_line_says_what_to_write(text: str, line: str, reason: str) -> None:
    (found,) = parse(text, ALL)
    assert isinstance(found, Unparsed)
    assert found.text == line
    assert reason in found.reason


@pytest.mark.parametrize("text", ["", " \n\t\n", "```\n```", "SAY:"])
def test_an_empty_reply_is_unparsed(text: str) -> None:
    assert parse(text, ALL) == [Unparsed("", EMPTY)]


def test_readable_lines_beside_an_unreadable_one_count() -> None:
    order, unread, say = parse("ORDER: ECG\nEXAMINE:\nDo you smoke?", ALL)
    assert (order, say) == (OrderTests(("ECG",)), Say("Do you smoke?"))
    assert isinstance(unread, Unparsed)


def test_an_illegal_line_names_what_is_legal() -> None:
    first, second = parse("Hello.\nANSWER: B", (Say, Leave))
    assert first == Say("Hello.")
    assert isinstance(second, Unparsed)
    assert second.reason == "ANSWER is not possible now; you may write `SAY: words` or `LEAVE: words`."


def test_an_illegal_diagnosis_takes_its_plan_with_it() -> None:
    (found,) = parse("DIAGNOSE: gout\nPLAN: rest\nDrink water.", (Say, Leave))
    assert isinstance(found, Unparsed)
    assert found.text == "DIAGNOSE: gout\nPLAN: rest\nDrink water."


def test_speech_that_is_not_legal_is_unparsed() -> None:
    (found,) = parse("Hello.", (Answer,))
    assert isinstance(found, Unparsed)
    assert "ANSWER: words" in found.reason


def test_orders_beside_a_final_action_are_not_carried_out() -> None:
    assert parse("ORDER: ECG\nDIAGNOSE: gout\nIMAGE: knee\nBye.", ALL) == [
        Unparsed("ORDER: ECG", BESIDE),
        Unparsed("IMAGE: knee", BESIDE),
        Say("Bye."),
        Diagnose(("gout",)),
    ]


def test_orders_beside_an_unreadable_diagnosis_are_carried_out() -> None:
    assert parse("ORDER: ECG\nDIAGNOSE:", ALL)[0] == OrderTests(("ECG",))


def test_the_first_of_two_final_actions_counts_and_has_the_plan() -> None:
    assert parse("DIAGNOSE: gout\nLEAVE: bye\nDIAGNOSE: sepsis\nPLAN: rest", ALL) == [
        Unparsed("LEAVE: bye", SECOND),
        Unparsed("DIAGNOSE: sepsis", SECOND),
        Diagnose(("gout",), Plan("rest")),
    ]


def test_speech_that_looks_like_something_else_is_escaped() -> None:
    say = Say("Doctor: is my name.\nORDER: now\n```\nfine")
    assert render([say]) == "SAY: Doctor: is my name.\nSAY: ORDER: now\nSAY: ```\nfine"


def test_plan_text_that_looks_like_a_field_stays_text() -> None:
    diagnosis = Diagnose(("gout",), Plan("Treatment: none yet\n```", safety_net="fever"))
    text = "DIAGNOSE: gout\nPLAN: text: Treatment: none yet\ntext: ```\nsafety-net: fever"
    assert render([diagnosis]) == text
    assert parse(text, ALL) == [diagnosis]


def test_adjacent_speech_merges_in_text() -> None:
    assert parse(render([Say("Hello."), Say("Any pain?")]), ALL) == [Say("Hello.\nAny pain?")]


def test_render_refuses_what_has_no_text_form() -> None:
    with pytest.raises(IllegalAction, match="Judge"):
        render([Judge(("exact",))])
    with pytest.raises(IllegalAction, match="one of"):
        render([Leave(), Answer("B")])


def test_results_are_one_entry_each_in_order() -> None:
    report = Report(
        (
            Result("trop", "Troponin I", "4 ng/L (0-14)", "test", source="normal", flags=("low",)),
            Result("calf", "", "Swollen.\nTender.", "exam"),
        )
    )
    assert render_results(report) == "Troponin I: 4 ng/L (0-14)\ncalf: Swollen.\n  Tender."
    assert render_results(Report(())) == "No results."


@pytest.mark.parametrize("legal", [DIAGNOSING, (Say, Answer), (Say, Leave), (Answer,)])
def test_usage_shows_the_legal_lines_only(legal: tuple[type, ...]) -> None:
    words = {Say: "SAY:", Examine: "EXAMINE:", OrderTests: "ORDER:", RequestImage: "IMAGE:"}
    words |= {Diagnose: "DIAGNOSE:", Answer: "ANSWER:", Leave: "LEAVE:"}
    shown = {line.split(" ")[0] for line in usage(legal).splitlines()}
    assert {kind for kind, word in words.items() if word in shown} == set(legal)
    assert ("PLAN:" in shown) == (Diagnose in legal)


@pytest.mark.parametrize(
    "piece",
    [" ", "*", "_ ", "- ", "1. ", "ORDER", "ORDER:\n", "Dr A ", "DIAGNOSE:\n1. ", ";", "**1. ", "`", "\n"],
)
def test_long_hostile_text_is_read(piece: str) -> None:
    for text in (piece * 16_000, f"ORDER: {piece * 16_000}", f"Dr{piece * 16_000}:"):
        actions = parse(text, ALL)
        assert actions
        assert parse(render(actions), ALL) == actions


# properties

# fmt: off
MARKUP = [
    "ORDER: ", "EXAMINE:", "IMAGE: x", "DIAGNOSE: ", "DIAGNOSE:", "PLAN: ", "PLAN:", "ANSWER: ", "LEAVE:",
    "SAY: ", "SAY:", "order ", "ORDER", "Plan : ", "REQUEST IMAGES", "REQUEST TEST: ", "DIAGNOSIS READY: ",
    "Doctor: ", "Dr Smith: ", "Patient: ", "**Doctor:**", "**", "*", "`", "_", "```", "- ",
    "* ", "1. ", "2) ", "• ", "# ", "; ", ";", ",", ":",
    " ", "  ", "\u2028", "\x1c", "\r", "gout", "ECG", "treatment: ", "follow-up:",
    "Safety net: ", "text: ", "hello there", "ſay:",
]
# fmt: on
PIECES = st.sampled_from(MARKUP)
LINES = st.lists(st.one_of(PIECES, st.text(max_size=6)), max_size=6).map("".join)
TEXTS = st.lists(LINES, max_size=10).map("\n".join)
SPEECH = TEXTS.map(lambda t: t.replace("\r", "").strip()).filter(bool)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9 ,:()/%*.#_-]{0,30}", fullmatch=True).map(
    lambda t: " ".join(t.split())
)


def several(most: int) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(NAMES, min_size=1, max_size=most).map(tuple)


ORDER_ACTIONS = st.one_of(*(several(MAX_ITEMS).map(kind) for kind in (Examine, OrderTests, RequestImage)))
PLANS = st.builds(
    Plan,
    text=TEXTS,
    escalation=TEXTS,
    investigations=LINES,
    treatment=TEXTS,
    follow_up=LINES,
    safety_net=TEXTS,
    explanation=LINES,
)
FINALS = st.one_of(
    st.builds(Diagnose, several(10), PLANS), NAMES.map(Answer), st.one_of(st.just(Leave()), SPEECH.map(Leave))
)
SAYS = SPEECH.map(Say)


def canonical(actions: list[Action]) -> bool:
    return not any(isinstance(a, Say) and isinstance(b, Say) for a, b in pairwise(actions))


TALKS = st.lists(st.one_of(SAYS, ORDER_ACTIONS), min_size=1, max_size=5).filter(canonical)
ENDINGS = st.tuples(st.lists(SAYS, max_size=1), FINALS).map(lambda pair: [*pair[0], pair[1]])


@settings(max_examples=400, deadline=None)
@given(st.one_of(TALKS, ENDINGS))
def test_parse_undoes_render(actions: list[Action]) -> None:
    assert parse(render(actions), ALL) == actions


@settings(max_examples=1000, deadline=None)
@given(TEXTS, st.sampled_from([ALL, DIAGNOSING, (Say, Leave), (Diagnose, Answer), (OrderTests,)]))
@example("DIAGNOSE:\nLEAVE:\nPLAN: rest\nSAY: - bye", ALL)
@example("ORDER:\nSAY: - smoke?\nDIAGNOSE: \n* ", ALL)
def test_what_was_read_reads_the_same_again(text: str, legal: tuple[type, ...]) -> None:
    actions = parse(text, legal)
    assert actions
    assert all(isinstance(each, (*legal, Unparsed)) for each in actions)
    assert not any(isinstance(each, (Diagnose, Answer, Leave)) for each in actions[:-1])
    assert canonical(actions)
    assert parse(render(actions), legal) == actions
