"""Full, forbidden, vanishing and rotten disks: `python -m tests.faults.disk`.

Each function breaks one thing, checks that nothing but this is lost, and returns how often it tried.
"""

import errno
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from core import checkpoints, train
from core.classify import open_run
from core.config import Recipe
from core.errors import UserError
from core.events import EpochEnd, Event, Failed, Finished
from core.history import log_lines
from core.index import RunIndex
from core.predictions import read_predictions
from core.runner import WorkerExit
from core.store import Run, RunState, RunStore
from core.worker import work
from tests.faults.shim import failing_disk
from tests.faults.small import draw_images, leftovers, not_json, own_environment, queued, recipe_on

NAMED = {
    errno.ENOSPC: WorkerExit.DISK_FULL,
    errno.EROFS: WorkerExit.UNWRITABLE,
    errno.EACCES: WorkerExit.UNWRITABLE,
}
DAMAGES = ("flip", "cut", "emptied", "gone")
FINAL = ("weights.pt", "predictions.npz")


class Ground:
    """A folder with images, a finished run that nobody disturbed, and what it ended with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        images = draw_images(folder / "images", {"dark": 30, "bright": 30})
        self.recipe, self.fingerprint = recipe_on(images)
        self.store = RunStore(folder / "undisturbed")
        self.whole = self.new(self.store)
        assert work(self.whole) is WorkerExit.DONE
        self.store.dequeue(self.whole)
        self.bytes = contents(self.whole.folder)

    def new(self, store: RunStore, recipe: Recipe | None = None) -> Run:
        return queued(store, recipe or self.recipe, self.fingerprint, [1])[0]

    def copy(self, name: str) -> Run:
        """The finished run in a store of its own, whose files may be broken."""
        store = RunStore(self.folder / name)
        shutil.rmtree(store.folder, ignore_errors=True)
        shutil.copytree(self.whole.folder, store.folder / self.whole.id)
        return store.get(self.whole.id)

    def interrupted(self, name: str) -> Run:
        """The run after two of its three epochs."""
        store = RunStore(self.folder / name)
        shutil.rmtree(store.folder, ignore_errors=True)
        run = self.new(store)
        work(run, lambda event: run.mark("cancel") if _ends_epoch(event, 2) else None)
        run.unmark("cancel")
        return run

    def unharmed(self) -> bool:
        """Whether the run beside the broken ones is what it was, to the byte."""
        return contents(self.whole.folder) == self.bytes

    def is_whole(self, run: Run) -> bool:
        """Whether a run has ended as the undisturbed one did, with all its epochs and nothing left over."""
        return (
            run.state() is RunState.FINISHED
            and run.history().end.sha256["weights.pt"] == self.whole.history().end.sha256["weights.pt"]
            and [epoch.epoch for epoch in run.history().epochs] == [1, 2, 3]
            and not not_json(run.folder)
            and not leftovers(RunStore(run.folder.parent))
        )


def _ends_epoch(event: Event, epoch: int) -> bool:
    return isinstance(event, EpochEnd) and event.epoch == epoch


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@contextmanager
def heartbeat_each_step() -> Iterator[None]:
    """So that a training of moments writes its heartbeat, too."""
    before, train.PROGRESS_SECONDS = train.PROGRESS_SECONDS, 0.0
    try:
        yield
    finally:
        train.PROGRESS_SECONDS = before


# ---- full and forbidden


def write_points(ground: Ground) -> int:
    """How many there are in a whole training."""
    run = ground.new(RunStore(ground.folder / "counted"))
    with heartbeat_each_step(), failing_disk(run.folder.parent, 10**9) as disk:
        work(run)
    shutil.rmtree(run.folder.parent)
    return disk.points


def fail_at(ground: Ground, points: Iterable[int], number: int = errno.ENOSPC) -> int:
    """From one write point on, the disk refuses everything; then there is room again.

    The worker must leave by the name of what hindered it, and the next one end as if nothing had been.
    """
    points = list(points)
    for point in points:
        store = RunStore(ground.folder / f"failing-{number}-{point}")
        run = ground.new(store)
        with heartbeat_each_step(), failing_disk(store.folder, point, number) as disk:
            status = work(run)
        assert disk.tripped and status is NAMED[number], (point, status)
        assert run.queued  # at the last point of all, its end is written and only not yet synced
        assert work(run) is WorkerExit.DONE and ground.is_whole(run), point
        shutil.rmtree(store.folder)
    assert ground.unharmed()
    return len(points)


def fail_while_made(ground: Ground, number: int = errno.ENOSPC) -> int:
    """The same for the making of a run: a sentence, and nothing half-made; returns the number of points."""
    for point in range(1, 100):
        store = RunStore(ground.folder / f"making-{number}-{point}")
        with failing_disk(store.folder, point, number) as disk:
            try:
                store.open(ground.recipe, 1, ground.fingerprint)
            except UserError as error:
                assert "make room there" in str(error)
        run, _ = store.open(ground.recipe, 1, ground.fingerprint)
        assert store.get(run.id).spec == run.spec and len(store.runs()) == 1
        if number == errno.ENOSPC:
            assert not leftovers(store)
        if not disk.tripped:
            return point - 1
    raise AssertionError("making a run has no end")


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[bool]:
    """A file system of its own at a place, where this process may mount one."""
    place.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    mounted = bool(shutil.which("mount")) and not subprocess.run(command, capture_output=True).returncode
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(place)], check=True)


def remount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)


def fill_up(ground: Ground, place: Path, rooms: Iterable[int]) -> int:
    """A real file system with so many bytes of room; returns how often it was too few."""
    store, full = RunStore(place / "runs"), 0
    for room in rooms:
        run = ground.new(store)
        free = os.statvfs(place)
        with (place / "filler").open("wb") as filler:
            filler.write(bytes(max(0, free.f_bavail * free.f_bsize - room)))
        status = work(run)
        (place / "filler").unlink()
        assert status in (WorkerExit.DONE, WorkerExit.DISK_FULL), (room, status)
        full += status is WorkerExit.DISK_FULL
        assert work(run) is WorkerExit.DONE and ground.is_whole(run), room
        shutil.rmtree(store.folder)
    return full


def forbid(ground: Ground, place: Path) -> None:
    """A real file system that is read-only for a while; in the middle of a run the system would not allow it."""
    store = RunStore(place / "runs")
    run = ground.new(store)
    remount(place, "ro")
    assert work(run) is WorkerExit.UNWRITABLE
    assert run.state() is RunState.PAUSED and "can't be written to" in run.hindrance()
    assert refused(lambda: store.open(ground.recipe, 2, ground.fingerprint))
    remount(place, "rw")
    assert work(run) is WorkerExit.DONE and ground.is_whole(run)


def delete_under_way(ground: Ground) -> int:
    """The run's folder goes away after each of its events in turn; the worker leaves in peace."""
    events: list[Event] = []
    work(ground.new(RunStore(ground.folder / "events")), events.append)
    for number in range(len(events)):
        store, seen = RunStore(ground.folder / "deleted"), []
        run = ground.new(store)

        def delete(event: Event, run: Run = run, seen: list = seen, number: int = number) -> None:
            seen.append(event)
            if len(seen) == number + 1:
                shutil.rmtree(run.folder)

        status = work(run, delete)
        assert status is WorkerExit.STOPPED or (number == len(events) - 1 and status is WorkerExit.DONE)
        assert not run.folder.exists() and store.queue() == [] and ground.unharmed()
    return len(events)


