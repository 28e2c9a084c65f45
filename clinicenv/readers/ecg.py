"""Reads a 12-lead ECG, as a signal or as drawn on paper, into numbers and neutral words; it names no disease.

Rate correction of QT: L. S. Fridericia 1920 (QT / RR^(1/3)) and H. C. Bazett 1920 (QT / RR^(1/2)), RR in
seconds. A QTc counts as long from 460 ms, the limit for women (450 ms for men; sex is not known here) in
P. M. Rautaharju et al., Circulation 2009 (doi:10.1161/CIRCULATIONAHA.108.191096).

ST and T changes count by the limits of the Fourth Universal Definition of Myocardial Infarction (K. Thygesen
et al. 2018, doi:10.1161/CIR.0000000000000617), in two neighbouring leads: ST raised by 1 mm, in V2 and V3 by
2 mm (its limit for men from 40 years on; younger men 2.5, women 1.5 mm); lowered by 0.5 mm; T inverted by 1
mm, here without regard to the height of R. It takes ST at the J point; here it is taken 60 ms later, where
the line is steadier. ST, T and QT are not read in ventricular tachycardia and flutter, which hide them.
"""

from dataclasses import dataclass, field
from importlib.util import find_spec
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from clinicenv.drawing.ecg_spec import HZ, LEADS, Lead
from clinicenv.files import InputError
from clinicenv.readers.asked import Asked, ReaderError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clinicenv.readers.ecg_rhythm import ReadRhythm

Kind: TypeAlias = Literal["st_elevation", "st_depression", "t_inversion", "long_qt"]

LONG_QTC_MS = 460.0
ST_UP_MM: dict[Lead, float] = {lead: 2.0 if lead in ("V2", "V3") else 1.0 for lead in LEADS}
ST_DOWN_MM, T_DOWN_MM = 0.5, 1.0

NEIGHBOURS: tuple[tuple[Lead, Lead], ...] = (
    *(("aVL", "I"), ("II", "aVF"), ("aVF", "III"), ("II", "III")),
    *(("V1", "V2"), ("V2", "V3"), ("V3", "V4"), ("V4", "V5"), ("V5", "V6")),
)
"""Leads that look at the same part of the heart; aVR has none."""

T_OFTEN_DOWN = ("aVR", "V1", "III")
"""Leads in which an inverted T wave alone means nothing."""

_RHYTHMS: "dict[ReadRhythm, str]" = {
    "sinus": "a P wave before each QRS complex (sinus rhythm)",
    "atrial_fibrillation": "no P waves (atrial fibrillation)",
    "atrial_flutter": "regular flutter waves, {every} to each QRS complex (atrial flutter)",
    "supraventricular_tachycardia": "narrow QRS complexes without P waves (supraventricular tachycardia)",
    "ventricular_tachycardia": "wide QRS complexes (ventricular tachycardia)",
    "complete_heart_block": "P waves at {atrial:.0f} per minute, independent of the QRS complexes"
    " (complete heart block)",
    "second_degree_block": "P waves at {atrial:.0f} per minute, not all followed by a QRS complex"
    " (second degree heart block)",
    "undetermined": "the rhythm cannot be told",
}


