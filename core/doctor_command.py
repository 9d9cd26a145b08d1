"""The command `doctor`: the machine, the data sets and the store, and with `--repair` a cure for the store."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.datasets import DATASETS, source
from core.doctor import examine, repair
from core.index import RunIndex
from core.machine import memory_gb
from core.paths import data_dir, runs_dir
from core.presets import PRESETS
from core.repair import Finding
from core.store import RunStore
from core.sweep_list import SweepList
from core.terminal import Outcome


def add_commands(commands: argparse._SubParsersAction) -> list[argparse.ArgumentParser]:
    doctor = commands.add_parser("doctor", help="device, versions, data sets, health of the store")
    doctor.add_argument(
        "--repair",
        action="store_true",
        help="mend what can be mended in the store; what is changed is copied to .repair in it before",
    )
    doctor.set_defaults(command=doctor_command)
    return [doctor]


@dataclass(frozen=True)
class Treatment:
    """What was found in a store, which of it was mended, and where the copies of what was changed are."""

    found: list[Finding]
    mended: list[Finding]
    copies: Path | None

    @property
    def left(self) -> list[Finding]:
        return [finding for finding in self.found if finding not in self.mended]


def doctor_command(options: argparse.Namespace) -> Outcome:
    """What a person who asks for help is asked first, and every fault of the store by name."""
    store = RunStore(runs_dir())
    found = examine(store)
    mended, copies = repair(store, found) if options.repair else ([], None)
    treatment = Treatment(found, mended, copies)
    result = {**_machine(), **_store(store), "data_folder": str(data_dir())}
    result["ready"] = {
        name: source(name).ready_fingerprint() is not None for name in DATASETS if name != "folder"
    }
    result["writable"] = {
        str(folder): os.access(_existing(folder), os.W_OK) for folder in (store.folder, data_dir())
    }
    result["findings"] = [
        {
            "where": f.where,
            "fault": f.fault,
            "cure": f.cure,
            "repairable": f.mend is not None,
            "repaired": f in mended,
        }
        for f in found
    ]
    result["copies"] = str(copies) if copies else None
    healthy = not treatment.left and not result["damaged_runs"] and all(result["writable"].values())
    return (0 if healthy else 1), result, _text(result, treatment, healthy)


def _machine() -> dict[str, Any]:
    from core.device import choose_compute, passport

    facts = passport(choose_compute(PRESETS["quick"].recipe), "")
    del facts["data_fingerprint"]
    return {**facts, "memory_gb": round(memory_gb(), 1)}


def _store(store: RunStore) -> dict[str, Any]:
    states = [str(run.state()) for run in store.runs()]
    return {
        "runs_folder": str(store.folder),
        "runs": {state: states.count(state) for state in sorted(set(states))},
        "damaged_runs": [str(path) for path in store.damaged()],
        "index": {**RunIndex(store).examine(), "plans": SweepList(store).examine()},
    }


def _text(result: dict[str, Any], treatment: Treatment, healthy: bool) -> str:
    index = result["index"]
    states = f"{index['state']}; that of the plans: {index['plans']}"
    shown = {**result, "index": f"{states}; {index['file']} may be deleted, it is made from the runs"}
    del shown["findings"], shown["copies"]
    lines = [f"{name.replace('_', ' '):16} {value}" for name, value in shown.items()]
    lines += [f"mended: {f.where}: {f.fault}; {f.cure}" for f in treatment.mended]
    if treatment.copies:
        lines.append(f"What was changed is in {treatment.copies} as it was before.")
    lines += [f"found: {f.where}: {f.fault}; {_cure(f)}" for f in treatment.left]
    lines.append("Everything is in order." if healthy else "Something above needs attention.")
    return "\n".join(lines)


def _cure(finding: Finding) -> str:
    return f"with --repair {finding.cure}" if finding.mend else finding.cure


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    while not folder.exists():
        folder = folder.parent
    return folder
