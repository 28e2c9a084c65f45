"""What a run will ask of models, and what that costs: at most, and in all likelihood.

Where consultations of the run are finished, what each role's model used in those is what is likely; else see
`clinicenv.runs.course`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from clinicenv.files import InputError
from clinicenv.models.call import Usage
from clinicenv.models.prices import Price, Prices
from clinicenv.runs.budget import no_price
from clinicenv.runs.course import LIKELY_REPLY, NOTHING, Course, Figures, courses
from clinicenv.runs.results import ResultLine
from clinicenv.runs.seats import Seat, seats, without_card
from clinicenv.runs.spec import Job
from clinicenv.score.summary import CallRow, Calls


@dataclass(frozen=True)
class SeatEstimate:
    """What one role asks of its model."""

    role: str
    model: str
    likely: Figures
    most: Figures | None
    limited: bool
    """whether its own replies have a limit; one seat without makes `most` None for all"""
    priced: bool
    """whether the model's price is known"""
    free: bool
    """whether that price is 0"""

    def __add__(self, other: "SeatEstimate") -> "SeatEstimate":
        most = self.most + other.most if self.most and other.most else None
        return replace(self, likely=self.likely + other.likely, most=most)

    def times(self, n: int) -> "SeatEstimate":
        return replace(self, likely=self.likely.times(n), most=self.most and self.most.times(n))


@dataclass(frozen=True)
class Estimate:
    """What a run asks of its models, by role and model; nothing where none plays."""

    seats: list[SeatEstimate]
    notes: list[str]
    """what the figures rest on, in words"""

    @property
    def likely(self) -> Figures:
        return sum((seat.likely for seat in self.seats), NOTHING)

    @property
    def most(self) -> Figures | None:
        all_most = [seat.most for seat in self.seats]
        return None if None in all_most else sum(filter(None, all_most), NOTHING)


class Estimator:
    """Estimates consultations; what differs only in its repeat is worked out once.

    Args:
        prices: of the models.
        earlier: consultations of the run that are finished; what is likely is then read from them.
    """

    def __init__(self, prices: Prices, earlier: Iterable[ResultLine] = ()) -> None:
        self._prices = prices
        self._earlier = _means(earlier)
        self._known: dict[tuple[int, str], tuple[Job, list[SeatEstimate]]] = {}

    def of(self, job: Job) -> list[SeatEstimate]:
        """What one consultation asks of the models in it."""
        place = (id(job.arm), job.scenario.hash)
        if place not in self._known:
            self._known[place] = (job, self._work_out(job))  # the job keeps its arm, and so the id, alive
        return self._known[place][1]

    def total(self, jobs: Iterable[Job]) -> Estimate:
        """What many consultations ask of their models."""
        counts: dict[tuple[int, str], tuple[Job, int]] = {}
        for job in jobs:
            place = (id(job.arm), job.scenario.hash)
            counts[place] = (job, counts[place][1] + 1 if place in counts else 1)
        sums: dict[tuple[str, str], SeatEstimate] = {}
        unknown: set[str] = set()
        for job, n in counts.values():
            unknown.update(without_card(job))
            for seat in self.of(job):
                name = (seat.role, seat.model)
                more = seat.times(n)
                sums[name] = sums[name] + more if name in sums else more
        found = list(sums.values())
        return Estimate(found, self._notes(found, sorted(unknown)) if found or unknown else [])

    def most_usd(self, job: Job) -> float:
        """The most that a consultation can cost, in dollars, to reserve from a `Budget`.

        InputError where a model has no price, or nothing limits its replies.
        """
        for name in without_card(job):
            raise no_price(name)
        estimates = self.of(job)
        for seat in estimates:
            if not seat.priced:
                raise no_price(seat.model)
        if all(seat.free for seat in estimates):
            return 0.0
        for seat in estimates:
            if not seat.limited:
                raise InputError(
                    f"--max-cost needs a limit to every reply, and the {seat.role}'s model `{seat.model}` has"
                    " none; give max_tokens in its card's `sampling`, or for its role under `models` in the"
                    " specification; the doctor's also as --doctor-arg max_tokens=1024"
                )
        return sum(seat.most.usd or 0.0 for seat in estimates if seat.most)

    def _work_out(self, job: Job) -> list[SeatEstimate]:
        found = seats(job)
        if not found:
            return []
        likely, most = courses(job, found)
        return [self._seat(seat, likely, most) for seat in found.values()]

    def _seat(self, seat: Seat, likely: Course, most: Course | None) -> SeatEstimate:
        price = self._prices.price_of(seat.priced)
        name = (seat.role.value, seat.model)
        expected = self._earlier.get(name) or likely.of(seat)
        highest = most.of(seat) if most else None
        return SeatEstimate(
            *name,
            likely=replace(expected, usd=_usd(price, expected)),
            most=highest and replace(highest, usd=_most_usd(price, highest)),
            limited=seat.longest is not None,
            priced=price is not None,
            free=price is not None and not price.most(1, 1),
        )

    def _notes(self, seats: list[SeatEstimate], unknown: list[str]) -> list[str]:
        learnt = [seat for seat in seats if (seat.role, seat.model) in self._earlier]
        notes = ["Likely: what this run's finished consultations used."] if learnt else []
        if len(learnt) < len(seats):
            whose = " for the others" if learnt else ""
            notes.append(
                f"Likely{whose}: half of the turns, {LIKELY_REPLY} tokens a reply, nothing asked again."
            )
        notes.append("At most: all turns, every reply at its max_tokens, each asked again once.")
        notes += [
            f"No upper bound for {name}: give max_tokens."
            for name in sorted({f"the {s.role}'s {s.model}" for s in seats if not s.limited})
        ]
        priceless = sorted({s.model for s in seats if not s.priced})
        notes += [f"No price for {model}: add it to prices.yaml." for model in priceless]
        return notes + [f"Not estimated: {name}, which is no card's model." for name in unknown]


def _usd(price: Price | None, figures: Figures) -> float | None:
    return price.usd(Usage(figures.prompt_tokens, figures.completion_tokens)) if price else None


def _most_usd(price: Price | None, figures: Figures) -> float | None:
    return price.most(figures.prompt_tokens, figures.completion_tokens) if price else None


def _means(results: Iterable[ResultLine]) -> dict[tuple[str, str], Figures]:
    """What a role's model used in a consultation on average, by role and model."""
    found: dict[tuple[str, str], tuple[int, Calls]] = {}
    for result in results:
        if result.status == "error":
            continue
        for name in {(row["role"], row["model"]) for row in result.usage}:
            count, calls = found.get(name, (0, Calls()))
            found[name] = (count + 1, calls)
        for row in result.usage:
            found[row["role"], row["model"]][1].add(CallRow(**row))
    means = {}
    for name, (count, calls) in found.items():
        total = calls.total
        sums = (total.calls, total.prompt_tokens, total.completion_tokens)
        means[name] = Figures(*(round(figure / count) for figure in sums))
    return means
