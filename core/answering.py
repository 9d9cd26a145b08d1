"""The process that classifies for the dashboard: `python -m core.answering RUNS_FOLDER`, asked by `core.asking`.

A process of its own, since torch would cost the dashboard 570 MB and slow down each of its ticks. It reads
a question on standard input, writes its answer on standard output, and ends with its asker. What is asked
is opened once and kept. One thread: it shares the machine with trainings, which lose more by a second
thread beside them than it would gain.
"""

import io
import json
import os
import sys
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import UserError
from core.frames import receive, send
from core.index import TURN, RunIndex
from core.store import RunStore
from core.sweep import Sweep, find_sweep
from core.sweep_list import SweepList

KEPT = 4
"""So many subjects stay open; a subject with 30 networks is a few hundred MB."""

KEPT_NEIGHBOURS = 3
"""Of so many networks the features of the training images stay in memory, at most 64 MB each."""

STEP_SECONDS = 2.0
"""A question that takes longer is answered in steps: with how much is `done` of a `total`, until that is all."""

Values, Arrays = dict[str, Any], dict[str, np.ndarray]
Reply = tuple[Values, Arrays]


class _Forgotten(UserError):
    """A subject that can be opened only from what comes with the question."""


class Answerer:
    """Keeps what was asked about open, and answers one question at a time."""

    def __init__(self, store: RunStore) -> None:
        self.store = store
        self._open: OrderedDict[str, Any] = OrderedDict()
        self._neighbours: OrderedDict[str, Any] = OrderedDict()
        self._index, self._sweeps = RunIndex(store, TURN), SweepList(store)
        self._questions: dict[str, Callable[[Any, Values, Arrays], Reply]] = {
            "open": self._about,
            "classify": self._classify,
            "explain": self._explain,
            "along": self._along,
            "nearest": self._nearest,
            "features": self._features,
        }

    def answer(self, values: Values, arrays: Arrays) -> Reply:
        """The answer, or {"error": sentence} where a person can mend what is wrong."""
        try:
            values = {**values, "subject": self._pinned(values["subject"])}
            subject = self._subject(values["subject"], arrays)
            return self._questions[values["what"]](subject, values, arrays)
        except _Forgotten as error:
            return {"error": str(error), "forgotten": True}, {}
        except UserError as error:
            return {"error": str(error)}, {}
        except OSError as error:
            traceback.print_exc(file=sys.stderr)
            reason = error.strerror or type(error).__name__
            return {"error": f"A file of the runs or data folder can't be used ({reason})."}, {}
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            return {
                "error": f"This could not be answered ({type(error).__name__}): try another image or model."
            }, {}

    def _subject(self, named: Values, arrays: Arrays) -> Any:
        """A `Classifier`, opened or from memory. Weights that were brought come once and stay by their name."""
        from core import classify

        key = json.dumps(named, sort_keys=True)
        if key not in self._open:
            kind = named["kind"]
            if kind == "several":
                found = classify.put_together([self._subject(one, {}) for one in named["of"]])
            elif kind == "card":
                found = classify.open_card(named["name"])
            elif kind == "run":
                found = classify.open_run(self.store, named["id"])
            elif kind == "sweep":
                found = classify.open_seeds(self._sweep(named["digest"]), named["finished"])
            else:
                found = self._brought(named, arrays)
            self._open[key] = found
        self._open.move_to_end(key)
        while len(self._open) > KEPT:
            self._open.popitem(last=False)
        return self._open[key]

    def _pinned(self, named: Values) -> Values:
        """A sweep with the ids of the runs that have finished by now, unless they are named: whoever goes on
        asking by the name that "open" gave back is answered by the same seeds each time."""
        if named["kind"] == "several":
            return {**named, "of": [self._pinned(one) for one in named["of"]]}
        if named["kind"] == "sweep" and "finished" not in named:
            return {**named, "finished": [row.run.id for row in self._sweep(named["digest"]).finished]}
        return named

    def _sweep(self, digest: str) -> Sweep:
        return find_sweep(self._sweeps.of(self._index.rows()), digest)

    def _brought(self, named: Values, arrays: Arrays) -> Any:
        from core import classify
        from core.config import Recipe

        if "content" not in arrays:
            raise _Forgotten("These weights are not in memory any more: bring them again.")
        return classify.open_weights(
            arrays["content"].tobytes(),
            named["file"],
            Recipe.from_dict(named["recipe"]),
            named["classes"],
            np.array(named["mean"]),
            np.array(named["std"]),
        )

    def _about(self, subject: Any, values: Values, arrays: Arrays) -> Reply:
        alarm = subject.alarm
        return {
            "named": values["subject"],
            "title": subject.title,
            "note": subject.note,
            "classes": list(subject.classes),
            "size": subject.image_size,
            "members": [member.name for member in subject.members],
            "parts": list(subject.parts),
            "calibrated": subject.calibrated,
            "false_alarms": alarm.false_alarms if alarm else None,
        }, {}

    def _classify(self, subject: Any, values: Values, arrays: Arrays) -> Reply:
        found = subject.classify(arrays["images"])
        names = ("mean", "spread", "agreement", "energy", "unusual", "probabilities")
        return {"has_alarm": subject.alarm is not None}, {name: getattr(found, name) for name in names}

    def _explain(self, subject: Any, values: Values, arrays: Arrays) -> Reply:
        """The mean map over at most three networks, each scaled to its own strongest place.

        `regions`: rows and columns of their maps, each size once; for Grad-CAM only.
        """
        from core.explain import explain, regions
        from core.members import ARITHMETIC

        maps = []
        with ARITHMETIC:
            for member in subject.members[:3]:
                maps.append(
                    explain(
                        member.model,
                        arrays["image"],
                        member.mean,
                        member.std,
                        values["target"],
                        values["method"],
                    )
                )
        heat = np.mean(maps, axis=0)
        strongest = float(np.abs(heat).max())
        sizes = set()
        if values["method"] == "gradcam":
            sizes = {regions(member.model, subject.image_size) for member in subject.members[:3]}
        return {"members": len(maps), "regions": sorted(sizes)}, {
            "heat": heat / strongest if strongest else heat
        }

    def _along(self, subject: Any, values: Values, arrays: Arrays) -> Reply:
        from core.play import Play, weak_spot

        found = weak_spot(
            lambda images: subject.classify(images).mean, arrays["image"], Play(**values["play"])
        )
        told = {
            name: {"start": one.start, "below": one.below, "above": one.above} for name, one in found.items()
        }
        flat = {}
        for name, one in found.items():
            flat[f"{name}.values"], flat[f"{name}.probability"] = one.values, one.probability
        return {"along": told}, flat

    def _nearest(self, subject: Any, values: Values, arrays: Arrays) -> Reply:
        """By the features of the first network; those of the training images are worked out once, in steps."""
        due = time.monotonic() + STEP_SECONDS
        known = self._known_neighbours(subject.members[0])
        known.go_on(due - time.monotonic())
        told = {"done": known.known, "total": len(known.rows), "note": known.note}
        if not known.complete:
            return told, {}
        found = known.nearest(arrays["images"], values["count"])
        return told, {**found._asdict(), "images": known.pictures(found.indices)}

    def _known_neighbours(self, member: Any) -> Any:
        """A network's, opened or from memory; which goes from there is written down as far as it is known."""
        from core.neighbours import open_neighbours

        key = json.dumps([member.sha256, member.seed, member.data_fingerprint, member.recipe.to_dict()])
        if key not in self._neighbours:
            self._neighbours[key] = open_neighbours(member)
        self._neighbours.move_to_end(key)
        while len(self._neighbours) > KEPT_NEIGHBOURS:
            _, left = self._neighbours.popitem(last=False)
            left.keep()
        return self._neighbours[key]

    def _features(self, subject: Any, values: Values, arrays: Arrays) -> Reply:
        """The filters of the first network's first layer and, where an `image` comes along, its feature maps."""
        import torch

        from core.device import settle_arithmetic
        from core.evaluate import scale
        from core.features import feature_maps, first_filters
        from core.members import ARITHMETIC

        member, found = subject.members[0], {}
        filters = first_filters(member.model)
        if filters is not None:
            found["filters"] = filters
        if "image" not in arrays:
            return {"layers": []}, found
        with ARITHMETIC:
            settle_arithmetic(member.recipe)
            image = torch.tensor(arrays["image"][None], device=member.compute.device)
            with member.compute.autocast():
                maps = feature_maps(member.model, member.normalise(scale(image)))
        for number, one in enumerate(maps):
            found[f"maps.{number}"], found[f"channels.{number}"] = one.maps, one.channels
        told = ("layer", "kind", "count", "shape", "low", "high")
        return {"layers": [{name: getattr(one, name) for name in told} for one in maps]}, found


