"""Weights that somebody brought, read without trusting them: safetensors, or a state dict as `torch.save` writes it.

A `.pt` file is a pickle in an archive. It is opened in a child process with bounded memory and time
(`core.own_weights_child`), which hands its tensors over as safetensors; these take the same way as
those of the user: names, shapes and kinds of numbers are compared with the network before a tensor is made.
"""

import io
import json
import subprocess
import sys
import threading
import zipfile
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from core.config import Recipe
from core.errors import UserError
from core.models import MODELS
from core.own_weights_fit import Shapes, explain_difference, shapes_of
from core.paths import ROOT

MOST_BYTES = 400_000_000
MOST_HEADER_BYTES = 1_000_000
MOST_ENTRIES = 10_000
CHILD_SECONDS = 60
"""Most of it is for loading torch on a busy machine; processor time is bounded in the child."""

FULL, SHAPES_ONLY = b"F", b"S"
NOT_LOADED, NO_STATE = 3, 4
"""What the child says: before its answer, and as its exit status."""

_WIDTHS = {"F32": 4, "F16": 2, "BF16": 2, "F64": 8, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
_SAVE_ANEW = "save it anew with torch.save(model.state_dict(), ...), or as safetensors."


class WeightsRefused(UserError):
    """Weights that are not let in; the message is one sentence that says why."""


def read_weights(content: bytes, recipe: Recipe, classes: int) -> dict[str, Tensor]:
    """The state dict in a file, float32, fit for the network of this recipe.

    Raises:
        WeightsRefused: it is too large, of another format, damaged, of another network, or not finite.
    """
    if len(content) > MOST_BYTES:
        raise WeightsRefused(f"This file is larger than {MOST_BYTES // 1_000_000} MB, the most that is read.")
    wanted = shapes_of(recipe, classes)
    if content.startswith(b"PK\x03\x04"):
        _check_archive(content)
        content, found = _through_child(content, _most_bytes(wanted))
    else:
        found = read_header(content)
    if problem := explain_difference(found, recipe, classes):
        raise WeightsRefused(problem)
    if not content:
        raise WeightsRefused(f"This file holds more than the weights of this network: {_SAVE_ANEW}")
    try:
        state = safetensors.torch.load(content)
    except Exception as error:
        raise WeightsRefused(f"This file is damaged: {_SAVE_ANEW}") from error
    return {name: _usable(name, value) for name, value in state.items()}


def network(recipe: Recipe, classes: int, state: dict[str, Any]) -> nn.Module:
    """The network of a recipe with these weights; takes nothing from torch's generator.

    Raises:
        UserError: they are of another network.
    """
    with torch.device("meta"):
        model = MODELS[recipe.model].build(recipe, classes)
    model.to_empty(device="cpu")
    try:
        model.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise UserError(
            f"These weights do not fit the {MODELS[recipe.model].title} as it is built now: train it again."
        ) from error
    return model.eval()


def _usable(name: str, value: Tensor) -> Tensor:
    if not value.is_floating_point():
        return value
    value = value.float()
    if not value.isfinite().all():
        raise WeightsRefused(f"{name} holds numbers that are not finite: nothing can be computed with them.")
    if name.endswith("running_var") and (value < 0).any():
        raise WeightsRefused(f"{name} holds negative numbers, which no variance is: this file is damaged.")
    return value


def _most_bytes(wanted: Shapes) -> int:
    """A fifth more than the network needs at full precision."""
    return int(1.2 * sum(_bytes(kind, shape) for kind, shape in wanted.values())) + 2048 * len(wanted)


def _bytes(kind: str, shape: tuple[int, ...]) -> int:
    total = _WIDTHS[kind]
    for side in shape:
        total *= side
    return total


# ---- safetensors


def read_header(content: bytes) -> Shapes:
    """Kinds and shapes by name, after every offset in the header was checked; no tensor is made.

    Raises:
        WeightsRefused: it is no such file, or what it says of itself can't be.

    Source: the format's description in huggingface/safetensors, README.md.
    """
    length = int.from_bytes(content[:8], "little")
    if len(content) < 10 or content[8:9] != b"{":
        raise WeightsRefused(
            f"This is neither safetensors nor a state dict of torch 1.6 or later: {_SAVE_ANEW}"
        )
    if length > min(MOST_HEADER_BYTES, len(content) - 8):
        raise WeightsRefused("The header of this file is longer than it can be: it is damaged.")
    try:
        header = json.loads(content[8 : 8 + length].decode(), object_pairs_hook=_without_doubles)
        header.pop("__metadata__", None)
        entries = {name: _entry(value) for name, value in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsRefused("The header of this file can't be understood: it is damaged.") from error
    position = 0
    for kind, shape, begin, end in sorted(entries.values(), key=lambda entry: entry[2:]):
        if begin != position or end - begin != _bytes(kind, shape):
            raise WeightsRefused("The layers in this file overlap, or leave gaps: it is damaged.")
        position = end
    if position != len(content) - 8 - length:
        raise WeightsRefused(
            "This file is shorter or longer than its header says: it was cut, or is damaged."
        )
    return {name: (kind, shape) for name, (kind, shape, _, _) in entries.items()}


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a name stands there twice")
    return dict(pairs)


def _entry(value: dict[str, Any]) -> tuple[str, tuple[int, ...], int, int]:
    kind, shape, (begin, end) = value["dtype"], value["shape"], value["data_offsets"]
    _checked_shape(kind, shape)
    if not all(type(offset) is int and offset >= 0 for offset in (begin, end)):
        raise ValueError("no offset")
    return kind, tuple(shape), begin, end


def _checked_shape(kind: str, shape: list[int]) -> None:
    if kind not in _WIDTHS or len(shape) > 8 or not all(type(n) is int and 0 <= n < 2**40 for n in shape):
        raise ValueError("no shape")


# ---- what torch.save writes


def _check_archive(content: bytes) -> None:
    """Nothing compressed, so that nothing grows; every checksum right."""
    if content.count(b"PK\x01\x02") > MOST_ENTRIES:
        raise WeightsRefused(f"This archive has more than {MOST_ENTRIES:,} entries: {_SAVE_ANEW}")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            compressed = [e for e in entries if e.compress_type != zipfile.ZIP_STORED]
            grows = sum(entry.file_size for entry in entries) > len(content)
            damaged = not compressed and not grows and archive.testzip()
    except Exception as error:  # zipfile raises nearly everything on hostile bytes
        raise WeightsRefused(f"This archive is damaged: {_SAVE_ANEW}") from error
    if compressed or grows:
        raise WeightsRefused(f"This archive is compressed, and could grow without end: {_SAVE_ANEW}")
    if damaged:
        raise WeightsRefused(f"This archive is damaged, a checksum in it is wrong: {_SAVE_ANEW}")


def _through_child(content: bytes, most: int) -> tuple[bytes, Shapes]:
    """The same as safetensors; empty where its tensors take more than `most` bytes, with their shapes alone."""
    command = [sys.executable, "-m", "core.own_weights_child", str(most)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as child:
        timer = threading.Timer(CHILD_SECONDS, child.kill)
        timer.start()
        try:
            try:
                child.stdin.write(content)
                child.stdin.close()
            except BrokenPipeError:  # it ended early; its status says why
                pass
            answer = child.stdout.read(most + MOST_HEADER_BYTES)
            child.stdout.close()
            child.wait()  # not for ever: the timer runs
        finally:
            timer.cancel()
            child.kill()
    status = child.returncode
    if status == NO_STATE:
        raise WeightsRefused(f"This file holds something else than the tensors of a network: {_SAVE_ANEW}")
    if answer[:1] == FULL:
        return answer[1:], read_header(answer[1:])
    if answer[:1] == SHAPES_ONLY:
        return b"", _shapes(answer[1:])
    if status == NOT_LOADED:
        raise WeightsRefused(
            f"This file holds more than tensors, which is never run here, or is damaged: {_SAVE_ANEW}"
        )
    raise WeightsRefused(
        f"This file could not be read with the memory and time that it is given: {_SAVE_ANEW}"
    )


def _shapes(text: bytes) -> Shapes:
    try:
        found = json.loads(text)
        for kind, shape in found.values():
            _checked_shape(kind, shape)
        return {name: (kind, tuple(shape)) for name, (kind, shape) in found.items()}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsRefused(f"This file is damaged: {_SAVE_ANEW}") from error
