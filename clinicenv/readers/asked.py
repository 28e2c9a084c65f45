"""What a reader of pictures gets, and how it says that it cannot."""

from dataclasses import dataclass

from clinicenv.pictures.plain import Picture


@dataclass(frozen=True, slots=True)
class Asked:
    """The pictures of one study and what the doctor asked for, in the doctor's words."""

    pictures: tuple[Picture, ...]
    request: str


class ReaderError(Exception):
    """A reader could not be asked, or has nothing to say. The text is one sentence."""
