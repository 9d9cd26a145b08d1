"""What people write on their runs to keep order among many: star, tags, a note, archived.

runs/ID/labels.json, written by the dashboard only; nothing of a training hangs on it. A file that is
damaged, or of another version, counts as no labels.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from core import changes
from core.errors import UserError
from core.paths import read_json, write_json

NAME = "labels.json"
MOST_TAGS = 12
MOST_TAG_LETTERS = 32
MOST_NOTE_LETTERS = 2000

_writing = threading.Lock()
"""Sessions of one dashboard change labels one after another: none undoes what another one wrote."""


@dataclass(frozen=True)
class Labels:
    """The labels of one run; a new one has none."""

    tags: tuple[str, ...] = ()
    star: bool = False
    note: str = ""
    archived: bool = False

    def tagged(self, added: Iterable[str], removed: Iterable[str] = ()) -> "Labels":
        """With other tags, each once, blanks within them single.

        Raises:
            UserError: a tag that is too long, or too many of them.
        """
        away = set(map(_tidy, removed))
        tags = tuple(dict.fromkeys([*(t for t in self.tags if t not in away), *map(_tidy, added)]))
        tags = tuple(filter(None, tags))
        if any(len(tag) > MOST_TAG_LETTERS for tag in tags):
            raise UserError(
                f"A tag has at most {MOST_TAG_LETTERS} letters: write longer things into the note."
            )
        if len(tags) > MOST_TAGS:
            raise UserError(f"A run has at most {MOST_TAGS} tags: take some away first.")
        return replace(self, tags=tags)

    def noted(self, text: str, append: bool = False) -> "Labels":
        """With another note, or with one more paragraph of it.

        Raises:
            UserError: the note would be too long.
        """
        text = text.replace("\r\n", "\n").replace("\0", "").strip()
        note = "\n".join(filter(None, (self.note, text))) if append else text
        if len(note) > MOST_NOTE_LETTERS:
            raise UserError(
                f"A note has at most {MOST_NOTE_LETTERS:,} letters, and this one would have {len(note):,}: "
                "shorten it; nothing was changed."
            )
        return replace(self, note=note)


def read_labels(folder: Path) -> Labels:
    """The labels in a run's folder; none where there is no file, or one that is none of ours."""
    return labels_of(read_json(folder / NAME) or {})


def labels_of(values: dict[str, Any]) -> Labels:
    """From a JSON object; whatever in it is not as it should be is left out."""
    tags, note = values.get("tags"), values.get("note")
    texts = [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list | tuple) else []
    tidy = dict.fromkeys(filter(None, (_tidy(tag)[:MOST_TAG_LETTERS] for tag in texts)))
    return Labels(
        tuple(tidy)[:MOST_TAGS],
        values.get("star") is True,
        note[:MOST_NOTE_LETTERS] if isinstance(note, str) else "",
        values.get("archived") is True,
    )


def change_labels(folders: list[Path], change: Callable[[Labels], Labels]) -> None:
    """Change the labels of some runs: those of all, or, where one of them can't be, of none.

    Raises:
        UserError: `change` refuses, or a run is gone.
        OSError: a file can't be written; runs before it keep their new labels.
    """
    with _writing:
        before = [(folder, read_labels(folder)) for folder in folders]
        after = [(folder, old, change(old)) for folder, old in before]
        for folder, _, _ in after:
            if not folder.is_dir():
                raise UserError("One of these runs has been deleted meanwhile: choose again.")
        for folder, old, new in after:
            if new != old:
                write_json(folder / NAME, asdict(new), durable=False)
                changes.note(folder)


def _tidy(tag: str) -> str:
    return " ".join(tag.replace("\0", "").split())
