"""The ECG reader: what it finds on ECGs that it has not seen, and what it says about them."""

import io

import pytest

pytest.importorskip("neurokit2", reason="needs the ecg extra")

import numpy as np
from PIL import Image

from benchmarks.ecg import HELD_OUT, shares
from clinicenv.drawing.ecg import LEADS, EcgSpec, draw, signal
from clinicenv.files import InputError
from clinicenv.gallery import drawn
from clinicenv.pictures.plain import read_bytes
from clinicenv.readers.asked import Asked, ReaderError
from clinicenv.readers.ecg import read, read_picture, read_signal
from clinicenv.workup import Drawing


@pytest.mark.parametrize(("seeds", "picture"), [(HELD_OUT[:40], False), (HELD_OUT[40:52], True)])
def test_held_out_ecgs_are_read_as_aimed(seeds, picture):
    found = shares(seeds, picture)
    assert found["rate"] >= 0.95
    assert found["rhythm"] >= 0.95
    assert found["change"] >= 0.95


@pytest.mark.parametrize("picture", [False, True])
def test_intervals_of_a_plain_ecg(picture):
    spec = EcgSpec(rate=66, pr_ms=180, qrs_ms=96, qtc_ms=420)
    seen = read_picture(draw(spec, 9)) if picture else read_signal(signal(spec, 9))
    assert seen.rhythm == "sinus"
    assert seen.regular
    assert seen.rate == pytest.approx(66, abs=2)
    assert seen.pr_ms == pytest.approx(180, abs=30)
    assert seen.qrs_ms == pytest.approx(96, abs=20)
    assert seen.qtc_ms == pytest.approx(420, abs=25)
    assert seen.qtc_bazett_ms > seen.qtc_ms
    assert not seen.kinds


def test_inferior_elevation_is_told_by_lead_and_size():
    seen = read_picture(draw(EcgSpec(rate=84, st={"inferior": 3}), 2))
    assert seen.kinds == {"st_elevation"}
    assert set(seen.st_raised) == {"II", "III", "aVF"}
    assert "aVL" in seen.st_lowered
    assert seen.st["aVF"] == pytest.approx(3, abs=0.6)
    text = seen.text()
    assert "ST elevation in II (" in text
    assert "ST depression in I (" in text


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (
            EcgSpec(),
            ["sinus rhythm", "regular", "PR ", "No ST elevation or depression", "No T wave inversion"],
        ),
        (EcgSpec(qtc_ms=540), ["prolonged"]),
        (EcgSpec(t_inverted=("anterior",)), ["T waves inverted in V1"]),
        (EcgSpec(rhythm="atrial_fibrillation", rate=105), ["irregular", "no P waves"]),
        (EcgSpec(rhythm="atrial_flutter", rate=75), ["4 to each QRS", "cannot be assessed"]),
        (EcgSpec(rhythm="ventricular_tachycardia", rate=175), ["wide QRS", "cannot be assessed"]),
        (EcgSpec(rhythm="supraventricular_tachycardia", rate=180, qtc_ms=370), ["narrow QRS"]),
        (EcgSpec(rhythm="complete_heart_block", rate=36), ["independent of the QRS"]),
        (EcgSpec(rhythm="second_degree_block", rate=58), ["not all followed by a QRS"]),
    ],
)
def test_words_say_what_is_seen_and_name_no_disease(spec, said):
    text = read_signal(signal(spec, 3)).text()
    for words in said:
        assert words in text
    for word in (
        "infarct",
        "STEMI",
        "ischaem",
        "ischem",
        "pericarditis",
        "coronary",
        "syndrome",
        "None",
        "{",
    ):
        assert word not in text


def test_first_degree_block_is_a_long_pr():
    seen = read_signal(signal(EcgSpec(rate=60, pr_ms=280), 5))
    assert seen.rhythm == "sinus"
    assert seen.pr_ms > 240


def test_another_sampling_rate_reads_the_same():
    whole = signal(EcgSpec(rate=75, st={"lateral": 2.5}), 6)
    half = read_signal(whole[:, ::2], hz=250)
    full = read_signal(whole)
    assert half.kinds == full.kinds
    assert half.rate == pytest.approx(full.rate, abs=1)
    assert half.qt_ms == pytest.approx(full.qt_ms, abs=12)


def test_the_signal_given_stays_as_it_is():
    given = signal(EcgSpec(), 1)
    before = given.copy()
    read_signal(given)
    assert (given == before).all()


@pytest.mark.parametrize(("scale", "quality"), [(0.7, 90), (1.5, 80)])
def test_a_picture_may_be_resized_and_compressed(scale, quality):
    image = Image.open(io.BytesIO(draw(EcgSpec(rate=72, st={"anterior": 3}), 4)))
    changed = image.resize((int(image.width * scale), int(image.height * scale)))
    out = io.BytesIO()
    changed.save(out, "JPEG", quality=quality)
    seen = read_picture(out.getvalue())
    assert seen.rate == pytest.approx(72, abs=2)
    assert seen.rhythm == "sinus"
    assert seen.kinds == {"st_elevation"}


def test_an_ecg_of_a_case_is_drawn_and_read_for_the_doctor():
    spec = {"rate": 80, "st": {"lateral": 2.5}, "t_inverted": ["V1", "V2"]}
    picture = drawn(Drawing(kind="ecg", seed=3, spec=spec))
    text = read(Asked(read_bytes(picture, "ecg"), "12-lead ECG"))
    assert "rate 80 per minute" in text
    assert "ST elevation in I (" in text
    with pytest.raises(ReaderError, match="no ECG paper"):
        read(Asked(read_bytes(png(np.full((600, 900, 3), 255, dtype=np.uint8)), "x"), "12-lead ECG"))


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    "picture",
    [
        b"no picture",
        draw(EcgSpec(), 1)[:3000],
        png(np.full((600, 900, 3), 255, dtype=np.uint8)),
        png(np.zeros((60, 90, 3), dtype=np.uint8)),
        png(np.random.default_rng(1).integers(0, 255, (600, 900, 3), dtype=np.uint8)),
        png(np.tile(np.linspace(250, 180, 900).astype(np.uint8)[None, :, None], (600, 1, 3))),
    ],
    ids=["text", "cut off", "white", "black", "noise", "shaded"],
)
def test_other_pictures_are_refused_in_one_sentence(picture):
    with pytest.raises(InputError, match="picture"):
        read_picture(picture)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (np.zeros((12, 5000)), "no heartbeat"),
        (np.random.default_rng(0).normal(0, 0.02, (12, 5000)), "heartbeat"),
        (np.zeros((3, 5000)), "12 leads"),
        (np.zeros((12, 300)), "2.5 s"),
        (np.full((12, 5000), np.nan), "lead II"),
    ],
    ids=["flat", "noise", "three leads", "short", "nothing"],
)
def test_what_is_no_ecg_is_refused(given, said):
    with pytest.raises(InputError, match=said):
        read_signal(given)


def test_a_lead_that_was_off_is_left_out():
    leads = signal(EcgSpec(st={"anterior": 3}), 8)
    leads[LEADS.index("V6")] = np.nan
    seen = read_signal(leads)
    assert "V6" not in seen.st
    assert "st_elevation" in seen.kinds
