"""What all cases have in common that only ask a question: nobody to talk to, and few turns."""

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

from clinicenv.scenario import Imported, Limits, Meta, Option, Question, Scenario, Setting
from clinicenv.story import Denials, Identity, Patient
from clinicenv.workup import Image

MAX_TURNS = 3
"""The answer, a second try where it could not be read, and a last one."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def scenario(
    id: str, title: str, question: Question, meta: Meta, images: tuple[Image, ...], imported: Imported
) -> Scenario:
    """The question as a scenario. Its patient is a stand-in: age and sex mean nothing."""
    return Scenario(
        schema_version="1.0",
        id=id,
        task="question",
        title=title,
        meta=meta,
        setting=Setting(
            site="clinic", door_note="There is one question to answer.", limits=Limits(max_turns=MAX_TURNS)
        ),
        patient=Patient(
            identity=Identity(name="Nobody", age=40, sex="unknown"),
            opening=("There is only the question. I know no more than that.",),
            appearance="Nobody is in the room.",
            facts=(),
            denials=Denials(default="unsure"),
        ),
        unlisted_tests="unavailable",
        images=images,
        question=question,
        imported=imported,
    )


def options(texts: Mapping[str, str], right: str) -> tuple[Option, ...]:
    """Options by id, the one with the id `right` marked."""
    return tuple(Option(id=id, text=text, correct=id == right) for id, text in texts.items())


def split(of: str) -> Literal["train", "dev", "test"]:
    """Six tenths train, two dev, two test: the same for the same text."""
    drawn = int(hashlib.sha256(of.encode()).hexdigest()[:8], 16) % 10
    return "train" if drawn < 6 else "dev" if drawn < 8 else "test"


def unmapped(given: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """The fields that have no place in a scenario."""
    return {name: value for name, value in given.items() if name not in known}
