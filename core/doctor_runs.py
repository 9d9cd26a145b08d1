"""The doctor's look at one run folder: every file of it against what the run's record says of it."""

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from core.events import EpochEnd, Finished, from_line
from core.history import History, read_history
from core.paths import read_json, write_json
from core.repair import Copies, Finding, whole_json
from core.store import FORMAT, Run, RunSpec, RunStore, id_of

SEEDS_TRIED = 10_000
ATTEMPTS_TRIED = 5
KEPT = 2
"""Checkpoints that a run keeps, the newest ones."""


@dataclass
class Known:
    """Recipes of a store by digest, with the fingerprint of their images: what a lost record may have been."""

    specs: dict[str, RunSpec] = field(default_factory=dict)

    def find(self, run_id: str) -> RunSpec | None:
        """The recipe, seed and attempt that give this id: it is a hash of them, so a match is proof."""
        for digest, spec in self.specs.items():
            for attempt in range(1, ATTEMPTS_TRIED + 1):
                for seed in range(SEEDS_TRIED):
                    if id_of(digest, seed, attempt) == run_id:
                        return RunSpec(spec.recipe, seed, digest, spec.data_fingerprint, attempt, 0.0)
        return None


def examine_record(store: RunStore, folder: Path, known: Known) -> Iterator[Finding]:
    """What keeps a run from being read at all."""
    where, values = f"{folder.name}/run.json", read_json(folder / "run.json")
    version = (values or {}).get("format")
    if type(version) is int and version > FORMAT:
        yield Finding(
            where,
            f"it was written by a newer Tenfold (format {version}, this one reads {FORMAT}), so it is left alone",
            "open it with the newer version",
        )
        return
    fault = (
        "the record of the run can't be read" if (folder / "run.json").exists() else "the record is missing"
    )
    if spec := known.find(folder.name):
        yield Finding(
            where,
            f"{fault}; by its id it is seed {spec.seed} of recipe {spec.digest}",
            "its record is written anew",
            lambda copies: _write_record(copies, folder, spec),
            folder,
        )
    elif another := _told_id(values or {}):
        yield Finding(
            where,
            f"the record is that of another run ({another}): the folder was renamed or copied, or the record changed",
            "give the folder its own name back, or move it away",
        )
    else:
        yield Finding(
            where,
            f"{fault}, and its id is of no recipe that is known here",
            "fetch run.json from a backup, or move the folder away: its files are left as they are",
        )


def _told_id(values: dict[str, Any]) -> str | None:
    """The id of the run that a record tells of; None where it tells of none."""
    try:
        return id_of(str(values["digest"]), int(values["seed"]), int(values["attempt"]))
    except (KeyError, TypeError, ValueError):
        return None


def _write_record(copies: Copies, folder: Path, spec: RunSpec) -> None:
    """The day that it was made on is that of its first event, or of the oldest file."""
    path = folder / "run.json"
    if path.exists():
        copies.keep(path)
    started = read_history(folder / "events.jsonl", with_steps=False).started
    made = started.time if started else min(entry.stat().st_mtime for entry in [folder, *folder.iterdir()])
    write_json(path, {"format": FORMAT, **asdict(spec), "created": made})


def examine_run(run: Run) -> Iterator[Finding]:
    """Faults of a readable run that no worker has at the moment."""
    yield from _events(run)
    history = read_history(run.events_path, with_steps=False)
    yield from _epochs(run, history)
    yield from _checkpoints(run, history)
    yield from _results(run, history)
    yield from _notes(run)
    yield from _leftovers(run, history)


def _events(run: Run) -> Iterator[Finding]:
    lines = _lines(run.events_path)
    if not lines:
        return
    torn = bool(lines[-1])
    broken = sum(not whole_json(line) for line in lines[:-1])
    if torn or broken:
        what = [
            *(["its last line is torn"] if torn else []),
            *([f"{broken} lines are no JSON"] if broken else []),
        ]
        yield Finding(
            f"{run.id}/events.jsonl",
            " and ".join(what),
            "these lines are taken out; what they told is lost",
            lambda copies: copies.rewrite(run.events_path, _sound(run.events_path)),
            run.folder,
        )


def _lines(path: Path) -> list[bytes]:
    """Those that end, and behind them what follows the last end: empty in a whole file."""
    try:
        return path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []


def _sound(path: Path) -> bytes:
    return b"".join(line + b"\n" for line in _lines(path)[:-1] if whole_json(line))


