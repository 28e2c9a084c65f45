"""Which option an answer chooses."""

import pytest

from clinicenv.clinic.choices import option, polar
from clinicenv.scenario import Option

YES_NO = (Option(id="A", text="Yes"), Option(id="B", text="No"))
COLOURS = (Option(id="A", text="Red"), Option(id="B", text="Dark blue"), Option(id="C", text="Normal"))


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("A", "Yes"),
        ("b.", "No"),
        ("(B)", "No"),
        ("B) there is none", "No"),
        ("Option A", "Yes"),
        ("The correct answer is B.", "No"),
        ("**Answer: A**", "Yes"),
        ("yes", "Yes"),
        ("No, the lungs are clear.", "No"),
        ("No effusion is seen", "No"),
        ("Yes: no effusion on the other side", "Yes"),
        ("A Yes", "Yes"),
        ("A, a nodule is there", "Yes"),
        ("Normal", None),
        ("Nodule", None),
        ("Non-contrast scan", None),
        ("None", None),
        ("No doubt there is one", None),
        ("Yes or no", None),
        ("yes, no", None),
        ("A, B", None),
        ("A or B", None),
        ("A and B.", None),
        ("Yesterday", None),
        ("A mass is there", None),
        ("A-lines are there", None),
        ("It cannot be told", None),
    ],
)
def test_yes_and_no_are_words_of_their_own(text: str, chosen: str | None) -> None:
    found = option(YES_NO, text)
    assert (found.text if found else None) == chosen


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("dark  BLUE!", "Dark blue"),
        ("Dark blue. The edge is sharp.", "Dark blue"),
        ("Normal, no lesion", "Normal"),
        ("No", None),
        ("no lesion", None),
        ("Red, unlikely; normal", None),
        ("Red or normal", None),
        ("not red", None),
    ],
)
def test_an_option_is_named_by_its_words(text: str, chosen: str | None) -> None:
    found = option(COLOURS, text)
    assert (found.text if found else None) == chosen


def test_options_that_differ_in_a_sign_or_have_no_latin_letter_are_kept_apart() -> None:
    sizes = (Option(id="A", text="< 5 mm"), Option(id="B", text="> 5 mm"))
    assert option(sizes, "> 5 mm") is sizes[1]
    assert option(sizes, "5 mm") is None
    greek = (Option(id="A", text="ναι"), Option(id="B", text="όχι"))
    assert option(greek, "Όχι.") is greek[1]


def test_ids_may_be_words() -> None:
    named = (Option(id="left", text="The left lung"), Option(id="right", text="The right lung"))
    assert option(named, "Right.") is named[1]
    assert option(named, "The answer is left") is named[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [("Yes", "yes"), ("No.", "no"), ("Answer: no", "no"), ("Normal", None), ("unknown", None)],
)
def test_polar(text: str, said: str | None) -> None:
    assert polar(text) == said
