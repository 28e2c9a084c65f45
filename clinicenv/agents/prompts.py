"""From a view to chat messages: one fixed system message, then the history in order.

Counters, notices and opened facts stand in the message of the turn that they belong to, so the messages of
one call, with the reply to them, are an exact prefix of those of the role's next call.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from clinicenv import gallery, protocol, toolcalls
from clinicenv.agents.directions import NO_DIRECTIONS, about, directions
from clinicenv.clinic.lexicon import label
from clinicenv.events import (
    Action,
    DoorNote,
    Event,
    Examine,
    Heard,
    Leave,
    Notice,
    OrderTests,
    Report,
    RequestImage,
    Role,
    Say,
    Unparsed,
)
from clinicenv.models.call import Message, ToolCall
from clinicenv.models.templates import render
from clinicenv.profile import BiasProfile, Persona
from clinicenv.story import Fact, Identity
from clinicenv.view import DoctorView, MeasurementView, ModeratorView, PatientView, Script, View
from clinicenv.workup import Exam, Image, Measured, Test

SITES = {
    "ed": "an emergency department",
    "clinic": "a clinic",
    "ward": "a hospital ward",
    "telehealth": "a video call",
    "home": "the patient's home",
}
_BEGIN = "[The consultation begins.]"
SILENT = "[no words]"
"""Some servers refuse a message without content."""


def messages(
    view: View,
    template: str,
    legal: Sequence[type] = (),
    *,
    by_tools: bool = False,
    language: str = "",
    more: str = "",
) -> list[Message]:
    """The chat messages for a role that is due.

    Args:
        view: what the role may know; nothing else gets into the messages.
        template: of the system message, over the part of the view that stays the same.
        legal: the actions that the role may take; a doctor's template gets their `usage`.
        by_tools: whether a doctor acts by tool calls.
        language: what is spoken, in English; empty for English.
        more: what comes after the template in the system message, fixed for a consultation.
    """
    if isinstance(view, DoctorView):
        data = doctor_data(view, legal, by_tools)
        return [_system(template, data, language, more), *_doctor_history(view, by_tools)]
    if isinstance(view, PatientView):
        return [_system(template, patient_data(view), language), *_patient_history(view)]
    if isinstance(view, MeasurementView):
        return [_system(template, measurement_data(view), language)]
    if isinstance(view, ModeratorView):
        return [_system(template, manner(view.profile), language), _user(_to_judge(view))]
    raise TypeError(f"no prompt for a {type(view).__name__}")


def _system(template: str, data: dict[str, Any], language: str, more: str = "") -> Message:
    text = render(template, **data, language=language)
    return {"role": "system", "content": f"{text}\n\n{more}" if more else text}


def _user(text: str, *pictures: dict[str, Any]) -> Message:
    """What is said to a model; pictures come after the words about them."""
    content = [{"type": "text", "text": text}, *pictures] if pictures else text
    return {"role": "user", "content": content}


# What the templates get


def doctor_data(view: DoctorView, legal: Sequence[type], by_tools: bool = False) -> dict[str, Any]:
    """What a doctor's template knows: where it is, what it may do, what is asked. Never the door note."""
    how = toolcalls.usage if by_tools else protocol.usage
    return {
        "task": view.task,
        "site": SITES[view.site],
        "position": view.position,
        "resources": list(view.resources),
        "question": view.question or "",
        "options": [{"id": o.id, "text": o.text} for o in view.options],
        "usage": how(tuple(legal)),
        "max_turns": view.max_turns,
        **manner(view.profile),
    }


def patient_data(view: PatientView) -> dict[str, Any]:
    """What a patient's template knows: itself, and its facts without the gated ones."""
    script = view.script
    return {
        **_who(script),
        "appearance": script.appearance,
        "facts": [_fact(f, script) for f in script.facts],
        "absent": [label(c) for c in script.absent if c not in script.unnamed],
        "questions": [{"ask": ask, "after_turn": after} for ask, after, _ in script.questions],
        "others": [{"name": o.name, "relation": o.relation} for o in script.others],
        "beliefs": [b.holds for b in script.beliefs],
        "challenge": list(script.challenge),
        "defused_by": [act.replace("_", " ") for act in script.defused_by],
        "default": script.default,
        "unknown_slot": script.unknown_slot,
        **manner(view.profile),
    }


