"""What a doctor makes of a case so far, as data: the first of AMIE's three calls a turn (arXiv 2401.05654).

It goes to `aside`, so that confidence and urgency can be scored against what was right.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clinicenv.files import printable
from clinicenv.models.objects import MAX_TEXT, objects

_UNSUPPORTED = ("title", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")
"""Keys of a JSON schema that not every strict server takes; `read` checks what they say."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


class Candidate(_Data):
    """One diagnosis of the differential."""

    diagnosis: str = Field(min_length=1, description="the disease's name")
    confidence: float = Field(ge=0, le=1, description="the probability that it is right, 0 to 1")
    why: str = Field(description="the findings for and against it, in a sentence")


class Analysis(_Data):
    """What is known, what it may be, how urgent it is, and what is missing."""

    positive: list[str] = Field(description="history, symptoms, signs and results that are present")
    negative: list[str] = Field(description="what was asked or looked for and is absent")
    differential: list[Candidate] = Field(min_length=1, description="most likely first")
    urgency: Literal["emergency", "urgent", "routine"] = Field(
        description="emergency: minutes count; urgent: today; routine: may wait"
    )
    missing: list[str] = Field(description="what to find out next, the most telling first")


def schema() -> dict[str, Any]:
    """The JSON schema of an `Analysis`: without references, all fields required and no others allowed."""
    whole = Analysis.model_json_schema()
    plain: dict[str, Any] = _plain(whole, whole.get("$defs", {}))
    return plain


def _plain(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_plain(each, definitions) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _plain(definitions[node["$ref"].rpartition("/")[2]], definitions)
    plain = {k: _plain(v, definitions) for k, v in node.items() if k not in (*_UNSUPPORTED, "$defs")}
    if node.get("type") == "object":
        plain |= {"required": list(node["properties"]), "additionalProperties": False}
    return plain


def read(text: str) -> Analysis | str:
    """The analysis in a reply, also in a code fence or between prose; or one sentence why there is none.

    Of several objects the first counts that is an analysis. Fields beside its own are ignored.
    """
    if len(text) > MAX_TEXT:
        return f"The reply is over {MAX_TEXT} characters, so it is not read; write the JSON object only."
    why = "There is no JSON object in the reply; write one with the asked fields and nothing else."
    if "{" in text:
        why = "The JSON in the reply cannot be read, or is cut short; write the whole object again, shorter."
    wrong = ""
    for found in objects(text):
        try:
            return Analysis.model_validate(found)
        except ValidationError as e:
            if found.keys() & Analysis.model_fields.keys():  # else it is part of one, or something else
                wrong = wrong or _explained(e)
    return wrong or why


def _explained(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    field = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in first["loc"]).lstrip(".")
    what = "is missing" if first["type"] == "missing" else first["msg"][0].lower() + first["msg"][1:]
    return printable(f"The analysis cannot be used: `{field}`: {what}; write the whole JSON object again.")
