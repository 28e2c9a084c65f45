"""A language model in any role: its view as a prompt, its reply as an action."""

import asyncio
import re
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from clinicenv import protocol
from clinicenv.agents import prompts
from clinicenv.agents.calls import CALL_LOG
from clinicenv.agents.cards import AgentCard
from clinicenv.clinic import measurement
from clinicenv.clinic.examination import ORDER_IT
from clinicenv.consultation import Acted, AgentError, Turn
from clinicenv.events import Action, Judge, Leave, Rate, Report, Result, Say
from clinicenv.files import InputError
from clinicenv.models import loop, templates
from clinicenv.models.endpoint import Endpoint, ModelError, ModelName, Reply, Request
from clinicenv.view import MeasurementView, ModeratorView, PatientView

T = TypeVar("T")

ASK_RATINGS = (
    "[The consultation is over. In private, rate from 1 (not at all) to 10 (fully): how much you trust this"
    " doctor, how closely you will follow the advice, how gladly you would come back. Answer with three"
    " numbers, nothing else.]"
)
_MARKS = "*_` "
_LEAVES = re.compile(r"[*_`]*LEAVE[*_`]*\s*:[*_`]*(?P<why>.*)", re.IGNORECASE)
_NUMBERING = re.compile(r"^\s*\d+[.)]\s", re.MULTILINE)
_OUT_OF = re.compile(r"\s*(?:/|out of)\s*10\b", re.IGNORECASE)
_RATING = re.compile(r"(?<![\d.])(?:10|[1-9])(?!\d|\.\d)")
_WORD = r"(?P<word>not (?:the )?same|same|different|yes|no)"
_AT_END = re.compile(rf"\b{_WORD}$", re.IGNORECASE)
_AT_START = re.compile(rf"^(?:\d+[.):]?\s*)?[{re.escape(_MARKS)}]*{_WORD}\b", re.IGNORECASE)


class ModelAgent:
    """Plays the card's role with the card's model; holds nothing that its view does not.

    InputError where the card's model string cannot be read. The server is first needed when it acts.
    """

    def __init__(self, card: AgentCard) -> None:
        if not card.model or not card.system:
            raise InputError(f"the card `{card.name}` names no model, so nothing can play it")
        self.card = card
        self.settings = card.settings()
        self.name = ModelName.parse(card.model)
        self._template = card.system
        templates.check(card.system)
        self._endpoint: Endpoint | None = None

    async def preflight(self) -> None:
        """One cheap call; InputError, which says what to mend, where the model cannot be asked."""
        try:
            await _on_loop(self.endpoint.probe())
        except ModelError as e:
            raise InputError(e.cause) from e

    async def act(self, turn: Turn) -> Acted:
        """What the model does; AgentError where it cannot be asked, or its reply is none for this role."""
        if isinstance(turn.view, PatientView):
            return await (self._rate(turn) if Rate in turn.legal else self._speak(turn, turn.view))
        if isinstance(turn.view, MeasurementView):
            return await self._measure(turn, turn.view)
        if isinstance(turn.view, ModeratorView):
            return await self._judge(turn, turn.view)
        return await self._consult(turn)

    @property
    def endpoint(self) -> Endpoint:
        """Where the model is; InputError for a missing key or extra."""
        if self._endpoint is None:
            self._endpoint = Endpoint(self.name, self.card.base_url)
        return self._endpoint

    # The roles

    async def _consult(self, turn: Turn) -> list[Action]:
        reply = await self._ask(turn, self._messages(turn))
        first, *more = protocol.parse(reply.text, turn.legal)
        return [replace(first, aside=_aside(reply)), *more]

    async def _speak(self, turn: Turn, view: PatientView) -> Say | Leave:
        reply = await self._ask(turn, self._messages(turn))
        script = view.script
        text = _unlabelled(reply.text, ("patient", script.identity.name, script.informant_name or ""))
        if not text:
            raise AgentError(f"{self.name}: the patient's reply is empty")
        leaves = _LEAVES.fullmatch(text)
        if leaves and Leave in turn.legal:
            return Leave(leaves["why"].strip(_MARKS), aside=_aside(reply))
        return Say(text, aside=_aside(reply))

    async def _rate(self, turn: Turn) -> Rate:
        asked = _with_question(self._messages(turn), ASK_RATINGS)
        reply = await self._ask(turn, asked, seed="model:rate")
        numbers = _RATING.findall(_OUT_OF.sub("", _NUMBERING.sub("", reply.text)))
        if len(numbers) != 3:
            raise self._unreadable("three ratings from 1 to 10", reply)
        confidence, compliance, consultation = map(int, numbers)
        return Rate(confidence, compliance, consultation, aside=_aside(reply))

    async def _measure(self, turn: Turn, view: MeasurementView) -> Report:
        """The case's own results; the model is asked for what they leave open, one item a call."""
        found = measurement.report(view, lambda item: turn.draw("result", item)).results
        replies: dict[str, Reply] = {}
        results: list[Result] = []
        for result in found:
            if _left_open(result, view):
                reply = replies[result.item] = await self._result(turn, result)
                text = " ".join(reply.text.split())
                results.append(replace(result, text=text, ids=(), flags=(), source="model", route=("model",)))
            else:
                results.append(result)
        raw = {item: reply.text for item, reply in replies.items()}
        usage = [_usage(reply) for reply in replies.values() if reply.usage]
        return Report(tuple(results), aside={"raw": raw, "usage": usage} if replies else None)

    async def _result(self, turn: Turn, result: Result) -> Reply:
        item = {"role": "user", "content": f"{result.kind}: {result.item}"}
        reply = await self._ask(
            turn, [*self._messages(turn), item], seed=f"model:{result.kind}:{result.item}"
        )
        if not reply.text.strip():
            raise AgentError(f"{self.name}: the result of `{result.item}` is empty")
        return reply

    async def _judge(self, turn: Turn, view: ModeratorView) -> Judge:
        reply = await self._ask(turn, self._messages(turn))
        verdicts = read_verdicts(reply.text, len(view.differential))
        if verdicts is None:
            raise self._unreadable(f"{len(view.differential)} lines of `same` or `different`", reply)
        return Judge(verdicts, aside=_aside(reply))

    # The call

    def _messages(self, turn: Turn) -> list[prompts.Message]:
        return prompts.messages(turn.view, self._template, turn.legal)

    async def _ask(self, turn: Turn, messages: list[prompts.Message], seed: str = "model") -> Reply:
        settings = {"seed": turn.draw.integer(seed), **self.card.sampling}
        record: dict[str, Any] = {"role": turn.role.value, "turn": turn.view.turn, "model": str(self.name)}
        try:
            reply = await _on_loop(self.endpoint.complete(Request(messages, settings)))
        except ModelError as e:
            _log({**record, "error": e.kind})
            raise AgentError(e.cause) from e
        usage = _usage(reply) if reply.usage else {"prompt_tokens": None, "completion_tokens": None}
        _log(
            {
                **record,
                **usage,
                "tries": reply.tries,
                "seconds": round(reply.seconds, 3),
                "finish_reason": reply.finish_reason,
            }
        )
        return reply

    def _unreadable(self, wanted: str, reply: Reply) -> AgentError:
        return AgentError(f"{self.name}: expected {wanted}, got: {' '.join(reply.text.split())[:200]!r}")


