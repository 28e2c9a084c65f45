"""Runs and pages for the tests: one with hostile text in every place, one with a picture that is a file."""

from pathlib import Path

import yaml
from conftest import Lines
from PIL import Image, PngImagePlugin

from clinicenv import Cast, play
from clinicenv.cli.main import call
from clinicenv.consultation import Consultation
from clinicenv.events import Diagnose, OrderTests, Role, Say
from clinicenv.runs.ratings import keeping, person
from clinicenv.runs.store import Store
from clinicenv.scenario import load_scenario
from clinicenv.score.axes import Rated
from clinicenv.score.rubric import load_rubric
from clinicenv.shipped import folder

HOSTILE = (
    "<script>alert(1)</script></script><!--<script><img src=x onerror=alert(2)> ${alert(3)} {{7*7}} "
    '"},{"key":"fake"} &lt; \u2028 \u2029 \x00\x07 \u202eevil'
)


def clinicenv(*arguments: object) -> int:
    return call([*map(str, arguments)])


def play_hostile(run: Path) -> Path:
    """Three consultations: one that ends, one whose doctor broke, one whose patient did."""
    listed = HOSTILE.replace(";", ",")
    case = load_scenario(str(folder("scenarios") / "sharp-chest-pain-01.yaml")).changed(title=f"T {HOSTILE}")
    doctor = Lines([Say(f"S {HOSTILE}"), OrderTests([listed]), Diagnose([f"D {listed}"])])
    doctor.settings = {"kind": "plugin", "name": f"A {HOSTILE}"}
    cast = Cast(doctor=doctor)
    with Store.create(run, {}, {"clinicenv": "0"}, resume=True, force=False) as store:
        store.put_scenario(case)
        store.append(play(case, cast))
        for repeat, role in ((1, Role.DOCTOR), (2, Role.PATIENT)):
            broken = Consultation(case, cast, repeat=repeat)
            broken.fail(role, f"C {HOSTILE}")
            store.append(broken.trajectory)
    _rate(run)
    return run


def _rate(run: Path) -> None:
    """Ratings by a person with a hostile name, for hostile reasons, of a rubric with a hostile title."""
    rubric = load_rubric("auto-paces-4").model_copy(update={"title": f"R {HOSTILE}"})
    rated = {"empathy": Rated("empathy", "good", None, (2,), HOSTILE)}
    with keeping(run, rubric, person(f"human:{HOSTILE}")) as keep:
        for key in Store.open(run).results():
            keep(key, rated)


def case_with_picture(cases: Path) -> Path:
    """A folder with a case whose tracing is a file, which says in its text whose it is."""
    cases.mkdir()
    data = yaml.safe_load((folder("scenarios") / "tracing-faints-01.yaml").read_text())
    (image,) = data["images"]
    del image["draw"]
    image["file"] = "tracing.png"
    (cases / "tracing-faints-01.yaml").write_text(yaml.safe_dump(data, sort_keys=False))
    about = PngImagePlugin.PngInfo()
    about.add_text("PatientName", "Secret Person")
    Image.linear_gradient("L").resize((2000, 900)).save(cases / "tracing.png", pnginfo=about)
    return cases


def play_pictured(run: Path, cases: Path) -> Path:
    doctors = ("--doctor", "scripted", "--doctor", "bayes")
    assert clinicenv("run", *doctors, "--scenarios", cases, "--repeats", 2, "--out", run) in (0, 1)
    return run


def play_plain(run: Path) -> Path:
    """Two doctors on the three kinds of task, some of it under a perturbation."""
    cases = "sharp-chest-pain-01,bad-news-01,tracing-faints-01,sheet-small-cells-01"
    doctors = ("--doctor", "scripted", "--doctor", "guess")
    more = ("--repeats", 2, "--perturb", "image.degrade", "--out", run)
    assert clinicenv("run", *doctors, "--scenarios", cases, *more) == 0
    return run


def page_of(*runs: Path, out: Path) -> Path:
    assert clinicenv("report", *runs, "--out", out) == 0
    return out
