"""`clinicenv run`: many consultations, kept in a folder."""

import datetime
import json
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml

from clinicenv import __version__
from clinicenv.events import Role
from clinicenv.files import InputError
from clinicenv.perturb import named
from clinicenv.runs import batch
from clinicenv.runs.spec import MAX_REPEATS, Arm, Job, Specification, arms, jobs, load_specification, named_in
from clinicenv.runs.store import Store, refuse_unasked

if TYPE_CHECKING:
    from clinicenv.models.gateway import Gateway
    from clinicenv.runs.ceiling import Ceiling


def parse_arguments(given: tuple[str, ...]) -> dict[str, Any]:
    """`temperature=0` as `{"temperature": 0}`; values are read as YAML."""
    parsed = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InputError(f"`{pair}` should be NAME=VALUE, e.g. temperature=0")
        try:
            parsed[name] = yaml.safe_load(value)
        except yaml.YAMLError as e:
            raise InputError(f"the value in `{pair}` cannot be read; put it in quotes") from e
        if not isinstance(parsed[name], (str, int, float)):
            raise InputError(f"the value in `{pair}` should be a number, text, true or false")
    return parsed


def next_folder(base: Path = Path("runs")) -> Path:
    """`runs/<date>-<n>`, the first that is free."""
    today = datetime.date.today().isoformat()
    n = 1
    while (base / f"{today}-{n}").exists():
        n += 1
    return base / f"{today}-{n}"


