"""The thoughts that a model writes into its text."""

import re

_THOUGHT = re.compile(r"<think>(.*?)(?:</think>|\Z)", re.DOTALL)


def split(text: str) -> tuple[str, list[str]]:
    """The text without its `<think>` blocks, and what stood in them."""
    opening, closing = text.find("<think>"), text.find("</think>")
    if closing >= 0 and not 0 <= opening < closing:  # some chat templates put the opening tag into the prompt
        text = "<think>" + text
    return _THOUGHT.sub("", text).strip(), _THOUGHT.findall(text)