async def _on_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """Awaits on the loop that model calls run on, whichever loop the caller is on."""
    if loop.inside():
        return await coroutine
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, loop.background()))


def _log(record: dict[str, Any]) -> None:
    if log := CALL_LOG.get():
        log(record)


def _usage(reply: Reply) -> dict[str, Any]:
    assert reply.usage
    return {
        "prompt_tokens": reply.usage.prompt_tokens,
        "completion_tokens": reply.usage.completion_tokens,
    }


def _aside(reply: Reply) -> dict[str, Any]:
    aside: dict[str, Any] = {"raw": reply.text}
    if reply.reasoning:
        aside["reasoning"] = reply.reasoning
    if reply.usage:
        aside["usage"] = _usage(reply)
    return aside


def _unlabelled(text: str, labels: Sequence[str]) -> str:
    """The text without a speaker's label, bold or not, before it."""
    names = "|".join(re.escape(name) for name in labels if name)
    label = re.compile(rf"[*_]*(?:the )?(?:{names})[*_]*\s*:[*_]*\s*", re.IGNORECASE)
    found = label.match(text := text.strip())
    return text[found.end() :].strip() if found else text


def _with_question(messages: list[prompts.Message], question: str) -> list[prompts.Message]:
    """The messages with a question at the end that is no part of the history; roles still alternate."""
    last = messages[-1]
    if last["role"] != "user":
        return [*messages, {"role": "user", "content": question}]
    return [*messages[:-1], {"role": "user", "content": f"{last['content']}\n\n{question}"}]


def _left_open(result: Result, view: MeasurementView) -> bool:
    """Whether the case does not say what this item shows and leaves it to a model."""
    if result.source == "unknown":
        return result.text != ORDER_IT
    return result.source == "normal" and result.kind != "exam" and view.unlisted == "model"


def read_verdicts(text: str, count: int) -> tuple[str, ...] | None:
    """`same` or `different` for each of `count` diagnoses; None where the lines do not say it for each."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) == 1 and count > 1:
        lines = re.split(r"[,;]", lines[0])
    verdicts = tuple(v for line in lines if (v := _verdict(line)))
    return verdicts if len(verdicts) == count else None


def _verdict(line: str) -> str | None:
    line = line.strip().strip(_MARKS + ".!-•").strip()
    found = _AT_END.search(line) or _AT_START.match(line)
    if not found:
        return None
    return "same" if found["word"].lower() in ("same", "yes") else "different"
