"""Ratings on a page: what every rater gave, how far they agree, and what each consultation got."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from clinicenv.report import ratings as words
from clinicenv.report import stations
from clinicenv.report.overview import Table
from clinicenv.runs.compared import Run, shared_arms
from clinicenv.runs.ratings import RULE, Kept, Ratings, kept, nearness
from clinicenv.runs.stations import GLOBAL, examination
from clinicenv.score.rubric import Rubric

Place = tuple[str, str]
"""a run's label and a consultation's key"""


class Rated:
    """All ratings that these runs keep."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self._runs = runs
        self._kept = [(run, one) for run in runs for one in kept(run.store)]

    def of(self, run: Run, key: str) -> list[dict[str, Any]]:
        """The ratings of one consultation, as the page has them."""
        return [
            {
                "rubric": one.rubric.id,
                "rater": one.rater,
                "axis": rated.axis,
                "option": rated.option or "does not apply",
                "reason": rated.reason,
                "events": list(rated.events),
            }
            for where, one in self._kept
            if where is run
            for rated in one.ratings.get(key, {}).values()
        ]

    def tables(self) -> list[Table]:
        """For each rubric a table by each rater, and one for each two raters with how far they agree."""
        found: list[Table] = []
        for rubric, by_rater in self._by_rubric():
            for rater, ones in by_rater.items():
                found.append(self._table(rubric, rater, ones))
            if rubric.id == GLOBAL:
                found += self._stations(list(by_rater))
            for one, other in combinations(by_rater, 2):
                agreed = words.agreed(rubric, _placed(by_rater[one]), _placed(by_rater[other]))
                title = f"{rubric.title}: agreement of {one} and {other}"
                if agreed:
                    rows = words.agreement_rows(agreed)
                    found.append(Table(title, words.AGREEMENT, rows, [words.AGREEMENT_NOTE]))
        return found

    def _stations(self, raters: Sequence[str]) -> list[Table]:
        """For each run the stations with their pass marks, by each rater who gave global ratings."""
        found = []
        for run in self._runs:
            ended = [r for r in run.results if r.status != "error"]
            for rater in raters:
                if rater != RULE and any(k.rater == rater for where, k in self._global() if where is run):
                    made = examination(run.store, ended, rater)
                    title = f"Stations of {run.label}: pass marks by the global ratings of {rater}"
                    notes = [stations.NOTE, stations.reliability(made)]
                    found.append(Table(title, stations.COLUMNS, stations.rows(made), notes))
        return found

    def _global(self) -> list[tuple[Run, Kept]]:
        return [(run, one) for run, one in self._kept if one.rubric.id == GLOBAL]

    def _by_rubric(self) -> list[tuple[Rubric, dict[str, list[tuple[Run, Kept]]]]]:
        """The rubrics by name, each with its raters, who is nearest to a person last."""
        found: dict[str, tuple[Rubric, dict[str, list[tuple[Run, Kept]]]]] = {}
        for run, one in sorted(self._kept, key=lambda k: (k[1].rubric.id, nearness(k[1].rater), k[1].rater)):
            _, raters = found.setdefault(one.rubric.hash, (one.rubric, {}))
            raters.setdefault(one.rater, []).append((run, one))
        return list(found.values())

    def _table(self, rubric: Rubric, rater: str, ones: Sequence[tuple[Run, Kept]]) -> Table:
        shared = shared_arms(self._runs)
        arms: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
        for run, one in ones:
            for result in run.results:
                if result.status != "error":
                    name = run.name(result.arm, shared)
                    arms.setdefault(name, []).append((result.scenario, one.ratings.get(result.key, {})))
        ordered = {arm: arms[arm] for arm in sorted(arms)}
        by_rule = rater == RULE
        rows, columns = words.rows(rubric, ordered, by_rule), words.columns(ordered, by_rule)
        return Table(f"{rubric.title}: rated by {rater}", columns, rows, words.notes(rubric, rater, ordered))


def _placed(ones: Sequence[tuple[Run, Kept]]) -> dict[str, Ratings]:
    """The ratings of several runs by run and key, without perturbed cases and what broke."""
    return {
        f"{run.label}\0{r.key}": one.ratings[r.key]
        for run, one in ones
        for r in run.results
        if r.status != "error" and r.key in one.ratings
    }
