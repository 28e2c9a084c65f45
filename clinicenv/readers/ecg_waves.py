"""Beats, the average beat, and what is measured on it: QRS, QT, ST levels and T waves.

How they are measured: onset of QRS to its end over all leads together, and ST 60 ms after the J point against
the level just before QRS (P. Kligfield et al., Circulation 2007, doi:10.1161/CIRCULATIONAHA.106.180200); the
end of T by the tangent at its steepest descent (E. Lepeschkin and B. Surawicz, Circulation 1952,
doi:10.1161/01.CIR.6.3.378).
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

from clinicenv.drawing.ecg_spec import HZ
from clinicenv.files import InputError

try:
    import neurokit2 as nk
    import numpy as np
    from numpy.typing import NDArray
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import find_peaks
except ImportError as e:
    raise InputError("reading an ECG needs the `ecg` extra: pip install 'clinicenv[ecg]'") from e

Array: TypeAlias = "NDArray[Any]"

BEFORE = round(0.45 * HZ)
"""samples of an average beat before the middle of its QRS"""
AFTER = round(0.85 * HZ)

ST_AFTER_J = 0.06
"""seconds from the J point to where ST is measured"""


SLOWEST = 0.003
"""mV per sample, over 0.1 s, below which nothing is a heartbeat"""


@dataclass(frozen=True, slots=True)
class Beat:
    """The average beat of each lead, in mV, and where its QRS lies (samples)."""

    leads: Array
    onset: int
    end: int


def ready(signal: Array, hz: float) -> Array:
    """The signal at 500 Hz, a little smoothed; gaps stay gaps."""
    leads = np.array(signal, dtype=float)
    if leads.ndim != 2 or leads.shape[0] != 12 or leads.shape[1] < 2.5 * hz:
        raise InputError(f"expected 12 leads of at least 2.5 s, found an array of shape {leads.shape}")
    if hz < 100:
        raise InputError(f"an ECG needs at least 100 samples per second, found {hz:g}")
    times = np.arange(round(leads.shape[1] / hz * HZ)) / HZ
    if hz != HZ:
        leads = np.array([np.interp(times, np.arange(leads.shape[1]) / hz, lead) for lead in leads])
    for lead in leads:
        have = np.isfinite(lead)
        if have.any():
            lead[have] = gaussian_filter1d(lead[have], 0.004 * HZ)
    return leads


def whole(leads: Array) -> Array:
    """The leads that were recorded all the time."""
    return np.asarray(leads[np.isfinite(leads).mean(axis=1) > 0.97])


def steady(lead: Array) -> Array:
    """A lead without the sway of its baseline; distorts ST, so only times are taken from it."""
    filled = np.interp(np.arange(len(lead)), np.flatnonzero(np.isfinite(lead)), lead[np.isfinite(lead)])
    cleaned: Array = nk.signal_filter(filled, sampling_rate=HZ, lowcut=0.5, method="butterworth", order=2)
    return cleaned


def find_beats(leads: Array) -> Array:
    """The samples in the middle of each QRS: where the whole leads change fastest over 0.1 s."""
    always = whole(leads)
    if not len(always):
        raise InputError("no lead was recorded all the time, so beats cannot be counted")
    level = [steady(lead) for lead in always]
    fast = [nk.signal_filter(lead, sampling_rate=HZ, lowcut=4, highcut=35, order=2) for lead in level]
    speed = np.sqrt((np.gradient(np.array(fast), axis=1) ** 2).mean(axis=0))
    speed = np.sqrt(gaussian_filter1d(speed**2, 0.028 * HZ))
    peaks, _ = find_peaks(speed, height=SLOWEST, distance=round(0.2 * HZ))
    if not len(peaks):
        raise InputError("no heartbeat found in this signal")
    usual = np.median(np.sort(speed[peaks])[-max(3, round(leads.shape[1] / HZ * 0.4)) :])
    found = peaks[speed[peaks] > 0.45 * usual]
    for _ in range(3):
        found = _aligned(np.array(level), found)
    return _less_false(found, leads.shape[1])


def _less_false(beats: Array, length: int) -> Array:
    """The beats less one that the recording's edge cut, and less parts of a broad QRS or T between two."""
    if len(beats) < 4:
        return beats
    usual, edge = np.median(np.diff(beats)), 0.25 * HZ
    gaps = np.concatenate([[np.inf], np.diff(beats), [np.inf]]) / usual
    before, after = gaps[:-1], gaps[1:]
    cut = ((beats < edge) & (after < 0.7)) | ((beats > length - edge) & (before < 0.7))
    between = (before < 0.75) & (after < 0.75) & (abs(before + after - 1) < 0.12)
    return np.asarray(beats[~(cut | between)])


def _aligned(leads: Array, beats: Array) -> Array:
    """The beats moved by up to 40 ms, so that each lies as the typical one does."""
    half, reach = round(0.1 * HZ), round(0.04 * HZ)
    inside = [b for b in beats if half + reach <= b < leads.shape[1] - half - reach]
    if len(inside) < 2:
        return beats
    typical = np.median([leads[:, b - half : b + half] for b in inside], axis=0)
    typical -= typical.mean(axis=1, keepdims=True)
    moved = []
    for b in beats:
        shifts = [s for s in range(-reach, reach + 1) if b + s - half >= 0 and b + s + half <= leads.shape[1]]
        fit = [_likeness(leads[:, b + s - half : b + s + half], typical) for s in shifts]
        moved.append(b + shifts[int(np.argmax(fit))] if shifts else b)
    return np.unique(moved)


