"""What calls cost, in US dollars, from a file of prices that the user can edit."""

import datetime
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, RootModel

from clinicenv import shipped
from clinicenv.files import Fault, FileFaults, InputError, load_model
from clinicenv.models.call import Usage
from clinicenv.models.names import LOCAL, ModelName

FILE = "prices.yaml"

Dollars = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]


class Price(BaseModel):
    """What a model costs, in US dollars per million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    input: Dollars
    """tokens of the prompt"""
    output: Dollars
    """tokens of the reply, thoughts included"""
    cached_input: Dollars | None = None
    """tokens of the prompt that the provider had in its cache; without it they cost as much as `input`"""
    source: str = ""
    date: datetime.date | None = None

    def usd(self, usage: Usage) -> float:
        """What a call with this usage cost, in US dollars."""
        cached = min(usage.cached_tokens, usage.prompt_tokens)  # a server may count them apart
        for_cached = self.input if self.cached_input is None else self.cached_input
        prompt = (usage.prompt_tokens - cached) * self.input + cached * for_cached
        return (prompt + usage.completion_tokens * self.output) / 1_000_000

    def most(self, prompt_tokens: int, completion_tokens: int) -> float:
        """The most that a call with so many tokens can cost, whatever the provider has in its cache."""
        dearest = max(self.input, self.cached_input or 0)
        return (prompt_tokens * dearest + completion_tokens * self.output) / 1_000_000


class _PriceFile(RootModel[dict[str, Price]]):
    pass


@dataclass(frozen=True, slots=True)
class _Pattern:
    """Which models an entry is for. Both parts may end in `*`; without a URL it is for no other server."""

    name: str
    url: str | None

    @classmethod
    def parse(cls, text: str) -> "_Pattern":
        """The pattern; InputError where it is none."""
        model = ModelName.parse(text)
        pattern = cls(f"{model.provider}:{model.model}", model.url)
        if any("*" in part[:-1] for part in (pattern.name, pattern.url or "")):
            raise InputError(f"`{text}`: a `*` stands at the end of the name or of the address")
        return pattern

    def fits(self, name: str, url: str | None) -> bool:
        if self.url is None or url is None:
            return self.url is url and _fits(self.name, name)
        return _fits(self.name, name) and _fits(self.url, url)

    def closeness(self) -> tuple[int, bool, int]:
        """How much it says of the models that it fits: more is closer; whole names before beginnings."""
        url = self.url or ""
        stars = self.name.count("*") + url.count("*")
        return len(self.name) + len(url) - stars, stars == 0, len(self.name)


def _fits(pattern: str, text: str) -> bool:
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern


class Prices:
    """Prices by model string, e.g. `{"openai:NAME": Price(input=2, output=10)}`; a `*` at the end of a name
    stands for anything. Raises InputError where a key is not a model string."""

    def __init__(self, entries: Mapping[str, Price]):
        patterns = [(_Pattern.parse(text), price) for text, price in entries.items()]
        self._entries = sorted(patterns, key=lambda entry: entry[0].closeness(), reverse=True)

    @classmethod
    def load(cls, path: Path | None = None) -> "Prices":
        """The prices in the file; without one, in the file that `CLINICENV_PRICES` names, else in
        `prices.yaml` in the current folder, else in the bundled one.

        Raises InputError with file and line where the file is wrong.
        """
        path = path or default_path()
        read, document = load_model(_PriceFile, path)
        faults, seen = [], dict[_Pattern, str]()
        for text in read.root:
            try:
                pattern = _Pattern.parse(text)
            except InputError as e:
                faults.append(Fault(document.line((text,)), "", e.what))
                continue
            if pattern in seen:
                what = f"`{text}` has an entry already, `{seen[pattern]}`; keep one"
                faults.append(Fault(document.line((text,)), "", what))
            seen[pattern] = text
        if faults:
            raise FileFaults(path, faults)
        return cls(read.root)

    def price_of(self, model: str) -> Price | None:
        """The price of the entry that says most of the model's name; None where none fits, for no guess is
        better. A local model without an entry costs nothing."""
        try:
            name = ModelName.parse(model)
        except InputError:  # e.g. a chat model object from Python: whatever it is called, it has no entry
            return None
        full = f"{name.provider}:{name.model}"
        for pattern, price in self._entries:
            if pattern.fits(full, name.url):
                return price
        return Price(input=0, output=0) if name.provider == LOCAL else None


def default_path() -> Path:
    if named := os.environ.get("CLINICENV_PRICES"):
        return Path(named).expanduser()
    own = Path(FILE)
    return own if own.is_file() else shipped.file(FILE)
