"""Local models: `local:FOLDER_OR_HUB_ID` is served by a program that clinicenv starts and ends.

One OpenAI-compatible server per model and process, on 127.0.0.1, started by the first call (or by `serve`)
and shared by all roles. A watchdog ends it however clinicenv ends. For a batch whose models do not all fit
into memory: `memory.in_turn` makes phases, and before each phase `serve(phase.models)` ends the servers that
the phase does not need and starts those that it does. POSIX only.
"""

import asyncio
import atexit
import contextlib
import hashlib
import http.client
import importlib.util
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from clinicenv.files import InputError, printable
from clinicenv.models import memory, watchdog
from clinicenv.models.call import ModelError, Reply, Request
from clinicenv.models.endpoint import NO_KEY, Endpoint
from clinicenv.models.names import LOCAL, OPENAI, ModelName

Command = Callable[[str, int, float], list[str]]
"""The program that serves a model: from the model as it is served, the port, and the share (0 to 1) of the
GPU's memory that it may take. It answers GET /health with 200 once the model is loaded."""

PATIENCE, PATIENCE_DOWNLOAD = 600.0, 3600.0
"""Seconds until a server must be healthy; the second for a model that may have to be downloaded."""
_CPU_REQUESTS = 1
"""Requests in flight to a server without a GPU: it works on one after another, and a wait there would count
as time of the call."""
_WATCHDOG = [sys.executable, "-I", "-S", watchdog.__file__]
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_QUIET = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_NO_USAGE_STATS": "1",
}


class LocalModel:
    """A model behind a server of our own, which the first call starts; `complete` and `probe` wait for it.

    `model` is a folder with config.json and weights, or an id on the Hugging Face hub (downloaded when it is
    not in the cache). `timeout` (seconds per try, the start not counted) and `retries` are those of
    `Endpoint`; so is `concurrency`, lowered where there is no GPU. No key is sent. `command` is the program
    that serves, `serving_command` unless told. InputError where there is no such folder, or no program.
    """

    def __init__(
        self,
        model: str,
        *,
        concurrency: int = 128,
        timeout: float = 120.0,
        retries: int = 10,
        command: Command | None = None,
    ):
        self._said, self._model, self._command = model, served_name(model), command
        if command is None:
            serving_command(self._model, 0, 1.0)
        if not memory.has_gpu():
            concurrency = min(concurrency, _CPU_REQUESTS)
        self._at = partial(Endpoint, key=NO_KEY, concurrency=concurrency, timeout=timeout, retries=retries)

    def __str__(self) -> str:
        return f"{LOCAL}:{self._said}"

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Reply:
        """The model's reply; ModelError, with the end of the server's log, where the server does not run."""
        async with self._served() as endpoint:
            return await endpoint.complete(request, on_text)

    async def probe(self) -> None:
        """One cheap call, once the server is up, which takes minutes; ModelError where there is no answer."""
        async with self._served() as endpoint:
            await endpoint.probe()

    @asynccontextmanager
    async def _served(self) -> AsyncIterator[Endpoint]:
        """The server's endpoint, once it is up; its errors are then about the model, not about a port."""
        server = _server(self._model, self._command)
        await asyncio.shield(asyncio.wrap_future(server.up))  # a cancelled caller leaves it to the others
        server.check()
        endpoint = self._at(ModelName(OPENAI, self._model, server.url))
        try:
            yield endpoint
        except ModelError as e:
            if e.kind == "address":  # nobody listens any more: the watchdog will have noticed in a moment
                with contextlib.suppress(subprocess.TimeoutExpired):
                    await asyncio.to_thread(server.process.wait, 3)
            server.check()
            log = f"; its log: {server.kept_log()}" if e.kind == "server" else ""
            raise ModelError(f"{self}: {e.cause.removeprefix(f'{endpoint}: ')}{log}", e.kind) from e


