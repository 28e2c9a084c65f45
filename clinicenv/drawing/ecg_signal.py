"""The signal of a 12-lead ECG: waves as Gaussians in time, added beat by beat.

After P. E. McSharry et al., "A dynamical model for generating synthetic electrocardiogram signals", IEEE
Trans Biomed Eng 2003 (doi:10.1109/TBME.2003.808805), with the times of beats drawn by the rhythm and
amplitudes given by lead. Eight leads are independent; III, aVR, aVL and aVF follow from I and II (Einthoven,
Goldberger).
"""

from typing import Any, TypeAlias

from clinicenv.drawing.ecg_spec import HZ, LEADS, SECONDS, EcgSpec, Lead
from clinicenv.files import InputError

try:
    import numpy as np
    from numpy.typing import NDArray
except ImportError as e:
    raise InputError("drawing an ECG needs the `ecg` extra: pip install 'clinicenv[ecg]'") from e

Array: TypeAlias = "NDArray[Any]"

# columns:    I     II     V1     V2     V3     V4     V5     V6, all in mV
P = np.array([0.08, 0.15, 0.06, 0.07, 0.06, 0.06, 0.06, 0.06])
Q = np.array([-0.05, -0.06, 0.0, 0.0, 0.0, -0.03, -0.07, -0.08])
R = np.array([0.65, 1.0, 0.2, 0.4, 0.75, 1.15, 1.1, 0.9])
S = np.array([-0.12, -0.12, -0.85, -1.05, -0.7, -0.35, -0.15, -0.05])
T = np.array([0.22, 0.32, -0.04, 0.32, 0.38, 0.36, 0.32, 0.25])
FLUTTER = np.array([0.0, -0.2, 0.13, 0.06, 0.03, -0.02, -0.03, -0.03])
FIBRILLATION = np.array([0.015, 0.04, 0.07, 0.045, 0.02, 0.015, 0.015, 0.015])
FROM_LEFT = np.array([-0.5, -0.85, 1.0, 1.05, 0.9, 0.5, -0.4, -0.65])
"""ventricular tachycardia that leaves the left ventricle's apex"""
FROM_RIGHT = np.array([0.25, 1.0, -0.8, -1.1, -0.9, 0.6, 0.8, 0.9])
"""the same from the right ventricle's outflow tract"""

_ST = {
    ("anterior", 1): (0.1, 0, 0.7, 1, 1, 0.85, 0.4, 0.15),
    ("anterior", -1): (0, 0, 0.6, 1, 1, 0.85, 0.35, 0.1),
    ("inferior", 1): (-0.3, 0.85, 0, 0, 0, 0, 0.1, 0.1),
    ("inferior", -1): (0.1, 0.95, 0, 0, 0, 0, 0.1, 0.1),
    ("lateral", 1): (1, 0.1, 0, 0, 0, 0.3, 1, 1),
    ("lateral", -1): (0.75, 0.55, 0, 0, 0.1, 0.35, 1, 1),
    ("diffuse", 1): (0.75, 1.05, 0.1, 0.9, 1, 1, 1, 0.95),
    ("diffuse", -1): (0.75, 1.05, -0.1, 0.6, 1, 1, 1, 0.9),
}
"""ST levels by independent lead for 1 mm asked of a territory, by sign"""

_T_INVERTED = {
    "anterior": (None, None, -0.2, -0.3, -0.32, -0.28, 0.15, None),
    "inferior": (0.1, -0.22, None, None, None, None, None, None),
    "lateral": (-0.24, 0.02, None, None, None, None, -0.26, -0.24),
    "diffuse": (-0.22, -0.35, None, -0.22, -0.3, -0.3, -0.28, -0.24),
}
"""T waves in mV that a territory's inversion sets"""

_CHEST: tuple[Lead, ...] = LEADS[6:]
_LIMB = np.array([[1, 0], [0, 1], [-1, 1], [-0.5, -0.5], [1, -0.5], [-0.5, 1]])
"""the six limb leads from I and II"""


def _all_leads(eight: Array) -> Array:
    return np.concatenate([_LIMB @ eight[:2], eight[2:]])


def _put(eight: Array, asked: dict[Lead, float]) -> None:
    """Sets the leads asked for; limb leads by the least change of I and II that meets them best."""
    for lead in set(asked) & set(_CHEST):
        eight[2 + _CHEST.index(lead)] = asked[lead]
    limb = [lead for lead in LEADS[:6] if lead in asked]
    if limb:
        rows = _LIMB[[LEADS.index(lead) for lead in limb]]
        short = np.array([asked[lead] for lead in limb]) - rows @ eight[:2]
        eight[:2] += np.linalg.pinv(rows) @ short


