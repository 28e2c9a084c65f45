"""Questions about pictures, one JSON object a line, as scenarios of the task `question`.

Fields: `id`, `question`, `answer` (an option's id or text, or free text); if wanted `image` (a path beside
the file, or several), `options` (a list of texts, or an object of ids and texts), `pair` (two questions that
are right only together), `modality`, `license`.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from clinicenv.clinic.choices import plain
from clinicenv.files import InputError, did_you_mean
from clinicenv.importers.base import Conversion, Note, json_lines, kind
from clinicenv.importers.pictures import Copied, picture, shown
from clinicenv.importers.questions import LETTERS, options, scenario, unmapped
from clinicenv.scenario import Imported, Meta, Question, Scenario, Source

FIELDS = frozenset(("id", "question", "image", "options", "answer", "pair", "modality", "license"))
_NOT_STATED = "not stated"


def convert(file: Path, images: Path | None = None) -> Conversion:
    """All questions of the file; a line that is none becomes one error in `bad`, and so does a question whose
    pair is not exactly two.

    Pictures are looked for beside the file, or in `images`. All are in the split `test`. InputError where the
    file cannot be read or holds no question at all.
    """
    done = Conversion()
    lines: dict[str, int] = {}
    for line, given in json_lines(file):
        try:
            if isinstance(given, InputError):
                raise given
            one = _Line(given, file, line)
            pictures = one.pictures(images or file.parent)
            case = one.scenario(pictures)
            if case.id in lines:
                raise one.fault("id", f"`{case.id}` is also the id of line {lines[case.id]}; give it another")
        except InputError as e:
            done.bad.append(e)
        except ValidationError as e:
            first = e.errors(include_url=False)[0]
            what = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
            done.bad.append(InputError(f"does not fit a scenario: {what}", file=file, line=line))
        else:
            lines[case.id] = line
            done.scenarios.append(case)
            done.pictures |= {p.name: p for p in pictures}
            done.notes += [
                Note(
                    file, line, name, "is no field of a question; kept under imported.unmapped", unmapped=True
                )
                for name in unmapped(given, FIELDS)
            ]
    _only_two(done, file, lines)
    if not done.scenarios and not done.bad:
        raise InputError("no question in this file; expected one JSON object a line", file=file)
    return done


def _only_two(done: Conversion, file: Path, lines: dict[str, int]) -> None:
    """Takes out the questions whose pair is not two: alone they would be scored by another rule."""
    count = Counter(_pair(s) for s in done.scenarios)
    kept = []
    for case in done.scenarios:
        pair = _pair(case)
        if pair is None or count[pair] == 2:
            kept.append(case)
            continue
        found = f"{count[pair]} usable question{'s have' if count[pair] > 1 else ' has'} the pair `{pair}`"
        what = f"`pair`: {found}, and a pair needs exactly two; mend the other line, or take `pair` out"
        done.bad.append(InputError(what, file=file, line=lines[case.id]))
    used = {name for case in kept for image in case.images for name in image.file}
    done.scenarios = kept
    done.pictures = {name: p for name, p in done.pictures.items() if name in used}
    done.bad.sort(key=lambda e: e.line or 0)


def _pair(case: Scenario) -> str | None:
    return case.question.pair if case.question else None


class _Line:
    """One line's fields; InputError naming the field and the fix where one is wrong."""

    def __init__(self, given: dict[str, Any], file: Path, line: int) -> None:
        self._given, self._file, self._line = given, file, line

    def fault(self, name: str, what: str) -> InputError:
        """What is wrong with a field."""
        return InputError(f"`{name}`: {what}", file=self._file, line=self._line)

    def scenario(self, pictures: list[Copied]) -> Scenario:
        """The line as a scenario."""
        license = self._text("license", needed=False) or _NOT_STATED
        modality = self._text("modality", needed=False) or _NOT_STATED
        images = (shown(pictures, modality, license),) if pictures else ()
        question = self._question("picture" if pictures else None)
        return scenario(
            self._slug("id") or "",
            "A question about a picture" if pictures else "A question",
            question,
            Meta(
                specialty="general",
                split="test",
                tags=("vqa",),
                license=license,
                sources=(Source(name=self._file.name, license=license),),
                disclaimer="derived",
            ),
            images,
            Imported(
                format="vqa",
                file=self._file.name,
                line=self._line,
                unmapped=unmapped(self._given, FIELDS),
            ),
        )

    def pictures(self, folder: Path) -> list[Copied]:
        """The pictures that the line names."""
        given = self._given.get("image")
        names = given if isinstance(given, list) else [] if given is None else [given]
        if not all(isinstance(n, str) and n.strip() for n in names):
            raise self.fault("image", f"should be a path or a list of paths, found {kind(given)}; correct it")
        try:
            return [picture(name, folder) for name in names]
        except ValueError as e:
            raise self.fault("image", str(e)) from e

    def _question(self, image: str | None) -> Question:
        ask, answer, offered = self._text("question"), self._text("answer"), self._options()
        pair = self._slug("pair", needed=False)
        if not offered:
            return Question(ask=ask, kind="free", accept=(answer,), image=image, pair=pair)
        return Question(
            ask=ask, options=options(offered, self._right(answer, offered)), image=image, pair=pair
        )

    def _options(self) -> dict[str, str]:
        """Id -> text; empty where none are offered."""
        given = self._given.get("options")
        if given is None:
            return {}
        if isinstance(given, list):
            if len(given) > len(LETTERS):
                raise self.fault("options", f"{len(given)} of them; give {len(LETTERS)} at most")
            given = dict(zip(LETTERS, given, strict=False))
        if not isinstance(given, dict):
            raise self.fault("options", f"should be a list or an object, found {kind(given)}; correct it")
        for id, text in given.items():
            if not re.fullmatch(r"[A-Za-z0-9]{1,8}", id):
                raise self.fault("options", f"`{id[:20]}` is no id; use one to eight letters or digits")
            if not isinstance(text, str) or not text.strip():
                found = "empty text" if isinstance(text, str) else kind(text)
                raise self.fault("options", f"option {id} should be text, found {found}; correct it")
        for what, values in (
            ("id", [id.lower() for id in given]),
            ("text", [plain(t) for t in given.values()]),
        ):
            if len(set(values)) < len(given):
                twice = next(v for v in values if values.count(v) > 1)
                raise self.fault("options", f"the {what} `{twice[:60]}` is there twice; take one out")
        if len(given) < 2:
            raise self.fault("options", f"{len(given)} of them; give two or more, or none for a free answer")
        return {id: " ".join(text.split()) for id, text in given.items()}

    def _right(self, answer: str, offered: dict[str, str]) -> str:
        by_id = [id for id in offered if id.lower() == answer.lower()]
        by_text = [id for id, text in offered.items() if plain(text) == plain(answer)]
        if len({*by_id, *by_text}) == 1:
            return (by_id or by_text)[0]
        if by_id and by_text:
            raise self.fault("answer", f"`{answer}` is one option's id and another's text; give other ids")
        near = did_you_mean(answer[:60], {*offered, *offered.values()})
        raise self.fault("answer", f"`{answer[:60]}` is no option's id or text{near}; correct it")

    def _text(self, name: str, needed: bool = True) -> str:
        """The text of a field, numbers as they are written; empty where it is not needed and not there."""
        value = self._given.get(name)
        if value is None and not needed:
            return ""
        if name not in self._given:
            near = did_you_mean(name, set(self._given) - FIELDS)
            raise self.fault(name, f"is missing{near}; add it")
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not value.strip():
            found = "empty text" if isinstance(value, str) else kind(value)
            raise self.fault(name, f"should be text, found {found}; correct it")
        return value.strip()

    def _slug(self, name: str, needed: bool = True) -> str | None:
        text = self._text(name, needed)
        slug = re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-_")
        if text and not 0 < len(slug) <= 80:
            raise self.fault(name, f"`{text[:60]}` cannot be an id; use up to 80 letters, digits, - and _")
        return slug or None
