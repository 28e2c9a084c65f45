"""The three doctors that need no model: `random`, `scripted` and `guess`.

None of them keeps anything between turns: all is rebuilt from the view, so that one object may play many
consultations at once, and a copy that starts in the middle goes on alike.
"""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Literal, TypeAlias

from clinicenv.agents import doctor_lines as lines
from clinicenv.agents.doctor_choices import SURE, basic_tests, telling_signs, telling_tests, worth_asking
from clinicenv.agents.doctor_notes import Notes, band_of, take_notes, unfit
from clinicenv.clinic.catalogue import catalogue
from clinicenv.clinic.differential import disease, diseases, plan_for
from clinicenv.consultation import Agent, Turn
from clinicenv.draws import Draw, pick
from clinicenv.events import Action, Answer, Diagnose, Examine, Leave, OrderTests, Plan, RequestImage, Say
from clinicenv.view import AskedOption, DoctorView

TOP = 5
"""Diseases in a differential."""

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

Ranked: TypeAlias = list[tuple[str, float]]


def _view(turn: Turn) -> DoctorView:
    assert isinstance(turn.view, DoctorView)
    return turn.view


def _last(view: DoctorView) -> bool:
    return view.turn >= view.max_turns


def _decide(turn: Turn, ranked: Ranked, plan: Plan) -> Action:
    """The end that the task allows: a ranked list, an answer, or a goodbye."""
    view = _view(turn)
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


def _full_plan(name: str, explanation: str = "") -> Plan:
    plan = plan_for(name)
    return Plan(
        escalation="Discuss with a senior doctor today." if disease(name).must_not_miss else "",
        investigations=plan.investigations,
        treatment=plan.treatment,
        follow_up=plan.disposition,
        safety_net=plan.safety_net,
        explanation=explanation,
    )


class GuessDoctor:
    """Asks nothing: ranks diseases on the door note and the opening line."""

    def act(self, turn: Turn) -> list[Action]:
        """The first act is the last."""
        ranked = take_notes(_view(turn)).ranked()
        return [_decide(turn, ranked, Plan(plan_for(ranked[0][0]).treatment))]


class RandomDoctor:
    """Asks, examines and orders at random, and ends with three random diseases and no plan."""

    def act(self, turn: Turn) -> list[Action]:
        """One random act; the end comes with a chance of 1 in 12 from the fifth turn on."""
        view, draw = _view(turn), turn.draw
        if _last(view) or (view.turn > 4 and draw("end") < 1 / 12):
            mixed = sorted((d.name for d in diseases()), key=lambda name: draw("disease", name))
            return [_decide(turn, [(name, 1 / 3) for name in mixed[:3]], Plan())]
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
        view = _view(turn)
        notes, steps = take_notes(view), agenda(view.max_turns)
        done = steps[: view.turn - 1]
        if view.turn > len(steps) or _last(view) or self._sure(notes, view, done):
            return self._close(turn, notes)
        step = steps[view.turn - 1]
        if step == "examine":
            return self._examine(turn, notes)
        if step in ("test", "image"):
            return self._test(turn, notes, first="test" not in done)
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
            return _questions(self._concepts(step, notes), draw, notes)
        return " ".join([*_before(draw, notes, ()), text])

    @staticmethod
    def _concepts(step: Step, notes: Notes) -> list[str]:
        barred = unfit(notes.sex, band_of(notes.age))
        fixed = (_INFANT_TOPICS if band_of(notes.age) == 0 else _TOPICS).get(step)
        if fixed:
            return [c for c in fixed if c not in barred and c not in notes.asked]
        again = [c for c in notes.evaded if c in lines.SENSITIVE and not _confided(notes)]
        return [*again, *worth_asking(notes, barred)][:3]

    @staticmethod
    def _examine(turn: Turn, notes: Notes) -> list[Action]:
        if notes.who == "you":
            text = pick(lines.EXAMINING, turn.draw("wording"))
        else:
            text = lines.CHILD_EXAMINING.format(him=lines.him(notes.who))
        return [
            Say(" ".join([*_before(turn.draw, notes, ()), text])),
            Examine(("vital signs", *telling_signs(notes, 4))),
        ]

    @staticmethod
    def _test(turn: Turn, notes: Notes, first: bool) -> list[Action]:
        tests = basic_tests(notes) if first else telling_tests(notes)
        text = " ".join([*_before(turn.draw, notes, ()), pick(lines.TESTING, turn.draw("wording"))])
        acts: list[Action] = []
        images = [t.name for t in tests if t.category == "imaging" and RequestImage in turn.legal]
        others = [t.name for t in tests if t.name not in images]
        if others:
            acts.append(OrderTests(tuple(others)))
        if images:
            acts.append(RequestImage(tuple(images)))
        return [Say(text), *acts] if acts else [Say(pick(lines.ANYTHING_ELSE, turn.draw("wording")))]

    @staticmethod
    def _close(turn: Turn, notes: Notes) -> list[Action]:
        ranked = notes.ranked()
        names = [name for name, _ in ranked[:TOP]]
        why = lines.summary(notes.told_first(), names, plan_for(names[0]), notes.who)
        farewell = pick(lines.FAREWELLS, turn.draw("wording"))
        return [Say(f"{why} {farewell}"), _decide(turn, ranked, _full_plan(names[0], why))]


def _on_problem(step: Step, notes: Notes) -> str:
    known = lines.on_the_problem(notes.lead, notes.who)
    slots = {
        "onset": ("onset", "site", "character"),
        "factors": ("radiation", "exacerbating", "relieving"),
        "course": ("severity", "timing", "course", "association"),
    }[step]
    return " ".join(known[s] for s in slots if s in known)


def _questions(concepts: list[str], draw: Draw, notes: Notes) -> str:
    if not concepts:
        return " ".join([*_before(draw, notes, ()), pick(lines.ANYTHING_ELSE, draw("wording"))])
    asked = [lines.question(c, notes.who, draw("question", c)) for c in concepts]
    return " ".join([*_before(draw, notes, concepts), *asked])


def _confided(notes: Notes) -> bool:
    return any(line in said for said in notes.said for line in lines.CONFIDING)


def _before(draw: Draw, notes: Notes, concepts: Iterable[str]) -> list[str]:
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
    if private and not _confided(notes):
        first.append(pick(lines.CONFIDING, draw("confiding")))
    return first


DOCTORS: dict[str, Callable[[], Agent]] = {
    "random": RandomDoctor,
    "scripted": ScriptedDoctor,
    "guess": GuessDoctor,
}
"""Name -> what makes the doctor."""
