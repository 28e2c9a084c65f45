"""The patient's own agenda: what a doctor's line does to cues, beliefs and decisions, and whom it addresses.

The same for every kind of patient: the core logs it with what was heard, and goals are read from the log.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from clinicenv.clinic.lexicon import normalise
from clinicenv.story import Belief, Cue, Decision, Identity, Informant, Needs, Patient

CUE_TURNS = 2
"""Within how many of the doctor's turns a cue must be answered to count as picked up."""

_GAP = 3
"""Words that may stand between two words of a group."""

_SENTENCE = re.compile(r"[^.?!;\n]+[.?!;\n]*")
_NOT = frozenset({"not", "no", "never", "without", "nor", "cannot"})
_TITLES = frozenset({"mr", "mrs", "ms", "miss", "dr", "doctor", "the", "and"})
_ADDRESSES = "ask say think tell notice saw see speak talk hear know add view word"
_TITLED = re.compile(r"\b(mr|mrs|ms|miss)\b\.? +([^\W\d_]+)", re.IGNORECASE)
_CALLED = re.compile(
    r"(?:^|[.?!;]\s*)(?:(?:and|so|now|well|hello|hi)\W+)*([a-z]+)\s*,|,\s*([a-z]+)\W*(?:$|[.?!;])"
    r"|\bas (?:her|his|the) ([a-z]+)\b"
)
"""Who is spoken to: the word before the first comma of a sentence, the one after its last; "as her mum"."""
_CHILD = 16
"""Who is younger is not called Mr or Ms."""

RELATIONS = ("mother mum mom mam", "father dad", "wife", "husband", "son boy", "daughter girl")
"""Words for the same relation."""


def says(text: str, words: str, *, stated: bool = True) -> bool:
    """Whether a text holds the words, in this order and near each other; with `stated`, not in a question.

    A denial before or among them counts against it, unless the words deny too.
    """
    wanted = tuple(normalise(words))
    return any(_follow(tokens, wanted) for tokens, question in _sentences(text) if not (stated and question))


@lru_cache(maxsize=1024)
def _sentences(text: str) -> tuple[tuple[tuple[str, ...], bool], ...]:
    return tuple((tuple(normalise(s)), s.rstrip().endswith("?")) for s in _SENTENCE.findall(text))


def _follow(tokens: Sequence[str], wanted: Sequence[str]) -> bool:
    if not wanted:
        return False
    denies = not _NOT.isdisjoint(wanted)
    for start, token in enumerate(tokens):
        if token != wanted[0]:
            continue
        at = start
        for word in wanted[1:]:
            near = tokens[at + 1 : at + 2 + _GAP]
            if word not in near:
                break
            at += 1 + near.index(word)
        else:
            if denies or _NOT.isdisjoint(tokens[max(0, start - _GAP) : at]):
                return True
    return False


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a line did, by id; `cue` is let slip in the reply to it."""

    cue: str = ""
    picked_up: tuple[str, ...] = ()
    corrected: tuple[str, ...] = ()
    turned_to: tuple[str, ...] = ()
    agreed: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


_NOTHING = Reaction()


@dataclass(slots=True)
class Agenda:
    """What has become of the patient's agenda so far. One per consultation."""

    patient: Patient
    turned_to: set[str] = field(default_factory=set)
    _picked_up: set[str] = field(default_factory=set)
    _corrected: set[str] = field(default_factory=set)
    _agreed: set[str] = field(default_factory=set)
    _acts: set[str] = field(default_factory=set)
    _lines: list[str] = field(default_factory=list)
    _slipped: dict[str, int] = field(default_factory=dict)
    """cue -> the turn in whose reply it came"""

    def hear(self, text: str, acts: Iterable[str], trust: float, turn: int) -> Reaction:
        """Takes in one line of the doctor's; `trust` is what it is after the line."""
        p = self.patient
        if not (p.others or p.cues or p.beliefs or p.decisions):
            return _NOTHING
        acts = set(acts)
        self._acts |= acts
        self._lines.append(text)
        picked = self._new(self._picked_up, (c for c in p.cues if self._answers(c, acts, turn)))
        corrected = self._new(self._corrected, (b for b in p.beliefs if _puts_right(text, b)))
        turned = addressed(text, p)
        self.turned_to.update(turned)
        asked = [d for d in p.decisions if any(says(text, w, stated=False) for w in d.asked_by)]
        agreed = self._new(self._agreed, (d for d in asked if self._agrees(d.needs, trust)))
        refused = tuple(d.id for d in asked if d.id not in self._agreed)
        return Reaction(self._next_cue(turn), picked, corrected, turned, agreed, refused)

    @staticmethod
    def _new(known: set[str], found: Iterator[Cue | Belief | Decision]) -> tuple[str, ...]:
        new = tuple(item.id for item in found if item.id not in known)
        known.update(new)
        return new

    def _answers(self, cue: Cue, acts: set[str], turn: int) -> bool:
        slipped = self._slipped.get(cue.id)
        return (
            slipped is not None and 0 < turn - slipped <= CUE_TURNS and not acts.isdisjoint(cue.answered_by)
        )

    def _next_cue(self, turn: int) -> str:
        """At most one a turn, in the file's order."""
        if turn in self._slipped.values():
            return ""
        due = next((c for c in self.patient.cues if c.id not in self._slipped), None)
        if due is None or turn <= due.when.after_turn:
            return ""
        self._slipped[due.id] = turn
        return due.id

    def _agrees(self, needs: Needs, trust: float) -> bool:
        return (
            (needs.trust is None or trust >= needs.trust - 1e-9)
            and self._acts.issuperset(needs.acts)
            and self._corrected.issuperset(needs.corrected)
            and all(any(says(line, words) for line in self._lines) for words in needs.told)
        )


def _puts_right(text: str, belief: Belief) -> bool:
    return any(says(text, words) for words in belief.corrected_by)


def addressed(text: str, patient: Patient) -> tuple[str, ...]:
    """The other people in the room, by id, to whom a line turns."""
    return tuple(o.id for o in patient.others if _addresses(text, o, patient.identity))


def _addresses(text: str, other: Informant, patient: Identity) -> bool:
    """By a name that is not the patient's too, by "Mum, ...", or as in "may I ask your daughter?"."""
    words, own = _plain_words(text), _plain_words(other.name)
    names = {w for w in own if len(w) > 2} - _TITLES - _plain_words(patient.name)
    if names & words or any(
        _not_the_patient(title, name, own, patient) for title, name in _TITLED.findall(text)
    ):
        return True
    relation = _plain_words(other.relation)
    same = relation.union(*(group.split() for group in RELATIONS if relation & set(group.split())))
    if same & {word for found in _CALLED.findall(text.lower()) for word in found}:
        return True
    return bool(relation) and relation <= words and not set(normalise(_ADDRESSES)).isdisjoint(normalise(text))


def _not_the_patient(title: str, name: str, own: set[str], patient: Identity) -> bool:
    """Whether it is a title and name that the patient cannot be called by: "Mrs Bevan" to her daughter."""
    sex = "male" if title.lower() == "mr" else "female"
    return name.lower() in own and (patient.age < _CHILD or patient.sex not in (sex, "unknown", "intersex"))


def _plain_words(text: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]+", text.lower()))