def _st(spec: EcgSpec) -> Array:
    eight = np.zeros(8)
    for name, mm in spec.st.items():
        if name in LEADS or mm == 0:
            continue
        part = mm * np.array(_ST[name, 1 if mm > 0 else -1], dtype=float)
        eight = np.where(np.abs(part) > np.abs(eight), part, eight)
    _put(eight, {lead: spec.st[lead] for lead in LEADS if lead in spec.st})
    return eight / 10


def _t(spec: EcgSpec) -> Array:
    eight = T.copy()
    for name in spec.t_inverted:
        if name not in LEADS:
            eight = np.array(
                [now if new is None else new for now, new in zip(eight, _T_INVERTED[name], strict=True)]
            )
    _put(eight, dict.fromkeys([lead for lead in LEADS if lead in spec.t_inverted], -0.25))
    return eight


def st_levels(spec: EcgSpec) -> dict[Lead, float]:
    """ST levels in mm, by lead, that the description comes to."""
    return {
        lead: round(float(mm), 2) + 0.0 for lead, mm in zip(LEADS, 10 * _all_leads(_st(spec)), strict=True)
    }


def t_heights(spec: EcgSpec) -> dict[Lead, float]:
    """Heights of the T waves in mm, by lead, before the small variation between seeds."""
    return {lead: round(float(mm), 2) for lead, mm in zip(LEADS, 10 * _all_leads(_t(spec)), strict=True)}


def _random(spec: EcgSpec, seed: int) -> tuple[np.random.Generator, np.random.Generator]:
    """One generator for the times of the beats, one for the rest."""
    times, rest = np.random.SeedSequence([seed, 12]).spawn(2)
    return np.random.default_rng(times), np.random.default_rng(rest)


def _schedule(spec: EcgSpec, rng: np.random.Generator) -> tuple[Array, Array]:
    """Seconds of QRS onsets and of P onsets (empty where there are none); some lie outside the strip."""
    rr = 60 / spec.rate
    count = int(SECONDS / rr) + 8
    start = rng.uniform(0.12, 0.12 + 0.8 * rr) - 3 * rr
    if spec.rhythm == "atrial_fibrillation":
        gaps = np.clip(np.exp(rng.normal(0, 0.24, count)), 0.62, 1.7)
        inside = slice(3, 3 + int(SECONDS / rr))
        gaps[inside] /= gaps[inside].mean()
        gaps[:3] = 1
        return start + rr * np.concatenate([[0], np.cumsum(gaps)]), np.empty(0)
    steady = rr * (1 + rng.normal(0, 0.004, count))
    if spec.rhythm == "sinus":
        phase = rng.uniform(0, 2 * np.pi)
        steady *= 1 + 0.02 * np.sin(2 * np.pi * 0.25 * rr * np.arange(count) + phase)
    beats = start + np.concatenate([[0], np.cumsum(steady)])
    if spec.rhythm == "second_degree_block":
        atria = np.arange(-8, SECONDS + 3, 0.75 * rr) + rng.uniform(0, 3 * rr)
        late = np.array([0.0, 0.09, 0.14, 0.0])  # most of the delay comes with the second beat, as it should
        kept = np.arange(len(atria)) % 4 < 3
        beats = atria[kept] + spec.pr_ms / 1000 + late[np.arange(len(atria)) % 4][kept]
        return beats, atria
    if spec.rhythm == "complete_heart_block":
        paces = np.linspace(68, 98, 61)
        times_faster = paces / spec.rate  # never a whole number, which would look like conduction
        period = 60 / rng.choice(paces[(times_faster > 1.5) & (abs(times_faster % 1 - 0.5) < 0.35)])
        return beats, np.arange(-1, SECONDS + 1, period) + rng.uniform(0, period)
    if spec.rhythm == "ventricular_tachycardia":
        period = 60 / rng.uniform(70, 95)
        return beats, np.arange(-1, SECONDS + 1, period) + rng.uniform(0, period)
    return beats, beats - spec.pr_ms / 1000 if spec.rhythm == "sinus" else np.empty(0)


def beat_times(spec: EcgSpec, seed: int) -> list[float]:
    """Seconds of the QRS onsets in the strip."""
    beats, _ = _schedule(spec, _random(spec, seed)[0])
    return [float(b) for b in beats if 0 <= b < SECONDS]


def _wave(t: Array, centre: float, before: float, after: float | None = None) -> Array:
    """A Gaussian of height 1 with its own width (seconds, one standard deviation) on either side."""
    width = np.where(t < centre, before, before if after is None else after)
    return np.exp(-0.5 * ((t - centre) / width) ** 2)


