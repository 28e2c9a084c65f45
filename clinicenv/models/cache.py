"""Replies kept on disk by what was asked, so that a run made again asks no model twice."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from clinicenv.files import InputError
from clinicenv.models.call import Reply, Request, ToolCall, Usage

if TYPE_CHECKING:
    from sqlite3 import Connection

Mode = Literal["off", "read", "readwrite"]

FORMAT = 1
"""The version of the file; SQLite keeps it in `PRAGMA user_version`."""

APPLICATION = int.from_bytes(b"clin")
"""What says that a SQLite file is ours; SQLite keeps it in `PRAGMA application_id`."""

PATIENCE = 20.0
"""Seconds to wait for another process that writes at the same moment; one write takes well under 1 ms."""

_LAYOUT = (
    "CREATE TABLE replies"
    " (key TEXT PRIMARY KEY, model TEXT NOT NULL, created TEXT NOT NULL, reply TEXT NOT NULL)",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {FORMAT}",
)


def default_path() -> Path:
    """The file in `CLINICENV_CACHE`, else `clinicenv/replies.sqlite` in the user's folder for caches."""
    if named := os.environ.get("CLINICENV_CACHE"):
        return Path(named).expanduser()
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():  # the XDG specification: a relative path is to be ignored
        try:
            base = Path.home() / ".cache"
        except RuntimeError as e:
            raise InputError("there is no home folder for the cache; name a file in CLINICENV_CACHE") from e
    return base / "clinicenv" / "replies.sqlite"


class Cache:
    """A SQLite file of replies that any number of threads and processes may use at once.

    The file has the model's name and the time (UTC) beside each reply, and of what was asked only the hash.
    It belongs on a disk of this machine: SQLite's write-ahead log does not work over a network.

    Args:
        path: the file; it and its folder are made where `mode` is `readwrite`.
        mode: `off` finds and keeps nothing, `read` keeps nothing and changes nothing, `readwrite` does both.

    Raises InputError, here and later, where the file is damaged, is not a cache, or cannot be opened.
    """

    # Plain blocking calls, on the event loop too: measured, `get` takes 0.01 ms and `put` 0.03 ms (0.09 ms
    # on average with the checkpoints), about what handing them to a thread costs. `synchronous=NORMAL` waits
    # for the disk at checkpoints only, every 4 MB: kill -9 loses no reply, a power cut may lose the last.

    def __init__(self, path: Path, mode: Mode):
        self.path, self.mode = path, mode
        self._lock = Lock()
        self._connection = None if mode == "off" else self._connect()

    @staticmethod
    def key(model: str, request: Request, attempt: int) -> str:
        """The hash of all that a reply depends on. `attempt` counts askings of the same, so that the second
        is not answered with the first's reply."""
        settings = dict(sorted(request.settings.items()))  # the order of anything else matters to the model
        asked = [model, attempt, settings, request.messages, request.tools, request.schema]
        return sha256(json.dumps(asked, separators=(",", ":")).encode()).hexdigest()

    def get(self, key: str) -> Reply | None:
        """The reply that was kept, marked as cached and as taking no time; None where there is none."""
        if self._connection is None:
            return None
        with self._lock, self._explained():
            row = self._connection.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        try:
            return _reply(row[0])
        except (ValueError, KeyError, TypeError) as e:
            raise self._error("is damaged", "delete it, and the models will be asked again") from e

    def put(self, key: str, model: str, reply: Reply) -> Reply:
        """Keeps the reply, and returns the one to go on with: where the same was answered before, in another
        task or process, that reply stays."""
        if self._connection is None or self.mode != "readwrite":
            return reply
        row = (key, model, datetime.now(UTC).isoformat(timespec="seconds"), _text(reply))
        with self._lock, self._explained():
            new = self._connection.execute("INSERT OR IGNORE INTO replies VALUES (?, ?, ?, ?)", row).rowcount
        first = None if new else self.get(key)
        return replace(first, seconds=reply.seconds, tries=reply.tries, cached=False) if first else reply

    def close(self) -> None:
        """Ends the use of the file; nothing is found or kept afterwards."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _connect(self) -> "Connection | None":
        import sqlite3

        with self._explained():
            if self.mode == "readwrite":
                self.path.parent.mkdir(parents=True, exist_ok=True)
            elif not self.path.exists() or self.path.stat().st_size == 0:
                return None
            connection = sqlite3.connect(
                self._uri(), uri=True, timeout=PATIENCE, isolation_level=None, check_same_thread=False
            )
            try:
                if self.mode == "readwrite":
                    _settle(connection)
                self._recognise(connection)
            except BaseException:
                connection.close()
                raise
            return connection

    def _uri(self) -> str:
        uri = f"file:{quote(os.fsencode(self.path.absolute()))}"
        if self.mode == "readwrite":
            return uri
        log = self.path.with_name(self.path.name + "-wal")
        frozen = not os.access(self.path.parent, os.W_OK) and not log.exists()
        return uri + ("?immutable=1" if frozen else "?mode=ro")  # a reader, too, needs a file beside the log

    def _recognise(self, connection: "Connection") -> None:
        application, version = _marks(connection)
        if application != APPLICATION:
            raise self._error("is a database of another program", "name another file in CLINICENV_CACHE")
        if version > FORMAT:
            remedy = "install that version, or name another file in CLINICENV_CACHE"
            raise self._error("was written by a newer clinicenv", remedy)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns what SQLite and the system say into an InputError that tells what to do."""
        import sqlite3

        try:
            yield
        except sqlite3.OperationalError as e:
            remedy = "check the folder, the space on the disk and other programs that have the file open"
            raise self._error(f"cannot be used: {e}", remedy) from e
        except sqlite3.DatabaseError as e:
            remedy = "if it is clinicenv's, delete it; otherwise name another file in CLINICENV_CACHE"
            raise self._error(f"is damaged or not a cache: {e}", remedy) from e
        except OSError as e:
            raise self._error(f"cannot be used: {e.strerror}", "name another file in CLINICENV_CACHE") from e

    def _error(self, what: str, remedy: str) -> InputError:
        return InputError(f"the cache of replies {what}; {remedy}, or run with --cache off", file=self.path)


