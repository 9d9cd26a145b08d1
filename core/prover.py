"""Trains the first epochs of a run again and compares: `python -m core.prover RUNS_FOLDER ID`."""

import dataclasses
import sys
import time
from pathlib import Path

from core.checkpoints import from_bytes, to_bytes
from core.device import passport_changes
from core.errors import UserError
from core.estimate import PROVING
from core.events import EpochEnd
from core.locks import FileLock
from core.opening import open_training
from core.proof import STOP_MARK, Proof, epochs_to_repeat, write
from core.store import Run, RunState, RunStore
from core.train import Learner, steps_per_epoch, train

WAIT_SECONDS = 1.0


def main(arguments: list[str]) -> int:
    """Prove, unless another process is at it; the outcome is in the run's proof.json."""
    run = RunStore(Path(arguments[0])).get(arguments[1])
    lock = FileLock(run.folder / "proof.lock")
    if not lock.acquire():
        return 0
    mark = run.folder.parent / PROVING / run.id
    try:
        mark.parent.mkdir(exist_ok=True)
        mark.touch()
        write(run, prove(run))
    except _Stopped:
        write(run, Proof(time.time(), running=False, stopped=True))
    except UserError as error:
        write(run, Proof(time.time(), running=False, error=str(error)))
        return 1
    except Exception as error:
        message = (
            f"The training could not be repeated ({type(error).__name__}); proof.log in its folder has more."
        )
        write(run, Proof(time.time(), running=False, error=message))
        raise
    finally:
        mark.unlink(missing_ok=True)
        lock.release()
    return 0


def prove(run: Run) -> Proof:
    """Repeat a run's first epochs from the beginning, and go on once more from the state after the first,
    read from the bytes of a checkpoint as after a crash.

    Raises:
        UserError: the run recorded no digests, or its images have changed.
    """
    number = epochs_to_repeat(run.history().epochs)
    if not number:
        raise UserError("This run recorded nothing to compare with: train it again, and prove that one.")
    attempt = _Attempt(run, number)
    differs, after_first = attempt.repeat(None, until=number)
    resumed = None
    if number > 1 and not differs:
        resumed = attempt.repeat(after_first, until=2)[0] == 0
    return dataclasses.replace(
        attempt.proof, running=False, repeated=number, differs=differs, resumed=resumed
    )


class _Stopped(Exception):
    """A person does not want to wait any longer."""


class _Attempt:
    """A run's training opened anew, and how far the proof is."""

    def __init__(self, run: Run, number: int) -> None:
        self.run = run
        self.store = RunStore(run.folder.parent)
        self.training = open_training(run, "it can't be repeated.")
        self.history = run.history()
        steps = steps_per_epoch(len(self.training.data.train_labels), run.spec.recipe.batch_size)
        self.proof = Proof(
            time.time(),
            total=steps * (number + (number > 1)),
            digest=self.history.epochs[number - 1].weights_sha256,
            changes=self._changes(),
        )

    def _changes(self) -> list[str]:
        """Where machine and software are not the run's; here the code's own version counts, too."""
        spec, papers = self.run.spec, self.training.passport()
        changes = passport_changes(self.history.started.passport, papers, ("numpy", "commit"))
        if spec.recipe.digest(spec.data_fingerprint) != spec.digest:
            changes.append("training: this version gives other weights on purpose")
        return changes

    def repeat(self, state: bytes | None, until: int) -> tuple[int, bytes]:
        """Train from a state (None: the beginning) up to an epoch.

        Returns:
            The first epoch after which the weights are not the recorded ones, 0 for none; and the
            state after the first epoch, as a checkpoint holds it.
        """
        spec, training, after_first = self.run.spec, self.training, b""
        learner = training.new_learner()
        if state:
            learner.load_state_dict(from_bytes(state))
        begun_at, done_before = learner.step, self.proof.done
        for event in train(learner, training.data, spec.recipe, spec.seed, training.compute):
            self.proof = dataclasses.replace(self.proof, done=done_before + event.step - begun_at)
            self._give_way()
            write(self.run, self.proof)
            if isinstance(event, EpochEnd):
                if not self._as_recorded(event.epoch, learner):
                    return event.epoch, b""
                if event.epoch == 1:
                    after_first = to_bytes(learner.state_dict())
                if event.epoch == until:
                    break
        return 0, after_first

    def _as_recorded(self, epoch: int, learner: Learner) -> bool:
        """Whether the weights are the recorded ones, and the averaged ones are; for the log, what they are."""
        recorded = self.history.epochs[epoch - 1]
        weights, averaged = learner.digests()
        same = weights == recorded.weights_sha256 and recorded.averaged_sha256 in ("", averaged)
        words = f"epoch {epoch}: weights {weights}" + (f", averaged {averaged}" if averaged else "")
        then = ", ".join(filter(None, (recorded.weights_sha256, recorded.averaged_sha256)))
        print(words, "as recorded" if same else f"where {then} was recorded", flush=True)
        return same

    def _give_way(self) -> None:
        """Wait while something is being trained: two trainings on the same cores both crawl.

        A run that waits for room on the disk may do so for ever, and disturbs nobody.
        """
        while True:
            if self.run.marked(STOP_MARK):
                raise _Stopped
            if not any(run.state() in (RunState.STARTING, RunState.RUNNING) for run in self.store.queue()):
                return
            write(self.run, dataclasses.replace(self.proof, waiting=True))
            time.sleep(WAIT_SECONDS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