def _likeness(part: Array, typical: Array) -> float:
    part = part - part.mean(axis=1, keepdims=True)
    return float((part * typical).sum() / np.sqrt((part**2).sum() + 1e-9))


def _cut(lead: Array, beats: Array) -> Array:
    """One row per beat; not a number outside the recording."""
    padded = np.concatenate([np.full(BEFORE, np.nan), lead, np.full(AFTER, np.nan)])
    return np.array([padded[b : b + BEFORE + AFTER] for b in beats])


def _median(rows: Array) -> Array:
    """The median over rows, not a number where no row has one."""
    some = np.isfinite(rows).any(axis=0)
    out = np.full(rows.shape[1], np.nan)
    out[some] = np.nanmedian(rows[:, some], axis=0)
    return out


def average(leads: Array, beats: Array) -> Beat:
    """The average beat, its baseline levelled between the starts of QRS of neighbouring beats."""
    raw = np.array([_median(_cut(lead, beats)) for lead in leads])
    onset, end = _qrs(raw, float(np.median(np.diff(beats))) / HZ)
    levelled = []
    for lead in leads:
        starts = beats - BEFORE + onset
        window = np.arange(-round(0.026 * HZ), -round(0.004 * HZ))
        # a lead of a printed page is cut: what stands outside is no number
        level = np.array(
            [np.mean(lead[s + window]) if s + window[0] >= 0 and s < len(lead) else np.nan for s in starts]
        )
        known = np.isfinite(level)
        if not known.any():
            levelled.append(np.full(BEFORE + AFTER, np.nan))
            continue
        base = np.interp(np.arange(len(lead)), (starts + window.mean())[known], level[known])
        levelled.append(_median(_cut(lead - base, beats)))
    return Beat(np.array(levelled), onset, end)


def _qrs(beat: Array, rr: float) -> tuple[int, int]:
    """Onset and end of QRS in an average beat, by how fast all leads together change.

    First its steep part, over the pause at a broad peak; then its fainter ends, as far as they may reach.
    """
    speed = np.sqrt(np.nanmean(np.gradient(beat, axis=1) ** 2, axis=0))
    most = min(0.13, 0.33 * rr)
    near = slice(BEFORE - round(most * HZ), BEFORE + round(most * HZ))
    top = float(np.nanmax(speed[near]))
    first, last = _reach(speed > 0.25 * top, BEFORE, 0.08, most)
    quiet = max(0.06 * top, 1.5 * float(np.nanpercentile(speed, 30)))
    faint_first, faint_last = _reach(speed > quiet, BEFORE, 0.02, most)
    steep = (last - first) / HZ
    further = round((0.02 if steep < 0.09 else 0.1 * steep) * HZ)
    return max(min(faint_first, first), first - further), min(max(faint_last, last), last + further)


def _reach(moving: Array, middle: int, pause_s: float, most_s: float) -> tuple[int, int]:
    """From where to where it moves around the middle, over pauses of so many seconds, and so far at most."""
    pause, most = round(pause_s * HZ), round(most_s * HZ)
    inside = np.flatnonzero(moving[middle - pause : middle + pause])
    first = last = middle - pause + int(inside[0] if len(inside) else pause)
    while (ahead := np.flatnonzero(moving[last + 1 : last + 1 + pause])).size and last < middle + most:
        last += 1 + int(ahead[-1])
    while (behind := np.flatnonzero(moving[first - pause : first])).size and first > middle - most:
        first -= pause - int(behind[0])
    return max(first, middle - most), min(last, middle + most)


def st_levels(beat: Beat) -> Array:
    """ST by lead in mm, 60 ms after the end of QRS."""
    at = beat.end + round(ST_AFTER_J * HZ)
    return 10 * _mean(beat.leads[:, at - 5 : at + 6])


def _mean(rows: Array) -> Array:
    return np.array([row[np.isfinite(row)].mean() if np.isfinite(row).any() else np.nan for row in rows])


def t_waves(beat: Beat, rr: float) -> tuple[Array, float | None]:
    """T by lead in mm (the highest or deepest point), and QT in seconds from the leads with clear T waves."""
    first = beat.end + round(0.08 * HZ)
    # a P wave may follow, but hardly one that is taller than T when beats come so fast that T needs the time
    last = min(beat.onset + round((rr - (0.1 if rr > 0.6 else 0.04)) * HZ), beat.leads.shape[1] - 1)
    if last - first < round(0.06 * HZ):
        return np.full(12, np.nan), None
    heights, ends = np.full(12, np.nan), np.full(12, np.nan)
    for i, lead in enumerate(beat.leads):
        part = lead[first:last]
        if np.isfinite(part).mean() < 0.9:
            continue
        smooth = gaussian_filter1d(np.where(np.isfinite(part), part, 0), 0.008 * HZ)
        top = int(np.argmax(np.abs(smooth)))
        if top < 0.03 * HZ:  # still ST: the T wave after it goes the other way
            other = int(np.argmax(-np.sign(smooth[top]) * smooth))
            top = other if abs(smooth[other]) > 0.06 else top
        heights[i] = 10 * smooth[top]
        sign = np.sign(smooth[top])
        fall = (
            np.gradient(sign * smooth[top : top + round(0.2 * HZ)]) if len(smooth) - top > 10 else np.empty(0)
        )
        if len(fall) and fall.min() < 0:
            steep = int(fall.argmin())
            ends[i] = first + top + steep - sign * smooth[top + steep] / fall[steep]
    clear = np.isfinite(ends) & (np.abs(heights) >= max(1.0, 0.4 * np.nanmax(np.abs(heights), initial=0)))
    if clear.sum() < 2:
        return heights, None
    return heights, float(np.median(ends[clear]) - beat.onset) / HZ
