"""What this machine offers, told without torch: cores, GPUs, and how many runs fit at once."""

import functools
import os
import platform

import psutil

from core.config import Recipe
from core.layers import totals
from core.models import MODELS

NARROW_MULTIPLY_ADDS = 40_000_000
"""Below this many a forward pass of one image gains little from a second thread.

Measured on two cores (AVX512, bf16) for the baseline: two 1-thread processes train 1.7 times as
many images a second as one 2-thread process at width 0.125 (20 million), 1.16 times at width 0.25.
"""


def cores() -> int:
    """Cores that this process may use: fewer than the machine has, inside most containers."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def gpus() -> int:
    """GPUs that a worker could use, NVIDIA's asked of the driver: no CUDA context is made.

    `TENFOLD_DEVICE=cpu` hides them.
    """
    if os.environ.get("TENFOLD_DEVICE") == "cpu":
        return 0
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return len([part for part in visible.split(",") if part.strip() and part.strip() != "-1"])
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return 1  # Apple's, shared by all: one run at a time
    import pynvml

    try:
        pynvml.nvmlInit()
        return pynvml.nvmlDeviceGetCount()
    except pynvml.NVMLError:
        return 0


def threads_for(recipe: Recipe) -> int:
    """CPU threads of a worker: part of a run's identity, so it depends on recipe and machine alone.

    One for a narrow network, so that each core can train a seed of its own; all cores otherwise.
    `TENFOLD_THREADS` overrides.
    """
    if (wanted := os.environ.get("TENFOLD_THREADS", "")).isdigit():
        return max(1, int(wanted))
    _, multiply_adds = totals(MODELS[recipe.model].describe(recipe, classes=10))
    return 1 if multiply_adds < NARROW_MULTIPLY_ADDS else cores()


def slots() -> int:
    """How many places there are: one a GPU, else one a core (a wide network takes all of them).

    `TENFOLD_SLOTS` overrides.
    """
    if (wanted := os.environ.get("TENFOLD_SLOTS", "")).isdigit():
        return max(1, int(wanted))
    return gpus() or cores()


def places_for(recipe: Recipe) -> int:
    """How many of the `slots` a run takes."""
    return 1 if gpus() else min(threads_for(recipe), slots())


def memory_gb() -> float:
    """Main memory in GB (10^9 bytes)."""
    return psutil.virtual_memory().total / 1e9
