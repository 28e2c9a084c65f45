"""What the doctors without a model do alike: ask, examine, order, and bring the talk to its end."""

from collections.abc import Iterable
from functools import cache
from typing import TypeAlias

from clinicenv.agents import doctor_lines as lines
from clinicenv.agents.doctor_choices import telling_signs
from clinicenv.agents.doctor_notes import Notes
from clinicenv.clinic.catalogue import CatalogueTest
from clinicenv.clinic.differential import disease, plan_for
from clinicenv.consultation import Turn
from clinicenv.draws import Draw, pick
from clinicenv.events import Action, Answer, Diagnose, Examine, Leave, OrderTests, Plan, RequestImage, Say
from clinicenv.view import AskedOption, DoctorView

TOP = 5
"""Diseases in a differential."""

Ranked: TypeAlias = list[tuple[str, float]]


def view_of(turn: Turn) -> DoctorView:
    """The view of a doctor's turn."""
    assert isinstance(turn.view, DoctorView)
    return turn.view


def last(view: DoctorView) -> bool:
    """Whether this turn is the last one."""
    return view.turn >= view.max_turns


def decide(turn: Turn, ranked: Ranked, plan: Plan) -> Action:
    """The end that the task allows: a ranked list, an answer, or a goodbye."""
    view = view_of(turn)
    if Answer in turn.legal:
        return Answer(_option(view.options, ranked) if view.options else ranked[0][0])
    if Diagnose not in turn.legal:
        return Leave("Thank you. Goodbye.")
    return Diagnose(tuple(name for name, _ in ranked[:TOP]), plan)


def _option(options: tuple[AskedOption, ...], ranked: Ranked) -> str:
    """The option that names the likeliest disease; the first one where none names any."""

    def score(option: AskedOption) -> float:
        text = option.text.lower()
        return sum(p for name, p in ranked if any(w in text for w in _names_of(name)))

    return max(options, key=score).id


@cache
def _names_of(name: str) -> tuple[str, ...]:
    return tuple(w.lower() for w in (name, *disease(name).synonyms))


def full_plan(name: str, explanation: str = "") -> Plan:
    """The plan of a disease's profile, field by field."""
    plan = plan_for(name)
    return Plan(
        escalation="Discuss with a senior doctor today." if disease(name).must_not_miss else "",
        investigations=plan.investigations,
        treatment=plan.treatment,
        follow_up=plan.disposition,
        safety_net=plan.safety_net,
        explanation=explanation,
    )


def examine(turn: Turn, notes: Notes) -> list[Action]:
    """Asks leave, and examines what tells most by the differential."""
    if notes.who == "you":
        text = pick(lines.EXAMINING, turn.draw("wording"))
    else:
        text = lines.CHILD_EXAMINING.format(him=lines.him(notes.who))
    return [
        Say(" ".join([*before(turn.draw, notes, ()), text])),
        Examine(("vital signs", *telling_signs(notes, 4))),
    ]


def order(turn: Turn, notes: Notes, tests: Iterable[CatalogueTest]) -> list[Action]:
    """Says why, and orders tests, and images where they may be asked for; a question where there are none."""
    tests = list(tests)
    text = " ".join([*before(turn.draw, notes, ()), pick(lines.TESTING, turn.draw("wording"))])
    acts: list[Action] = []
    images = [t.name for t in tests if t.category == "imaging" and RequestImage in turn.legal]
    others = [t.name for t in tests if t.name not in images]
    if others:
        acts.append(OrderTests(tuple(others)))
    if images:
        acts.append(RequestImage(tuple(images)))
    return [Say(text), *acts] if acts else [Say(pick(lines.ANYTHING_ELSE, turn.draw("wording")))]


def close(turn: Turn, notes: Notes) -> list[Action]:
    """Sums up, explains, says what is next and when to come back; then the end."""
    ranked = notes.ranked()
    names = [name for name, _ in ranked[:TOP]]
    why = lines.summary(notes.told_first(), names, plan_for(names[0]), notes.who)
    farewell = pick(lines.FAREWELLS, turn.draw("wording"))
    return [Say(f"{why} {farewell}"), decide(turn, ranked, full_plan(names[0], why))]


def questions(concepts: list[str], draw: Draw, notes: Notes) -> str:
    """A line that asks for each of the concepts, or whether there is anything else."""
    if not concepts:
        return " ".join([*before(draw, notes, ()), pick(lines.ANYTHING_ELSE, draw("wording"))])
    asked = [lines.question(c, notes.who, draw("question", c)) for c in concepts]
    return " ".join([*before(draw, notes, concepts), *asked])


def confided(notes: Notes) -> bool:
    """Whether the patient was told that all stays private."""
    return any(line in said for said in notes.said for line in lines.CONFIDING)


def before(draw: Draw, notes: Notes, concepts: Iterable[str]) -> list[str]:
    """What goes before the questions: an answer to the patient's own, comfort, a word on confidence."""
    first: list[str] = []
    private = bool(notes.evaded)
    if notes.reply.endswith("?") and not notes.evaded and not lines.PUZZLED.search(notes.reply):
        asked = notes.reply[max(notes.reply.rfind(mark, 0, -1) for mark in ".!?") + 1 :]
        private = bool(lines.ABOUT_PRIVACY.search(asked))
        if not private:
            first.append(pick(lines.ANSWERS, draw("answer")))
    if not lines.UPSETTING.isdisjoint(notes.news):
        first.append(pick(lines.COMFORTS, draw("comfort")))
    private = private or any(c in lines.SENSITIVE for c in concepts)
    if private and not confided(notes):
        first.append(pick(lines.CONFIDING, draw("confiding")))
    return first
