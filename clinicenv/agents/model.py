"""A language model in any role: its view as a prompt, its reply as an action."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from clinicenv.agents import prompts
from clinicenv.agents.asking import Asker
from clinicenv.agents.cards import AgentCard
from clinicenv.agents.model_doctor import ModelDoctor
from clinicenv.agents.replies import DOCTORS, beside, cut_at_others, unlabelled, with_question
from clinicenv.clinic import measurement
from clinicenv.clinic.examination import ORDER_IT
from clinicenv.consultation import Acted, AgentError, Turn
from clinicenv.events import Judge, Leave, Rate, Report, Result, Say, Trajectory
from clinicenv.files import InputError
from clinicenv.models import templates
from clinicenv.models.call import Message, Reply
from clinicenv.models.gateway import Connection, Gateway
from clinicenv.models.names import LOCAL, ModelName
from clinicenv.scenario import Diagnosis
from clinicenv.view import DoctorView, MeasurementView, ModeratorView, PatientView

T = TypeVar("T")

ASK_RATINGS = (
    "[The consultation is over. In private, rate from 1 (not at all) to 10 (fully): how much you trust this"
    " doctor, how closely you will follow the advice, how gladly you would come back. Answer with three"
    " numbers, nothing else.]"
)
_AGAIN = "[That was no answer of the patient. Write only what the patient says now.]"
_UNREAD = "[That could not be read; expected: {}. Write it again, and nothing else.]"
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

    Args:
        card: names the model, unless `chat` is given.
        gateway: the way to the model; one of its own if not given.
        language: what is spoken, e.g. `German`; English if empty.
        chat: a LangChain chat model object or a `Connection`, which is used as it is.

    InputError where the card's model string or a template cannot be read. The server is first needed when it
    acts.
    """

    def __init__(
        self, card: AgentCard, gateway: Gateway | None = None, *, language: str = "", chat: Any = None
    ) -> None:
        if not card.system or (not card.model and chat is None):
            raise InputError(f"the card `{card.name}` names no model, so nothing can play it")
        self.card = card
        self._gateway, self._language, self._chat = gateway or Gateway(), language, chat
        self._system = card.system
        templates.check(card.system)
        self._asker: Asker | None = None
        self._doctor = ModelDoctor(card, language) if card.role == "doctor" else None
        self.settings = {**card.settings(), **(self._doctor.described if self._doctor else {})}
        if language:
            self.settings["language"] = language
        if chat is not None:
            self.name = self.settings["model"] = str(self.connection)
        else:
            self.name = str(ModelName.parse(card.model or ""))

    @property
    def connection(self) -> Connection:
        """The way to its model; InputError for a missing key or extra."""
        if isinstance(self._chat, Connection):
            return self._chat
        if self._chat is not None:
            return self._gateway.object(self._chat)
        return self._gateway.model(ModelName.parse(self.card.model or ""), self.card.base_url)

    @property
    def local(self) -> str:
        """The local model that it needs a server for; empty for all others."""
        if self._chat is not None:
            return ""
        name = ModelName.parse(self.name)
        return name.model if name.provider == LOCAL else ""

    @property
    def notebook(self) -> Any:
        """A doctor's `Notebook`, where its card has one."""
        return self._doctor and self._doctor.notebook

    async def preflight(self) -> None:
        """One cheap call; InputError, which says what to mend, where the model cannot be asked."""
        await self._ask_with.check()

    async def act(self, turn: Turn) -> Acted:
        """What the model does; AgentError where it cannot be asked, or its reply is none for this role."""
        view = turn.view
        if isinstance(view, DoctorView) and self._doctor:
            return await self._doctor.act(turn, view, self._ask_with)
        if isinstance(view, PatientView):
            return await (self._rate(turn) if Rate in turn.legal else self._speak(turn, view))
        if isinstance(view, MeasurementView):
            return await self._measure(turn, view)
        if isinstance(view, ModeratorView):
            return await self._judge(turn, view)
        raise AgentError(f"the card `{self.card.name}` is for the {self.card.role}, not for the {turn.role}")

    async def learn(self, trajectory: Trajectory, answer: Diagnosis | None) -> None:
        """Rewrites a doctor's notebook after a consultation."""
        if self._doctor and self._doctor.notebook:
            await self._doctor.learn(trajectory, answer, self._ask_with)

    # The roles

    async def _speak(self, turn: Turn, view: PatientView) -> Say | Leave:
        script = view.script
        own = ("patient", script.identity.name, script.informant_name or "")
        messages = self._messages(turn)
        replies = [await self._ask_with.ask(turn, messages)]
        text = unlabelled(cut_at_others(replies[0].text, DOCTORS), own)
        if not text:
            said = {"role": "assistant", "content": replies[0].text or prompts.SILENT}
            messages = with_question([*messages, said], _AGAIN)
            replies.append(await self._ask_with.ask(turn, messages, seed="model:again"))
            text = unlabelled(cut_at_others(replies[1].text, DOCTORS), own)
        if not text:
            said_so = " ".join(replies[1].text.split())[:200]
            raise AgentError(f"{self.name}: the patient says nothing of its own, twice; it wrote {said_so!r}")
        leaves = _LEAVES.fullmatch(text)
        if leaves and Leave in turn.legal:
            return Leave(leaves["why"].strip(_MARKS), aside=_aside(replies))
        return Say(text, aside=_aside(replies))

    async def _rate(self, turn: Turn) -> Rate:
        asked = with_question(self._messages(turn), ASK_RATINGS)
        (confidence, compliance, consultation), replies = await self._read(
            turn, asked, "three ratings from 1 to 10", read_ratings, seed="model:rate"
        )
        return Rate(confidence, compliance, consultation, aside=_aside(replies))

    async def _measure(self, turn: Turn, view: MeasurementView) -> Report:
        """The case's own results; the model is asked for what they leave open, one item a call."""
        found = measurement.report(view, lambda item: turn.draw("result", item)).results
        raw: dict[str, list[str]] = {}
        replies: list[Reply] = []
        results: list[Result] = []
        for result in found:
            if _left_open(result, view):
                text, said = await self._result(turn, result)
                raw.setdefault(result.item, []).extend(reply.text for reply in said)
                replies += said
                results.append(replace(result, text=text, ids=(), flags=(), source="model", route=("model",)))
            else:
                results.append(result)
        return Report(tuple(results), aside={"raw": raw, **beside(replies)} if replies else None)

    async def _result(self, turn: Turn, result: Result) -> tuple[str, list[Reply]]:
        asked = [*self._messages(turn), {"role": "user", "content": f"{result.kind}: {result.item}"}]
        return await self._read(
            turn,
            asked,
            f"the result of `{result.item}` in a line",
            lambda text: " ".join(text.split()) or None,
            seed=f"model:{result.kind}:{result.item}",
        )

    async def _judge(self, turn: Turn, view: ModeratorView) -> Judge:
        count = len(view.differential)
        verdicts, replies = await self._read(
            turn,
            self._messages(turn),
            f"{count} lines of `same` or `different`",
            lambda text: read_verdicts(text, count),
        )
        return Judge(verdicts, aside=_aside(replies))

    # The call

    @property
    def _ask_with(self) -> Asker:
        if self._asker is None:
            seeded = self._chat is None  # an object is used as it is
            self._asker = Asker(self.name, self.connection, self.card.sampling, seeded)
        return self._asker

    def _messages(self, turn: Turn) -> list[Message]:
        return prompts.messages(turn.view, self._system, turn.legal, language=self._language)

    async def _read(
        self,
        turn: Turn,
        messages: list[Message],
        wanted: str,
        read: Callable[[str], T | None],
        seed: str = "model",
    ) -> tuple[T, list[Reply]]:
        """What `read` makes of the reply, asked for again once where that is nothing."""
        replies = [await self._ask_with.ask(turn, messages, seed=seed)]
        if (found := read(replies[0].text)) is None:
            said = {"role": "assistant", "content": replies[0].text or prompts.SILENT}
            messages = with_question([*messages, said], _UNREAD.format(wanted))
            replies.append(await self._ask_with.ask(turn, messages, seed=f"{seed}:again"))
            found = read(replies[1].text)
        if found is None:
            got = " ".join(replies[1].text.split())[:200]
            raise AgentError(f"{self.name}: expected {wanted}, got, twice: {got!r}")
        return found, replies


def _aside(replies: Sequence[Reply]) -> dict[str, Any]:
    """What led to an action: the last reply, and what a first one was that could not be used."""
    aside: dict[str, Any] = {"raw": replies[-1].text}
    if len(replies) > 1:
        aside["again"] = [{"raw": replies[0].text}]
    return aside | beside(replies)


def _left_open(result: Result, view: MeasurementView) -> bool:
    """Whether the case does not say what this item shows and leaves it to a model."""
    if result.source == "unknown":
        return result.text != ORDER_IT
    return result.source == "normal" and result.kind != "exam" and view.unlisted == "model"


def read_ratings(text: str) -> tuple[int, int, int] | None:
    """The three ratings in a text; None where there are not three."""
    numbers = _RATING.findall(_OUT_OF.sub("", _NUMBERING.sub("", text)))
    return (int(numbers[0]), int(numbers[1]), int(numbers[2])) if len(numbers) == 3 else None


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
