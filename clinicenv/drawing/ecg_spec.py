"""What a 12-lead ECG shows, in words and numbers that a case can hold; light, needs no extra.

Usual intervals and what the rhythms look like: F. Morris et al. (eds), "ABC of Clinical Electrocardiography"
(BMJ Books, 2nd edition 2008); A. L. Goldberger et al., "Goldberger's Clinical Electrocardiography" (9th
edition 2018).
"""

from typing import Annotated, Literal, Self, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

Lead: TypeAlias = Literal["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
Territory: TypeAlias = Literal["anterior", "inferior", "lateral", "diffuse"]
Rhythm: TypeAlias = Literal[
    "sinus",
    "atrial_fibrillation",
    "atrial_flutter",
    "supraventricular_tachycardia",
    "ventricular_tachycardia",
    "complete_heart_block",
    "second_degree_block",
]

LEADS: tuple[Lead, ...] = get_args(Lead)
"""The order of leads in signals."""

HZ = 500
"""Samples per second of a drawn signal."""

SECONDS = 10.0

RATES: dict[Rhythm, tuple[float, float]] = {
    "sinus": (35, 160),
    "atrial_fibrillation": (45, 170),
    "atrial_flutter": (60, 160),
    "supraventricular_tachycardia": (140, 220),
    "ventricular_tachycardia": (130, 220),
    "complete_heart_block": (25, 55),
    "second_degree_block": (40, 80),
}
"""Ventricular rates per minute with which a rhythm can be drawn."""


class EcgSpec(BaseModel):
    """A 12-lead ECG of ten seconds.

    ST levels follow Einthoven's law, as in every real recording: the limb leads are two measurements seen
    from six sides. A territory therefore brings its opposite change elsewhere (inferior elevation lowers
    aVL), and limb leads that contradict each other are met as nearly as the law allows;
    `ecg_signal.st_levels` says what is drawn.

    Complete heart block has P waves of their own rate; second degree block is of the Wenckebach kind, four P
    waves to three beats; flutter conducts every second to fifth wave, as the rate needs. Neither P waves, ST
    nor T changes can be asked for where the rhythm does not show them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: float = 70
    """mean ventricular beats per minute"""
    rhythm: Rhythm = "sinus"
    st: dict[Lead | Territory, Annotated[float, Field(ge=-5, le=5)]] = Field(default_factory=dict)
    """mm (0.1 mV) of elevation (+) or depression (-) from the J point on, by lead or territory"""
    pr_ms: float = Field(160, ge=90, le=360)
    """onset of P to onset of QRS; of the group's first beat in second degree block; unused without P waves"""
    qrs_ms: float | None = Field(None, ge=60, le=200)
    """90 ms unless said otherwise, 150 ms in ventricular tachycardia"""
    qtc_ms: float | None = Field(None, ge=330, le=620)
    """QT corrected for rate after Fridericia; unless said, 410 ms or what fits between beats"""
    qt_ms: float | None = Field(None, ge=180, le=760)
    """onset of QRS to end of T, in place of `qtc_ms`"""
    t_inverted: tuple[Lead | Territory, ...] = ()
    noise: float = Field(0.01, ge=0, le=0.05)
    """root mean square of muscle noise, mV"""
    wander: float = Field(0.05, ge=0, le=0.2)
    """swing of the baseline with breathing, mV"""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        low, high = RATES[self.rhythm]
        if not low <= self.rate <= high:
            raise ValueError(f"rate: {self.rhythm} is drawn with {low:g} to {high:g} beats per minute")
        if self.rhythm == "ventricular_tachycardia" and self.qrs < 120:
            raise ValueError("qrs_ms: ventricular tachycardia has a QRS of 120 ms or more")
        if self.rhythm in ("atrial_flutter", "ventricular_tachycardia") and (self.st or self.t_inverted):
            raise ValueError(f"st, t_inverted: {self.rhythm} hides ST and T; leave them out")
        least = 120 if self.rhythm == "ventricular_tachycardia" else 150
        if self.qt < self.qrs + least:
            raise ValueError("qt_ms: shorter than QRS and T wave need; make it longer or QRS narrower")
        if self.rhythm == "supraventricular_tachycardia" and self.qrs >= 120:
            raise ValueError("qrs_ms: supraventricular tachycardia is drawn with a QRS below 120 ms")
        if self.rhythm == "sinus" and self.pr_ms + self.qt > 60_000 / self.rate + 30:
            raise ValueError(
                "pr_ms: the P wave would be hidden in the T wave before it; lower pr_ms, QT or rate"
            )
        if self.rhythm != "ventricular_tachycardia" and self.qt > 0.92 * 60_000 / self.rate:
            raise ValueError("qt_ms, qtc_ms: the T wave would end after the next beat; lower the rate")
        return self

    @property
    def qrs(self) -> float:
        """Duration of QRS in ms."""
        if self.qrs_ms is not None:
            return self.qrs_ms
        return 150.0 if self.rhythm == "ventricular_tachycardia" else 90.0

    @property
    def qt(self) -> float:
        """QT interval in ms."""
        if self.qt_ms is not None:
            return self.qt_ms
        corrected: float = (self.qtc_ms or 410) * (60 / self.rate) ** (1 / 3)
        if self.rhythm == "ventricular_tachycardia":
            return max(corrected, self.qrs + 120)
        if self.qtc_ms is None:
            rr = 60_000 / self.rate
            return min(corrected, 0.9 * rr, rr + 30 - self.pr_ms if self.rhythm == "sinus" else rr)
        return corrected
