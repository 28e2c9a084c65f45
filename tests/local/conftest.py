"""A real multimodal model, built on the spot."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

NEEDED = ("torch", "transformers", "accelerate", "PIL", "uvicorn")


@pytest.fixture(scope="session")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a multimodal model, built on the spot."""
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        pytest.skip(f"needs the `local` extra ({', '.join(missing)} missing); `make test-local` installs it")
    folder = tmp_path_factory.mktemp("model") / "tiny llava"
    program = Path(__file__).with_name("tiny_llava.py")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    subprocess.run([sys.executable, str(program), str(folder)], env=environment, check=True)
    return folder