def measurement_data(view: MeasurementView) -> dict[str, Any]:
    """What a measurement template knows: the case's results as JSON, but for those that name the answer."""
    table = {
        "vitals": {name: f"{v.value} {v.unit}".strip() for name, v in view.exam.vitals.items()},
        "examination": list(_examination(view.exam)),
        "tests": [_test(t) for t in view.tests if not t.report_reveals],
        "images": [_image(i) for i in view.images if not i.report_reveals],
    }
    return {
        "sex": view.sex,
        "age": _age(view.age),
        "table": json.dumps(table, ensure_ascii=False, sort_keys=True),
        **manner(view.profile),
    }


def _who(script: Script) -> dict[str, Any]:
    who: Identity = script.identity
    rest = ("sex", "gender", "pronouns", "ethnicity", "occupation", "education", "insurance")
    return {
        "name": who.name,
        "age": _age(who.age),
        "about": {field: value for field in rest if (value := getattr(who, field))},
        "informant": script.informant,
        "informant_name": script.informant_name or "",
    }


def _age(years: float) -> str:
    return f"{years:g} years" if years >= 2 else f"{round(years * 12)} months"


def _fact(fact: Fact, script: Script) -> dict[str, Any]:
    return {
        "about": about(fact, script),
        "slot": "" if fact.slot == "present" else fact.slot,
        "say": fact.say[0],
        "value": fact.value or "",
        "disclosure": fact.disclosure,
    }


def _examination(exam: Exam) -> Iterator[dict[str, str]]:
    for f in exam.findings:
        yield {"system": f.system, "manoeuvre": f.manoeuvre, "site": f.site or "", "shows": f.text}
    for system, text in exam.normal_text.items():
        yield {"system": system, "otherwise": text}


def _test(test: Test) -> dict[str, Any]:
    lines = [f"{c.name}: {_measured(c)}" for c in test.components]
    if test.result:
        lines.insert(0, _measured(test.result))
    return {"name": test.name, "aliases": list(test.aliases), "result": lines}


def _measured(m: Measured) -> str:
    value = "" if m.value is None else f"{m.value} {m.unit}".strip()
    return "; ".join(part for part in (value, m.text or "") if part)


def _image(image: Image) -> dict[str, Any]:
    return {"name": image.name, "aliases": list(image.aliases), "report": image.report}


# Manner: a profile in words

_LEVELS = {
    "A": "You speak the doctor's language poorly: short, simple sentences, and you ask when a word is hard.",
    "B": "You speak in simple everyday sentences.",
}


def manner(profile: BiasProfile) -> dict[str, Any]:
    """`style`, a paragraph, and `rules`, a list: the profile's own words, or else its numbers in words."""
    own = profile.prompt
    if own.style or own.rules:
        return {"style": own.style, "rules": list(own.rules)}
    words = list(_persona(profile.persona)) if profile.target == "patient" else []
    words += [_bias(b.kind, b.strength, b.toward, b.about) for b in profile.biases if b.strength > 0]
    return {"style": " ".join(words), "rules": []}


def _persona(p: Persona) -> Iterator[str]:
    if p.personality != "plain":
        yield f"Your manner is {p.personality.replace('_', ' ')}."
    if p.language_level in _LEVELS:
        yield _LEVELS[p.language_level]
    if p.recall < 0.7:
        yield "You often cannot remember dates and details, and then you say so."
    if p.confusion > 0.3:
        yield "You are confused: you lose the thread and mix up the order of things."
    if p.literacy < 0.5:
        yield "Medical words mean nothing to you; you ask what they mean."
    if p.verbosity > 0.5:
        yield "You talk a lot and wander off the point."
    if p.politeness < 0.4:
        yield "You are blunt, even rude."


def _bias(kind: str, strength: float, toward: str | None, about: str | None) -> str:
    how = "slightly" if strength <= 0.34 else "clearly" if strength <= 0.67 else "strongly"
    where = (f", toward {toward}" if toward else "") + (f", about {about}" if about else "")
    name = kind.replace("_", " ").replace("-", " ")
    return f"Your thinking is {how} coloured by a bias, and you do not notice it: {name}{where}."


# The doctor's history


def _doctor_history(view: DoctorView, by_tools: bool) -> Iterator[Message]:
    """Per turn what had happened before it, closed by the turn's number, and then the doctor's own act."""
    done: list[Action] = []
    for turn in range(1, view.turn + 1):
        before = [e for e in view.events if e.turn == turn - 1 and e.role is not Role.DOCTOR]
        reports = [e.what for e in before if isinstance(e.what, Report)]
        shown = [key for report in reports for result in report.results for key in result.pictures]
        if by_tools and (calls := _calls(done, turn - 1)):
            answered, before = _answers(calls, done, before)
            yield from answered
        text = "\n\n".join([*map(for_doctor, before), f"[turn {turn} of {view.max_turns}]"])
        yield _user(text, *map(gallery.part, shown))
        done = [e.what for e in view.events if e.turn == turn and e.role is Role.DOCTOR]  # type: ignore[misc]
        if done and by_tools:
            calls = _calls(done, turn)
            raw = _raw(done)
            text = (_speech(done) if raw is None else raw).strip()
            yield toolcalls.assistant(text or ("" if calls else SILENT), calls)
        elif done:
            yield {"role": "assistant", "content": _own_words(done)}


