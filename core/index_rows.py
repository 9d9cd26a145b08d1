"""A run as tables show it, and the form in which the index keeps it: brought back a hundred thousand at once.

What every table needs of all runs (recipe, seed, state, labels) comes back at once, cheaply; the run itself and
the figures of a row are made when somebody asks for them.
"""

import functools
import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from core import config, datasets, knobs, models
from core.config import Recipe
from core.errors import UserError
from core.events import Failed, Finished
from core.history import read_history
from core.labels import Labels, labels_of, read_labels
from core.store import RECIPES_KEPT, Run, RunSpec, RunState, RunStore, recipe_of

Stamp = tuple[int, int, int] | None
"""Inode, change time in nanoseconds and size of a file; None for no file. A change of content sets the
change time even where somebody sets the time of modification back."""

Stamps = tuple[Stamp, Stamp, Stamp, Stamp]
"""Of run.json, events.jsonl, looks.jsonl and labels.json."""

CHANGING = (0, 0, 0)
"""In place of the stamp of a file that is to be read anew."""

_CHANGING_TEXT = json.dumps(CHANGING)

Record = tuple[str, str, str]
"""A run in the file: the name of its shared text, its id, and in one text, quickly read and summed, with tabs between
them: seed, attempt, created, state, over, the inode of its folder, stamps, figures, labels."""


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
        """That of its run; like what follows of its `spec`, cheaper to get than the run."""
        kept = self.__dict__.get("kept")
        return self.run.id if kept is None else kept[1]

    @property
    def recipe(self) -> Recipe:
        kept = self.__dict__.get("kept")
        return self.run.spec.recipe if kept is None else kept[2]

    @property
    def seed(self) -> int:
        kept = self.__dict__.get("kept")
        return self.run.spec.seed if kept is None else int(kept[3])

    @property
    def digest(self) -> str:
        kept = self.__dict__.get("kept")
        return self.run.spec.digest if kept is None else kept[4]

    @property
    def data_fingerprint(self) -> str:
        kept = self.__dict__.get("kept")
        return self.run.spec.data_fingerprint if kept is None else kept[5]

    @property
    def created(self) -> float:
        kept = self.__dict__.get("kept")
        return self.run.spec.created if kept is None else float(kept[7])

    def __getattr__(self, name: str) -> Any:
        """Of a row that came out of the file: its run is made, and its figures are unpacked, when they are asked for."""
        if name == "run" and "kept" in self.__dict__:
            return self.__dict__.setdefault("run", _kept_run(*self.kept))
        packed = self.__dict__.get("packed")
        if packed is not None:
            self.__dict__.update(zip(FIGURES, unpacked(packed), strict=True))
            self.__dict__.pop("packed", None)
        if name in self.__dict__:  # perhaps another thread has just unpacked it
            return self.__dict__[name]
        raise AttributeError(name)


_CODE_OF_RULES = b"".join(Path(module.__file__).read_bytes() for module in (config, knobs, models, datasets))

RULES = hashlib.sha256(_CODE_OF_RULES).hexdigest()[:16]
"""Another one whenever the code changes that says which recipes there may be."""

FIGURES = [field.name for field in fields(Row) if field.name not in ("run", "state", "labels")]

_STATES = {str(state): state for state in RunState}
_NO_LABELS = Labels()


@dataclass(slots=True)
class Entry:
    """A row, what it was read from, and whether it holds as long as that stays as it is.

    An entry that is not `over` keeps its figures, yet its state hangs on locks and markers too. `place` is the
    inode of its folder, `seen` are its stamps as `as_text` makes them: a quarter of the memory.
    """

    place: int
    seen: str
    over: bool
    row: Row

    @property
    def stamps(self) -> Stamps:
        """Of the files as they were when the row was read."""
        return tuple(stamp and tuple(stamp) for stamp in json.loads(self.seen))

    @property
    def is_changing(self) -> bool:
        """Whether a file of it is to be read anew at the next look."""
        return _CHANGING_TEXT in self.seen


def as_text(stamps: Stamps) -> str:
    """The same stamps, the same text."""
    return json.dumps(stamps)


