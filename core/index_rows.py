"""A run as tables show it, and what the index knows of the files that it was read from."""

import json
from dataclasses import dataclass, fields
from typing import Any

from core.config import Recipe
from core.errors import UserError
from core.events import Failed, Finished
from core.history import read_history
from core.labels import Labels, read_labels
from core.stamps import CHANGING, Stamp
from core.store import Run, RunState, RunStore

Stamps = tuple[Stamp, Stamp, Stamp, Stamp]
"""Of run.json, events.jsonl, looks.jsonl and labels.json."""

_CHANGING_TEXT = json.dumps(CHANGING)


@dataclass(frozen=True)
class Row:
    """A run as tables show it; accuracies are fractions, `epochs` the committed ones.

    `validation_accuracy` is that of the weights kept if the run has finished, else of the last epoch.
    `test_accuracy` and `images_per_second` are there when it has finished, `reason` and `message` when
    its events say why it ended early. Who shows `test_accuracy` counts a look (`Run.look`).
    """

    run: Run
    state: RunState
    looks: int
    epochs: int
    validation_accuracy: float | None
    test_accuracy: float | None
    train_seconds: float
    images_per_second: float | None
    device_name: str | None
    reason: str | None
    message: str | None
    labels: Labels

    @property
    def id(self) -> str:
        """That of its run. This and the properties below cost less than to make the run."""
        return self.run.id

    @property
    def recipe(self) -> Recipe:
        return self.run.spec.recipe

    @property
    def dataset(self) -> str:
        """Of its recipe, as `model`."""
        return self.recipe.dataset

    @property
    def model(self) -> str:
        return self.recipe.model

    @property
    def seed(self) -> int:
        return self.run.spec.seed

    @property
    def digest(self) -> str:
        return self.run.spec.digest

    @property
    def data_fingerprint(self) -> str:
        return self.run.spec.data_fingerprint

    @property
    def created(self) -> float:
        return self.run.spec.created

    def but(self, **changed: Any) -> "Row":
        """The same with other values of some fields; `dataclasses.replace` fails for one out of the file."""
        return Row(**{name: getattr(self, name) for name in _FIELDS} | changed)


_FIELDS = [field.name for field in fields(Row)]
FIGURES = [name for name in _FIELDS if name not in ("run", "state", "labels")]


class Seen:
    """What an entry's files looked like when it was read; `seen` has it as text."""

    __slots__ = ()

    @property
    def stamps(self) -> Stamps:
        return tuple(stamp and tuple(stamp) for stamp in json.loads(self.seen))

    @property
    def is_changing(self) -> bool:
        """Whether a file of it is to be read anew at the next look."""
        return _CHANGING_TEXT in self.seen

    @property
    def is_quiet(self) -> bool:
        """Whether it needs no look before its turn."""
        return self.over and not self.is_changing


@dataclass(slots=True)
class Entry(Seen):
    """A row, what it was read from, and whether it holds as long as that stays as it is.

    An entry that is not `over` keeps its figures, yet its state hangs on locks and markers too. `place` is the
    inode of its folder, `seen` are its stamps as `as_text` makes them: a quarter of the memory.
    """

    place: int
    seen: str
    over: bool
    row: Row


def as_text(stamps: Stamps) -> str:
    """The same stamps, the same text."""
    return json.dumps(stamps)


def settled(stamps: Stamps, latest: int) -> Stamps:
    """As far as they may be believed at the next call.

    Looks and labels alone are read anew: with `python -m core runs --json` all runs are looked at at once,
    and as many may be starred or archived.
    """
    return tuple(CHANGING if stamp and stamp[1] >= latest else stamp for stamp in stamps)


def read_row(store: RunStore, run_id: str) -> tuple[Row, bool] | None:
    """The row of a run, from its own files, and whether it is over; None where it can't be read."""
    try:
        run = store.get(run_id)
    except UserError:
        return None
    state, over = run.state(), run.over
    history = read_history(run.events_path, with_steps=False)
    end = history.end
    finished = end if isinstance(end, Finished) else None
    failed = end if isinstance(end, Failed) else None
    row = Row(
        run=run,
        state=state,
        looks=run.looks(),
        epochs=len(history.epochs),
        validation_accuracy=history.validation_accuracy,
        test_accuracy=finished and finished.test_accuracy,
        train_seconds=sum(epoch.train_seconds for epoch in history.epochs),
        images_per_second=finished and finished.images_per_second,
        device_name=history.started and history.started.passport.get("device_name"),
        reason=failed and failed.reason,
        message=failed and failed.message,
        labels=read_labels(run.folder),
    )
    return row, over
