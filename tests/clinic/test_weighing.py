"""What all words of a sentence say beside the rules, and what the weights were fitted to."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks import understanding as u
from clinicenv.clinic import weighing
from clinicenv.clinic.lexicon import normalise
from clinicenv.clinic.router import by_rule, read
from training import fit


def test_no_line_that_scores_the_router_was_fitted_to() -> None:
    questions = {tuple(normalise(text)) for _, _, text in fit.rows("questions")}
    assert len(questions) > 7000
    scored = [q.text for q in u.own_questions()]
    scored += [q for facts in u.reach().values() for asked in facts.values() for q in asked]
    if u.QUESTIONS.is_dir():
        scored += [q.text for q in u.real_questions(u.QUESTIONS)]
        sentences = u.real_sentences(u.QUESTIONS)
        real = {(name, int(row)) for name, row, *_ in fit.rows("real_questions")}
        assert len(real) > 4000
        questions |= {tuple(normalise(sentences[row])) for row in real}
    assert questions.isdisjoint(tuple(normalise(text)) for text in scored)
    said = {tuple(normalise(text)) for _, text in fit.rows("doctor_lines")}
    assert said.isdisjoint(tuple(normalise(line.text)) for line in u.doctor_lines())


def test_the_weights_are_those_of_the_lines_that_stand_here() -> None:
    fitted_to = json.loads(weighing.FILE.read_text(encoding="utf-8"))["fitted_to"]
    assert fitted_to == fit.digest(), "run `make weights`"


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("If ten's the worst pain you can think of, where's yours?", "severity"),
        ("Besides the temperature, has he had something else with it?", "association"),
        ("What about food, does the pain in your tummy get worse after a meal?", "exacerbating"),
    ],
)
def test_words_outweigh_a_rule_that_catches_too_much(text: str, intent: str) -> None:
    assert by_rule(text).probes[0].intent != intent
    assert read(text).probes[0].intent == intent


@pytest.mark.parametrize(
    "text", ["What is the pain like?", "Any fever?", "Thank you, goodbye.", "", "?!", "x " * 3000]
)
def test_what_the_rules_read_well_stays(text: str) -> None:
    assert read(text) == by_rule(text)


def test_every_process_reads_alike() -> None:
    script = (
        "from benchmarks import understanding as u\n"
        "from clinicenv.clinic.router import read\n"
        "print([read(q.text) for q in u.own_questions()], [read(x.text).acts for x in u.doctor_lines()])"
    )
    one, other = (
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"PYTHONHASHSEED": seed},
            cwd=fit.HERE.parent,
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    )
    assert one == other


def test_a_promise_that_no_rule_knows_is_heard() -> None:
    text = "Your boss won't be told a thing by this office."
    assert "confidentiality" in read(text).acts
