"""Whether a run can be repeated bit by bit: asked for here, computed by `core.prover`, read here.

runs/ID/proof.json   the newest proof: written here when it is asked for, then by the proving process
        proof.lock   held by that process while it lives
        proof.log    what it printed: the SHA-256 of the weights after each epoch, and faults
        proof.stop   marker: a person does not want to wait any longer; taken away by the next proof
"""

import contextlib
import dataclasses
import time
from dataclasses import dataclass, field

from core.detached import spawn
from core.errors import UserError
from core.estimate import START_SECONDS
from core.events import EpochEnd
from core.locks import is_held
from core.paths import read_json, write_json
from core.store import Run

BUDGET_SECONDS = 60.0
"""So much of a run's training is repeated, and at least one epoch."""

STOP_MARK = "proof.stop"

STARTING_SECONDS = 30.0
"""So long a proof may take from its start to its lock: torch is loaded in between."""


@dataclass(frozen=True)
class Proof:
    """A repetition of a run's first epochs, against what the run recorded after each.

    `repeated` epochs were trained anew from the beginning; `differs` is the first after which the
    weights were others, 0 for none. `resumed` tells whether going on from the state after the first
    epoch gave the recorded weights, None where only one epoch was repeated. `changes` says where the
    machine or the software is not the run's. `done` and `total` count steps while it is under way;
    `waiting` says that it gives way to a training, `stopped` that a person ended it.
    """

    time: float
    running: bool = True
    waiting: bool = False
    done: int = 0
    total: int = 0
    repeated: int = 0
    differs: int = 0
    resumed: bool | None = None
    digest: str = ""
    changes: list[str] = field(default_factory=list)
    error: str = ""
    stopped: bool = False

    @property
    def holds(self) -> bool:
        """Whether everything that was repeated agreed, to the last bit."""
        through = not (self.running or self.stopped or self.error)
        return through and not self.differs and self.resumed is not False


def epochs_to_repeat(epochs: list[EpochEnd]) -> int:
    """As many as took a minute together; 0 where the run recorded no digests, as older versions did."""
    number, seconds = 0, 0.0
    for epoch in epochs:
        seconds += epoch.train_seconds
        if not epoch.weights_sha256 or (number and seconds > BUDGET_SECONDS):
            break
        number += 1
    return number


def expected_seconds(epochs: list[EpochEnd]) -> float:
    """How long a proof takes by what the run recorded: one more epoch is the one after a resume."""
    number = epochs_to_repeat(epochs)
    repeated = [*epochs[:number], *(epochs[1:2] if number > 1 else [])]
    compiling = (1 + (number > 1)) * epochs[0].compile_seconds if number else 0.0
    return START_SECONDS + compiling + sum(epoch.train_seconds for epoch in repeated)


def begin(run: Run) -> None:
    """Start a proof in the background, unless one is under way.

    Raises:
        UserError: the run's folder can't be written to.
    """
    if is_held(run.folder / "proof.lock"):
        return
    try:
        run.unmark(STOP_MARK)
        write(run, Proof(time.time()))
        spawn("core.prover", str(run.folder.parent), run.id, log=run.folder / "proof.log")
    except OSError as error:
        raise UserError(
            f"The folder of this run can't be written to ({error.strerror}): see that there is room in it."
        ) from error


def stop(run: Run) -> None:
    """Ask the proof that is under way to end; it does after its next step."""
    run.mark(STOP_MARK)


def write(run: Run, proof: Proof) -> None:
    write_json(run.folder / "proof.json", dataclasses.asdict(proof), durable=False)


def status(run: Run) -> Proof | None:
    """The newest proof of a run, under way or ended; None if nobody asked for one."""
    path = run.folder / "proof.json"
    values = read_json(path)
    try:
        found = Proof(**values) if values else None
    except TypeError:  # written by another version
        return None
    if found is None or not found.running or is_held(run.folder / "proof.lock"):
        return found
    with contextlib.suppress(OSError):
        if 0 <= time.time() - path.stat().st_mtime < STARTING_SECONDS:
            return found
    return dataclasses.replace(found, running=False, error="The proof ended without a word: try it again.")