def _settle(connection: "Connection") -> None:
    """Lays out a new file; leaves any other as it is."""
    if _is_new(connection):
        with connection:
            connection.execute("BEGIN IMMEDIATE")  # of several processes that find it new, one lays it out
            if _is_new(connection):
                for statement in _LAYOUT:
                    connection.execute(statement)
    if _marks(connection) == (APPLICATION, FORMAT):
        _write_ahead(connection)
        connection.execute("PRAGMA synchronous = NORMAL")


def _write_ahead(connection: "Connection") -> None:
    """Switches to the write-ahead log. SQLite does not wait for others here, so we do."""
    import sqlite3

    until = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as e:
            if e.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(0.01)


def _is_new(connection: "Connection") -> bool:
    tables: int = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    return not tables and _marks(connection) == (0, 0)


def _marks(connection: "Connection") -> tuple[int, int]:
    names = ("application_id", "user_version")
    application, version = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
    return application, version


def _text(reply: Reply) -> str:
    kept = asdict(reply)
    for made_anew in ("seconds", "tries", "cached"):
        del kept[made_anew]
    return json.dumps(kept, separators=(",", ":"))  # in ASCII, for half a surrogate pair is no text to SQLite


def _reply(text: str) -> Reply:
    kept = json.loads(text)
    kept["usage"] = kept["usage"] and Usage(**kept["usage"])
    kept["calls"] = tuple(ToolCall(**call) for call in kept["calls"])
    kept["dropped"] = tuple(kept["dropped"])
    return Reply(**kept, seconds=0.0, tries=0, cached=True)