@click.command()
@click.argument("spec", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--scenarios", multiple=True, metavar="SEL", help="Ids, a file, a folder, all, split:dev, specialty:NAME."
)
@click.option(
    "--doctor", multiple=True, metavar="A", help="A card, a model string or a card's path; may be repeated."
)
@click.option("--patient", multiple=True, metavar="A", help="Who plays the patient.  [scripted]")
@click.option("--measurement", multiple=True, metavar="A", help="Who gives results.  [scripted]")
@click.option("--moderator", multiple=True, metavar="A", help="A model that judges beside the rule.  [none]")
@click.option("--doctor-profile", multiple=True, metavar="P", help="A bias profile.  [default]")
@click.option("--patient-profile", multiple=True, metavar="P", help="A bias profile.  [default]")
@click.option("--doctor-arg", multiple=True, metavar="K=V", help="A parameter of the doctor's model call.")
@click.option("--seed", type=int, help="Decides every draw.  [0]")
@click.option(
    "--repeats", type=click.IntRange(1, MAX_REPEATS), help="How often each scenario is played.  [1]"
)
@click.option("--max-turns", type=click.IntRange(1, 500), help="The doctor's turns.  [the scenario's, or 20]")
@click.option("--language", multiple=True, metavar="L", help="What models speak.  [English]")
@click.option(
    "--images", type=click.Choice(["request", "start", "none"]), help="When images are shown.  [request]"
)
@click.option(
    "--image-route",
    type=click.Choice(["auto", "direct", "reader", "report"]),
    help="How pictures get to the doctor.  [auto: the doctor's own model, else a reader, else the report]",
)
@click.option(
    "--reader",
    multiple=True,
    metavar="KIND=A",
    help="Who reads a kind of image, e.g. ecg=ecg; *=openai:NAME.",
)
@click.option(
    "--perturb",
    multiple=True,
    metavar="P",
    help="Play each case perturbed too, beside its clean twin: image.absent, belief.false, ...; all.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 4096),
    default=64,
    show_default=True,
    help="Consultations at once.",
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="The run's folder.  [runs/DATE-N]"
)
@click.option("--resume", is_flag=True, help="Go on with the run in --out; nothing finished is done twice.")
@click.option("--force", is_flag=True, help="Resume although the specification or versions changed.")
@click.option(
    "--cache",
    "cache_mode",
    type=click.Choice(["off", "read", "readwrite"]),
    default="off",
    show_default=True,
    help="Replies of models on disk: what was asked before is not asked again.",
)
@click.option(
    "--max-cost", type=click.FloatRange(min=0), metavar="USD", help="Start nothing that could cost more."
)
@click.option("--dry-run", is_flag=True, help="Say what would be played and asked of models; play nothing.")
@click.option("--print-spec", is_flag=True, help="Print the specification that would run.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def run(ctx: click.Context, /, **given: Any) -> int:
    """Play consultations: every scenario with every cast, many at once.

    SPEC is a YAML file; flags override it.
    """
    spec = _specification(given)
    if given["print_spec"]:
        click.echo(
            _as_json(spec.plain()) if given["as_json"] else yaml.safe_dump(spec.plain(), sort_keys=False),
            nl=False,
        )
        return 0
    named = given["doctor"] or given["patient"] or given["scenarios"]  # by flags, which go before the file
    with named_in(None if named else given["spec"]):
        all_arms = arms(spec, _gateway(given))
        todo = list(jobs(spec, all_arms))
    if given["dry_run"]:
        return _dry_run(todo, len(all_arms), given)
    folder = given["out"] or next_folder()
    return _play(spec, all_arms, todo, folder, given)


def _gateway(given: dict[str, Any]) -> "Gateway":
    from clinicenv.models.cache import Cache, Mode, default_path
    from clinicenv.models.gateway import Gateway

    mode: Mode = given["cache_mode"]
    cache = None if mode == "off" or given["dry_run"] else Cache(default_path(), mode)
    if cache and mode == "read" and not cache.path.exists():
        click.echo(f"clinicenv: there is no cache at {cache.path} yet, so every model is asked", err=True)
    return Gateway(cache, concurrency=given["concurrency"])


def _specification(given: dict[str, Any]) -> Specification:
    flags = {
        "scenarios": given["scenarios"],
        "cast.doctor": given["doctor"],
        "cast.patient": given["patient"],
        "cast.measurement": given["measurement"],
        "cast.moderator": given["moderator"],
        "profiles.doctor": given["doctor_profile"],
        "profiles.patient": given["patient_profile"],
        "models.doctor": parse_arguments(given["doctor_arg"]) or None,
        "seed": given["seed"],
        "repeats": given["repeats"],
        "limits.max_turns": given["max_turns"],
        "images": _images(given),
        "readers": parse_arguments(given["reader"]) or None,
        "language": given["language"],
        "perturb": given["perturb"],
    }
    return load_specification(given["spec"], flags)


def _images(given: dict[str, Any]) -> dict[str, str] | None:
    """What the flags say of images; None where they say nothing."""
    flags = {"when": given["images"], "route": given["image_route"]}
    return {name: value for name, value in flags.items() if value} or None


def _dry_run(todo: list[Job], n_arms: int, given: dict[str, Any]) -> int:
    from clinicenv.models.prices import Prices
    from clinicenv.report.spending import print_estimate
    from clinicenv.runs.estimate import Estimator

    results: dict[str, Any] = {}
    finished: set[str] = set()
    if given["resume"] and given["out"] and (given["out"] / "run.json").exists():
        store = Store.open(given["out"])
        results, finished = store.results(), store.finished()
    left = [job for job in todo if job.key not in finished]
    turns = sum(int(job.header.limits["max_turns"] or 0) for job in left)
    estimate = Estimator(Prices.load(), [results[key] for key in finished]).total(left)
    plan = {"consultations": len(todo), "left": len(left), "arms": n_arms, "most_doctor_turns": turns}
    if given["as_json"]:
        click.echo(_as_json({**plan, "models": asdict(estimate)}), nl=False)
        return 0
    click.echo(
        f"{len(todo)} consultations ({n_arms} casts), {len(left)} left to play,"
        f" at most {turns:,} doctor turns; nothing was played"
    )
    print_estimate(estimate, sys.stdout)
    return 0


def _play(
    spec: Specification, all_arms: list[Arm], todo: list[Job], folder: Path, given: dict[str, Any]
) -> int:
    from clinicenv.cli.outcome import data_of, print_outcome
    from clinicenv.models.loop import run as on_loop
    from clinicenv.report.progress import progress_of

    refuse_unasked(folder, given["resume"])  # before a model is called
    asked = _unfinished(todo, folder, given["resume"]) if any(arm.cast.models for arm in all_arms) else []
    ceiling = _ceiling(given["max_cost"], asked)
    on_loop(batch.preflight(asked))
    versions = {"clinicenv": __version__}
    by_hand = any(arm.cast.seats[Role.DOCTOR].kind == "human" for arm in all_arms)  # who does one at a time
    concurrency = 1 if by_hand else given["concurrency"]
    _say_plainly(spec, all_arms, todo)
    with Store.create(folder, spec.plain(), versions, resume=given["resume"], force=given["force"]) as store:
        finished = store.finished()
        left = sum(job.key not in finished for job in todo)
        if ceiling:
            ceiling.count(store.calls())
        with progress_of(left, sys.stderr) as progress:
            left_out = on_loop(
                batch.run(todo, store, concurrency=concurrency, progress=progress, ceiling=ceiling)
            )
        keys = {job.key for job in todo}
        results = [r for r in store.results().values() if r.key in keys]
    if given["as_json"]:
        document = {"run": str(folder), **data_of(store, results), "left": left_out}
        click.echo(_as_json(document), nl=False)
    elif results:
        print_outcome(store, results, sys.stdout)
        example = min(results, key=lambda r: (r.status == "error", r.scenario, r.key))
        click.echo(
            f"\nThe run is in {folder}. To read one consultation:\n  clinicenv show {folder} {example.key}"
        )
    if ceiling and left_out:
        click.echo(f"clinicenv: {ceiling.said(left_out)}", err=True)
    return 1 if any(r.status == "error" for r in results) else 0


def _unfinished(todo: list[Job], folder: Path, resume: bool) -> list[Job]:
    if not (resume and (folder / "run.json").exists()):
        return todo
    finished = Store.open(folder).finished()
    return [job for job in todo if job.key not in finished]


def _ceiling(usd: float | None, todo: list[Job]) -> "Ceiling | None":
    if usd is None:
        return None
    from clinicenv.runs.ceiling import Ceiling

    return Ceiling(usd, todo)


def _say_plainly(spec: Specification, all_arms: list[Arm], todo: list[Job]) -> None:
    """What a user should know of what was asked for, on stderr."""
    put_on = Counter(_perturbed(todo))
    for kind in named(spec.perturb) if spec.perturb else ():
        click.echo(f"clinicenv: {kind} is put on {put_on[kind]} of {_scenarios(todo)} scenarios", err=True)
    agents = [seat.settings for arm in all_arms for seat in arm.cast.seats.values()]
    if any(settings.get("notebook") for settings in agents):
        from clinicenv.agents.notebook import ONE_BY_ONE

        click.echo(f"clinicenv: {ONE_BY_ONE}", err=True)
    if any(settings.get("language") for settings in agents):
        click.echo(
            "clinicenv: scripted measurement reports in English whatever the language, and what the doctor"
            " says is understood by English rules, so trust, guarded facts and history marks say little",
            err=True,
        )


def _perturbed(todo: list[Job]) -> list[str]:
    """The perturbation of each scenario that is played under one, once each."""
    found = {(job.scenario.id, made.kind) for job in todo if (made := job.scenario.perturbed)}
    return sorted(kind for _, kind in found)


def _scenarios(todo: list[Job]) -> int:
    return len({job.scenario.id for job in todo})


def _as_json(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"
