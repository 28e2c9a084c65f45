"""The baseline doctor `bayes`: naive Bayes over disease profiles, and the step that tells most for its cost.

Its history is short by design: it stops when it is sure and no danger is open. It speaks through the same
text as anybody, and rebuilds all that it knows from its view.
"""

from dataclasses import dataclass
from functools import lru_cache

from clinicenv.agents import doctor_lines as lines
from clinicenv.agents.doctor_acts import before, close, examine, last, order, questions, view_of
from clinicenv.agents.doctor_choices import best_tests, looked_into
from clinicenv.agents.doctor_notes import Notes, band_of, take_notes, unfit
from clinicenv.clinic.catalogue import CatalogueTest, catalogue
from clinicenv.clinic.differential import (
    ATTENTION,
    LEAST_GAIN,
    disease,
    diseases,
    gains_of_findings,
    gains_of_signs,
    gains_of_tests,
)
from clinicenv.consultation import Turn
from clinicenv.draws import pick
from clinicenv.events import Action, Say
from clinicenv.view import DoctorView


@dataclass(frozen=True, slots=True)
class Policy:
    """The baseline's free numbers, chosen without the case that they are judged on (see `benchmarks`)."""

    sure: float = 0.95
    """the posterior at which it stops"""
    danger: float = 0.02
    """the posterior from which a disease that must not be missed has to be addressed first"""
    question: float = 20.0
    """what a question costs, in the dollars of the tests' catalogue"""
    examination: float = 30.0
    """what the examination costs, once"""
    a_turn: int = 2
    """questions in one line"""
    worth: float = 0.002
    """bits a dollar below which nothing is asked or tested any more"""


class BayesDoctor:
    """Asks, examines or tests; rules out; then ideas, explanation and safety-net."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy or Policy()

    def act(self, turn: Turn) -> list[Action]:
        """Whatever is worth most now, or the end."""
        view = view_of(turn)
        notes = take_notes(view)
        if last(view):
            return close(turn, notes)
        if view.turn == 1:
            return [Say(pick(lines.GREETINGS, turn.draw("wording")))]
        step = None if _left(view) < 2 else self._step(turn, notes, view)
        if step is not None:
            return step
        if not _heard_out(notes):
            text = pick(lines.VIEWS, turn.draw("wording"))
            return [Say(" ".join([*before(turn.draw, notes, ()), text]))]
        return close(turn, notes)

    def _step(self, turn: Turn, notes: Notes, view: DoctorView) -> list[Action] | None:
        """The next question, examination or test; None when it is sure enough, or nothing would tell more."""
        ranked = notes.ranked()
        name, probability = ranked[0]
        if probability >= self.policy.sure and looked_into(name, notes):
            return self._rule_out(turn, notes)
        if view.turn == 2 and probability < self.policy.sure:
            return [Say(pick(lines.MORE, turn.draw("wording")))]
        found = self._worth(notes)
        if not found:
            return self._rule_out(turn, notes)
        kind, items = found
        if kind == "question":
            return [Say(questions(list(items), turn.draw, notes))]
        if kind == "examination":
            return examine(turn, notes)
        return order(turn, notes, [catalogue()[t] for t in items])

    def _rule_out(self, turn: Turn, notes: Notes) -> list[Action] | None:
        """Before the end: the examination, if there was none, and the dangers that are still open."""
        if not notes.signs:
            return examine(turn, notes)
        danger = self._open_danger(notes)
        return order(turn, notes, danger) if danger else None

    def _open_danger(self, notes: Notes) -> list[CatalogueTest]:
        """The best test of the likeliest danger that is not the favourite and has not been looked into."""
        for name, probability in notes.ranked()[1:]:
            if probability < self.policy.danger:
                return []
            if disease(name).must_not_miss and not looked_into(name, notes):
                return best_tests(name, notes, invasive=1)[:1]
        return []

    def _worth(self, notes: Notes) -> tuple[str, tuple[str, ...]] | None:
        """The kind of step with the most bits a dollar, and what to ask or order."""
        posterior = dict(notes.ranked())
        likely = tuple(posterior[one.name] for one in diseases())
        barred = unfit(notes.sex, band_of(notes.age))
        asked = gains_of_findings(likely, {*notes.asked, *notes.findings, *barred})
        best = sorted(asked, key=lambda c: (-asked[c], c))[: self.policy.a_turn]
        options: list[tuple[float, str, tuple[str, ...]]] = []
        useful = tuple(c for c in best if asked[c] >= LEAST_GAIN)
        if useful:
            options.append((asked[best[0]] / self.policy.question, "question", useful))
        if not notes.signs:
            options.append((_sign_gain(likely) / self.policy.examination, "examination", ()))
        tests = self._tests(notes, likely)
        if tests:
            options.append((tests[0][0], "test", tuple(t for _, t in tests)))
        worth, kind, items = max(options, key=lambda option: option[0], default=(0.0, "", ()))
        return (kind, items) if worth >= self.policy.worth else None

    @staticmethod
    def _tests(notes: Notes, likely: tuple[float, ...]) -> list[tuple[float, str]]:
        """The two tests with most bits a dollar; invasive ones once the favourite has been looked into."""
        most = 2 if looked_into(notes.ranked()[0][0], notes) else 1
        gains = gains_of_tests(likely, {*notes.ordered, *notes.tests})
        worth = [
            (gain / (entry.cost + ATTENTION), test)
            for test, gain in gains.items()
            if gain >= LEAST_GAIN and (entry := catalogue()[test]).invasiveness <= most
        ]
        return sorted(worth, key=lambda pair: (-pair[0], pair[1]))[:2]


def _left(view: DoctorView) -> int:
    return view.max_turns - view.turn


def _heard_out(notes: Notes) -> bool:
    return any(line in said for said in notes.said for line in lines.VIEWS)


@lru_cache(maxsize=4096)
def _sign_gain(likely: tuple[float, ...]) -> float:
    """Bits that the four most telling examinations would give together, taken as independent."""
    return sum(sorted(gains_of_signs(likely).values(), reverse=True)[:4])
