"""Where the records of model calls go while a consultation is played."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

CALL_LOG: ContextVar[Callable[[dict[str, Any]], None] | None] = ContextVar("CALL_LOG", default=None)
"""Set by whoever plays a consultation; each task has its own."""
