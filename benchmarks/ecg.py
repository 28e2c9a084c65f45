"""How well the ECG reader reads what was drawn: rate, rhythm, changes of ST, T and QT, on held-out seeds."""

import json
import random
import time
from collections import Counter
from collections.abc import Iterable
from statistics import fmean, median
from typing import Any

from clinicenv.drawing.ecg import (
    HZ,
    LEADS,
    RATES,
    EcgSpec,
    Rhythm,
    Territory,
    beat_times,
    draw,
    signal,
    st_levels,
)
from clinicenv.files import InputError
from clinicenv.readers.ecg import EcgReading, Kind, read_picture, read_signal

HELD_OUT = range(50_000, 50_200)
"""Seeds that nobody looked at while the reader was built; those below 10,000 were for that."""

_TERRITORIES: tuple[Territory, ...] = ("anterior", "inferior", "lateral", "diffuse")
_HIDE_ST: tuple[Rhythm, ...] = ("ventricular_tachycardia", "atrial_flutter")


def random_case(seed: int) -> tuple[EcgSpec, frozenset[Kind]]:
    """A description drawn by seed, and the kinds of change that it has; each is clear or not there."""
    draws = random.Random(seed)
    rhythm: Rhythm = "sinus" if draws.random() < 0.35 else draws.choice([r for r in RATES if r != "sinus"])
    kind: Kind | None = None
    if rhythm not in _HIDE_ST and draws.random() < 0.6:
        kind = draws.choice(["st_elevation", "st_depression", "t_inversion", "long_qt"])
    where = draws.choice(_TERRITORIES)
    while True:  # until the intervals fit into the time between two beats
        rate = draws.uniform(*RATES[rhythm])
        wide = rhythm in ("sinus", "complete_heart_block") and rate < 100 and draws.random() < 0.2
        fields: dict[str, Any] = {
            "rhythm": rhythm,
            "rate": rate,
            "pr_ms": draws.uniform(120, 290),
            "qrs_ms": draws.uniform(125, 160) if wide else draws.uniform(80, 108),
            "qtc_ms": draws.uniform(495, 590) if kind == "long_qt" else draws.uniform(370, 430),
            "noise": draws.uniform(0.003, 0.02),
            "wander": draws.uniform(0, 0.12),
        }
        if rhythm == "ventricular_tachycardia":
            fields["qrs_ms"] = draws.uniform(130, 180)
        if kind == "st_elevation":
            fields["st"] = {where: draws.uniform(2.5 if where == "anterior" else 2.0, 4)}
        elif kind == "st_depression":
            fields["st"] = {where: -draws.uniform(1.2, 3)}
        elif kind == "t_inversion":
            fields["t_inverted"] = (where,)
        try:
            return EcgSpec(**fields), frozenset() if kind is None else frozenset([kind])
        except ValueError:
            if kind == "long_qt" and draws.random() < 0.05:  # too fast for a long QT
                kind = None


def read(seed: int, picture: bool) -> EcgReading | None:
    """The reader's reading of the seed's ECG; None where it gives up."""
    spec, _ = random_case(seed)
    try:
        return read_picture(draw(spec, seed)) if picture else read_signal(signal(spec, seed))
    except InputError:
        return None


def _rate(spec: EcgSpec, seed: int) -> float:
    beats = beat_times(spec, seed)
    return 60 * (len(beats) - 1) / (beats[-1] - beats[0])


def judged(seed: int, reading: EcgReading | None) -> dict[str, bool]:
    """Whether rate (within 5 % of the beats drawn), rhythm, and the kinds of change are right."""
    if reading is None:
        return {"rate": False, "rhythm": False, "change": False}
    spec, kinds = random_case(seed)
    rate = _rate(spec, seed)
    return {
        "rate": abs(reading.rate - rate) <= 0.05 * rate,
        "rhythm": reading.rhythm == spec.rhythm,
        "change": reading.kinds == kinds,
    }


def shares(seeds: Iterable[int], picture: bool) -> dict[str, float]:
    """The share of right rates, rhythms and changes; of changes also where the rhythm does not hide them."""
    rows = [(random_case(seed)[0], judged(seed, read(seed, picture))) for seed in seeds]
    found = {name: fmean(row[name] for _, row in rows) for name in ("rate", "rhythm", "change")}
    found["change_where_shown"] = fmean(row["change"] for spec, row in rows if spec.rhythm not in _HIDE_ST)
    return {name: round(share, 4) for name, share in found.items()}


def errors(seeds: Iterable[int], picture: bool) -> dict[str, dict[str, float]]:
    """How far intervals (ms) and the ST level (mm, the worst lead) are off: median and 95th percentile."""
    off: dict[str, list[float]] = {"pr_ms": [], "qrs_ms": [], "qt_ms": [], "st_mm": []}
    for seed in seeds:
        spec, _ = random_case(seed)
        reading = read(seed, picture)
        if reading is None or reading.rhythm != spec.rhythm or not reading.st:
            continue
        asked = {"pr_ms": spec.pr_ms, "qrs_ms": spec.qrs, "qt_ms": spec.qt}
        for name, value in asked.items():
            if (seen := getattr(reading, name)) is not None:
                off[name].append(abs(seen - value))
        drawn = st_levels(spec)
        off["st_mm"].append(max(abs(mm - drawn[lead]) for lead, mm in reading.st.items()))
    return {
        name: {"median": round(median(x), 1), "p95": round(sorted(x)[int(0.95 * len(x))], 1)}
        for name, x in off.items()
    }


def neurokit_rates(seeds: Iterable[int]) -> float:
    """For comparison: the share of right rates by neurokit2's own detector of beats on lead II."""
    import neurokit2 as nk

    right = []
    for seed in seeds:
        spec, _ = random_case(seed)
        clean = nk.ecg_clean(signal(spec, seed)[LEADS.index("II")], sampling_rate=HZ)
        peaks = nk.ecg_peaks(clean, sampling_rate=HZ)[1]["ECG_R_Peaks"]
        rate = 60 * HZ * (len(peaks) - 1) / (peaks[-1] - peaks[0]) if len(peaks) > 1 else 0.0
        right.append(abs(rate - _rate(spec, seed)) <= 0.05 * _rate(spec, seed))
    return round(fmean(right), 4)


def measure() -> dict[str, Any]:
    """Shares right and errors on the held-out seeds, for signals and pictures, and milliseconds for each."""
    found: dict[str, Any] = {
        "n": len(HELD_OUT),
        "rhythms": dict(Counter(random_case(seed)[0].rhythm for seed in HELD_OUT)),
        "changes": dict(Counter("".join(random_case(seed)[1]) or "none" for seed in HELD_OUT)),
    }
    for name, picture in (("signals", False), ("pictures", True)):
        start = time.perf_counter()
        found[name] = shares(HELD_OUT, picture)
        found[name]["ms"] = round(1000 * (time.perf_counter() - start) / len(HELD_OUT))
        found[name]["errors"] = errors(HELD_OUT, picture)
    found["neurokit2_rate"] = neurokit_rates(HELD_OUT)
    return found


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