def _calls(acts: Sequence[Action], turn: int) -> list[ToolCall]:
    """The tool calls that a model made for this act, or those that would be read as the same act; their ids
    have the turn in them, for some servers want them to differ in all of a prompt."""
    if not acts:
        return []
    if _raw(acts) is not None:
        return [ToolCall(**call) for call in (acts[0].aside or {}).get("calls", ())]
    does = [a for a in acts if not isinstance(a, (Say, Unparsed))]
    made = [toolcalls.call_of(a) for a in does]
    return [
        ToolCall(f"call_{turn}_{n}", name, json.dumps(given, ensure_ascii=False))
        for n, (name, given) in enumerate(made)
    ]


def _answers(
    calls: Sequence[ToolCall], acts: Sequence[Action], before: list[Event]
) -> tuple[list[Message], list[Event]]:
    """The messages that answer the calls, and the events that they do not tell."""
    results = [r for e in before if isinstance(e.what, Report) for r in e.what.results]
    answered, rest = toolcalls.answers(calls, acts, results)
    told = {m["content"] for m in answered}
    left: list[Event] = []
    for event in before:
        if isinstance(event.what, Report):
            if rest:
                left.append(replace(event, what=replace(event.what, results=tuple(rest))))
        elif not (isinstance(event.what, Notice) and event.what.text in told):
            left.append(event)
    return answered, left


def for_doctor(event: Event) -> str:
    """What the doctor reads of an event of its view that is not its own."""
    what = event.what
    if isinstance(what, DoorNote):
        return what.text
    if isinstance(what, Report):
        return protocol.render_results(what)
    if isinstance(what, Notice):
        return f"[{what.text}]"
    if isinstance(what, Say):
        return f"Patient: {what.text.translate(NO_DIRECTIONS)}"
    return f"[The {event.role} leaves.]"


def _own_words(acts: Sequence[Action]) -> str:
    """The text that a model gave for this act, or what would be read as the same act: that of a model which
    called tools (before a fork, say) is not all of it."""
    raw = None if (acts[0].aside or {}).get("calls") else _raw(acts)
    return (protocol.render(acts) if raw is None else raw).strip() or SILENT


def _raw(acts: Sequence[Action]) -> str | None:
    raw = (acts[0].aside or {}).get("raw")
    return raw if isinstance(raw, str) else None


def _speech(acts: Sequence[Action]) -> str:
    return "\n".join(a.text for a in acts if isinstance(a, (Say, Unparsed)))


# The patient's history


def _patient_history(view: PatientView) -> Iterator[Message]:
    facts, script = {f.id: f for f in view.opened}, view.script
    waiting: list[str] = [_BEGIN]
    for event in view.events:
        if event.role is Role.PATIENT and isinstance(event.what, Say):
            yield _user("\n".join(waiting) or _BEGIN)
            yield {"role": "assistant", "content": event.what.text}
            waiting = []
        else:
            waiting += _for_patient(event.what, facts, script)
    if waiting:
        yield _user("\n".join(waiting))


def _for_patient(what: Action | Any, facts: dict[str, Fact], script: Script) -> Iterator[str]:
    if isinstance(what, Say):
        yield what.text.translate(NO_DIRECTIONS)
    elif isinstance(what, Leave):
        yield f"[The doctor ends the talk.] {what.text.translate(NO_DIRECTIONS)}".strip()
    elif isinstance(what, Heard):
        yield from directions(what, facts, script)
    elif isinstance(what, (Examine, OrderTests, RequestImage)):
        verb = "examines" if isinstance(what, Examine) else "orders"
        yield f"[The doctor {verb}: {'; '.join(what.items).translate(NO_DIRECTIONS)}]"
    elif isinstance(what, Notice):
        yield f"[{what.text}]"


def _to_judge(view: ModeratorView) -> str:
    others = f" (also called: {'; '.join(view.synonyms)})" if view.synonyms else ""
    listed = "\n".join(f"{n}. {d}" for n, d in enumerate(view.differential, 1))
    return f"Reference diagnosis: {view.answer}{others}\n\nListed diagnoses:\n{listed}"
