"""The events of a consultation in words, for the terminal and for pages: a label and a text for each."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from clinicenv.events import (
    Answer,
    Diagnose,
    DoorNote,
    Event,
    Examine,
    Failed,
    Heard,
    Judge,
    Leave,
    Notice,
    OrderTests,
    Rate,
    Report,
    RequestImage,
    Say,
    Unparsed,
    Verdict,
)
from clinicenv.train.dialogue import verdict_lines

SHORT = 200
"""Characters of thoughts that are shown; all of them are in the trajectory."""

DIFFERENTIAL = 3
"""Diagnoses of an analysis that are shown."""


def lines(event: Event) -> list[tuple[str, str]]:
    """(label, text) of all that there is to show of an event; none for one that is only kept in the log.

    First, in brackets, what the role alone knows of its act. A text may have several lines, and whatever a
    model or a file put into it.
    """
    show = _SHOWN.get(type(event.what))
    found = list(show(event)) if show else []
    return [*_aside(event), *found] if found else []


def _aside(event: Event) -> Iterator[tuple[str, str]]:
    """What the role alone knows of its act, in short and in brackets: thoughts, AMIE's analysis, look-ups."""
    aside = getattr(event.what, "aside", None) or {}
    if isinstance(thoughts := aside.get("reasoning"), str) and thoughts.strip():
        yield "·", f"(thinks: {_short(thoughts)})"
    analysis = aside.get("analysis")
    if isinstance(analysis, Mapping) and isinstance(named := analysis.get("differential"), list | tuple):
        first = ", ".join(_candidate(each) for each in named[:DIFFERENTIAL])
        yield "·", f"(considers {first or 'nothing'}; urgency {_short(str(analysis.get('urgency', '-')))})"
    reflection = aside.get("reflection")
    if isinstance(reflection, Mapping) and isinstance(thought := reflection.get("thought"), str):
        yield "·", f"(thinks again: {_short(thought)})"
    if isinstance(lookups := aside.get("lookups"), list | tuple):
        for each in lookups:
            if isinstance(each, Mapping):
                found = len(each.get("found") or ())
                words = f"{each.get('source')} for '{each.get('query')}'"
                yield "·", f"(looks in {_short(words)}: {found} passage{'' if found == 1 else 's'})"


def _candidate(each: Any) -> str:
    if not isinstance(each, Mapping):
        return _short(str(each))
    confidence = each.get("confidence")
    sure = f" {confidence:.0%}" if isinstance(confidence, (int, float)) else ""
    return _short(str(each.get("diagnosis"))) + sure


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= SHORT else text[: SHORT - 1] + "…"


def _report(event: Event) -> Iterator[tuple[str, str]]:
    for r in event.what.results:  # type: ignore[union-attr]
        price = f"  [{r.source}{', $' + format(r.cost, ',.0f') if r.cost else ''}]"
        yield "result", f"{r.name}: {r.text}{price}"
        if len(r.route) > 1 or r.source in ("picture", "reader"):
            yield "·", f"(got there: {'; '.join(r.route)})"


def _diagnose(event: Event) -> Iterator[tuple[str, str]]:
    what: Diagnose = event.what  # type: ignore[assignment]
    yield "DIAGNOSIS", "\n".join(f"{n}. {d}" for n, d in enumerate(what.differential, 1))
    for name in what.plan.__dataclass_fields__:
        if text := getattr(what.plan, name):
            yield "plan", text if name == "text" else f"{name.replace('_', '-')}: {text}"


def _verdict(event: Event) -> Iterator[tuple[str, str]]:
    v: Verdict = event.what  # type: ignore[assignment]
    yield "", ""
    for line in verdict_lines(v):
        yield "verdict", line
    yield (
        "",
        ", ".join(
            f"{name}: {'yes' if held else 'no'}"
            for name, held in (
                ("diagnosis given", v.diagnosis_given),
                ("plan given", v.plan_given),
                ("patient's questions resolved", v.questions_resolved),
                ("farewell", v.farewell),
            )
        )
        + f"; credit {v.credit:g}",
    )


def _one(label: str, text: Callable[[Any], str]) -> Callable[[Event], Iterator[tuple[str, str]]]:
    def show(event: Event) -> Iterator[tuple[str, str]]:
        yield label or event.role.value, text(event.what)

    return show


def _heard(event: Event) -> Iterator[tuple[str, str]]:
    heard: Heard = event.what  # type: ignore[assignment]
    if heard.opened:
        yield "·", f"(trust {heard.trust:.2f}: the patient is ready to tell {', '.join(heard.opened)})"
    for what, ids in (
        ("lets slip", (heard.cue,) if heard.cue else ()),
        ("a cue is picked up:", heard.picked_up),
        ("a false belief is put right:", heard.corrected),
        ("agrees:", heard.agreed),
        ("does not agree:", heard.refused),
    ):
        if ids:
            yield "·", f"({what} {', '.join(ids)})"


_SHOWN: dict[type, Callable[[Event], Iterator[tuple[str, str]]]] = {
    DoorNote: _one("door note", lambda w: w.text),
    Say: _one("", lambda w: w.text),
    Heard: _heard,
    Examine: _one("EXAMINE", lambda w: "; ".join(w.items)),
    OrderTests: _one("ORDER", lambda w: "; ".join(w.items)),
    RequestImage: _one("IMAGE", lambda w: "; ".join(w.items)),
    Report: _report,
    Unparsed: _one("unreadable", lambda w: w.text or "(nothing)"),
    Notice: _one("notice", lambda w: w.text),
    Diagnose: _diagnose,
    Answer: _one("ANSWER", lambda w: w.text),
    Leave: _one("LEAVES", lambda w: w.text),
    Judge: _one("moderator", lambda w: ", ".join(w.verdicts)),
    Rate: _one(
        "rates",
        lambda w: (
            f"confidence {w.confidence}, would follow the plan {w.compliance},"
            f" would come back {w.consultation} (of 10)"
        ),
    ),
    Failed: _one("FAILED", lambda w: f"{w.role}: {w.cause}"),
    Verdict: _verdict,
}
