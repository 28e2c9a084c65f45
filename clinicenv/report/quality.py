"""The tables of a page about the simulator: the patient, what broke, where results came from."""

from collections import Counter
from collections.abc import Callable

from clinicenv.events import Role
from clinicenv.report.consulted import STATES
from clinicenv.report.overview import Arms, Cell, Table
from clinicenv.report.words import SLIPS, SOURCES
from clinicenv.score.patient import KINDS, PatientMarks

ROLES = (Role.DOCTOR, Role.PATIENT, Role.MEASUREMENT, Role.MODERATOR, Role.CORE)


def patients(arms: Arms) -> Table:
    """How well the patient of each arm was played: counts and what they are of."""
    ended = {arm: [e.found for e in own if e.found.state != "error"] for arm, own in arms.entries.items()}
    sums = {arm: sum((f.replies for f in found), PatientMarks()) for arm, found in ended.items()}
    slips = {arm: sum((Counter(f.slips) for f in found), Counter[str]()) for arm, found in ended.items()}

    def line(name: str, what: str, cell: Callable[[str], str | Cell]) -> tuple[str | Cell, ...]:
        return (Cell(name, what), *(cell(arm) for arm in arms.entries))

    rows = [
        line("patient", "who plays it", lambda a: ", ".join(sorted({f.patient for f in ended[a]})) or "-"),
        line("replies", "", lambda a: str(sums[a].replies)),
        line("questions", "on facts that could be told", lambda a: str(sums[a].asked)),
        line("answered", "with one of these facts", lambda a: share(sums[a].told, sums[a].asked)),
        line("deferred", "answered with no fact at all", lambda a: share(sums[a].deferred, sums[a].asked)),
        line("volunteered", "facts told that nothing had asked for", lambda a: _each(sums[a])),
        line("jargon", "replies with a word of clinicians", lambda a: share(sums[a].jargon, sums[a].replies)),
        *((Cell(k, SLIPS[k]), *(share(slips[a][k], sums[a].replies) for a in arms.entries)) for k in KINDS),
    ]
    notes = [
        "Slips are counted over the patient's replies. For scripted patients these figures are exact; for"
        " models, findings in speech are found by rule, so they are estimates. Each slip stands at its turn"
        " in the consultation."
    ]
    return Table("The patient", ("", *arms.entries), rows, notes)


def endings(arms: Arms) -> Table:
    """The doctor's own results, told apart from what the simulator broke."""
    rows = []
    for arm, own in arms.entries.items():
        states = Counter(e.found.state for e in own)
        broke = Counter(e.found.failed[0] for e in own if e.found.failed)
        rows.append((
            arm,
            str(len(own)),
            *(str(states[state]) for state in STATES[:-1]),
            *(str(broke[role]) for role in ROLES),
        ))  # fmt: skip
    columns = (
        "doctor", "played", "right", "wrong", "undecided", "no answer", "no right answer to give",
        *("clinicenv broke" if role is Role.CORE else f"{role} broke" for role in ROLES),
    )  # fmt: skip
    notes = [
        "Wrong, undecided and unanswered ones are the doctor's own. What broke is nobody's answer: it counts"
        " in no mean, and a resumed run plays it again."
    ]
    return Table("How consultations ended", columns, rows, notes)


def measurements(arms: Arms) -> Table:
    """Where the results were from."""
    counts = {
        arm: sum((Counter(e.found.sources) for e in own), Counter[str]()) for arm, own in arms.entries.items()
    }
    kinds = [kind for kind in SOURCES if any(found[kind] for found in counts.values())]
    rows = [
        (Cell(kind, SOURCES[kind]), *(share(counts[arm][kind], counts[arm].total()) for arm in arms.entries))
        for kind in kinds
    ]
    return Table("Where results came from", ("result", *arms.entries), rows)


def share(n: int, of: int) -> Cell:
    """A count with what it is of."""
    return Cell(f"{n / of:.1%}", f"{n} of {of}") if of else Cell("-", "of none")


def _each(sums: PatientMarks) -> Cell:
    if not sums.replies:
        return Cell("-", "of none")
    return Cell(f"{sums.volunteered / sums.replies:.2f}", f"a reply, {sums.volunteered} in all")
