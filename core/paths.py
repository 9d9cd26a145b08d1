"""Where runs and data lie, and how a file appears whole or not at all."""

import json
import os
import secrets
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def runs_dir() -> Path:
    """The folder of run folders: `TENFOLD_RUNS`, or `runs/` in the project."""
    return Path(os.environ.get("TENFOLD_RUNS") or ROOT / "runs").expanduser().resolve()


def data_dir() -> Path:
    """The folder of data sets: `TENFOLD_DATA`, or `data/` in the project."""
    return Path(os.environ.get("TENFOLD_DATA") or ROOT / "data").expanduser().resolve()


def write_atomically(path: Path, content: bytes, durable: bool = True) -> None:
    """Write a whole file, so that a reader (or a power cut) sees the old one or the new one.

    Temporary file, fsync, rename, fsync of the folder. `durable=False` leaves the two fsyncs out,
    for files whose loss costs nothing, such as the heartbeat.

    Raises:
        OSError: the disk is full or the folder is not writable; the old file is untouched.
    """
    temporary = path.parent / f".{path.name}.{secrets.token_hex(4)}.tmp"
    # Not tempfile: its files are readable by their owner only, and runs are for a class to share.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def write_json(path: Path, value: object, durable: bool = True) -> None:
    """`write_atomically` of one JSON document; raises ValueError on NaN, which is no JSON."""
    write_atomically(path, json.dumps(value, indent=1, allow_nan=False).encode(), durable)


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None where there is no file, or no such object in it."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):  # brackets within brackets, ten thousand deep
        return None
    return value if isinstance(value, dict) else None


def sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