# ---- rotten


def damage(path: Path, kind: str, chance: random.Random) -> None:
    """One flipped bit, the end cut off, all of it, or the file itself."""
    content = bytearray(path.read_bytes())
    if kind == "gone":
        path.unlink()
    elif kind == "flip" and content:
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
    elif kind != "flip":
        path.write_bytes(content[: chance.randrange(len(content)) if content and kind == "cut" else 0])


def read_all(store: RunStore) -> None:
    """What pages ask of a store; only a sentence for the user may come of it."""
    rows = RunIndex(store).rows()
    assert len(rows) + len(store.damaged()) == len(store.ids())
    for run in store.runs():
        run.state(), run.progress(), run.runner_note(), run.looks(), log_lines(run.history())
        with suppress(UserError):
            open_run(store, run.id)
        for part in ("validation", "test"):
            with suppress(UserError):
                read_predictions(run, part)


def rot_finished(ground: Ground, times: int, chance: random.Random) -> int:
    """Every file of a finished run, in every way; the store can be read, and no other weights are taken."""
    tried = 0
    for name in sorted(ground.bytes):
        for kind in DAMAGES:
            for _ in range(times if kind in ("flip", "cut") else 1):
                run = ground.copy("rotten")
                damage(run.folder / name, kind, chance)
                read_all(RunStore(run.folder.parent))
                tried += 1
    assert ground.unharmed()
    return tried