class _Server:
    """A served model: the watchdog that runs the program, its log, and whether it is up."""

    def __init__(self, model: str, command: Command, share: float):
        self.model, self.share = model, share
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}/v1"
        descriptor, self.log = tempfile.mkstemp(prefix="clinicenv-local-", suffix=".log")
        os.close(descriptor)
        said = f"clinicenv: waiting until local:{model} is loaded (log: {self.log})"
        sys.stderr.write(printable(said) + "\n")
        self.process = subprocess.Popen(  # noqa: S603 - our own watchdog, and the program the user asked for
            [*_WATCHDOG, self.log, "--", *command(model, self._port, share)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_environment(model),
            start_new_session=True,
        )
        self._closed = self._keep_log = False
        self.up: Future[None] = Future()
        self.up.set_running_or_notify_cancel()
        threading.Thread(target=self._wait, name=f"clinicenv {self.url}", daemon=True).start()

    def _wait(self) -> None:
        """Sets `up` when the server is healthy, or when it will not be."""
        patience = PATIENCE if Path(self.model).is_dir() else PATIENCE_DOWNLOAD
        until = time.monotonic() + patience
        try:
            while not self._healthy():
                self.check()
                if time.monotonic() > until:
                    raise self._failure(f"was not ready within {patience:g} s")
                time.sleep(0.2)
            self.check()  # what answers is nobody else on that port
        except ModelError as e:
            self.up.set_exception(e)
            self.end()
        else:
            self.up.set_result(None)

    def check(self) -> None:
        """ModelError, with the end of the log, where the server has ended."""
        if self._closed:
            raise ModelError(f"local:{self.model}: its server was closed", "server")
        if (code := self.process.poll()) is not None:
            raise self._failure(f"ended with exit code {code}")

    def _healthy(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=2)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _failure(self, what: str) -> ModelError:
        text = Path(self.kept_log()).read_bytes()[-8000:].decode(errors="replace")
        end = " | ".join([line for line in map(printable, text.splitlines()) if line][-6:])[-700:]
        cause = f"local:{self.model}: its server {what}; its log, {self.log}, ends: {end or '(it is empty)'}"
        return ModelError(printable(cause), "server")

    def kept_log(self) -> str:
        """The log's path, for an error; from now on the log outlives the server."""
        self._keep_log = True
        return self.log

    def end(self) -> None:
        """Tells the watchdog to end the program."""
        self._closed = True
        self.let_go()

    def wait(self) -> None:
        """Until the program has ended; its log goes with it, unless an error has told of it."""
        self.process.wait(timeout=30)
        if not self._keep_log:
            Path(self.log).unlink(missing_ok=True)

    def let_go(self) -> None:
        """Closes this process's end of the watchdog's pipe."""
        if self.process.stdin is not None:
            self.process.stdin.close()


_lock = threading.Lock()
_servers: dict[str, _Server] = {}
"""By the model as it is served. One that failed stays, so that each call says why, until `close`."""
_shares: dict[str, float] = {}
_inherited: list[_Server] = []
"""In a forked child: its parent's servers, which it must leave alone."""


def serve(models: Iterable[str], command: Command | None = None) -> None:
    """Serves these models at the same time and no others: ends the other servers, starts those that are
    missing, and returns when all are up. Not for the background loop, which it would block.

    Servers share a GPU's memory by their need for it, so one that has more than its new share is started
    again. A model that is served without this call takes the whole. ModelError where a server does not come
    up, InputError where a model is none.
    """
    names = sorted({served_name(m) for m in models})
    sizes = {name: memory.size_of(name) for name in names}
    needs = {name: memory.need(size) if size is not None else None for name, size in sizes.items()}
    known = sum(n for n in needs.values() if n is not None)
    with _lock:
        _shares.clear()
        for name, n in needs.items():
            _shares[name] = n / known if n is not None and None not in needs.values() else 1 / len(needs)
        fits = {m for m, s in _servers.items() if m in _shares and s.share <= _shares[m] + 1e-9}
    close(frozenset(fits if memory.has_gpu() else names))
    for server in [_server(name, command) for name in names]:
        server.up.result()


def close(keep: Iterable[str] = frozenset()) -> None:
    """Ends the servers of this process but those of the models in `keep`, and waits until they are gone."""
    kept = {served_name(m) for m in keep}
    with _lock:
        ending = [_servers.pop(m) for m in list(_servers) if m not in kept]
    for server in ending:
        server.end()
    for server in ending:
        server.wait()


def _server(model: str, command: Command | None) -> _Server:
    """The model's server in this process, started if there is none."""
    with _lock:
        if model not in _servers:
            _servers[model] = _Server(model, command or serving_command, _shares.get(model, 1.0))
        return _servers[model]


def _after_fork() -> None:
    """In the child: the servers are its parent's, and so is the right to keep them alive."""
    for server in _servers.values():
        server.let_go()
    _inherited.extend(_servers.values())
    _servers.clear()
    _lock.release()


atexit.register(close)
os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_after_fork)


def served_name(model: str) -> str:
    """The model as its server knows it: the folder's whole path, or the hub id. InputError for neither."""
    path = Path(model).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise InputError(f"local:{model}: the folder has no config.json, so it holds no model")
        return str(path.resolve())
    if path.exists():
        raise InputError(f"local:{model}: this is a file; name the folder that holds the model")
    if not _HUB_ID.fullmatch(model):
        raise InputError(f"local:{model}: there is no such folder")
    return model


def fingerprint(model: str) -> str:
    """What tells a model's weights from others: changes with any file of its folder (by size and time)."""
    name = served_name(model)
    if not Path(name).is_dir():
        return name
    files = sorted((p.name, s.st_size, s.st_mtime_ns) for p in Path(name).iterdir() if (s := p.stat()))
    return f"{name}#{hashlib.sha256(repr(files).encode()).hexdigest()[:16]}"


def serving_command(model: str, port: int, share: float) -> list[str]:
    """vLLM where it is installed and there is a GPU, else `transformers serve`; InputError where neither is.

    vLLM's share is of all the GPU's memory; transformers' is of what is free beside the weights.
    """
    python, here = [sys.executable, "-P", "-m"], ["--host", "127.0.0.1", "--port", str(port)]
    gpu = memory.has_gpu()
    if gpu and _installed("vllm"):
        limit = ["--gpu-memory-utilization", f"{0.9 * share:.3f}"]
        return [*python, "vllm.entrypoints.cli.main", "serve", model, *here, *limit]
    if not all(map(_installed, ("transformers", "torch", "fastapi", "uvicorn"))):
        raise InputError(
            f"local:{model}: serving a model needs the `local` extra: pip install 'clinicenv[local]'"
        )
    device = ["--device", "cpu"]
    if gpu:
        limit = ["--cb-max-memory-percent", f"{0.8 * share:.3f}"]
        device = ["--device", "cuda", "--dtype", "auto", "--continuous-batching", *limit]
    return [*python, "transformers.cli.transformers", "serve", *here, *device, model]


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _environment(model: str) -> dict[str, str]:
    """What the server sees: no key to any other service, no telemetry, no network for a local folder."""
    ours = {k: v for k, v in os.environ.items() if not k.upper().endswith(("_API_KEY", "_API_TOKEN"))}
    offline = {"HF_HUB_OFFLINE": "1"} if Path(model).is_dir() else {}
    return ours | _QUIET | offline
