"""Faults of a store: each is found and named, and mended where that needs nobody's decision.

Nothing is changed but by `repair`, and that keeps a copy of everything it touches (`core.repair`). Runs whose
worker lives are left alone. The index is no part of this: it is made anew by itself (`core.index`).
"""

import time
from collections.abc import Iterator
from pathlib import Path

from core import changes
from core.doctor_runs import Known, examine_record, examine_run
from core.errors import UserError
from core.lease import is_leased
from core.locks import FileLock
from core.paths import read_json
from core.repair import Copies, Finding, whole_json
from core.searches import FOLDER as SEARCHES
from core.searches import FORMAT as SEARCH_FORMAT
from core.searches import read as read_search
from core.store import QUEUE, RUN_ID, Run, RunStore
from core.sweep import FOLDER as PLANS
from core.sweep import FORMAT as PLAN_FORMAT
from core.sweep import read_plan

MAKING_SECONDS = 60.0
"""A temporary file this young may still become a whole one."""


def examine(store: RunStore) -> list[Finding]:
    """Every fault of a store, those of the store itself first."""
    readable = {run.id: run for run in store.runs()}
    known = Known()
    for run in readable.values():
        known.specs.setdefault(run.spec.digest, run.spec)
    found = [*_temporaries(store), *_plans(store), *_notes(store), *_queue(store, readable)]
    for run_id in sorted(store.ids()):
        folder = store.folder / run_id
        try:
            found += list(_of_run(store, folder, readable.get(run_id), known))
        except OSError as error:
            found.append(
                Finding(run_id, f"it can't be looked at ({error.strerror})", "see that you may read it")
            )
    return found


def _of_run(store: RunStore, folder: Path, run: Run | None, known: Known) -> Iterator[Finding]:
    if run is None:
        yield from examine_record(store, folder, known)
    elif not run.attended:
        yield from examine_run(run)


def repair(store: RunStore, findings: list[Finding]) -> tuple[list[Finding], Path | None]:
    """Mend what can be mended; returns what was, and the folder of copies, None if nothing was changed.

    Raises:
        UserError: the store can't be written to; what was mended until then stays mended.
    """
    copies, mended = Copies(store.folder), []
    for finding in findings:
        if finding.mend is None:
            continue
        lock = FileLock(finding.run / "lock") if finding.run else None
        try:
            if lock and not (lock.acquire() and not is_leased(finding.run)):
                continue  # a worker took it up meanwhile
            finding.mend(copies)
            mended.append(finding)
            if finding.run:
                changes.note(finding.run)
        except OSError as error:
            raise UserError(
                f"{finding.where} can't be mended ({error.strerror}): see that there is room in {store.folder} "
                "and that you may write there."
            ) from error
        finally:
            if lock:
                lock.release()
    return mended, copies.folder


def _temporaries(store: RunStore) -> Iterator[Finding]:
    """What a process that was killed left while it made a run or a file of the store."""
    places = [*store.folder.glob(".new-*"), *store.folder.glob(".*.tmp")]
    places += [path for folder in store.folder.glob(".*/") for path in folder.glob(".*.tmp")]
    for path in sorted(places):
        if time.time() - path.stat().st_mtime > MAKING_SECONDS or path.stat().st_mtime > time.time():
            yield _aside(store, path, "something that was killed left it half-done")


def _plans(store: RunStore) -> Iterator[Finding]:
    """Plans of sweeps and searches. What was planned nobody else knows: one that can't be read is not taken away."""
    for path in sorted((store.folder / PLANS).glob("*.json")):
        if read_plan(path) is None:
            yield _unread_plan(path, PLAN_FORMAT, "sweep")
    for path in _search_plans(store):
        if read_search(store, path.stem) is None:
            yield _unread_plan(path, SEARCH_FORMAT, "search")


def _search_plans(store: RunStore) -> list[Path]:
    """Files of the form ID.json; what a search came to stands in ID.WORD.json."""
    return [path for path in sorted((store.folder / SEARCHES).glob("*.json")) if "." not in path.stem]


def _unread_plan(path: Path, known: int, kind: str) -> Finding:
    version = (read_json(path) or {}).get("format")
    newer = type(version) is int and version > known
    fault = "a newer Tenfold wrote this plan" if newer else f"the plan of this {kind} can't be read"
    cure = "open it with the newer version" if newer else f"move it away to plan the {kind} anew"
    return Finding(f"{path.parent.name}/{path.name}", fault, cure)


def _notes(store: RunStore) -> Iterator[Finding]:
    """Other small files of the store: speed of the machine, labels, settings."""
    folders = [
        store.folder,
        *(path for path in store.folder.glob(".*/") if path.name not in (PLANS, ".repair")),
    ]
    found = {path for folder in folders for path in folder.glob("*.json")}
    for path in sorted(found - {*_search_plans(store)}):
        if not whole_json(path.read_bytes()):
            yield _aside(store, path, "it can't be read")


def _queue(store: RunStore, readable: dict[str, Run]) -> Iterator[Finding]:
    for name in store.queued_ids():
        path = store.folder / QUEUE / name
        run = readable.get(name)
        if run is None:
            gone = not (store.folder / name).exists() or not RUN_ID.fullmatch(name)
            yield _aside(store, path, "it waits for a run that " + ("is gone" if gone else "can't be read"))
        elif run.over:
            yield _aside(store, path, "it waits for a run that has ended")


def _aside(store: RunStore, path: Path, fault: str) -> Finding:
    where = str(path.relative_to(store.folder))
    return Finding(where, fault, "it is moved out of the way", lambda copies: copies.take(path))