def settled(stamps: Stamps, latest: int) -> Stamps:
    """As far as they may be believed at the next call.

    Looks and labels alone are read anew: with `python -m core runs --json` all runs are looked at at once,
    and as many may be starred or archived.
    """
    return tuple(CHANGING if stamp and stamp[1] >= latest else stamp for stamp in stamps)


def _kept_run(
    runs: Path,
    run_id: str,
    recipe: Recipe,
    seed: str,
    digest: str,
    fingerprint: str,
    attempt: str,
    created: str,
) -> Run:
    """What a row keeps of its run, as a run."""
    return Run(runs / run_id, RunSpec(recipe, int(seed), digest, fingerprint, int(attempt), float(created)))


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


def packed(entry: Entry) -> tuple[str, Record]:
    """An entry as the text that it shares with the other seeds of its recipe, and the record with its name."""
    spec, row = entry.row.run.spec, entry.row
    text = _shared_text(spec.recipe, spec.digest, spec.data_fingerprint)
    facts = (
        str(spec.seed),
        str(spec.attempt),
        repr(spec.created),
        str(row.state),
        "over" if entry.over else "",
        str(entry.place),
        entry.seen,
        json.dumps([getattr(row, name) for name in FIGURES]),  # JSON has no tab of its own
        "" if row.labels == _NO_LABELS else json.dumps(asdict(row.labels)),
    )
    return text, (name_of(text), row.run.id, "\t".join(facts))


def unpacked(figures: str) -> list[Any]:
    """The figures of a row, in the order of `FIGURES`."""
    return json.loads(figures)


def restored(runs: Path, shared: dict[str, str], records: list[Record]) -> tuple[dict[str, Entry], set[str]]:
    """The entries of a file by id, the run that was made first at the front; and the ids of those to be written anew.

    Recipes that this version of Tenfold refuses are left out: the runs themselves tell what to make of them. Those
    that another version checked are checked now, which takes longer than all else: written anew, only once.

    Args:
        shared: texts by name.
    """
    names = list({name for name, _, _ in records})
    texts = json.loads(
        f"[{','.join(shared[name] for name in names)}]"
    )  # at once: half the time of one by one
    common = {name: _common(*values) for name, values in zip(names, texts, strict=True)}
    outdated = {name for name, (_, _, _, by_these_rules) in common.items() if not by_these_rules}
    found, new, before, ordered = {}, Row.__new__, -math.inf, True
    for name, run_id, facts in records:
        recipe, digest, fingerprint, _ = common[name]
        if recipe is None:
            continue
        seed, attempt, created, state, over, place, stamps, figures, labels = facts.split("\t")
        row = new(Row)  # past __init__, which sets each field for itself, and wants them all
        row.__dict__.update(
            kept=(runs, run_id, recipe, seed, digest, fingerprint, attempt, created),
            state=_STATES[state],
            labels=labels_of(json.loads(labels)) if labels else _NO_LABELS,
            packed=figures,
        )
        found[run_id] = Entry(int(place), stamps, over == "over", row)
        ordered, before = ordered and float(created) >= before, float(created)
    anew = {run_id for name, run_id, _ in records if name in outdated} & found.keys() if outdated else set()
    return found if ordered else dict(sorted(found.items(), key=_made)), anew


def _made(named: tuple[str, Entry]) -> float:
    return named[1].row.created


def _common(
    rules: str, values: dict[str, Any], digest: str, fingerprint: str
) -> tuple[Recipe | None, str, str, bool]:
    """Recipe, digest and fingerprint of a shared text, and whether it was written by these very rules."""
    if rules == RULES:  # it has passed the very checks that it would pass now
        recipe = Recipe.__new__(Recipe)
        recipe.__dict__.update(values)
        return recipe, digest, fingerprint, True
    try:
        return recipe_of(json.dumps(values)), digest, fingerprint, False
    except (UserError, ValueError, TypeError, KeyError):
        return None, digest, fingerprint, False


@functools.lru_cache(maxsize=RECIPES_KEPT)
def _shared_text(recipe: Recipe, digest: str, fingerprint: str) -> str:
    return json.dumps([RULES, recipe.to_dict(), digest, fingerprint])


@functools.lru_cache(maxsize=RECIPES_KEPT)
def name_of(text: str) -> str:
    """What names a shared text, and proves that it is whole."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]
