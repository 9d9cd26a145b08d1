"""A run as tables show it, and the form in which the index keeps it: brought back a hundred thousand at once.

Only recipe, order and stamps of all runs are made at once; all else of a row when somebody asks for it.
"""

import functools
import hashlib
import json
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
them: seed, created, state, over, the inode of its folder, stamps, labels, attempt, figures."""

_Common = tuple[Recipe | None, str, str, bool]
"""What the seeds of a recipe share: the recipe, None for one that is refused; digest and fingerprint; and whether
the text that it was read from was written by these very rules."""


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
        """The same with other values of some fields, in place of `dataclasses.replace`, which fails for one out of the
        file."""
        return Row(**{name: getattr(self, name) for name in _FIELDS} | changed)


_CODE_OF_RULES = b"".join(Path(module.__file__).read_bytes() for module in (config, knobs, models, datasets))

RULES = hashlib.sha256(_CODE_OF_RULES).hexdigest()[:16]
"""Another one whenever the code changes that says which recipes there may be."""

_FIELDS = [field.name for field in fields(Row)]
FIGURES = [name for name in _FIELDS if name not in ("run", "state", "labels")]

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


class _KeptRow(Row):
    """A row out of the file: it holds the record as it was read, and takes out of it what somebody asks for.

    With a hundred thousand of them, what is made of a record at once is what a first view waits for.
    """

    __slots__ = ("kept",)
    kept: tuple[Path, str, _Common, str]
    """The folder of runs, the id, what its seeds share, and the record's facts."""

    @property
    def run(self) -> Run:
        return self.__dict__.get("run") or self.__dict__.setdefault("run", _kept_run(*self.kept))

    @property
    def state(self) -> RunState:
        return _STATES[self.kept[3].split("\t", 3)[2]]

    @property
    def labels(self) -> Labels:
        labels = self.kept[3].split("\t", 7)[6]
        return _labels(labels) if labels else _NO_LABELS

    @property
    def id(self) -> str:
        return self.kept[1]

    @property
    def recipe(self) -> Recipe:
        return self.kept[2][0]

    @property
    def seed(self) -> int:
        return int(self.kept[3].split("\t", 1)[0])

    @property
    def digest(self) -> str:
        return self.kept[2][1]

    @property
    def data_fingerprint(self) -> str:
        return self.kept[2][2]

    @property
    def created(self) -> float:
        return float(self.kept[3].split("\t", 2)[1])

    def __getattr__(self, name: str) -> Any:
        """One of the figures, which are unpacked when the first of them is asked for."""
        if name not in FIGURES:
            raise AttributeError(name)
        self.__dict__.update(zip(FIGURES, unpacked(self.kept[3].rpartition("\t")[2]), strict=True))
        return self.__dict__[name]


_keep = _KeptRow.kept.__set__  # in half the time of `setattr`


@functools.lru_cache(maxsize=1000)
def _labels(text: str) -> Labels:
    return labels_of(json.loads(text))


def _kept_run(runs: Path, run_id: str, common: _Common, facts: str) -> Run:
    recipe, digest, fingerprint, _ = common
    seed, created, *_, attempt, _ = facts.split("\t")
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
        repr(float(spec.created)),
        str(row.state),
        "over" if entry.over else "",
        str(entry.place),
        entry.seen,
        "" if row.labels == _NO_LABELS else json.dumps(asdict(row.labels)),  # JSON has no tab of its own
        str(spec.attempt),
        json.dumps([getattr(row, name) for name in FIGURES]),
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
    entries, times, new = [], [], _KeptRow.__new__
    for name, run_id, facts in records:
        shares = common[name]
        if shares[0] is None:
            continue
        _, created, _, over, place, stamps, _ = facts.split("\t", 6)
        row = new(_KeptRow)
        _keep(row, (runs, run_id, shares, facts))
        entries.append((run_id, Entry(int(place), stamps, over == "over", row)))
        times.append(float(created))
    found = dict(entries[place] for place in sorted(range(len(entries)), key=times.__getitem__))
    anew = {run_id for name, run_id, _ in records if name in outdated} & found.keys() if outdated else set()
    return found, anew


def _common(rules: str, values: dict[str, Any], digest: str, fingerprint: str) -> _Common:
    """What a shared text says."""
    if rules == RULES:  # it has passed the very checks that it would pass now
        recipe = Recipe.__new__(Recipe)
        object.__setattr__(recipe, "__dict__", values)
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
