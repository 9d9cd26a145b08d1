"""Checkpoints of a run: immutable files, found again only if they are whole.

Overwriting one file, or renaming onto it before the epoch's figures are written, loses epochs when
a worker is killed in between. So each epoch has a file of its own, and the event that holds the
epoch's figures and the file's SHA-256 is what makes it count.
"""

import hashlib
import io
import shutil
from pathlib import Path
from typing import Any

import torch

from core.events import EpochEnd
from core.paths import write_atomically

KEPT = 2


class DiskFull(Exception):
    """There is no room for a checkpoint and its successor."""


def save(folder: Path, epoch: int, state: dict[str, Any]) -> tuple[str, str]:
    """Write the checkpoint of an epoch; returns its file name and SHA-256.

    Raises:
        DiskFull: less than twice its size is free; what was there before stays.
    """
    content = to_bytes(state)
    if shutil.disk_usage(folder).free < 2 * len(content):
        raise DiskFull
    name = f"checkpoint-{epoch:04d}.pt"
    write_atomically(folder / name, content)
    return name, sha256(content)


def load_newest(folder: Path, epochs: list[EpochEnd]) -> dict[str, Any] | None:
    """The state of the last committed epoch whose file is whole, or None to begin anew."""
    for epoch in reversed(epochs):
        state = load_checked(folder / epoch.checkpoint, epoch.sha256) if epoch.checkpoint else None
        if state is not None:
            return state
    return None


def load_checked(path: Path, digest: str) -> dict[str, Any] | None:
    """What `torch.save` wrote, if the file is there and has this SHA-256.

    Most single flipped bits in such a file load without a complaint, as other weights.
    """
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if sha256(content) != digest:
        return None
    return from_bytes(content)


def sweep(folder: Path, epochs: list[EpochEnd]) -> None:
    """Remove all but the newest committed checkpoints, and what a killed worker left half-written."""
    kept = {epoch.checkpoint for epoch in epochs[-KEPT:]}
    for path in (*folder.glob("checkpoint-*.pt"), *folder.glob(".*.tmp")):
        if path.name not in kept:
            path.unlink(missing_ok=True)


def to_bytes(state: dict[str, Any]) -> bytes:
    """A state dict, or several, as `torch.load` reads it."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def from_bytes(content: bytes) -> dict[str, Any]:
    """What `to_bytes` made a file of; nothing but tensors, numbers and texts is ever loaded."""
    return torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")


def state_sha256(state: dict[str, torch.Tensor]) -> str:
    """The SHA-256 of a network's state: names, and every bit of every number."""
    whole = hashlib.sha256()
    for name, value in state.items():
        whole.update(name.encode())
        whole.update(value.cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return whole.hexdigest()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
