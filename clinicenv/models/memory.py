"""What fits into memory: the sizes of local models, what is free, and which work is done together.

Sizes are in bytes; a GB is 10^9 bytes.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from clinicenv.files import InputError, printable

GB = 10**9
MEMORY = "CLINICENV_MEMORY_GB"
"""The environment variable that says how many GB local models may use, instead of what is free."""

_WEIGHTS = ("model*.safetensors", "*.safetensors", "pytorch_model*.bin", "*.gguf")
"""In the order in which a loader looks for them; many repositories hold the same weights twice."""


@dataclass(slots=True)
class Phase:
    """Work that is done together: the local models to serve for it, and the items' places in the list."""

    models: frozenset[str]
    items: list[int] = field(default_factory=list)


def in_turn(needs: Sequence[frozenset[str]], sizes: Mapping[str, int | None], free: int) -> list[Phase]:
    """Groups work into phases, one after another, so that each phase's models fit into memory together.

    `needs` are each item's local models (none for an item that needs no local model), `sizes` their weights
    in bytes (None where unknown), `free` the bytes for all of them. Each item is in one phase, the first that
    has its models or has room for them; within a phase items keep their order. A model whose size is unknown
    is served only with the models that its own items need. InputError where one item's models do not fit.
    """
    phases: list[Phase] = []
    for item, models in enumerate(needs):
        if _total(models, sizes) > free:
            raise InputError(_too_large(models, sizes, free))
        phase = next((p for p in phases if models <= p.models), None) or next(
            (p for p in phases if not p.models or _fit(p.models | models, sizes, free)), None
        )
        if phase is None:
            phases.append(phase := Phase(models))
        phase.models |= models
        phase.items.append(item)
    return phases


def need(size: int) -> int:
    """Bytes to serve weights of that size: 1.2 x for what a loader and a context take, and 1 GB beside it.
    A rule of thumb of ours, not a measured one."""
    return size * 12 // 10 + GB


def _fit(models: frozenset[str], sizes: Mapping[str, int | None], free: int) -> bool:
    return all(sizes.get(m) is not None for m in models) and _total(models, sizes) <= free


def _total(models: Iterable[str], sizes: Mapping[str, int | None]) -> int:
    return sum(need(size) for m in models if (size := sizes.get(m)) is not None)


def _too_large(models: frozenset[str], sizes: Mapping[str, int | None], free: int) -> str:
    names = " and ".join(f"local:{m}" for m in sorted(models))
    return (
        f"{names} together need about {_total(models, sizes) / GB:.1f} GB of memory and {free / GB:.1f} GB"
        f" are free; take smaller models, end other programs, or set {MEMORY} if you know better"
    ).replace(" together need", " needs" if len(models) == 1 else " together need")


def size_of(model: str) -> int | None:
    """Bytes of the model's weight files, in its folder or in the Hugging Face cache; None where unknown."""
    folder = Path(model).expanduser()
    if not folder.is_dir():
        stored = hub_cache() / f"models--{model.replace('/', '--')}"
        try:
            folder = stored / "snapshots" / (stored / "refs" / "main").read_text().strip()
        except (OSError, ValueError):  # not there; a name that no file can have
            return None
    for pattern in _WEIGHTS:
        if files := list(folder.glob(pattern)):
            return sum(f.stat().st_size for f in files)
    return None


def hub_cache() -> Path:
    """Where huggingface_hub keeps what it downloads."""
    if own := os.environ.get("HF_HUB_CACHE"):
        return Path(own)
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("HF_HOME") or f"{caches}/huggingface").expanduser() / "hub"


def free_memory() -> int:
    """Bytes that local models may use: as `MEMORY` says, else what the GPU has free, else the machine."""
    if stated := os.environ.get(MEMORY, "").strip():
        try:
            amount = float(stated)
        except ValueError:
            amount = 0
        if not 0 < amount < 1e9:
            raise InputError(f"{MEMORY} is `{stated}`; write a number of GB, for example 16")
        return int(amount * GB)
    return _gpu_free() if has_gpu() else _machine_free()


def has_gpu() -> bool:
    """Whether there is an NVIDIA GPU to use; CUDA_VISIBLE_DEVICES set to nothing or -1 hides it."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() not in ("", "-1") and _driver()


@cache
def _driver() -> bool:
    if Path("/dev/nvidiactl").exists():
        return True
    try:  # e.g. on Windows' Linux the driver has no such file
        return shutil.which("nvidia-smi") is not None and "GPU 0" in _nvidia_smi("--list-gpus")
    except InputError:
        return False


def _gpu_free() -> int:
    """Free bytes on the GPU that servers take, the first visible one."""
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    said = _nvidia_smi(f"--id={first}", "--query-gpu=memory.free", "--format=csv,noheader,nounits")
    try:
        return int(said.split()[0]) * 2**20
    except (ValueError, IndexError):
        raise _gpu_silent(said) from None


def _nvidia_smi(*arguments: str) -> str:
    try:
        return subprocess.run(  # noqa: S603
            ["nvidia-smi", *arguments],  # noqa: S607 - wherever the driver put it
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError) as e:
        raise _gpu_silent(str(e)) from e


def _gpu_silent(said: str) -> InputError:
    return InputError(
        f"nvidia-smi does not say how much GPU memory is free ({printable(said)[:200]}); set {MEMORY},"
        " or CUDA_VISIBLE_DEVICES= to use no GPU"
    )


def _machine_free() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):  # not Linux: half of all memory, for nothing tells what is free
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