def pack(values: Values, arrays: Arrays) -> tuple[bytes, bytes]:
    """The two parts of a frame: JSON, and the arrays as an archive without pickles."""
    archive = io.BytesIO()
    np.savez(archive, **arrays)
    return json.dumps(values).encode(), archive.getvalue()


def unpack(parts: list[bytes]) -> Reply:
    """What `pack` made.

    Raises:
        ValueError: anything else.
    """
    if len(parts) != 2:
        raise ValueError("two parts are expected")
    with np.load(io.BytesIO(parts[1]), allow_pickle=False) as archive:
        return json.loads(parts[0]), {name: archive[name] for name in archive.files}


class _Pipes:
    """Standard input, and what was standard output before others might print there."""

    def __init__(self) -> None:
        self._from = sys.stdin.buffer
        self._to = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)  # whatever prints, prints to the log

    def read(self, n_bytes: int) -> bytes:
        return self._from.read(n_bytes)

    def write(self, data: bytes | memoryview) -> None:
        self._to.write(data)

    def flush(self) -> None:
        self._to.flush()


def main(arguments: list[str]) -> int:
    """Answer until the asker is gone."""
    pipes = _Pipes()
    answerer = Answerer(RunStore(Path(arguments[0])))
    import torch

    torch.set_num_threads(1)
    while True:
        try:
            _, parts = receive(pipes)
        except EOFError:
            return 0
        send(pipes, {}, *pack(*answerer.answer(*unpack(parts))))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
