"""The space of texts.

`gymnasium.spaces.Text` knows no empty text, has no room for an accent, checks each character in Python, and
is read wrongly by `AsyncVectorEnv` with shared memory; this one is any text up to a length.
"""

from typing import Any

from gymnasium.spaces import Space

LINES = (
    "Hello, I am your doctor today. What brings you in?",
    "When did it start?",
    "Do you have any pain?",
    "Do you take any medicines?",
    "Is there anything that worries you?",
    "EXAMINE: general appearance; vital signs",
    "EXAMINE: abdomen",
    "ORDER: full blood count",
    "ORDER: ECG; CRP",
    "DIAGNOSE: viral infection; anxiety\nPLAN: rest, and come back if it gets worse",
)
"""What `sample` draws from: lines that the parser of actions reads."""


class Unicode(Space[str]):
    """Any text of at most `max_length` characters, the empty one included."""

    def __init__(self, max_length: int, seed: Any = None) -> None:
        self.max_length = max_length
        super().__init__(shape=None, dtype=None, seed=seed)

    @property
    def is_np_flattenable(self) -> bool:
        return False

    def sample(self, mask: None = None, probability: None = None) -> str:
        """One of a few lines that a doctor might write; masks are not supported."""
        if mask is not None or probability is not None:
            raise ValueError("a text space takes no mask and no probabilities")
        return LINES[int(self.np_random.integers(len(LINES)))][: self.max_length]

    def contains(self, x: Any) -> bool:
        return isinstance(x, str) and len(x) <= self.max_length

    def to_jsonable(self, sample_n: Any) -> list[str]:
        return [str(text) for text in sample_n]

    def from_jsonable(self, sample_n: list[Any]) -> list[str]:
        return [str(text) for text in sample_n]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unicode) and other.max_length == self.max_length

    def __hash__(self) -> int:
        return hash((Unicode, self.max_length))

    def __repr__(self) -> str:
        return f"Unicode({self.max_length})"
