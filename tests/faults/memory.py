"""Trainings that need more memory than there is: `python -m tests.faults.memory`.

The process of a worker may take only so many bytes more than it has when torch is loaded; its run must end
by the name of what was missing, with a batch size to try, and the next run must not notice.

`python -m tests.faults.memory --worker ROOM_MB RUNS_FOLDER ID` is that process.
"""

import os
import resource
import subprocess
import sys
from collections import Counter
from pathlib import Path

import psutil

from core.config import Recipe
from core.events import Failed
from core.paths import ROOT
from core.runner import WorkerExit
from core.runner import _why_it_died as why_it_died
from core.store import Run, RunState, RunStore
from tests.faults.small import draw_images, not_json, own_environment, queued, recipe_on

GREEDY = {"width": 1.0, "batch_size": 128, "epochs": 1}
PATIENCE_SECONDS = 300


def greedy_and_modest(folder: Path) -> tuple[Recipe, Recipe, str]:
    """A recipe whose steps need some hundred megabytes, one that needs next to nothing, and their images."""
    images = draw_images(folder / "images", {"dark": 130, "bright": 130})
    greedy, fingerprint = recipe_on(images, **GREEDY)
    modest, _ = recipe_on(images, epochs=1)
    return greedy, modest, fingerprint


def worker_with(room_mb: int, run: Run) -> int:
    """Work on a run in a process that may take so much more; returns its exit status."""
    command = [sys.executable, "-m", "tests.faults.memory", "--worker", str(room_mb)]
    with run.log_path.open("ab") as log:
        done = subprocess.run(
            [*command, str(run.folder.parent), run.id],
            cwd=ROOT,
            stdout=log,
            stderr=log,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    return done.returncode


def starve(store: RunStore, recipe: Recipe, fingerprint: str, room_mb: int, seed: int) -> Run:
    """A run that gets so much room: out of memory by name, or finished; JSON in any case.

    A library that can't get a thread may end the whole process: then the runner must find the name.
    """
    run = queued(store, recipe, fingerprint, [seed])[0]
    status = worker_with(room_mb, run)
    end = run.history().end
    if status != WorkerExit.DONE:  # a library ended the process; what the runner says of that in the end
        said = why_it_died(run, status)
        assert f"try a batch size of {recipe.batch_size // 2}." in said, (
            room_mb,
            status,
            run.log_path.read_text()[-2000:],
        )
    elif isinstance(end, Failed):
        assert end.reason == "out_of_memory", (room_mb, end, run.log_path.read_text()[-2000:])
        assert f"try a batch size of {recipe.batch_size // 2}." in end.message
    store.dequeue(run)
    assert not_json(run.folder) == []
    return run


def limited_worker(room_mb: int, arguments: list[str]) -> int:
    """The worker's own entry, after the limit is set."""
    from core.worker import main

    limit = psutil.Process().memory_info().vms + room_mb * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    return main(arguments)


def main() -> int:
    rooms = [*range(2, 20, 3), *range(20, 200, 20), *range(200, 2000, 200)]
    with own_environment() as folder:
        greedy, modest, fingerprint = greedy_and_modest(folder)
        store, ends = RunStore(folder / "runs"), Counter()
        for seed, room in enumerate(rooms):
            os.environ["TENFOLD_THREADS"] = str(1 + seed % 2)
            end = starve(store, greedy, fingerprint, room, seed).history().end
            ends["ended by a library" if end is None else getattr(end, "reason", "finished")] += 1
            if seed % 10 == 0:
                after = queued(store, modest, fingerprint, [seed])[0]
                assert worker_with(100_000, after) == WorkerExit.DONE and after.state() is RunState.FINISHED
                store.dequeue(after)
    print(f"rooms from {rooms[0]} to {rooms[-1]} MB: {dict(ends)}")
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        sys.exit(limited_worker(int(sys.argv[2]), sys.argv[3:]))
    sys.exit(main())
