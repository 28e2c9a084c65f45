"""What a model call costs in CPU time: `python -m benchmarks.models`.

The server is a process of its own, so its time is not counted. Four ways, with 100 calls in flight and a
dialogue of 18 messages: the client library alone, the same through clinicenv's gateway, whole consultations
with a model doctor (18 messages a call on average), and LangChain.
"""

import asyncio
import atexit
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

from benchmarks.run import served
from clinicenv import Cast, aplay, load_scenario
from clinicenv.agents.calls import CALL_LOG
from clinicenv.models import loop
from clinicenv.models.call import Message, Request
from clinicenv.models.gateway import Gateway
from clinicenv.models.names import ModelName

SCENARIO = Path(__file__).parents[1] / "scenarios" / "sharp-chest-pain-01.yaml"
QUESTION = "Could you tell me more about that, and about anything else that you have noticed since it began?"
IN_FLIGHT = 100
CALLS = 600
TURNS = 17
"""A doctor's prompt has 2 messages in the first turn and 2 more in each next one: 18 on average."""
LATENCY = 0.05
"""seconds a call"""
DIALOGUE: list[Message] = [
    {"role": "system", "content": "You are a doctor. " + "Consult as a careful clinician. " * 40},
    *({"role": ("user", "assistant")[n % 2], "content": QUESTION} for n in range(17)),
]


Way: TypeAlias = Callable[[], Awaitable[object]]


def cpu_ms(way: Way, times: int) -> float:
    """CPU milliseconds of this process for each of so many goes, 100 of them at once."""
    left = iter(range(times))

    async def worker() -> None:
        for _ in left:
            await way()

    async def all_of_them() -> None:
        await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))

    start = time.process_time()
    loop.run(all_of_them())
    return 1000 * (time.process_time() - start) / times


def library(url: str) -> Way:
    """The client library as the gateway uses it, and its reply read from JSON."""
    import openai

    http = openai.DefaultAioHttpClient()
    client = openai.AsyncOpenAI(base_url=url, api_key="none", http_client=http, max_retries=10, timeout=120)
    atexit.register(lambda: loop.run(client.close()))  # else it complains
    raw: Any = {"headers": {"X-Stainless-Raw-Response": "true"}}

    async def one() -> None:
        body = {"model": "fake", "messages": DIALOGUE, "temperature": 0.7}
        answer: Any = await client.post("/chat/completions", body=body, cast_to=object, options=raw)
        json.loads(answer.http_response.content)

    return one


def gateway(url: str) -> Way:
    """The same call through the gateway."""
    model = Gateway(concurrency=IN_FLIGHT).model(ModelName("openai", "fake", url))

    async def one() -> None:
        await model.complete(Request(DIALOGUE, {"temperature": 0.7}))

    return one


def consultation(url: str) -> Way:
    """All that a consultation does: view, prompt, the call and its record, parsing, patient; 17 calls."""
    scenario, cast = load_scenario(SCENARIO), Cast(doctor=f"openai:fake@{url}")

    async def one() -> None:
        CALL_LOG.set(lambda _record: None)
        ended = (await aplay(scenario, cast, max_turns=TURNS)).outcome
        if ended is None or ended.turns != TURNS:
            raise RuntimeError(f"the consultation did not go as written: {ended}")

    return one


def langchain(url: str) -> Way:
    """The same call through LangChain."""
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    chat = ChatOpenAI(model="fake", base_url=url, api_key=SecretStr("none"), temperature=0.7)

    async def one() -> None:
        await chat.ainvoke(DIALOGUE)

    return one


def measure() -> dict[str, Any]:
    """CPU milliseconds per call, each the median of three rounds in turn, and how the ways compare."""
    with served("--latency", str(LATENCY), "--reply", QUESTION) as url:
        goes = {
            library: (CALLS, 1),
            gateway: (CALLS, 1),
            consultation: (IN_FLIGHT, TURNS),
            langchain: (CALLS, 1),
        }
        ways = {make.__name__: (make(url), times, calls) for make, (times, calls) in goes.items()}
        for way, _, _ in ways.values():
            cpu_ms(way, IN_FLIGHT)  # connects, and imports what is imported on first use
        rounds = [
            {name: cpu_ms(w, times) / calls for name, (w, times, calls) in ways.items()} for _ in range(3)
        ]
    ms = {name: round(median(each[name] for each in rounds), 2) for name in ways}
    return {
        "in_flight": IN_FLIGHT,
        "messages": len(DIALOGUE),
        "latency_s": LATENCY,
        "ms": ms,
        "gateway_over_library_ms": round(ms["gateway"] - ms["library"], 2),
        "consultation_over_langchain": round(ms["consultation"] / ms["langchain"], 3),
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
