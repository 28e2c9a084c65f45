"""What a model call costs: consultations that wait for a slow local server, all at once.

Run `python benchmarks/models.py`. The server is a process of its own, so its CPU time is not counted.
"""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

from clinicenv.models import loop
from clinicenv.models.endpoint import Endpoint, ModelName, Request

SERVER = Path(__file__).parents[1] / "tests" / "fake_server.py"
QUESTION = "Could you tell me more about that, and about anything else that you have noticed since it began?"


def measure(consultations: int = 100, calls: int = 8, latency: float = 1.0) -> dict[str, float]:
    """Runs `consultations` at once, each with `calls` in sequence to a server with `latency` in seconds.

    `wall_ratio` is the wall time over calls * latency, what one consultation waits for the server (1 is
    perfect); `cpu_ms_per_call` is this process's CPU time.
    """
    command = [sys.executable, str(SERVER), "--latency", str(latency), "--reply", QUESTION]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            endpoint = Endpoint(ModelName("fake", server.stdout.readline().strip()))
            loop.run(_consultations(endpoint, 1, 1))  # connects, and imports what is imported on first use
            wall, cpu = time.perf_counter(), time.process_time()
            loop.run(_consultations(endpoint, consultations, calls))
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        finally:
            server.terminate()
    return {
        "consultations": consultations,
        "calls": consultations * calls,
        "latency_s": latency,
        "wall_s": round(wall, 3),
        "wall_ratio": round(wall / (calls * latency), 3),
        "cpu_ms_per_call": round(1000 * cpu / (consultations * calls), 2),
    }


async def _consultations(endpoint: Endpoint, number: int, calls: int) -> None:
    async def one() -> None:
        messages = [{"role": "system", "content": "You are a doctor."}]
        for _ in range(calls):
            messages.append({"role": "user", "content": QUESTION})
            reply = await endpoint.complete(Request(messages))
            messages.append({"role": "assistant", "content": reply.text})

    await asyncio.gather(*(one() for _ in range(number)))


if __name__ == "__main__":
    for name, value in measure().items():
        print(f"{name:>16}  {value:g}")
