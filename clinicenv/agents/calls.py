"""What model calls need to know of the consultation that they are made for."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

CALL_LOG: ContextVar[Callable[[dict[str, Any]], None] | None] = ContextVar("CALL_LOG", default=None)
"""Set by whoever plays a consultation; each task has its own. It gets the record of every call."""

ATTEMPT: ContextVar[int] = ContextVar("ATTEMPT", default=0)
"""How often the consultation was tried before and failed, so that the cache does not give a new try the
replies that broke the last one."""
