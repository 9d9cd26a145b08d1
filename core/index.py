"""Stub for now."""

from dataclasses import dataclass
from core.events import Failed, Finished
from core.store import Run, RunState, RunStore


@dataclass(frozen=True)
class Row:
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


class RunIndex:
    def __init__(self, store):
        self.store = store

    def rows(self):
        out = []
        for r in self.store.runs():
            h = r.history()
            e = h.end
            f = e if isinstance(e, Finished) else None
            x = e if isinstance(e, Failed) else None
            out.append(
                Row(
                    r,
                    r.state(),
                    r.looks(),
                    len(h.epochs),
                    f.validation_accuracy if f else (h.epochs[-1].validation_accuracy if h.epochs else None),
                    f.test_accuracy if f else None,
                    sum(q.train_seconds for q in h.epochs),
                    f.images_per_second if f else None,
                    h.started.passport.get("device_name") if h.started else None,
                    x.reason if x else None,
                    x.message if x else None,
                )
            )
        return out
