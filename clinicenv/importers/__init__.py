"""Public case formats as scenarios. A new format is a module with `convert` and a line in FORMATS."""

import importlib
from typing import cast

from clinicenv.files import InputError
from clinicenv.importers.base import Conversion, Importer, Note, save

FORMATS = {
    "agentclinic": "clinicenv.importers.agentclinic",
    "ddxplus": "clinicenv.importers.ddxplus",
    "vqa": "clinicenv.importers.vqa",
}
"""A format's name on the command line -> the module that reads it."""

__all__ = ["FORMATS", "Conversion", "Importer", "Note", "importer", "save"]


def importer(name: str) -> Importer:
    """The importer of a format; InputError where no such format is known."""
    if name not in FORMATS:
        raise InputError(f"no import format `{name}`; known: {', '.join(FORMATS)}")
    return cast(Importer, importlib.import_module(FORMATS[name]))
