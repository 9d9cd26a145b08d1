"""Trains the first epochs of a run again and compares: `python -m core.prover RUNS_FOLDER ID`."""

import copy
import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

from core.checkpoints import state_sha256
from core.datasets import source
from core.device import choose_compute, passport, passport_changes, prepare_process
from core.errors import UserError
from core.events import EpochEnd
from core.locks import FileLock
from core.proof import Proof, epochs_to_repeat, write
from core.store import Run, RunStore
from core.train import make_learner, prepare_data, steps_per_epoch, train

WAIT_SECONDS = 1.0


def main(arguments: list[str]) -> int:
    """Prove, unless another process is at it; the outcome is in the run's proof.json."""
    run = RunStore(Path(arguments[0])).get(arguments[1])
    lock = FileLock(run.folder / "proof.lock")
    if not lock.acquire():
        return 0
    try:
        write(run, prove(run))
    except UserError as error:
        write(run, Proof(time.time(), running=False, error=str(error)))
        return 1
    except Exception as error:
        message = (
            f"The training could not be repeated ({type(error).__name__}); proof.log in its folder has more."
        )
        write(run, Proof(time.time(), running=False, error=message))
        raise
    return 0


def prove(run: Run) -> Proof:
    """Repeat a run's first epochs from the beginning, and go on once more from the state after the first.

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


class _Attempt:
    """A run's images and recipe, ready to be trained again, and how far the proof is."""

    def __init__(self, run: Run, number: int) -> None:
        self.run, self.recipe, self.seed = run, run.spec.recipe, run.spec.seed
        self.store = RunStore(run.folder.parent)
        self.history = run.history()
        prepare_process(self.recipe)
        self.compute = choose_compute(self.recipe)
        images = source(self.recipe.dataset, self.recipe.image_size).load()
        if images.fingerprint != run.spec.data_fingerprint:
            raise UserError("The images have changed since this run: it can't be repeated.")
        self.classes = len(images.classes)
        self.data = prepare_data(images, self.recipe, self.seed, self.compute)
        steps = steps_per_epoch(len(self.data.train_labels), self.recipe.batch_size)
        self.proof = Proof(
            time.time(),
            total=steps * (number + (number > 1)),
            digest=self.history.epochs[number - 1].weights_sha256,
            changes=passport_changes(
                self.history.started.passport, passport(self.compute, images.fingerprint)
            ),
        )

    def repeat(self, state: dict[str, Any] | None, until: int) -> tuple[int, dict[str, Any]]:
        """Train from a state (None: the beginning) up to an epoch.

        Returns:
            The first epoch after which the weights are not the recorded ones, 0 for none; and the
            state after the first epoch.
        """
        images = len(self.data.train_labels)
        learner = make_learner(self.recipe, self.classes, self.seed, self.compute, images)
        if state:
            learner.load_state_dict(state)
        begun_at, done_before = learner.step, self.proof.done
        for event in train(learner, self.data, self.recipe, self.seed, self.compute):
            self.proof = dataclasses.replace(self.proof, done=done_before + event.step - begun_at)
            self._give_way()
            write(self.run, self.proof)
            if isinstance(event, EpochEnd):
                recorded = self.history.epochs[event.epoch - 1].weights_sha256
                if state_sha256(learner.model.state_dict()) != recorded:
                    return event.epoch, {}
                if event.epoch == 1:
                    state = copy.deepcopy(learner.state_dict())
                if event.epoch == until:
                    break
        return 0, state or {}

    def _give_way(self) -> None:
        """Wait while something is being trained: two trainings on the same cores both crawl."""
        while self.store.queue(most=1):
            write(self.run, dataclasses.replace(self.proof, waiting=True))
            time.sleep(WAIT_SECONDS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
