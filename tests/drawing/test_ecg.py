"""Drawn ECGs: the same for the same seed, as physics has it, and nothing on them that gives the case away."""

import hashlib
import io
import os
import subprocess
import sys

import pytest
from pydantic import ValidationError

pytest.importorskip("neurokit2", reason="needs the ecg extra")

import numpy as np
from PIL import Image

from clinicenv.drawing.ecg import HZ, LEADS, RATES, EcgSpec, beat_times, draw, signal, st_levels, t_heights
from clinicenv.files import InputError

BY_LEAD = """
import hashlib, sys
from clinicenv.drawing.ecg import EcgSpec, draw
fast = EcgSpec(rhythm="atrial_fibrillation", rate=95)
for spec in (EcgSpec(st={"inferior": 3, "V2": -1, "aVL": -2}), fast):
    print(hashlib.sha256(draw(spec, 5)).hexdigest())
"""


def lead(name: str, spec: EcgSpec, seed: int = 1) -> np.ndarray:
    return signal(spec, seed)[LEADS.index(name)]


def test_the_same_bytes_in_every_process():
    runs = [
        subprocess.run(
            [sys.executable, "-c", BY_LEAD],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for hash_seed in ("1", "2")
    ]
    here = draw(EcgSpec(st={"inferior": 3, "V2": -1, "aVL": -2}), 5)
    assert runs[0] == runs[1]
    assert runs[0][0] == hashlib.sha256(here).hexdigest()
    assert here != draw(EcgSpec(st={"inferior": 3, "V2": -1, "aVL": -2}), 6)


@pytest.mark.parametrize("rhythm", RATES)
def test_every_rhythm_is_twelve_leads_of_ten_seconds(rhythm):
    for rate in RATES[rhythm]:
        spec = EcgSpec(rhythm=rhythm, rate=rate)
        x = signal(spec, 2)
        assert x.shape == (12, 5000)
        assert np.isfinite(x).all()
        assert 0.5 < np.abs(x).max() < 2.5, "millivolts, and no lead runs into the next row"
        beats = beat_times(spec, 2)
        assert abs(60 * (len(beats) - 1) / (beats[-1] - beats[0]) - rate) < 0.12 * rate


def test_limb_leads_obey_einthoven():
    x = signal(EcgSpec(st={"inferior": 2}, t_inverted=("lateral",), noise=0.02, wander=0.1), 3)
    i, ii, iii, avr, avl, avf = x[:6]
    assert np.abs(i + iii - ii).max() < 0.003
    assert np.abs(avr + avl + avf).max() < 0.003


@pytest.mark.parametrize("st", [{"inferior": 2}, {"anterior": 3}, {"diffuse": -1.5}, {"V4": -2}, {"III": 2}])
def test_st_is_drawn_at_the_level_asked_for(st):
    spec = EcgSpec(st=st, noise=0, wander=0)
    onset = next(b for b in beat_times(spec, 4) if b > 0.5)
    before = round((onset - 0.02) * HZ)
    after = round((onset + 0.09 + 0.06) * HZ)
    drawn = 10 * (signal(spec, 4)[:, after] - signal(spec, 4)[:, before])
    asked = st_levels(spec)
    assert np.abs(drawn - [asked[name] for name in LEADS]).max() < 0.35


def test_elevation_in_a_territory_lowers_the_opposite_leads():
    inferior = st_levels(EcgSpec(st={"inferior": 3}))
    assert min(inferior[name] for name in ("II", "III", "aVF")) >= 2.5
    assert inferior["aVL"] < -1
    assert st_levels(EcgSpec(st={"V3": 2}))["V3"] == 2
    assert st_levels(EcgSpec(st={"aVL": 1.5}))["aVL"] == pytest.approx(1.5, abs=0.01)


def test_t_waves_turn_where_asked():
    heights = t_heights(EcgSpec(t_inverted=("anterior", "aVL")))
    assert max(heights[name] for name in ("V1", "V2", "V3", "V4", "aVL")) <= -2
    assert heights["V6"] > 1
    assert min(t_heights(EcgSpec())[name] for name in ("I", "II", "V3", "V5")) > 1


def test_a_long_qt_ends_later():
    def end_of_t(qtc: float) -> float:
        spec = EcgSpec(qtc_ms=qtc, noise=0, wander=0)
        onset = next(b for b in beat_times(spec, 1) if b > 0.5)
        wave = lead("V3", spec)[round((onset + 0.2) * HZ) : round((onset + 0.7) * HZ)]
        return 0.2 + np.flatnonzero(wave > 0.3 * wave.max())[-1] / HZ

    assert end_of_t(540) - end_of_t(400) == pytest.approx(0.13, abs=0.03)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"rate": 300}, "rate"),
        ({"rhythm": "ventricular_tachycardia", "rate": 160, "qrs_ms": 90}, "qrs_ms"),
        ({"rhythm": "atrial_flutter", "rate": 75, "st": {"inferior": 2}}, "hides ST"),
        ({"rate": 120, "pr_ms": 300}, "pr_ms"),
        ({"rate": 150, "qtc_ms": 600}, "QT"),
        ({"st": {"septal": 2}}, "st"),
        ({"st": {"V2": 50}}, "st"),
    ],
)
def test_what_no_heart_does_is_refused(fields, said):
    with pytest.raises(ValidationError, match=said):
        EcgSpec(**fields)


def test_a_picture_of_paper_in_the_size_asked_for():
    image = Image.open(io.BytesIO(draw(EcgSpec(), 1, px_per_mm=4)))
    assert image.format == "PNG"
    assert image.size == (4 * 277, 4 * 147)
    assert not image.info, "no metadata"
    with pytest.raises(InputError, match="px_per_mm"):
        draw(EcgSpec(), 1, px_per_mm=40)
    with pytest.raises(InputError, match="seed"):
        draw(EcgSpec(), -1)


def test_the_words_on_the_paper_are_the_same_whatever_it_shows():
    def words(spec: EcgSpec) -> np.ndarray:
        pixels = np.asarray(Image.open(io.BytesIO(draw(spec, 1))).convert("RGB")).astype(int)
        return (pixels[:, :, 2] - pixels[:, :, 0] > 120) & (pixels[:, :, 2] > 180)

    plain = words(EcgSpec(noise=0, wander=0))
    assert plain.sum() > 1000
    for other in (EcgSpec(st={"anterior": 4}), EcgSpec(rhythm="complete_heart_block", rate=35)):
        assert (plain == words(other)).all()