def rot_interrupted(ground: Ground, times: int, chance: random.Random) -> tuple[int, int]:
    """Every file of a run that shall go on: the same weights at the end, or a sentence.

    Returns:
        How often it was tried, and how often the run went on to its end.
    """
    names, tried, resumed = sorted(contents(ground.interrupted("names").folder)), 0, 0
    for name in names:
        for kind in DAMAGES:
            for _ in range(times if kind in ("flip", "cut") else 1):
                run = ground.interrupted("rotten")
                damage(run.folder / name, kind, chance)
                tried += 1
                resumed += _goes_on(ground, RunStore(run.folder.parent), run.id)
    assert ground.unharmed()
    return tried, resumed


def _goes_on(ground: Ground, store: RunStore, run_id: str) -> bool:
    """Whether a damaged run comes to the right end; otherwise it must say why it does not."""
    try:
        run = store.get(run_id)
    except UserError:
        assert store.damaged()
        return False
    work(run)
    end = run.history().end
    if isinstance(end, Finished):
        assert end.sha256["weights.pt"] == ground.whole.history().end.sha256["weights.pt"]
        return True
    assert isinstance(end, Failed) and end.reason == "refused" and end.message
    return False


def flip_weights(ground: Ground, flips: int, chance: random.Random) -> dict[str, int]:
    """Single flipped bits in what holds weights or answers; returns how often each file was tried.

    None may be taken for good: weights are refused, a checkpoint is passed over for the one before, and
    predictions are refused unless the bit was in the archive's dates and not in an array.
    """
    good = {part: read_predictions(ground.whole, part) for part in ("validation", "test")}
    names = [*FINAL, *sorted(path.name for path in ground.whole.folder.glob("checkpoint-*.pt"))]
    tried = dict.fromkeys(names, 0)
    for number in range(flips):
        run, name = ground.copy("flipped"), names[number % len(names)]
        damage(run.folder / name, "flip", chance)
        tried[name] += 1
        if name == "weights.pt":
            assert refused(lambda run=run: open_run(RunStore(run.folder.parent), run.id))
            end = run.history().end  # what the export of a run asks
            assert checkpoints.load_checked(run.folder / name, end.sha256[name]) is None
        elif name == "predictions.npz":
            assert all(_refused_or_same(run, part, good[part]) for part in good)
        else:
            epochs = run.history().epochs
            other = {2: 3, 3: 2}[int(name[11:15])]
            assert checkpoints.load_newest(run.folder, epochs)["epoch"] == other
    return tried


def _refused_or_same(run: Run, part: str, good: object) -> bool:
    try:
        found = read_predictions(run, part)
    except UserError:
        return True
    return np.array_equal(found.logits, good.logits) and np.array_equal(found.labels, good.labels)


def refused(call: object) -> bool:
    try:
        call()
    except UserError:
        return True
    return False


def main() -> int:
    chance = random.Random(1)
    with own_environment() as folder:
        ground = Ground(folder)
        points = write_points(ground)
        for number in NAMED:
            tried = fail_at(ground, range(1, points + 1), number)
            made = fail_while_made(ground, number)
            print(
                f"{errno.errorcode[number]} at each write point: {tried} in training, {made} in making a run"
            )
        with small_disk(folder / "disk", "2m") as mounted:
            if mounted:
                rooms = range(0, 400_000, 4096)
                print(
                    f"tmpfs: {len(rooms)} amounts of room, {fill_up(ground, folder / 'disk', rooms)} too small"
                )
                forbid(ground, folder / "disk")
                print("tmpfs made read-only: 1")
        print(f"folder deleted after an event: {delete_under_way(ground)}")
        print(f"files of a finished run damaged: {rot_finished(ground, 20, chance)}")
        print(
            "files of an interrupted run damaged, gone on to the end: {} {}".format(
                *rot_interrupted(ground, 20, chance)
            )
        )
        print(f"single bits flipped: {flip_weights(ground, 2000, chance)}")
    print("Nothing was lost.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
