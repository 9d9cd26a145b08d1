"""Which runs Tenfold itself changed after their end: looked at, labelled, mended.

runs/.changed    their ids, a line each, in the order of the changes

The index of a large store looks at runs that have ended in turns (`core.index`); from here it learns at once, of
whichever process on this store, where to look out of turn. It may be deleted at any time: then the turn tells.
"""

import contextlib
import secrets
from pathlib import Path

from core.paths import write_atomically

NAME = ".changed"

MOST_BYTES = 200_000
"""Six thousand changes; then it begins anew. Who has not read so many by then is told by the turn."""


_HEAD_BYTES = 16


def note(folder: Path) -> None:
    """Write down that a run was changed, after that was done. Where it can't be, the turn tells."""
    path = folder.parent / NAME
    with contextlib.suppress(OSError):
        if not path.exists() or path.stat().st_size > MOST_BYTES:
            # Something of its own at the front: another file of this name may have the same inode.
            write_atomically(path, secrets.token_hex(_HEAD_BYTES // 2).encode(), durable=False)
        with path.open("a") as file:
            file.write(f"\n{folder.name}\n")  # a line of its own, even after one that was cut


class Changes:
    """The reader's side: what was noted since it asked last."""

    def __init__(self, runs: Path) -> None:
        self._path = runs / NAME
        self._head, self._offset = b"", 0

    def new(self) -> set[str]:
        """What should be ids of runs, some of them gone by now; at the first call all that are noted."""
        try:
            with self._path.open("rb") as file:
                head = file.read(_HEAD_BYTES)
                if head != self._head:
                    self._head, self._offset = head, len(head)
                file.seek(self._offset)
                content = file.read()
        except OSError:
            return set()
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        return set(whole.decode(errors="replace").split())
