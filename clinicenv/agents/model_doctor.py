"""A language model as the doctor: the calls that make up a turn, and the actions in the last of them.

What is asked and replied within a turn follows the history and is dropped when the turn is over; of all that
only the last reply stays. The rest goes to `aside`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from clinicenv import protocol, toolcalls
from clinicenv.agents import analysis, lookup, prompts
from clinicenv.agents.asking import Asker
from clinicenv.agents.cards import AgentCard, Step
from clinicenv.agents.example import Examples
from clinicenv.agents.library import Library
from clinicenv.agents.notebook import Notebook
from clinicenv.agents.replies import beside, cut_at_others, with_question
from clinicenv.consultation import Turn
from clinicenv.events import Action, Diagnose, Say, Trajectory, Unparsed
from clinicenv.models import templates
from clinicenv.models.call import Message, Reply, Request, ToolCall
from clinicenv.scenario import Diagnosis
from clinicenv.view import DoctorView

MAX_SEARCHES = 3
"""Replies of a turn that may be look-ups; the next one counts as it is."""

_ONE = (Step(name="reply"),)
_THINK = (
    "[Before this counts, think in a few sentences, to yourself: what speaks against it, what dangerous cause"
    " is not ruled out, what you did not ask, examine or test.]"
)
_DECIDE = "[Now write your whole reply for this turn: the same{}.]"
_OR_ELSE = (" or another diagnosis", ", another diagnosis, or a question or test instead")
_NOT_READ = "[Nothing of that could be read. {}\nWrite your whole reply again.]"
_QUESTIONS = "[You may ask {} questions in a turn, and this has {}. Write your whole reply again.]"
_NO_ANALYSIS = "[{}]"
_LATER = "Not done, because of the look-up beside it; send it again."
_ALONE = "[Only the look-up was done; write what stood beside it again.]"
_ENOUGH = "No more look-ups in this turn; go on without."


class ModelDoctor:
    """Plays a doctor by its card; holds nothing that its view does not, a notebook apart.

    InputError where a folder that the card names cannot be used.
    """

    def __init__(self, card: AgentCard, language: str) -> None:
        self._card, self._language = card, language
        self._by_tools = card.protocol == "tools"
        self._library = Library(card.lookup) if card.lookup else None
        self._examples = Examples(card.example) if card.example else None
        self.notebook = Notebook(card.notebook) if card.notebook else None
        for step in card.steps:
            templates.check(step.prompt)

    @property
    def described(self) -> dict[str, Any]:
        """What of its files could change what it does, for the log."""
        found: dict[str, Any] = {}
        if self._library:
            found["library"] = self._library.described()
        if self._examples:
            found["examples_sha256"] = self._examples.sha256
        return found

    async def act(self, turn: Turn, view: DoctorView, asker: Asker) -> list[Action]:
        """The actions of this turn, the first with all that led to them in `aside`."""
        assert self._card.system
        aside: dict[str, Any] = {}
        messages = prompts.messages(
            view,
            self._card.system,
            turn.legal,
            by_tools=self._by_tools,
            language=self._language,
            more=self._more(view, aside),
        )
        inner = _Inner(asker, turn, messages)
        *before, last = self._card.steps or _ONE
        for step in before:
            await self._think(inner, step, self._prompt(step, turn, view), aside)
        acts, reply = await self._decide(inner, last.name, self._prompt(last, turn, view), aside)
        if self._card.reflect and isinstance(acts[-1], Diagnose):
            acts, reply = await self._reflect(inner, acts, reply, aside)
        return self._finished(acts, reply, inner, aside)

    async def learn(self, trajectory: Trajectory, answer: Diagnosis | None, asker: Asker) -> None:
        """Rewrites the notebook after a consultation; AgentError where the model cannot be asked."""
        assert self.notebook
        prompt = self.notebook.rewrite_prompt(trajectory, answer)
        settings = asker.settings(int(trajectory.key, 16) >> 33)
        record = {"role": "doctor", "turn": 0, "step": "notebook"}
        reply = await asker.send(Request([{"role": "user", "content": prompt}], settings), record)
        self.notebook.take(reply.text, trajectory, answer)

    # The parts of a turn

    def _more(self, view: DoctorView, aside: dict[str, Any]) -> str:
        """What the card's aids add to the system message."""
        parts: list[str] = []
        if self._library and not self._by_tools:
            parts.append(lookup.usage(self._library))
        if self._examples and (example := self._examples.nearest(view)):
            aside["example"] = example.id
            parts.append(example.text)
        if self.notebook and self.notebook.shown:
            aside["notebook"] = self.notebook.text
            parts.append(self.notebook.shown)
        return "\n\n".join(parts)

    def _prompt(self, step: Step, turn: Turn, view: DoctorView) -> str:
        if not step.prompt:
            return ""
        data = prompts.doctor_data(view, turn.legal, self._by_tools)
        now = {"turn": view.turn, "turns_left": view.max_turns - view.turn, "language": self._language}
        return templates.render(step.prompt, **data, **now)

    async def _think(self, inner: "_Inner", step: Step, prompt: str, aside: dict[str, Any]) -> None:
        """A step before the last: its reply is for `aside` and for the steps after it."""
        if step.output == "text":
            reply = await inner.ask(step.name, prompt)
            aside.setdefault("steps", {})[step.name] = reply.text
            inner.add(reply)
            return
        reply = await inner.ask(step.name, prompt, schema=analysis.schema())
        found = analysis.read(reply.text)
        if isinstance(found, str):
            inner.add(reply)
            reply = await inner.ask(step.name, _NO_ANALYSIS.format(found), schema=analysis.schema())
            found = analysis.read(reply.text)
        inner.add(reply)
        if isinstance(found, str):
            aside[f"{step.name}_unread"] = {"why": found, "raw": reply.text}
        else:
            aside["analysis"] = found.model_dump(mode="json")

    async def _decide(
        self, inner: "_Inner", step: str, prompt: str, aside: dict[str, Any]
    ) -> tuple[list[Action], Reply]:
        """What the doctor does, and the reply that says so; what cannot be read is asked for once more."""
        reply = await self._searched(inner, step, prompt, aside)
        acts = self._read(reply, inner)
        if problem := self._problem(acts):
            first = {"why": problem, "raw": reply.text, **_calls(reply.calls)}
            aside.setdefault("again", []).append(first)
            self._add(inner, reply, acts)
            second = await self._searched(inner, step, problem, aside)
            again = self._read(second, inner)
            if not _unread(again) or _unread(acts):
                return again, second
        return acts, reply

    async def _searched(self, inner: "_Inner", step: str, prompt: str, aside: dict[str, Any]) -> Reply:
        """The reply after the look-ups that the doctor wants and may have, without calls for more."""
        tools = toolcalls.tools(inner.turn.legal) if self._by_tools else ()
        if not self._library:
            return await inner.ask(step, prompt, tools=tools)
        searching = (*tools, lookup.tool(self._library)) if self._by_tools else ()
        reply = await inner.ask(step, prompt, tools=searching)
        while inner.searches < MAX_SEARCHES:
            shown, answers = await self._search(reply, aside)
            if not shown and not answers:
                break
            inner.searches += 1
            inner.add(reply, answers)
            reply = await inner.ask(step, shown, tools=searching)
        others = tuple(c for c in reply.calls if lookup.request_of(c.name, c.arguments) is None)
        return replace(reply, calls=others)

    async def _search(self, reply: Reply, aside: dict[str, Any]) -> tuple[str, list[Message]]:
        """What the look-ups in a reply found: those in its text as words, those in its calls as messages."""
        assert self._library
        library, log = self._library, aside.setdefault("lookups", [])
        found: list[str] = []
        said = cut_at_others(reply.text, ("patient",))
        for wanted in lookup.requests(said):
            text, logged = await asyncio.to_thread(lookup.look_up, library, wanted)
            found.append(text)
            log.append(logged)
        if found and _without_lookups(said):
            found.append(_ALONE)
        answers: list[Message] = []
        for id, call in zip(toolcalls.ids(reply.calls), reply.calls, strict=True):
            content = _LATER
            if (request := lookup.request_of(call.name, call.arguments)) is not None:
                content, logged = await asyncio.to_thread(lookup.look_up, library, request)
                log.append(logged)
            answers.append({"role": "tool", "tool_call_id": id, "content": content})
        if not found and all(m["content"] == _LATER for m in answers):
            answers = []
        if not log:
            del aside["lookups"]
        return "\n\n".join(found), answers

    async def _reflect(
        self, inner: "_Inner", acts: list[Action], reply: Reply, aside: dict[str, Any]
    ) -> tuple[list[Action], Reply]:
        """The diagnosis thought over: the same, another, or something else first."""
        self._add(inner, reply, acts)
        thought = await inner.ask("reflect", _THINK)
        aside["reflection"] = {"before": reply.text, **_calls(reply.calls), "thought": thought.text}
        inner.add(thought)
        view = inner.turn.view
        prompt = _DECIDE.format(_OR_ELSE[view.turn < view.max_turns])
        again, second = await self._decide(inner, "reflect", prompt, aside)
        return (acts, reply) if _unread(again) else (again, second)

    def _add(self, inner: "_Inner", reply: Reply, acts: list[Action]) -> None:
        """Puts a reply that does not count behind what was said so far."""
        if reply.calls and not self._by_tools:  # the messages of a doctor that acts in text have no calls
            reply = replace(reply, text=protocol.render(acts), calls=())
        inner.add(reply, toolcalls.answers(reply.calls, acts)[0])

    def _read(self, reply: Reply, inner: "_Inner") -> list[Action]:
        text, legal = cut_at_others(reply.text, ("patient",)), inner.turn.legal
        if self._library:
            text = _without_lookups(text)
        acts = toolcalls.read(reply.calls, text, legal) if reply.calls else protocol.parse(text, legal)
        if acts == [Unparsed("", protocol.EMPTY)] and inner.searches == MAX_SEARCHES:
            return [Unparsed("", _ENOUGH)]
        return acts

    def _problem(self, acts: Sequence[Action]) -> str | None:
        """Why the doctor is asked again, if it is."""
        if why := _unread(acts):
            return _NOT_READ.format(why)
        most = self._card.max_questions
        asked = sum(a.text.count("?") for a in acts if isinstance(a, Say))
        return _QUESTIONS.format(most, asked) if most and asked > most else None

    def _finished(
        self, acts: list[Action], reply: Reply, inner: "_Inner", aside: dict[str, Any]
    ) -> list[Action]:
        raw = cut_at_others(reply.text, ("patient",))
        kept: dict[str, Any] = {"raw": raw, **_calls(reply.calls)}
        if raw != reply.text:
            kept["cut"] = reply.text[len(raw) :]
        first, *others = acts
        return [replace(first, aside={**kept, **beside(inner.replies), **aside}), *others]


