"""Store a sample of what this version writes: `python -m tests.make_stored_sample`, once for each format.

`tests/faults/test_old_and_new.py` opens every sample with the code of the day, so whoever changes a format stores
the new one beside the old ones, and changes none of those.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

SAMPLES = Path(__file__).parent / "data" / "stores"
LEFT_OUT = ("lock", "worker.log", "progress.json", "runner.json")
"""They say nothing of the run, and `.index.sqlite` is made from it."""


def make(target: Path) -> None:
    """A sweep of two planned seeds of which one was trained, on the shapes, with the smallest network there is."""
    from core.config import Recipe
    from core.datasets import source
    from core.store import RunStore
    from core.sweep import settle_plan
    from core.worker import work

    recipe = Recipe(model="residual", depth=8, width=0.125, epochs=1, batch_size=256, log_every=5)
    with tempfile.TemporaryDirectory() as name:
        store = RunStore(Path(name) / "runs")
        fingerprint = source("shapes").ready_fingerprint()
        run, _ = store.open(recipe, 0, fingerprint)
        settle_plan(store, run.spec.digest, [0, 1], [])
        work(run)
        run.look("sample")
        shutil.copytree(store.folder, target, ignore=shutil.ignore_patterns(*LEFT_OUT, "*.lock", ".index*"))


def main() -> int:
    """Refuses to write over a sample: it is what that version wrote."""
    from core.store import FORMAT

    os.environ["TENFOLD_DEVICE"] = "cpu"
    target = SAMPLES / f"v{FORMAT}"
    if target.exists():
        print(f"{target} is there: a sample is never changed", file=sys.stderr)
        return 1
    make(target)
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
