"""The command `classify`: what trained networks take image files for."""

import argparse
import os
import stat
from collections.abc import Iterator
from typing import Any

import numpy as np

from core.decoding import Budget, Decoder, unpack
from core.errors import UserError
from core.images import MOST_BYTES
from core.paths import runs_dir
from core.pretrained import cards
from core.store import RunStore
from core.terminal import Outcome
from core.zips import MOST_UNPACKED_BYTES, is_zip

AT_ONCE = 500
AT_ONCE_BYTES = 64_000_000
"""Files are read, decoded and classified in portions of so many at most: memory stays bounded."""

SHOWN_CLASSES = 3


def add_commands(commands: Any) -> list[argparse.ArgumentParser]:
    """Add it to the parser; gives its own parser."""
    parser = commands.add_parser("classify", help="what trained networks take images for")
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="PNG, JPEG, WebP, BMP or GIF, or a zip of them"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--run", metavar="ID", help="a finished run, as `runs` lists it")
    which.add_argument(
        "--recipe", metavar="DIGEST", help="all finished seeds of a recipe; its digest's beginning will do"
    )
    which.add_argument(
        "--card", choices=cards(), help="a network that comes with Tenfold; else the most accurate one"
    )
    parser.set_defaults(command=classify_command)
    return [parser]


def classify_command(options: argparse.Namespace) -> Outcome:
    """One answer a file, in their order, for a zip one for each file in it; exit status 1 if any was refused."""
    from core.classify import open_card, open_run, open_sweep

    store = RunStore(runs_dir())
    if options.run:
        classifier = open_run(store, options.run)
    elif options.recipe:
        classifier = open_sweep(store, options.recipe)
    else:
        classifier = open_card(options.card or next(iter(cards())))
    results = []
    with Decoder() as decoder:
        for portion in _portions(options.files):
            results += _answers(classifier, decoder, portion)
    refused = any("refused" in result for result in results)
    lines = [f"{classifier.title}. {classifier.note}", *map(_line, results)]
    return int(refused), results, "\n".join(lines)


def _portions(files: list[str]) -> Iterator[list[tuple[str, bytes | str]]]:
    """Names with contents, or with why there is none."""
    portion, total = [], 0
    for name, content in _contents(files):
        if portion and (len(portion) == AT_ONCE or total + len(content) > AT_ONCE_BYTES):
            yield portion
            portion, total = [], 0
        portion.append((name, content))
        total += len(content)
    yield portion


def _contents(files: list[str]) -> Iterator[tuple[str, bytes | str]]:
    """Of each file, or of what is in it: "all.zip/cat.png" is in all.zip."""
    budget = Budget()
    for name in files:
        content = _content(name)
        if isinstance(content, str) or not is_zip(content):
            yield name, content
            continue
        try:
            members = unpack(name, content, budget)
        except UserError as error:
            yield name, str(error)
            continue
        yield from ((f"{name}/{inside}", one) for inside, one in members)


def _content(name: str) -> bytes | str:
    """At most one byte more than may be read, of an image or a zip: whoever opens it then says so."""
    try:
        # Without waiting: else a pipe is opened when somebody writes into it, and perhaps never.
        descriptor = os.open(name, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            return _read(descriptor)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        return f"This file can't be read ({getattr(error, 'strerror', None) or error})."


def _read(descriptor: int) -> bytes | str:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return "This is no file but a folder, a pipe or a device: give the files themselves."
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        content = file.read(MOST_BYTES + 1)
        return content + file.read(MOST_UNPACKED_BYTES - MOST_BYTES) if is_zip(content) else content


def _answers(
    classifier: Any, decoder: Decoder, portion: list[tuple[str, bytes | str]]
) -> list[dict[str, Any]]:
    """The results of one portion."""
    readable = [(name, content) for name, content in portion if isinstance(content, bytes)]
    decoded = iter(decoder.decode(readable, classifier.image_size, shown=False) if readable else [])
    outcomes = [next(decoded) if isinstance(content, bytes) else None for _, content in portion]
    seen = [outcome.seen for outcome in outcomes if outcome and outcome.refused is None]
    size = classifier.image_size
    answers = classifier.classify(np.array(seen, np.uint8).reshape(-1, 3, size, size))
    results, row = [], 0
    for (name, content), outcome in zip(portion, outcomes, strict=True):
        if outcome is None or outcome.refused is not None:
            results.append({"file": name, "refused": content if outcome is None else outcome.refused})
            continue
        results.append({"file": name, **_result(classifier, answers, row)})
        row += 1
    return results


def _result(classifier: Any, answers: Any, row: int) -> dict[str, Any]:
    """Probabilities are means over networks; `spread` and `agreement` are there where there are several.

    `unusual` is None where it can't be told.
    """
    classes = classifier.classes
    mean, spread = answers.mean[row], answers.spread[row]
    several = len(answers.logits) > 1
    best_first = np.argsort(-mean, kind="stable")
    listed = [
        {
            "name": classes[label],
            "probability": round(float(mean[label]), 6),
            **({"spread": round(float(spread[label]), 6)} if several else {}),
        }
        for label in best_first
    ]
    more = {"agreement": round(float(answers.agreement[row]), 6)} if several else {}
    return {"classes": listed, **more, "unusual": bool(answers.unusual[row]) if classifier.alarm else None}


def _line(result: dict[str, Any]) -> str:
    name = ascii(result["file"])[1:-1]  # a name may hold what moves the cursor
    if "refused" in result:
        return f"{name}: refused. {result['refused']}"
    best = ", ".join(f"{one['name']} {one['probability']:.1%}" for one in result["classes"][:SHOWN_CLASSES])
    agreement = f"; {result['agreement']:.0%} of the networks agree" if "agreement" in result else ""
    unusual = " (looks unlike anything in training)" if result["unusual"] else ""
    return f"{name}: {best}{agreement}{unusual}"
