"""What a run's events add up to: its curves, its passport and its end, read as they grow."""

import copy
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.events import EpochEnd, Event, Failed, Finished, Started, Step, from_line

MOST_POINTS = 2000
"""Of logged steps in a curve; more than a chart has pixels."""

Line = tuple[np.ndarray, np.ndarray]
"""x in epochs, y."""


class History:
    """The events of one run so far. `read_new` costs only what was appended since the last call.

    After an interruption a run goes on from a checkpoint: steps and epochs after it were lost with
    the worker and come again, so they are dropped here when the resuming `Started` is read.

    `with_steps=False` leaves `steps` empty, for who wants the epochs of many runs: most lines are steps.
    """

    def __init__(self, path: Path, with_steps: bool = True) -> None:
        self._path = path
        self._skipped = None if with_steps else '{"event": "step", '
        self._clear()

    def _clear(self) -> None:
        self._offset = 0
        self._inode = 0
        self.started: Started | None = None
        self.launches = 0
        self.steps: list[Step] = []
        self.epochs: list[EpochEnd] = []
        self.end: Finished | Failed | None = None

    def read_new(self) -> bool:
        """Read whole new lines; a half-written last one waits for the next call. True if any came."""
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                if self._inode != status.st_ino or status.st_size < self._offset:
                    self._clear()  # another file of this name: the run was deleted and made anew
                    self._inode = status.st_ino
                file.seek(self._offset)
                content = file.read()
        except FileNotFoundError:
            return False
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            if self._skipped and line.startswith(self._skipped):
                continue
            event = from_line(line)
            if event is not None:
                self._take(event)
        return bool(whole)

    def copy(self) -> "History":
        """What is known now, untouched by later reading."""
        other = copy.copy(self)
        other.steps, other.epochs = list(self.steps), list(self.epochs)
        return other

    @property
    def validation_accuracy(self) -> float | None:
        """That of the weights which the run keeps; before its end, of its last epoch, None without any.

        The last epoch of a finished run need not be the one whose weights it keeps (`Recipe.keep`).
        """
        if isinstance(self.end, Finished):
            return self.end.validation_accuracy
        return self.epochs[-1].validation_accuracy if self.epochs else None

    def _take(self, event: Event) -> None:
        if isinstance(event, Started):
            self.started, self.end = event, None
            self.launches += 1
            self.steps = [step for step in self.steps if step.epoch <= event.resumed_from]
            self.epochs = [epoch for epoch in self.epochs if epoch.epoch <= event.resumed_from]
        elif isinstance(event, Step):
            self.steps.append(event)
        elif isinstance(event, EpochEnd):
            self.epochs.append(event)
        elif isinstance(event, Finished | Failed):
            self.end = event


def read_history(path: Path, with_steps: bool = True) -> History:
    """The whole history of a run, read once."""
    history = History(path, with_steps)
    history.read_new()
    return history


def curve_lines(history: History, quantity: str) -> tuple[Line, Line, Line]:
    """Accuracy or loss of the logged steps, of training and of validation: what `core.figures.curve` draws.

    The run has started.
    """
    logged = history.steps[:: len(history.steps) // MOST_POINTS + 1]
    steps = np.array([step.step for step in logged]) / history.started.steps_per_epoch
    epochs = np.array([epoch.epoch for epoch in history.epochs], dtype=float)
    training, validation = (
        np.array([getattr(epoch, f"{part}_{quantity}") for epoch in history.epochs])
        for part in ("train", "validation")
    )
    return (
        (steps, np.array([getattr(step, quantity) for step in logged])),
        (epochs, training),
        (epochs, validation),
    )


def epoch_matrix(histories: Sequence[History], epochs: int, name: str) -> np.ndarray:
    """One figure of each epoch of several runs: (runs, epochs), NaN where a run has not come, or ended before.

    A single row of NaN where there is no run.
    """
    array = np.full((max(1, len(histories)), epochs), np.nan)
    for row, history in zip(array, histories, strict=False):
        line = [getattr(epoch, name) for epoch in history.epochs][:epochs]
        row[: len(line)] = line
    return array


def log_lines(history: History) -> list[str]:
    """What happened, a line each, for people; test figures left out, which are covered elsewhere."""
    lines = []
    if started := history.started:
        facts = started.passport
        lines.append(
            f"started on {facts.get('device_name')}, {facts.get('precision')}, "
            f"{facts.get('threads')} CPU thread(s), torch {facts.get('torch')}: {started.train_images:,} training and "
            f"{started.validation_images:,} validation images, {started.steps_per_epoch:,} steps an epoch"
        )
        lines += [f"  other than before: {change}" for change in started.changes]
        if started.resumed_from:
            lines.append(
                f"went on after epoch {started.resumed_from}; taken up {history.launches} times in all"
            )
    events = sorted(
        [*history.steps, *history.epochs], key=lambda event: (event.step, isinstance(event, EpochEnd))
    )
    for event in events:
        if isinstance(event, Step):
            lines.append(
                f"  step {event.step:6,}  training loss {event.loss:.4f}  accuracy {event.accuracy:.2%}"
            )
        else:
            lines.append(
                f"epoch {event.epoch} in {event.train_seconds:.1f} s, {event.images_per_second:,.0f} images/s, "
                f"learning rate {event.learning_rate:g}: "
                f"training loss {event.train_loss:.4f} accuracy {event.train_accuracy:.2%}, "
                f"validation loss {event.validation_loss:.4f} accuracy {event.validation_accuracy:.2%}"
            )
    if isinstance(history.end, Finished):
        lines.append(f"finished after {history.end.train_seconds:.1f} s of training")
    elif isinstance(history.end, Failed):
        lines.append(f"ended: {history.end.message}")
    return lines
