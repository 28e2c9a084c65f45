"""The doctors that need no model: `random`, `scripted`, `guess`, and in a module of its own `bayes`.

None of them keeps anything between turns: all is rebuilt from the view, so that one object may play many
consultations at once, and a copy that starts in the middle goes on alike.
"""

from collections.abc import Callable
from functools import cache
from typing import Literal, TypeAlias

from clinicenv.agents import doctor_lines as lines
from clinicenv.agents.bayes import BayesDoctor
from clinicenv.agents.doctor_acts import (
    before,
    close,
    confided,
    decide,
    examine,
    last,
    order,
    questions,
    view_of,
)
from clinicenv.agents.doctor_choices import SURE, basic_tests, telling_tests, worth_asking
from clinicenv.agents.doctor_notes import Notes, band_of, take_notes, unfit
from clinicenv.clinic.catalogue import catalogue
from clinicenv.clinic.differential import diseases, plan_for
from clinicenv.consultation import Agent, Turn
from clinicenv.draws import pick
from clinicenv.events import Action, Examine, OrderTests, Plan, Say
from clinicenv.view import DoctorView

LEAST_TURNS = 10
"""Before this turn it never stops early."""

_EXAMINATIONS = (
    "vital signs",
    "general inspection",
    "listen to the heart",
    "listen to the lungs",
    "feel the abdomen",
    "nervous system",
    "look at the skin",
    "look in the mouth",
    "feel the lymph nodes",
    "examine the legs",
)


class GuessDoctor:
    """Asks nothing: ranks diseases on the door note and the opening line."""

    def act(self, turn: Turn) -> list[Action]:
        """The first act is the last."""
        ranked = take_notes(view_of(turn)).ranked()
        return [decide(turn, ranked, Plan(plan_for(ranked[0][0]).treatment))]


class RandomDoctor:
    """Asks, examines and orders at random, and ends with three random diseases and no plan."""

    def act(self, turn: Turn) -> list[Action]:
        """One random act; the end comes with a chance of 1 in 12 from the fifth turn on."""
        view, draw = view_of(turn), turn.draw
        if last(view) or (view.turn > 4 and draw("end") < 1 / 12):
            mixed = sorted((d.name for d in diseases()), key=lambda name: draw("disease", name))
            return [decide(turn, [(name, 1 / 3) for name in mixed[:3]], Plan())]
        kind = draw("kind")
        if kind < 0.6:
            concept = pick(lines.topics(), draw("topic"))
            return [Say(lines.question(concept, take_notes(view).who, draw("wording")))]
        if kind < 0.8:
            return [Examine((pick(_EXAMINATIONS, draw("examination")),))]
        return [OrderTests((pick(tuple(catalogue().values()), draw("test")).name,))]


Step: TypeAlias = Literal[
    "open",
    "more",
    "onset",
    "factors",
    "course",
    "ask",
    "past",
    "family",
    "living",
    "views",
    "examine",
    "test",
    "image",
]

_AGENDA: tuple[tuple[Step, int], ...] = (
    ("open", 0),
    ("more", 3),
    ("onset", 2),
    ("factors", 8),
    ("course", 12),
    ("ask", 1),
    ("past", 5),
    ("ask", 6),
    ("family", 9),
    ("ask", 10),
    ("living", 13),
    ("views", 11),
    ("examine", 3),
    ("test", 4),
    ("image", 7),
    ("ask", 14),
    ("ask", 15),
    ("test", 16),
)
"""The steps in order; where turns are few, those with the lowest numbers stay."""


@cache
def agenda(max_turns: int) -> tuple[Step, ...]:
    """What the scripted doctor does turn by turn before it decides."""
    kept = sorted(range(len(_AGENDA)), key=lambda n: (_AGENDA[n][1], n))[: max(max_turns - 1, 0)]
    return tuple(_AGENDA[n][0] for n in sorted(kept))


_TOPICS: dict[Step, tuple[str, ...]] = {
    "past": ("past_illness", "medication", "allergy"),
    "family": ("family_history", "smoking", "alcohol", "recreational_drugs"),
    "living": ("occupation", "home_situation", "travel", "contacts_ill"),
}
_INFANT_TOPICS: dict[Step, tuple[str, ...]] = {
    "past": ("past_illness", "medication", "allergy", "birth_history"),
    "family": ("family_history", "feeding", "wet_nappies"),
    "living": ("vaccination", "development", "travel", "contacts_ill"),
}


class ScriptedDoctor:
    """A full history, an examination and tests by what its differential says, then a diagnosis and a plan."""

    def act(self, turn: Turn) -> list[Action]:
        """The step of the agenda that is due, or the end."""
        view = view_of(turn)
        notes, steps = take_notes(view), agenda(view.max_turns)
        done = steps[: view.turn - 1]
        if view.turn > len(steps) or last(view) or self._sure(notes, view, done):
            return close(turn, notes)
        step = steps[view.turn - 1]
        if step == "examine":
            return examine(turn, notes)
        if step in ("test", "image"):
            return order(turn, notes, telling_tests(notes) if "test" in done else basic_tests(notes))
        return [Say(self._line(step, turn, notes))]

    @staticmethod
    def _sure(notes: Notes, view: DoctorView, done: tuple[Step, ...]) -> bool:
        looked = {"examine", "test", "image"} <= set(done)
        return looked and view.turn >= LEAST_TURNS and notes.ranked()[0][1] > SURE

    def _line(self, step: Step, turn: Turn, notes: Notes) -> str:
        draw = turn.draw
        if step == "open":
            return pick(lines.GREETINGS, draw("wording"))
        if step == "more":
            return pick(lines.MORE, draw("wording"))
        if step == "views":
            text = pick(lines.VIEWS, draw("wording"))
        elif step in ("onset", "factors", "course"):
            text = _on_problem(step, notes)
        else:
            return questions(self._concepts(step, notes), draw, notes)
        return " ".join([*before(draw, notes, ()), text])

    @staticmethod
    def _concepts(step: Step, notes: Notes) -> list[str]:
        barred = unfit(notes.sex, band_of(notes.age))
        fixed = (_INFANT_TOPICS if band_of(notes.age) == 0 else _TOPICS).get(step)
        if fixed:
            return [c for c in fixed if c not in barred and c not in notes.asked]
        again = [c for c in notes.evaded if c in lines.SENSITIVE and not confided(notes)]
        return [*again, *worth_asking(notes, barred)][:3]


def _on_problem(step: Step, notes: Notes) -> str:
    known = lines.on_the_problem(notes.lead, notes.who)
    slots = {
        "onset": ("onset", "site", "character"),
        "factors": ("radiation", "exacerbating", "relieving"),
        "course": ("severity", "timing", "course", "association"),
    }[step]
    return " ".join(known[s] for s in slots if s in known)


DOCTORS: dict[str, Callable[[], Agent]] = {
    "random": RandomDoctor,
    "scripted": ScriptedDoctor,
    "guess": GuessDoctor,
    "bayes": BayesDoctor,
}
"""Name -> what makes the doctor."""