@dataclass(frozen=True, slots=True)
class EcgReading:
    """What is measured on an ECG. What cannot be read is None or left out."""

    rate: float
    """beats per minute"""
    regular: bool
    rhythm: "ReadRhythm"
    qrs_ms: float
    pr_ms: float | None = None
    """onset of P to onset of QRS, in sinus rhythm"""
    qt_ms: float | None = None
    qtc_ms: float | None = None
    """after Fridericia"""
    qtc_bazett_ms: float | None = None
    atrial_rate: float | None = None
    """P or flutter waves per minute, where they differ from the beats"""
    st: dict[Lead, float] = field(default_factory=dict)
    """mm above (+) or below (-) the level before QRS, 60 ms after the J point"""
    t: dict[Lead, float] = field(default_factory=dict)
    """height of T in mm"""

    @property
    def st_raised(self) -> tuple[Lead, ...]:
        """Leads with ST elevation that a neighbour shares."""
        return _shared({lead for lead, mm in self.st.items() if mm >= ST_UP_MM[lead]})

    @property
    def st_lowered(self) -> tuple[Lead, ...]:
        """Leads with ST depression that a neighbour shares."""
        return _shared({lead for lead, mm in self.st.items() if mm <= -ST_DOWN_MM})

    @property
    def t_inverted(self) -> tuple[Lead, ...]:
        """Leads with an inverted T wave, more than a lowered ST explains, that a neighbour shares."""
        down = {lead for lead, mm in self.t.items() if mm <= -T_DOWN_MM and mm <= self.st.get(lead, 0) - 0.5}
        return _shared(down) if down - set(T_OFTEN_DOWN) else ()

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds of change of ST, T and QT; ST depression beside an elevation is not one of its own."""
        found: set[Kind] = set()
        if self.st_raised:
            found.add("st_elevation")
        elif self.st_lowered:
            found.add("st_depression")
        if self.t_inverted:
            found.add("t_inversion")
        if self.qtc_ms is not None and self.qtc_ms >= LONG_QTC_MS:
            found.add("long_qt")
        return frozenset(found)

    def text(self) -> str:
        """Neutral sentences: numbers, the rhythm, and which leads show a change."""
        every = round((self.atrial_rate or 0) / self.rate)
        what = _RHYTHMS[self.rhythm].format(every=every, atrial=self.atrial_rate or 0)
        numbers = [f"QRS {self.qrs_ms:.0f} ms"]
        if self.pr_ms is not None:
            numbers.insert(0, f"PR {self.pr_ms:.0f} ms")
        if self.qt_ms is not None:
            numbers.append(f"QT {self.qt_ms:.0f} ms")
            numbers.append(
                f"QTc {self.qtc_ms:.0f} ms (Fridericia; {self.qtc_bazett_ms:.0f} ms after Bazett),"
                f" {'prolonged' if 'long_qt' in self.kinds else 'not prolonged'}"
            )
        lines = [
            f"Ventricular rate {self.rate:.0f} per minute, {'regular' if self.regular else 'irregular'};"
            f" {what}.",
            ", ".join(numbers) + ".",
        ]
        if not self.st:
            return " ".join([*lines, "ST segments and T waves cannot be assessed in this rhythm."])
        for name, leads, values in (
            ("ST elevation", self.st_raised, self.st),
            ("ST depression", self.st_lowered, self.st),
            ("T waves inverted", self.t_inverted, self.t),
        ):
            if leads:
                lines.append(f"{name} in " + ", ".join(f"{a} ({abs(values[a]):.1f} mm)" for a in leads) + ".")
        if not self.st_raised and not self.st_lowered:
            lines.append("No ST elevation or depression.")
        if not self.t_inverted:
            lines.append("No T wave inversion.")
        return " ".join(lines)


def _shared(leads: set[Lead]) -> tuple[Lead, ...]:
    both = {lead for pair in NEIGHBOURS if leads.issuperset(pair) for lead in pair}
    return tuple(lead for lead in LEADS if lead in both)


def read_signal(signal: "NDArray[Any]", hz: float = HZ) -> EcgReading:
    """Reads twelve leads in the order of `LEADS`, in mV, `hz` samples per second, at least 2.5 s.

    Gaps (not a number) are left out; lead II is needed throughout. An InputError where that is not so, or
    where there are not two beats.
    """
    need_ecg()
    import numpy as np

    from clinicenv.readers.ecg_rhythm import atria, is_regular, rhythm
    from clinicenv.readers.ecg_waves import average, find_beats, ready, st_levels, t_waves

    leads = ready(signal, hz)
    if np.isfinite(leads[LEADS.index("II")]).mean() < 0.97:
        raise InputError("lead II is missing in part; the rhythm is read from it")
    beats = find_beats(leads)
    if len(beats) < 3:
        raise InputError("fewer than three heartbeats found; record for longer")
    gaps = np.diff(beats) / HZ
    rr = float(np.median(gaps))
    beat = average(leads, beats)
    heights, qt = t_waves(beat, rr)
    qrs = (beat.end - beat.onset) / HZ
    seen = atria(leads, beats, beat, qt or min(0.4, 0.85 * rr))
    found = rhythm(gaps, qrs, seen)
    mean = float(np.mean(gaps))
    basic = EcgReading(
        rate=round(60 / mean, 1),
        regular=is_regular(gaps),
        rhythm=found,
        qrs_ms=round(1000 * qrs),
        atrial_rate=_atrial_rate(found, mean, seen.period, seen.flutter),
    )
    if found in ("ventricular_tachycardia", "atrial_flutter"):
        return basic
    return EcgReading(
        **{name: getattr(basic, name) for name in ("rate", "regular", "rhythm", "qrs_ms", "atrial_rate")},
        pr_ms=round(1000 * seen.pr) if found == "sinus" and seen.pr else None,
        qt_ms=None if qt is None else round(1000 * qt),
        qtc_ms=None if qt is None else round(1000 * qt / mean ** (1 / 3)),
        qtc_bazett_ms=None if qt is None else round(1000 * qt / mean**0.5),
        st=_by_lead(st_levels(beat)),
        t=_by_lead(heights),
    )


def _atrial_rate(found: "ReadRhythm", rr: float, period: float, flutter: int) -> float | None:
    if found == "atrial_flutter":
        return round(60 * flutter / rr, 1)
    return round(60 / period, 1) if found in ("complete_heart_block", "second_degree_block") else None


def _by_lead(values: "NDArray[Any]") -> dict[Lead, float]:
    by_lead = zip(LEADS, values.tolist(), strict=True)
    return {lead: round(mm, 1) + 0.0 for lead, mm in by_lead if isfinite(mm)}


def read_picture(picture: bytes) -> EcgReading:
    """Reads an ECG that `clinicenv.drawing.ecg.draw` made; an InputError for any other picture."""
    need_ecg()
    from clinicenv.readers.ecg_trace import traces

    return read_signal(traces(picture), HZ)


def need_ecg() -> None:
    """InputError where the `ecg` extra is not installed."""
    if not all(map(find_spec, ("neurokit2", "scipy", "PIL"))):
        raise InputError("reading an ECG needs the `ecg` extra: pip install 'clinicenv[ecg]'")


def read(asked: Asked) -> str:
    """The text of each ECG, as a reader gives it to the doctor; ReaderError where a picture is none."""
    try:
        return "\n\n".join(read_picture(picture.png).text() for picture in asked.pictures)
    except InputError as e:
        raise ReaderError(e.what) from e


read.check = need_ecg  # type: ignore[attr-defined]
