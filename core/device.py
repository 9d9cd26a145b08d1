"""Where and with what a run computes: device, precision, threads, and the record of it."""

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from core.allocator import keep_freed_memory
from core.config import Recipe
from core.errors import UserError
from core.machine import cores, threads_for
from core.paths import ROOT


@dataclass(frozen=True)
class Compute:
    """The device and the number format that a run uses."""

    device: torch.device
    precision: str  # "fp32", "bf16" or "tf32"

    def autocast(self) -> torch.autocast:
        """bf16 arithmetic where it was chosen; weights and sums stay fp32."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")


def choose_compute(recipe: Recipe) -> Compute:
    """CUDA, else Apple's MPS, else the CPU; `TENFOLD_DEVICE` overrides.

    "auto" precision is bf16 where the hardware computes in it (elsewhere it is emulated, and slower
    than fp32); MPS stays at fp32.

    Raises:
        UserError: `TENFOLD_DEVICE` names a device that this machine lacks, or TF32 is asked for where
            there is none.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    wanted = os.environ.get("TENFOLD_DEVICE", "")
    if wanted and not available.get(wanted):
        usable = ", ".join(name for name, there in available.items() if there)
        raise UserError(f"TENFOLD_DEVICE asks for {wanted!r}, which is not here: choose one of {usable}.")
    name = wanted or next(name for name, there in available.items() if there)
    precision = recipe.precision
    if precision == "auto":
        precision = "bf16" if _fast_bf16(name) else "fp32"
    if precision == "tf32" and name != "cuda":
        raise UserError("tf32 is a number format of NVIDIA GPUs: choose fp32, bf16 or auto here.")
    return Compute(torch.device(name), precision)


def prepare_process(recipe: Recipe) -> None:
    """Fix threads, memory and the kind of algorithms; before any tensor is made."""
    keep_freed_memory()
    settle_arithmetic(recipe)


def settle_arithmetic(recipe: Recipe) -> None:
    """Threads and the kind of algorithms alone, for a process that is not there for training only."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what deterministic cuBLAS needs
    torch.set_num_threads(threads_for(recipe))
    torch.use_deterministic_algorithms(recipe.deterministic, warn_only=True)
    # Filling every new tensor with NaN shows who reads what nobody wrote, and costs 9 % of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cudnn.benchmark = not recipe.deterministic
    # torch has two ways to say this, and reading by the one what was set by the other raises, as
    # torch.compile does. These two go together with both.
    torch.set_float32_matmul_precision("high" if recipe.precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = recipe.precision == "tf32"


def passport(compute: Compute, data_fingerprint: str) -> dict[str, Any]:
    """What a result depends on beside recipe and seed: the same passport, the same weights."""
    return {
        "device": compute.device.type,
        "device_name": _device_name(compute.device),
        "precision": compute.precision,
        "threads": torch.get_num_threads(),
        "cores": cores(),
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        **{name: bool(_capabilities().get(name)) for name in ("avx512_bf16", "amx_bf16")},
        "onednn_max_cpu_isa": os.environ.get("ONEDNN_MAX_CPU_ISA", os.environ.get("DNNL_MAX_CPU_ISA", "")),
        "cudnn": torch.backends.cudnn.version() if compute.device.type == "cuda" else "",
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "commit": _commit(),
        "data_fingerprint": data_fingerprint,
    }


_WEIGHTS_DEPEND_ON = (
    "device_name",
    "precision",
    "threads",
    "instruction_set",
    "avx512_bf16",
    "amx_bf16",
    "onednn_max_cpu_isa",
    "cudnn",
    "torch",
)


def passport_changes(before: dict[str, Any], now: dict[str, Any], more: tuple[str, ...] = ()) -> list[str]:
    """Where two passports differ in what weights depend on: "threads: 2 before, 1 now".

    What the first does not record, as those of older versions, is no difference.

    Args:
        more: other entries to compare besides.
    """
    return [
        f"{name.replace('_', ' ')}: {before[name]} before, {now.get(name)} now"
        for name in (*_WEIGHTS_DEPEND_ON, *more)
        if name in before and before[name] != now.get(name)
    ]


def _capabilities() -> dict[str, Any]:
    """What the processor can do; nothing is known of it in versions of torch that are too old to tell."""
    return getattr(torch.cpu, "get_capabilities", dict)()


def _fast_bf16(device: str) -> bool:
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device == "cpu":
        found = _capabilities()
        return bool(found.get("avx512_bf16") or found.get("amx_bf16") or found.get("bf16"))
    return False


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return f"Apple GPU ({platform.processor()})"
    return _cpu_name()


def _cpu_name() -> str:
    if sys.platform == "linux":
        from pathlib import Path

        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    """The commit of the code, with "+" where files differ from it; empty outside a git checkout."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