class _Inner:
    """What is asked and replied within one turn, after the history."""

    def __init__(self, asker: Asker, turn: Turn, messages: list[Message]) -> None:
        self._asker, self.turn, self._messages = asker, turn, messages
        self.replies: list[Reply] = []
        self.searches = 0

    async def ask(self, step: str, prompt: str = "", **options: Any) -> Reply:
        """The reply to what was said so far and a prompt after it."""
        if prompt:
            self._messages = with_question(self._messages, prompt)
        seed = f"model:{len(self.replies)}" if self.replies else "model"
        reply = await self._asker.ask(self.turn, self._messages, step=step, seed=seed, **options)
        self.replies.append(reply)
        return reply

    def add(self, reply: Reply, answers: Sequence[Message] = ()) -> None:
        """Puts a reply, and the answers to its calls, behind what was said so far."""
        calls = reply.calls if answers else ()
        self._messages = [
            *self._messages,
            toolcalls.assistant(reply.text or ("" if calls else prompts.SILENT), calls),
            *answers,
        ]


def _calls(calls: Sequence[ToolCall]) -> dict[str, Any]:
    return {"calls": [asdict(call) for call in calls]} if calls else {}


def _without_lookups(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not lookup.requests(line)).strip()


def _unread(acts: Sequence[Action]) -> str:
    """Why nothing of an act could be read; empty where something could."""
    reasons = [a.reason for a in acts if isinstance(a, Unparsed)]
    return " ".join(dict.fromkeys(reasons)) if len(reasons) == len(acts) else ""
