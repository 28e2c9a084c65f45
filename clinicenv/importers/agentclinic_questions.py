"""AgentClinic's image questions (the shape of its NEJM files) as scenarios of the task `question`.

The question's own words are what the doctor is asked; the patient's script, in the second person, becomes
facts in the first; the examinations stay prose. Pictures are the user's own: the file only has addresses.
"""

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from clinicenv.files import InputError
from clinicenv.importers import agentclinic_results as results
from clinicenv.importers.agentclinic_facts import History
from clinicenv.importers.base import Note, kind
from clinicenv.importers.person import age_in, sex_in
from clinicenv.importers.pictures import Copied, picture, shown
from clinicenv.importers.prose import Answer
from clinicenv.importers.questions import LETTERS, options, split, unmapped
from clinicenv.scenario import Imported, Meta, Question, Scenario, Setting, Source
from clinicenv.story import Denials, Identity, Patient
from clinicenv.workup import Exam

FIELDS = frozenset(("question", "image_url", "patient_info", "physical_exams", "answers", "type"))
NO_PICTURE = "no-picture"
"""The flag of a question that was imported without the picture that it is about."""

_LICENSE = "wording and pictures are their publisher's; for local use, not to be passed on"
_SOURCE = Source(
    name="AgentClinic image questions",
    url="https://github.com/SamuelSchmidgall/AgentClinic",
    license=_LICENSE,
)
_SUFFIXES = ("", ".png", ".jpg", ".jpeg", ".dcm", ".PNG", ".JPG", ".JPEG")
_ADULT = 40
"""Years; stands for an age that the text does not give, with a note."""

_SPOKEN = (
    (r"\byou are\b|\byou['’]re\b", "I am"),
    (r"\byou were\b", "I was"),
    (r"\byours\b", "mine"),
    (r"\byour\b", "my"),
    (r"\byourself\b", "myself"),
    (r"\b(to|for|with|of|by|from|about|on|at|gave|gives|told|tells|makes|made|brought|bothers|hurts) you\b",
     r"\1 me"),
    (r"\byou(?=[.,;:!?]|$)", "me"),
    (r"\byou\b", "I"),
)  # fmt: skip
"""What a script says to the patient -> what the patient says, in this order."""


def is_one(given: dict[str, Any]) -> bool:
    """Whether a line is an image question."""
    return "image_url" in given and "question" in given


def convert(
    given: dict[str, Any], file: Path, line: int, images: Path | None, prefix: str
) -> tuple[Scenario, list[Note], list[Copied]]:
    """The scenario of a line, what to know about it, and the pictures that go with it.

    InputError naming the field where the line is no such case, or its picture is not in `images`.
    """
    one = _Question(given, file, line)
    ask, script, found = (one.text(name) for name in ("question", "patient_info", "physical_exams"))
    texts, right = one.answers()
    pictures = one.pictures(images)
    kinds = one.kinds()
    told = History("unknown", "self", Answer(texts[right]))
    told.read({}, {"History": spoken(script)}, one.leave)
    age, sex = age_in(script) or age_in(ask), sex_in(script) or sex_in(ask) or "unknown"
    if age is None:
        one.note("patient_info", f"gives no age; set to {_ADULT} years")
    scenario = Scenario(
        schema_version="1.0",
        id=f"{prefix}-{line:03d}",
        task="question",
        title=f"AgentClinic image question {line}",
        meta=Meta(
            specialty="general",
            split=split(texts[right].lower()),
            tags=("agentclinic",),
            license=_LICENSE,
            sources=(_SOURCE,),
            disclaimer="derived",
        ),
        setting=Setting(site="clinic", door_note="There is a question to answer about this patient."),
        patient=Patient(
            identity=Identity(name=f"Patient {line}", age=_ADULT if age is None else age, sex=sex),
            opening=(told.opening,),
            opening_facts=told.opening_facts,
            appearance="Nothing is recorded.",
            facts=tuple(told.facts),
            denials=Denials(default="unsure", explicit=told.denied),
        ),
        exam=Exam(findings=tuple(results.findings({"Examination": found}))),
        images=(shown(pictures, kinds, _LICENSE),) if pictures else (),
        question=Question(ask=ask, options=options(texts, right), image="picture" if pictures else None),
        imported=Imported(
            format="agentclinic",
            file=file.name,
            line=line,
            unmapped={"image_url": given["image_url"], **one.left, **unmapped(given, FIELDS)},
            flags=() if pictures else (NO_PICTURE,),
        ),
    )
    for name in unmapped(given, FIELDS):
        one.note(name, "is no field of an image question; kept under imported.unmapped", unmapped=True)
    return scenario, one.notes, pictures


