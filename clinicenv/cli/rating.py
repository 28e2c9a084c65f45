"""Rubrics in `clinicenv score`: by rule, by a model or by a person, and how far they agree."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import click

from clinicenv.cli.output import echo_json
from clinicenv.cli.walk import walk
from clinicenv.files import InputError, printable
from clinicenv.models.names import ModelName
from clinicenv.report import patients
from clinicenv.report import ratings as shown
from clinicenv.report.tables import print_notes
from clinicenv.runs.quality import quality
from clinicenv.runs.rating import rate_by_model, rate_by_rule, rated_by_moderators
from clinicenv.runs.ratings import HUMAN, RULE, Rater, Ratings, kept, nearness, person, read
from clinicenv.runs.results import ResultLine
from clinicenv.runs.store import Store
from clinicenv.score.rubric import Rubric
from clinicenv.score.statistics import need_stats


@dataclass(frozen=True, slots=True)
class Rating:
    """What is to be rated by whom; `names` are the columns of the consultations, by key."""

    store: Store
    rubric: Rubric
    rater: str
    results: Sequence[ResultLine]
    names: Mapping[str, str]

    @property
    def keys(self) -> list[str]:
        return [r.key for r in self.results]


def rate_run(rating: Rating, as_json: bool) -> int:
    """The axes for each doctor, and the agreement with all who rated the same. Exit 1 where a model left some
    unrated."""
    given, code = _ratings(rating)
    arms: dict[str, list[tuple[str, Ratings]]] = {}
    for r in sorted(rating.results, key=lambda r: rating.names[r.key]):
        arms.setdefault(rating.names[r.key], []).append((r.scenario, given.get(r.key, {})))
    pairs = [(one, other, shown.agreed(rating.rubric, a, b)) for one, a, other, b in _pairs(rating, given)]
    if as_json:
        data: list[dict[str, Any]] = [
            {"raters": [one, other], "axes": {axis: asdict(a) for axis, a in found.items()}}
            for one, other, found in pairs
        ]
        whole = shown.as_data(rating.rubric, rating.rater, arms)
        played = patients.as_data(quality(rating.store, rating.results))
        echo_json({"run": str(rating.store.folder), **whole, "agreement": data, "patients": played})
        return code
    shown.print_ratings(rating.rubric, rating.rater, arms, sys.stdout)
    for one, other, found in pairs:
        shown.print_agreement(one, other, found, sys.stdout)
    print_notes(list(patients.lines(quality(rating.store, rating.results))), "table", sys.stdout)
    return code


def rate_one(rating: Rating, as_json: bool) -> int:
    """The axes of one consultation, with the events that decided them."""
    given, code = _ratings(rating)
    (key,) = rating.keys
    ratings = given.get(key, {})
    if as_json:
        data = {axis: asdict(r) for axis, r in ratings.items()}
        echo_json({"key": key, "rubric": rating.rubric.id, "rater": rating.rater, "ratings": data})
        return code
    for axis in rating.rubric.axes:
        rated = ratings.get(axis.id)
        option = "not rated" if rated is None else rated.option or "does not apply"
        where = f"   events {', '.join(map(str, rated.events))}" if rated and rated.events else ""
        why = f"   {printable(rated.reason)}" if rated and rated.reason else ""
        click.echo(f"{axis.id:<24}{option}{where}{why}")
    return code


def _ratings(rating: Rating) -> tuple[Mapping[str, Ratings], int]:
    store, rubric = rating.store, rating.rubric
    if rating.rater == RULE:
        return rate_by_rule(store, rubric, rating.keys), 0
    if rating.rater.partition(":")[0] == HUMAN:
        rater = person(rating.rater)
        walk(store, rubric, rater, rating.keys)
        return read(store.folder, rubric, rater), 0
    rater, code = _by_model(rating)
    return read(store.folder, rubric, rater), code


def _by_model(rating: Rating) -> tuple[Rater, int]:
    from clinicenv.models.gateway import Gateway
    from clinicenv.score.summary import dollars

    need_stats()  # for the agreement, before anything is paid for
    name = ModelName.parse(rating.rater)
    for arm in _played_by(rating, name):
        click.echo(f"clinicenv: {name} plays the doctor `{printable(arm)}` and rates itself", err=True)
    rater, tally = rate_by_model(
        rating.store, rating.rubric, str(name), Gateway().model(name), rating.keys, _progress
    )
    if tally.consultations:
        spent = f"{tally.tokens:,} tokens, {dollars(tally.usd)}"
        click.echo(f"clinicenv: {tally.consultations} consultations rated by {name}: {spent}", err=True)
    if tally.left:
        click.echo(
            f"clinicenv: {tally.left} of them lack ratings, the first for {printable(tally.why)};"
            " the same command asks for these again",
            err=True,
        )
    return rater, int(tally.left > 0)


def _progress(done: int, total: int) -> None:
    if done == total or done % 25 == 0:
        click.echo(f"clinicenv: rated {done} of {total}", err=True)


def _played_by(rating: Rating, model: ModelName) -> list[str]:
    """The arms whose doctor is this model, wherever it was served."""
    first = {r.arm: r.key for r in reversed(rating.results)}
    headers = {arm: rating.store.trajectory(key).header for arm, key in first.items()}
    seats = {arm: h.cast.get("doctor", {}).get("agent", {}) for arm, h in headers.items()}
    named = {arm: str(agent.get("model", "")).partition("@")[0] for arm, agent in seats.items()}
    return sorted(arm for arm, name in named.items() if name == str(replace(model, url=None)))


def _pairs(
    rating: Rating, given: Mapping[str, Ratings]
) -> list[tuple[str, Mapping[str, Ratings], str, Mapping[str, Ratings]]]:
    """This rater beside each other one of the same rubric; who is nearer to a person comes second."""
    others = {
        k.rater: k.ratings
        for k in kept(rating.store)
        if k.rubric.hash == rating.rubric.hash and k.rater != rating.rater
    }
    others |= rated_by_moderators(rating.store, rating.rubric, rating.keys)
    if rating.rater != RULE:
        others[RULE] = rate_by_rule(rating.store, rating.rubric, rating.keys)
    wanted = set(rating.keys)
    raters = {rating.rater: given, **others}
    inside = {name: {k: r for k, r in all.items() if k in wanted} for name, all in raters.items()}
    pairs = [sorted((rating.rater, name), key=nearness) for name in sorted(others)]
    return [(one, inside[one], other, inside[other]) for one, other in pairs]


def rater_of(text: str | None) -> str:
    """The rater that a user names: `rule` if none, `human`, `human:NAME`, or a model by its full name."""
    if text is None or text == RULE:
        return RULE
    kind, _, name = text.partition(":")
    if kind == HUMAN:
        if ":" in text and not name.strip():
            raise InputError("`human:` needs a name, e.g. human:anna; or write human")
        return text
    return str(ModelName.parse(text))
