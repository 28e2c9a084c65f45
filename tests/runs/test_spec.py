"""What a specification comes to."""

from typing import Any

import pytest

from clinicenv.agents.cast import Cast
from clinicenv.events import Role, to_data
from clinicenv.files import InputError
from clinicenv.runs.results import arm_of
from clinicenv.runs.spec import Arm, Specification, arms, jobs

MODEL = "openai:tiny@http://127.0.0.1:1/v1"


def spec(**fields: Any) -> Specification:
    return Specification.model_validate({"scenarios": "sharp-chest-pain-01", **fields})


def test_of_several_doctors_only_models_take_arguments() -> None:
    both = arms(spec(cast={"doctor": ["scripted", MODEL]}, models={"doctor": {"temperature": 0.25}}))
    scripted, model = (arm.cast.seats[Role.DOCTOR].settings for arm in both)
    assert "sampling" not in scripted
    assert model["sampling"]["temperature"] == 0.25


def test_arguments_that_nobody_takes_are_refused() -> None:
    with pytest.raises(InputError, match=r"temperature= are for models; `scripted` is none"):
        arms(spec(cast={"doctor": ["scripted", "guess"]}, models={"doctor": {"temperature": 0.25}}))


def test_arms_are_told_apart_by_card_model_and_language() -> None:
    swept = spec(cast={"doctor": [MODEL, f"tools={MODEL}"], "patient": MODEL}, language=["English", "German"])
    headers = [to_data(job.header) for job in jobs(swept, arms(swept))]
    names = [arm_of(header) for header in headers]
    assert names == [
        f"{MODEL}, patient {MODEL}",
        f"{MODEL}, German, patient {MODEL}",
        f"tools={MODEL}, patient {MODEL}",
        f"tools={MODEL}, German, patient {MODEL}",
    ]


def test_arms_are_told_apart_by_how_pictures_are_shown() -> None:
    own = {"route": "reader", "readers": {"ecg": "ecg"}}
    images = [{"route": "auto"}, {"route": "report"}, {"route": "direct", "both": True}, own]
    swept = spec(cast={"doctor": "scripted"}, images=images, readers={"ecg": MODEL})
    names = [arm_of(to_data(job.header)) for job in jobs(swept, arms(swept))]
    assert names == [
        f"scripted, ecg read by {MODEL}",
        f"scripted, by report, ecg read by {MODEL}",
        f"scripted, by direct, ecg read by {MODEL}, with the report",
        "scripted, by reader, ecg read by ecg",
    ]


def test_a_doctor_that_would_learn_a_case_from_its_twin_is_refused() -> None:
    class Keeps:
        notebook = object()

        def act(self, turn: object) -> None: ...

    all_arms = [Arm(Cast(Keeps()), 0, {}, "request")]
    with pytest.raises(InputError, match="notebook"):
        list(jobs(Specification(scenarios=("teen-alone-01",), perturb=("report.contradict",)), all_arms))
