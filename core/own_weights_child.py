"""Opens a `.pt` file that somebody brought, in a process that may die of it: `python -m core.own_weights_child BYTES`.

The file comes on standard input. On standard output its tensors go back as safetensors or, where they take
more than BYTES, their shapes as JSON; one letter says which (`core.own_weights`).
"""

import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import torch

from core.own_weights import FULL, NO_STATE, NOT_LOADED, SHAPES_ONLY

CPU_SECONDS = 60
SPARE_BYTES = 512_000_000
"""Beside the tensors: what Python and torch take while they read."""

_WRAPPERS = ("state_dict", "model_state_dict", "model")
_PREFIXES = ("module.", "_orig_mod.")
_KINDS = {
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float64: "F64",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def main(arguments: list[str]) -> int:
    most = int(arguments[0])
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints, prints elsewhere
    content = sys.stdin.buffer.read()
    torch.set_num_threads(1)
    _bound(len(content) + 3 * most + SPARE_BYTES)
    try:
        loaded = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    except Exception:  # whatever a hostile pickle provokes
        return NOT_LOADED
    state = _state(loaded)
    if state is None:
        return NO_STATE
    # From the shapes, not from the memory: a tensor may repeat one number without end.
    if sum(value.numel() * value.element_size() for value in state.values()) > most:
        shapes = {name: [_KINDS[value.dtype], list(value.shape)] for name, value in state.items()}
        answer.write(SHAPES_ONLY + json.dumps(shapes).encode())
    else:
        import safetensors.torch

        whole = {
            name: value.detach().clone(memory_format=torch.contiguous_format) for name, value in state.items()
        }
        answer.write(FULL + safetensors.torch.save(whole))
    answer.close()
    return 0


def _state(loaded: Any) -> dict[str, torch.Tensor] | None:
    """The tensors by name, perhaps from within a checkpoint; None for anything else."""
    if not isinstance(loaded, dict):
        return None
    inside = [loaded[name] for name in _WRAPPERS if isinstance(loaded.get(name), dict)]
    state = inside[0] if len(inside) == 1 else loaded
    for name, value in state.items():
        plain = isinstance(value, torch.Tensor) and value.layout is torch.strided and not value.is_quantized
        if not isinstance(name, str) or not plain or value.is_meta or value.dtype not in _KINDS:
            return None
    for prefix in _PREFIXES:  # of networks on several devices, of compiled ones
        if state and all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state or None


def _bound(more_bytes: int) -> None:
    """Limit memory to what is taken now and so many bytes more, and the time on the processor."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    limits = {resource.RLIMIT_CPU: CPU_SECONDS, resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: 0}
    with contextlib.suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limits[resource.RLIMIT_AS] = pages * resource.getpagesize() + more_bytes
    for kind, limit in limits.items():
        with contextlib.suppress(ValueError, OSError):  # a tighter one is there already
            resource.setrlimit(kind, (limit, limit))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
