"""Several runs side by side: names of arms, values of a mark, and what else sets the arms apart."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clinicenv.events import Header
from clinicenv.files import InputError
from clinicenv.runs.results import ResultLine, seat_name
from clinicenv.runs.scoring import scored
from clinicenv.runs.store import Store
from clinicenv.scenario import Scenario

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


def tables(runs: Sequence[Run], mark: str, by: Callable[[Scenario], str] | None = None) -> dict[str, Table]:
    """The values of a mark, for each value of `by` (empty where there is no `by`)."""
    shared = shared_arms(runs)
    found: dict[str, Table] = {}
    for run in runs:
        values = {s.id: by(s) for s in run.store.scenarios()} if by else {}
        for result, number in _numbers(run, mark):
            if number is not None:
                table = found.setdefault(values.get(result.scenario, ""), {})
                arm = table.setdefault(run.name(result.arm, shared), {})
                arm.setdefault(result.scenario, []).append(float(number))
    return dict(sorted(found.items()))


def _numbers(run: Run, mark: str) -> Iterable[tuple[ResultLine, float | None]]:
    done = [r for r in run.results if r.status != "error"]
    if mark == "correct":  # the result lines have it: no trajectory need be read
        return ((r, r.marks["correct"]) for r in done)
    return ((r, marks.get(mark)) for r, marks in scored(run.store, done))


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
        + "; ".join(f"{value} ({', '.join(arms)})" for value, arms in values.items())
        for what, values in found.items()
        if len(values) > 1
    ]


def _settings(header: Header) -> Mapping[str, str]:
    cast: Mapping[str, Any] = header.cast
    others = {f"the {role}": seat_name(seat) for role, seat in cast.items() if role != "doctor"}
    profiles = {f"the profile of the {r}": s.get("profile", {}).get("id", "") for r, s in cast.items()}
    images = cast.get("measurement", {}).get("agent", {}).get("images", {})
    return {
        **others,
        **profiles,
        "how images are shown": f"{header.images} {images or ''}".strip(),
        "the seed": str(header.seed),
        "limits": ", ".join(f"{n} {header.limits[n]}" for n in header.limits_set) or "the scenarios' own",
        "the version of clinicenv": header.versions.get("clinicenv", "unknown"),
    }
