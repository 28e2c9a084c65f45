"""Several runs side by side: names of arms, values of a mark, and what else sets the arms apart."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from clinicenv.events import Header
from clinicenv.files import InputError
from clinicenv.runs.arms import divided
from clinicenv.runs.results import ResultLine
from clinicenv.runs.scoring import scored
from clinicenv.runs.store import Store
from clinicenv.scenario import Scenario
from clinicenv.score.statistics import over_scenarios

Table = dict[str, dict[str, list[float]]]
"""arm -> scenario -> the values of its repeats"""


class Run:
    """A run, and by which name each of its arms goes. `all_results` has the perturbed cases too."""

    def __init__(self, folder: Path, label: str) -> None:
        self.store = Store.open(folder)
        self.label = label
        self.all_results = list(self.store.results().values())
        self.results = [r for r in self.all_results if not r.perturbed]

    def arms(self) -> set[str]:
        return {r.arm for r in self.results}

    def name(self, arm: str, shared: set[str]) -> str:
        """The arm's name; with the run's label where other runs have one of that name too."""
        return f"{arm} [{self.label}]" if arm in shared else arm


def load(folders: Sequence[Path]) -> list[Run]:
    """The runs of these folders; InputError where one is named twice or is none, or where two played
    different scenarios of one id."""
    resolved = [folder.resolve() for folder in folders]
    if twice := next((f for f in resolved if resolved.count(f) > 1), None):
        raise InputError("is named twice; a run is not compared with itself", file=twice)
    runs = [Run(folder, label) for folder, label in zip(folders, _labels(resolved), strict=True)]
    _same_cases(runs)
    return runs


def _labels(folders: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that tell the runs apart."""
    depth = 1
    while len({f.parts[-depth:] for f in folders}) < len(folders):
        depth += 1
    return ["/".join(f.parts[-depth:]) for f in folders]


def _same_cases(runs: Sequence[Run]) -> None:
    if len(runs) < 2:
        return
    known: dict[str, str] = {}
    for run in runs:
        for scenario in run.store.scenarios():
            first = known.setdefault(scenario.id, scenario.hash)
            if first != scenario.hash:
                raise InputError(
                    f"`{scenario.id}` is not the same scenario in all runs; compare runs of the same files",
                    file=run.store.folder,
                )


def shared_arms(runs: Sequence[Run]) -> set[str]:
    """The arms that more than one run has."""
    seen: set[str] = set()
    twice: set[str] = set()
    for run in runs:
        twice |= seen & run.arms()
        seen |= run.arms()
    return twice


By = Callable[[Scenario], str] | str | None
"""What a comparison is divided by: something of the scenario, or a setting (`runs.arms.SETTINGS`)."""

Names = Callable[[Run, ResultLine], tuple[str, str]]
"""The value of what is divided by, and the name of the arm."""


def naming(runs: Sequence[Run], by: By) -> Names:
    """How each consultation is called; the value is empty where nothing is divided."""
    shared = shared_arms(runs)
    if isinstance(by, str):
        return _by_setting(runs, by)
    values = {run.label: {s.id: by(s) for s in run.store.scenarios()} if by else {} for run in runs}
    return lambda run, result: (
        values[run.label].get(result.scenario, "unknown") if by else "",
        run.name(result.arm, shared),
    )


def _by_setting(runs: Sequence[Run], setting: str) -> Names:
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for run in runs:
        for arm in run.arms():
            first = next(r for r in run.results if r.arm == arm)
            header = run.store.trajectory(first.key).header
            found[run.label, arm] = divided(header, setting)
    if odd := next((n for n, arms in _same(found).items() if len(arms) > 1), None):
        raise InputError(f"--by {setting} cannot tell apart: {' | '.join(sorted(_same(found)[odd]))}")
    twice = Counter(named for _, named in {(label, named) for (label, _), named in found.items()})

    def name(run: Run, result: ResultLine) -> tuple[str, str]:
        value, arm = found[run.label, result.arm]
        return value, f"{arm} [{run.label}]" if twice[value, arm] > 1 else arm

    return name


def _same(found: Mapping[tuple[str, str], tuple[str, str]]) -> dict[tuple[str, str, str], list[str]]:
    """The arms of each run that got the same name."""
    same: dict[tuple[str, str, str], list[str]] = {}
    for (label, arm), named in found.items():
        same.setdefault((label, *named), []).append(arm)
    return same


def tables(runs: Sequence[Run], mark: str, name: Names) -> dict[str, Table]:
    """The values of a mark, for each value of what is divided by."""
    found: dict[str, Table] = {}
    for run in runs:
        for result, number in _numbers(run, mark):
            if number is not None:
                value, arm = name(run, result)
                of = found.setdefault(value, {}).setdefault(arm, {})
                of.setdefault(result.scenario, []).append(float(number))
    return dict(sorted(found.items()))


def _numbers(run: Run, mark: str) -> Iterable[tuple[ResultLine, float | None]]:
    done = [r for r in run.results if r.status != "error"]
    if mark == "correct":  # the result lines have it: no trajectory need be read
        return ((r, r.marks["correct"]) for r in done)
    return ((r, marks.get(mark)) for r, marks in scored(run.store, done))


def took(runs: Sequence[Run], table: Table, value: str, name: Names) -> dict[str, tuple[float, float]]:
    """The turns and cost (illustrative dollars) of each arm, means over the scenarios that all arms have."""
    common = set.intersection(*(set(found) for found in table.values()))
    found: dict[str, list[ResultLine]] = {}
    for run in runs:
        for r in run.results:
            of, arm = name(run, r)
            if r.status != "error" and of == value and r.scenario in common:
                found.setdefault(arm, []).append(r)
    return {
        arm: (
            over_scenarios((r.scenario, float(r.turns)) for r in of) or 0.0,
            over_scenarios((r.scenario, float(r.cost)) for r in of) or 0.0,
        )
        for arm, of in found.items()
    }


def differences(runs: Sequence[Run]) -> list[str]:
    """What beside the doctor sets the arms apart, so that a difference may not be the doctor's."""
    headers = {}
    shared = shared_arms(runs)
    for run in runs:
        for arm in sorted(run.arms()):
            first = next(r for r in run.results if r.arm == arm)
            headers[run.name(arm, shared)] = run.store.trajectory(first.key).header
    found: dict[str, dict[str, list[str]]] = {}
    for arm, header in headers.items():
        for what, value in _settings(header).items():
            found.setdefault(what, {}).setdefault(value, []).append(arm)
    return [
        f"the doctors differ in {what}, so a difference may come from that: "
        + "; ".join(f"{value} ({' | '.join(arms)})" for value, arms in values.items())
        for what, values in found.items()
        if len(values) > 1
    ]


_SETTINGS = {
    "the patient": "patient",
    "the measurement": "measurement",
    "the moderator": "moderator",
    "the profile of the patient": "profile",
    "the profile of the doctor": "doctor-profile",
    "the profile of the measurement": "measurement-profile",
    "the profile of the moderator": "moderator-profile",
    "how images are shown": "images",
    "the seed": "seed",
    "limits": "limits",
}
"""What may set arms apart beside the doctor, in words, and as a setting of `runs.arms`."""


def _settings(header: Header) -> Mapping[str, str]:
    found = {what: divided(header, setting)[0] for what, setting in _SETTINGS.items()}
    return {**found, "the version of clinicenv": header.versions.get("clinicenv", "unknown")}
