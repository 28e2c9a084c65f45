"""What the atria do, and which rhythm that makes with the beats.

Rules of thumb as in A. L. Goldberger et al., "Goldberger's Clinical Electrocardiography" (9th edition 2018)
and F. Morris et al. (eds), "ABC of Clinical Electrocardiography" (2nd edition 2008): P waves before each QRS
at one distance are sinus rhythm; P waves at a faster pace of their own are block, complete where the beats
are regular; no P waves and irregular beats are fibrillation; a wave that comes again two to five times within
each beat, 200 to 350 times a minute, is flutter; regular, fast and wide is taken as ventricular until
something else is shown.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from clinicenv.drawing.ecg_spec import HZ, LEADS, Lead, Rhythm
from clinicenv.files import InputError
from clinicenv.readers.ecg_waves import AFTER, BEFORE, Array, Beat, steady

try:
    import numpy as np
    from scipy.ndimage import gaussian_filter1d, maximum_filter1d
except ImportError as e:
    raise InputError("reading an ECG needs the `ecg` extra: pip install 'clinicenv[ecg]'") from e

ReadRhythm: TypeAlias = Rhythm | Literal["undetermined"]

REGULAR = 0.1
"""Standard deviation over mean of the intervals between beats, below which they are regular."""

WIDE = 0.118
"""Seconds of QRS from which it counts as wide; below 0.12, as its faint start and end are not seen."""

FAST, FASTER = 120, 135
"""Beats per minute from which a wide, a narrow rhythm without P waves is a tachycardia."""

ALIKE = 0.8
"""Correlation from which two parts of a beat show the same flutter wave."""

CLEAR_P = 0.115
"""mV of P waves that fibrillation hardly imitates at an even pace"""

INFERIOR: tuple[Lead, ...] = ("II", "III", "aVF")
"""Leads of which one must somewhat show what V1 shows well, as its T and P waves are small: flutter."""

P_WIDTH = 0.026
"""Seconds, one standard deviation of a typical P wave."""

LEAST_P = 0.04
"""mV of a P wave that can be told from noise."""

LEAD_II = LEADS.index("II")


@dataclass(frozen=True, slots=True)
class Atria:
    """P waves as far as lead II shows them, and flutter waves."""

    before_each: float
    """share of beats with a P wave before them at the usual distance"""
    pr: float | None
    """seconds from onset of P to onset of QRS, where most beats have one"""
    period: float
    """seconds between P waves that keep a faster pace of their own; 0 where none do"""
    on_pace: float
    """share of the moments of that pace at which there is a P wave"""
    pace_mv: float
    """height of these waves"""
    flutter: int
    """flutter waves per beat; 0 where there are none"""


def rhythm(gaps: Array, qrs: float, seen: Atria) -> ReadRhythm:
    """The rhythm from the intervals between beats and the width of QRS, in seconds, and from the atria."""
    rate, regular = 60 / float(np.mean(gaps)), is_regular(gaps)
    if not regular:  # fibrillation may look like a few P waves in a row
        clear = seen.pace_mv >= CLEAR_P and seen.on_pace >= 0.85
        return "second_degree_block" if clear else "atrial_fibrillation"
    if seen.flutter:
        return "atrial_flutter"
    if qrs >= WIDE and rate >= FAST:
        return "ventricular_tachycardia"
    if seen.period > 0 and seen.on_pace >= 0.7:  # beats hide some
        return "complete_heart_block"
    if seen.before_each >= 0.8:
        return "sinus"
    return "supraventricular_tachycardia" if rate >= FASTER else "undetermined"


def is_regular(gaps: Array) -> bool:
    """Whether beats come at even intervals."""
    return float(np.std(gaps) / np.mean(gaps)) < REGULAR


def atria(leads: Array, beats: Array, beat: Beat, t_end: float) -> Atria:
    """The atria in lead II less its ventricular waves; `t_end` is seconds from onset of QRS to end of T."""
    starts = beats - BEFORE + beat.onset
    rr = float(np.median(np.diff(beats))) / HZ
    left = _without_ventricles(steady(leads[LEAD_II]), starts, round((t_end + 0.02) * HZ))
    hidden = np.zeros(len(left), dtype=bool)
    for s in starts:
        hidden[max(s - 6, 0) : max(s + beat.end - beat.onset + 8, 0)] = True
    match = _like_p(left, hidden)
    return Atria(*_before_each(match, starts, rr), *_own_pace(match, rr), _flutter(beat, rr))


def _without_ventricles(lead: Array, starts: Array, last: int) -> Array:
    """The lead less the median of its QRS and T, counted from the line between its ends, to leave no step."""
    first = -round(0.012 * HZ)
    rows = [lead[s + first : s + last] for s in starts if s + first >= 0 and s + last <= len(lead)]
    left = lead.copy()
    if len(rows) < 3:
        return left
    typical = np.median(rows, axis=0)
    typical -= np.linspace(typical[:5].mean(), typical[-5:].mean(), len(typical))
    for s in starts:
        a, b = max(s + first, 0), min(s + last, len(lead))
        left[a:b] -= typical[a - s - first : b - s - first]
    return left


def _like_p(left: Array, hidden: Array) -> Array:
    """How high a P wave centred at each sample is, in mV, by least squares; 0 where QRS hides it."""
    shown = (~hidden).astype(float)
    t = np.arange(-round(0.09 * HZ), round(0.09 * HZ) + 1) / HZ
    bump = np.exp(-0.5 * (t / P_WIDTH) ** 2)

    def total(values: Array, weights: Array) -> Array:
        return np.convolve(values * shown, weights, "same")

    n = np.maximum(total(np.ones(len(left)), np.ones(len(t))), 1)
    sum_bump, sum_left = total(np.ones(len(left)), bump), total(left, np.ones(len(t)))
    spread = total(np.ones(len(left)), bump**2) - sum_bump**2 / n
    height = (total(left, bump) - sum_bump * sum_left / n) / np.maximum(spread, 1e-9)
    enough = (spread > 0.35 * (bump**2).sum()) & (gaussian_filter1d(shown, 0.015 * HZ) > 0.6)
    return np.where(enough, height, 0.0)


def _before_each(match: Array, starts: Array, rr: float) -> tuple[float, float | None]:
    """Share of beats with a P wave at the usual distance, and that distance to its onset."""
    reach, near, slack = round(min(0.42, 0.75 * rr) * HZ), round(0.03 * HZ), round(0.03 * HZ)
    whole = [s for s in starts if s >= reach]
    if len(whole) < 2:
        return 0.0, None
    typical = np.median([match[s - reach : s - near] for s in whole], axis=0)
    at = int(np.argmax(typical))
    height = float(typical[at])
    if height < LEAST_P:
        return 0.0, None
    there = [
        match[max(s - reach + at - slack, 0) : s - reach + at + slack + 1].max() > 0.55 * height
        for s in whole
    ]
    return float(np.mean(there)), (reach - at) / HZ + 1.7 * P_WIDTH


def _own_pace(match: Array, rr: float) -> tuple[float, float, float]:
    """The period, shorter than the beats', of most and highest P waves; how many are seen; their height."""
    nearby = maximum_filter1d(match, 17)
    best = (0.0, 0.0, 0.0, 0.0)
    for period in np.arange(0.5, min(1.25, 0.92 * rr), 0.004):
        step = period * HZ
        for phase in np.arange(0, step, 5):
            moments = np.arange(phase, len(match), step).astype(int)
            heights = nearby[moments[match[moments] != 0]]
            if len(heights) < 5:
                continue
            height = float(np.median(heights))
            worth = float(np.sort(heights)[len(heights) // 4]) * len(heights) ** 0.25
            if worth > best[0]:
                best = (worth, height, float(period), float((heights > 0.65 * height).mean()))
    _, height, period, share = best
    return (period, share, height) if height >= 2 * LEAST_P else (0.0, 0.0, 0.0)


def _flutter(beat: Beat, rr: float) -> int:
    """In how many parts of 170 to 290 ms the average beat can be cut so that, QRS aside, they are alike."""
    length = round(rr * HZ)
    at = np.arange(length) + BEFORE - round(min(0.3, rr / 2) * HZ)
    if at[-1] >= BEFORE + AFTER:
        return 0
    calm = (at < beat.onset - 6) | (at > beat.end + 8)
    best = (ALIKE, 0)
    for parts in (n for n in range(2, 6) if 0.17 <= rr / n <= 0.29):
        step = round(length / parts)
        pairs = calm & np.roll(calm, -step)
        if pairs.sum() < 0.06 * HZ:
            continue
        alike = {}
        for name in ("V1", *INFERIOR):
            lead = beat.leads[LEADS.index(name)][at]
            one, other = lead[pairs], np.roll(lead, -step)[pairs]
            clear = (
                np.isfinite(one).all() and np.isfinite(other).all() and min(one.std(), other.std()) > 0.008
            )
            alike[name] = float(np.corrcoef(one, other)[0, 1]) if clear else 0.0
        if max(alike[name] for name in INFERIOR) > 0.5 * ALIKE:
            best = max(best, (alike["V1"], parts))
    return best[1]