def spoken(script: str) -> str:
    """A script in the second person as the patient says it."""
    for pattern, said in _SPOKEN:
        script = re.sub(pattern, lambda m, said=said: _like(m, said), script, flags=re.I)  # type: ignore[misc]
    return script


def _like(found: re.Match[str], said: str) -> str:
    text = found.expand(said)
    return text[:1].upper() + text[1:] if found[0][:1].isupper() else text


class _Question:
    """The parts of one line; InputError naming what is wrong."""

    def __init__(self, given: dict[str, Any], file: Path, line: int) -> None:
        self._given, self._file, self._line = given, file, line
        self.notes: list[Note] = []
        self.left: dict[str, Any] = {}

    def fault(self, name: str, what: str) -> InputError:
        """What is wrong with a field."""
        return InputError(f"`{name}` {what}", file=self._file, line=self._line)

    def note(self, name: str, what: str, unmapped: bool = False) -> None:
        """Something to know about a field."""
        self.notes.append(Note(self._file, self._line, name, what, unmapped=unmapped))

    def leave(self, path: tuple[str, ...], value: Any, why: str) -> None:
        """Keeps what has no place in a scenario."""
        name = ".".join(path)
        self.left[name] = value
        self.note(name, f"{why}; kept under imported.unmapped", unmapped=True)

    def text(self, name: str) -> str:
        """The text of a field, on one line."""
        if name not in self._given:
            raise self.fault(name, "is missing on this line; add it")
        value = self._given[name]
        if not isinstance(value, str) or not value.strip():
            found = "empty text" if isinstance(value, str) else kind(value)
            raise self.fault(name, f"should be text, found {found}")
        return " ".join(value.split())

    def answers(self) -> tuple[dict[str, str], str]:
        """The texts by letter, and the letter of the right one."""
        given = self._given.get("answers")
        if not isinstance(given, list) or not 2 <= len(given) <= len(LETTERS):
            raise self.fault("answers", f"should be a list of 2 to {len(LETTERS)}, found {kind(given)}")
        texts: dict[str, str] = {}
        right: list[str] = []
        for letter, answer in zip(LETTERS, given, strict=False):
            text = answer.get("text") if isinstance(answer, dict) else None
            correct = answer.get("correct") if isinstance(answer, dict) else None
            if not isinstance(text, str) or not text.strip() or not isinstance(correct, bool):
                raise self.fault("answers", f"answer {letter} should be an object with `text` and `correct`")
            texts[letter] = " ".join(text.split())
            right += [letter] if correct else []
        if len(right) != 1:
            raise self.fault("answers", f"has {len(right)} correct ones; mark exactly one")
        return texts, right[0]

    def kinds(self) -> str:
        """The labels of the picture, as a modality: `ct`, `xray`."""
        given = self._given.get("type")
        labels = given if isinstance(given, list) else [given]
        names = [re.sub(r"\s*scan$", "", label.strip().lower()) for label in labels if isinstance(label, str)]
        return names[0] if names and names[0] else "not stated"

    def pictures(self, images: Path | None) -> list[Copied]:
        """The picture in the user's folder whose name is the last part of the address."""
        names = _names(self.text("image_url"))
        if images is None:
            self.note("image_url", "imported without its picture; give --images FOLDER to add it")
            return []
        for name in names:
            for suffix in _SUFFIXES:
                if (images / f"{name}{suffix}").is_file():
                    try:
                        return [picture(f"{name}{suffix}", images)]
                    except ValueError as e:
                        raise self.fault("image_url", str(e)) from e
        wanted = names[-1] if names else "nothing"
        what = f"names `{wanted[:60]}`, which is not in {images}; put it there (.png, .jpg or .dcm)"
        raise self.fault("image_url", f"{what}, or import without --images")


def _names(url: str) -> list[str]:
    """What a picture from an address may be saved as: its last part, that without the query, and the values
    in the query."""
    parts = urlsplit(url)
    last = [url.rstrip("/").rsplit("/", 1)[-1], unquote(parts.path.rstrip("/").rsplit("/", 1)[-1])]
    asked = [value for values in parse_qs(parts.query).values() for value in values]
    plain = dict.fromkeys(
        n for n in (*last, *asked) if n and not re.search(r"[/\\\x00]", n) and n not in (".", "..")
    )
    return [n for n in plain if len(n) <= 200]
