"""What the rule annotator takes for told, whoever worded it."""

from typing import Any

import pytest

from benchmarks.annotation import score
from clinicenv.clinic.annotate import facts_told
from clinicenv.story import Fact


def fact(id: str, concept: str, *say: str, **more: Any) -> Fact:
    return Fact.model_validate({"id": id, "section": "hpi", "concept": concept, "say": say, **more})


FACTS = (
    fact("pain", "chest_pain", "My chest hurts."),
    fact(
        "onset", "chest_pain", "It began two months ago, after a run.", slot="onset", value="two months ago"
    ),
    fact("worse", "chest_pain", "Stairs make it worse.", slot="exacerbating", value="stairs, cold air"),
    fact("vomits", "vomiting", "I've been sick six times since lunch.", value="six times since lunch"),
    fact("tablet", "medication", "I take ramipril, five milligrams, every morning.", section="meds"),
    fact(
        "smokes", "smoking", "Twenty a day since I was fifteen.", section="sh", value="twenty a day since 15"
    ),
    fact("aunt", "family_cancer", "My aunt died of cancer at fifty-four.", section="fh"),
    fact("asthma", "asthma", "I had asthma as a child. I've not used a puffer since.", section="pmh"),
    fact("swollen", "ankle_swelling", "My ankles swell by the evening. My socks leave a mark."),
    fact("dark", "dark_urine", "It's dark, like tea.", value="dark as tea for three days"),
    fact("no_fever", "fever", "No, I've had no fever.", present=False, value="none"),
    fact("no_cough", "cough", "No, I don't have a cough.", present=False, value="none"),
    fact("no_fall", "falls", "No, I've not had a fall.", present=False, value="none"),
    fact("sofa", "sleep_problem", "I sleep on the sofa.", value="on the sofa for two nights"),
    fact("worry", "concerns", "I'm afraid it's my heart.", section="ice", value="that it is the heart"),
)


def told(text: str, *asked: str) -> tuple[str, ...]:
    return facts_told(text, FACTS, asked)


def test_facts_come_in_the_order_of_the_case() -> None:
    assert told("My ankles swell in the evenings. And I've been sick six times.") == ("vomits", "swollen")


def test_lay_words_for_the_same_thing_count() -> None:
    assert told("I've had to kip on the settee for a couple of nights.", "sofa") == ("sofa",)
    assert "aunt" in told("Auntie passed away at 54, it was a tumour.", "aunt")


def test_numbers_count_in_words_and_in_digits() -> None:
    assert told("20 a day, from when I was 15.") == ("smokes",)
    assert told("I threw up half a dozen times since lunch.") == ("vomits",)


def test_equal_lengths_of_time_count_in_any_unit() -> None:
    assert "onset" in told("About eight weeks ago.", "onset")
    assert "onset" not in told("About eight days.", "onset")


def test_a_yes_tells_what_was_asked() -> None:
    assert told("Yes, every morning.", "tablet") == ("tablet",)
    assert told("Yes.", "swollen") == ("swollen",)
    assert told("Yes, every morning.") == ()


def test_a_no_tells_the_absence_that_was_asked_about() -> None:
    assert told("No, never.", "no_fall") == ("no_fall",)
    assert told("Not that I know of.", "no_fever") == ("no_fever",)
    assert told("No, never.") == ()


def test_a_no_does_not_tell_what_is_there_nor_a_yes_what_is_not() -> None:
    assert told("No, never.", "swollen") == ()
    assert told("Yes, I did, twice.", "no_fall") == ()
    assert told("Yes, I've had a fever since last night.", "no_fever") == ()


def test_a_finding_that_is_denied_is_not_told() -> None:
    assert told("No swelling of the ankles at all, doctor.") == ()
    assert told("I have not been vomiting.") == ()


def test_a_finding_that_is_simply_named_is_told() -> None:
    assert told("Well, I've been vomiting.") == ("vomits",)


def test_a_detail_tells_the_finding_too_where_it_is_plain_what_it_is_of() -> None:
    assert told("It started two months ago.", "onset") == ("pain", "onset")
    assert told("The chest pain started two months ago.") == ("pain", "onset")
    assert "pain" not in told("It all started two months ago, after a run.")


def test_other_people_are_not_the_patient() -> None:
    assert told("My sister takes ramipril every morning.") == ()
    assert told("My brother's been vomiting.") == ()


def test_questions_in_a_reply_tell_nothing() -> None:
    assert told("Could it be that my ankles swell? Do I need ramipril?") == ()


def test_chatter_tells_nothing_even_if_facts_were_asked() -> None:
    assert told("Of course, go ahead. I'll roll my sleeve up.", "smokes", "tablet") == ()
    assert told("I'd have to ask my wife.", "smokes") == ()
    assert told("") == ()


def test_something_else_than_the_patient_knows_is_not_told() -> None:
    assert told("They took my gallbladder out, years back.", "tablet") == ()
    assert told("It's as pale as water.", "dark") == ()


def test_each_sentence_may_tell_another_fact() -> None:
    text = "It's gone dark as tea. I'm sleeping on the sofa. I've no cough."
    assert set(told(text)) == {"dark", "sofa", "no_cough"}


def test_one_word_in_common_proves_nothing_and_shared_words_go_to_the_likelier_fact() -> None:
    assert told("I had a lovely morning.") == ()
    assert told("I'm fifteen minutes early today.") == ()
    assert told("My chest hurts on the stairs.", "pain", "worse") == ("pain", "worse")


@pytest.mark.parametrize(
    "text", ["?", "...", "No. No. No.", "1" * 5000, "a " * 4000, "\u00bd \u0663 4am 3.4.5"]
)
def test_odd_replies_do_no_harm(text: str) -> None:
    assert told(text) == ()


def test_without_facts_nothing_is_told() -> None:
    assert facts_told("Yes, I smoke twenty a day.", ()) == ()


def test_the_benchmark_counts_what_it_labels() -> None:
    recall, precision, n = score("dev")
    assert n >= 150
    assert recall >= 0.88
    assert precision >= 0.94


def test_most_facts_in_replies_that_nobody_tuned_on_are_found_and_few_others() -> None:
    recall, precision, n = score("test")
    assert n >= 150
    assert recall >= 0.8
    assert precision >= 0.9