def _epochs(run: Run, history: History) -> Iterator[Finding]:
    numbers = [epoch.epoch for epoch in history.epochs]
    missing = sorted(set(range(1, max(numbers, default=0) + 1)) - set(numbers))
    if missing:
        yield Finding(
            f"{run.id}/events.jsonl",
            f"no figures of epoch {', '.join(map(str, missing))}",
            "the curves have a gap; the weights are not concerned",
        )
    if len(set(numbers)) < len(numbers):
        yield Finding(f"{run.id}/events.jsonl", "an epoch is recorded twice", "train the run again")


def _checkpoints(run: Run, history: History) -> Iterator[Finding]:
    for epoch in history.epochs[-KEPT:]:
        path = run.folder / epoch.checkpoint
        if (
            Path(epoch.checkpoint).name == epoch.checkpoint != ""
            and path.exists()
            and not has_digest(path, epoch.sha256)
        ):
            yield _aside(run, path, f"it is not the checkpoint that epoch {epoch.epoch} recorded (SHA-256)")
    if history.epochs and history.end is None:
        whole = whole_checkpoint(run, history)
        if whole is None or whole.epoch < history.epochs[-1].epoch:
            again = f"after epoch {whole.epoch}" if whole else "from the beginning"
            yield Finding(
                f"{run.id}/{history.epochs[-1].checkpoint}",
                "the newest checkpoint is missing or damaged",
                f"nothing to do: the run goes on {again}",
            )


def whole_checkpoint(run: Run, history: History) -> EpochEnd | None:
    """The last epoch whose checkpoint is there, bit by bit."""
    recorded = [epoch for epoch in reversed(history.epochs) if epoch.checkpoint]
    return next(
        (epoch for epoch in recorded if has_digest(run.folder / epoch.checkpoint, epoch.sha256)), None
    )


def _results(run: Run, history: History) -> Iterator[Finding]:
    """Weights and predictions against the SHA-256 that the end of the run holds."""
    if not isinstance(history.end, Finished):
        return
    for name, digest in history.end.sha256.items():
        path = run.folder / name
        if Path(name).name != name or has_digest(path, digest):  # a record may come from anywhere
            continue
        fault = "it is not what the run wrote (SHA-256)" if path.exists() else "it is missing"
        last = whole_checkpoint(run, history)
        if last is None or last.epoch < history.epochs[-1].epoch:
            yield Finding(
                f"{run.id}/{name}", fault, "no checkpoint is left to make it from: train the run again"
            )
        else:
            yield Finding(
                f"{run.id}/{name}",
                fault,
                "the run is taken back to its last checkpoint: Go on (or the same command) makes the file again",
                lambda copies, path=path: _take_back(copies, run, path),
                run.folder,
            )


def _take_back(copies: Copies, run: Run, damaged: Path) -> None:
    """Without its end the run counts as interrupted; the worker goes on after the last epoch, bitwise equal."""
    if damaged.exists():
        copies.take(damaged)
    lines = [line for line in _lines(run.events_path)[:-1] if line]
    kept = [line for line in lines if not isinstance(from_line(line.decode(errors="replace")), Finished)]
    if len(kept) < len(lines):
        copies.rewrite(run.events_path, b"".join(line + b"\n" for line in kept))


def _notes(run: Run) -> Iterator[Finding]:
    """Small files beside: each may be missing, so one that can't be read is only in the way."""
    for path in sorted(run.folder.glob("*.json")):
        if path.name != "run.json" and not whole_json(path.read_bytes()):
            yield _aside(run, path, "it can't be read")
    looks = run.folder / "looks.jsonl"
    if (lines := _lines(looks)) and lines[-1]:
        yield Finding(
            f"{run.id}/looks.jsonl",
            "its last line is torn, so one look at test is not counted",
            "the line is ended, and counts",
            lambda copies: copies.rewrite(looks, looks.read_bytes() + b"\n"),
            run.folder,
        )
    for name in ("cancel", "pause"):
        if run.over and run.marked(name):
            yield _aside(run, run.folder / name, "a wish that came after the run's end")


def _leftovers(run: Run, history: History) -> Iterator[Finding]:
    kept = {epoch.checkpoint for epoch in history.epochs}
    stale = [path for path in run.folder.glob("checkpoint-*.pt") if path.name not in kept]
    for path in sorted([*stale, *run.folder.glob(".*.tmp")]):
        yield _aside(run, path, "a killed worker left it half-done; nothing refers to it")


def _aside(run: Run, path: Path, fault: str) -> Finding:
    return Finding(
        f"{run.id}/{path.name}",
        fault,
        "it is moved out of the way",
        lambda copies: copies.take(path),
        run.folder,
    )


def has_digest(path: Path, digest: str) -> bool:
    """Whether a file is there with this SHA-256."""
    whole = hashlib.sha256()
    with contextlib.suppress(OSError), path.open("rb") as file:
        while part := file.read(1 << 20):
            whole.update(part)
        return whole.hexdigest() == digest
    return False