def _ventricles(spec: EcgSpec, rng: np.random.Generator) -> list[tuple[Array, Array]]:
    """(amplitude by lead, course over one second and more from QRS onset) of the waves of one beat."""
    t = np.arange(-0.1, 1.1, 1 / HZ)
    qrs, qt = spec.qrs / 1000, spec.qt / 1000
    vary = rng.uniform(0.85, 1.12) * np.exp(rng.normal(0, 0.06, 8))
    if spec.rhythm == "ventricular_tachycardia":
        way = FROM_LEFT if rng.random() < 0.5 else FROM_RIGHT
        second = way * np.exp(rng.normal(-0.3, 0.15, 8))
        peak = qrs + 0.55 * (qt - qrs)
        return [
            (way * vary, _wave(t, 0.36 * qrs, 0.13 * qrs)),
            (second * vary, _wave(t, 0.66 * qrs, 0.13 * qrs)),
            (-0.3 * way * vary, _wave(t, peak, (qt - peak) / 2)),
        ]
    jt = qt - qrs
    peak, fall = qrs + 0.68 * jt, 0.16 * jt
    rise = (0.68 * jt - 0.06) / 2.8  # so that T has hardly begun at J+60 ms, where ST is measured
    t_vary = rng.uniform(0.85, 1.15) * np.exp(rng.normal(0, 0.06, 8))
    small = 0.5 if spec.rhythm == "atrial_flutter" else 1.0
    step = 1 / (1 + np.exp(-np.clip((t - qrs + 0.004) / 0.005, -60, 60)))
    domed = step * np.where(t < peak, 1.0, _wave(t, peak, fall))
    # a lowered ST goes back up into a T wave of its own
    sagging = step * np.where(t < qrs + 0.08, 1.0, _wave(t, qrs + 0.08, 1, (peak - qrs - 0.08) / 1.8 + 0.01))
    st = _st(spec)
    return [
        (Q * vary, _wave(t, 0.2 * qrs, 0.08 * qrs)),
        (R * vary, _wave(t, 0.45 * qrs, 0.1 * qrs)),
        (S * vary, _wave(t, 0.76 * qrs, 0.095 * qrs)),
        (np.maximum(st, 0), domed),
        (np.minimum(st, 0), sagging),
        (small * _t(spec) * t_vary, _wave(t, peak, rise, fall)),
    ]


def _atria(spec: EcgSpec, t: Array, beats: Array, waves: Array, rng: np.random.Generator) -> Array:
    """What the atria add to the eight leads."""
    out = np.zeros((8, len(t)))
    size = rng.uniform(0.85, 1.15)
    if spec.rhythm == "atrial_fibrillation":
        for column in range(8):
            for hz in rng.uniform(4.5, 8.5, 6):
                drift = np.cumsum(rng.normal(0, 0.12, len(t))) / HZ * 8
                out[column] += np.sin(2 * np.pi * hz * t + rng.uniform(0, 2 * np.pi) + drift) / np.sqrt(3)
        return size * FIBRILLATION[:, None] * out
    if spec.rhythm == "atrial_flutter":
        every = max(2, round(300 / spec.rate))
        phase = np.interp(t, beats, every * np.arange(len(beats))) + rng.uniform(0.3, 0.5)
        part = phase % 1
        tooth = np.where(part < 0.7, part / 0.7, (1 - part) / 0.3)  # slowly down, quickly up
        return size * FLUTTER[:, None] * (0.5 - 0.5 * np.cos(np.pi * tooth) - 0.5)
    for onset in waves:
        out += P[:, None] * size * (_wave(t, onset + 0.046, 0.02) + 0.5 * _wave(t, onset + 0.07, 0.018))
    return out / 1.2


def signal(spec: EcgSpec, seed: int) -> Array:
    """Twelve leads in the order of `LEADS` by 5000 samples (500 Hz, 10 s), in mV; the same for a seed."""
    if seed < 0:
        raise InputError(f"a seed is 0 or more, found {seed}")
    times, rng = _random(spec, seed)
    beats, waves = _schedule(spec, times)
    t = np.arange(int(HZ * SECONDS)) / HZ
    shapes = _ventricles(spec, rng)
    margin = 2 * HZ
    eight = np.zeros((8, len(t) + 2 * margin))
    for onset in beats[(beats > -1.5) & (beats < SECONDS + 0.5)]:
        first = round(onset * HZ) - HZ // 10 + margin
        for height, course in shapes:
            eight[:, first : first + len(course)] += height[:, None] * course
    eight = eight[:, margin:-margin] + _atria(spec, t, beats, waves, rng)
    breath = 2 * np.pi * (rng.uniform(0.18, 0.35) * t + rng.uniform(0, 1))
    slow = 2 * np.pi * (rng.uniform(0.04, 0.1) * t + rng.uniform(0, 1))
    sway = rng.uniform(-1, 1, 8)[:, None] * np.sin(breath) + 0.6 * rng.uniform(-1, 1, 8)[:, None] * np.sin(
        slow
    )
    rough = rng.normal(0, 1, (8, len(t) + 2))
    rough = (rough[:, :-2] + rough[:, 1:-1] + rough[:, 2:]) / np.sqrt(3)
    return np.round(_all_leads(eight + spec.wander * sway + spec.noise * rough), 3)
