"""Do files on a disk get the answers that a run wrote down? `python -m benchmarks.own_path RUN FOLDER [--json]`

Every test image of the folder that the run was trained on (`FOLDER/test/CLASS/*`) is read, decoded, fitted
and classified as an upload is. What comes out is compared with the run's `predictions.npz`, bit by bit, and with
its test accuracy, which counts as a look; then the speed of 1,000 images of 32 × 32, and of one at a time.

What it printed for three runs on the JPEG copy of CIFAR-10, 10,000 test images (two cores, bf16):

                        accuracy  stored    same logits  1,000 images  one image
    fast, 38 epochs      91.47 %  91.47 %   yes              1.3 s       5 ms
    baseline x 0.25      69.62 %  69.62 %   yes              1.6 s      10 ms
    improved x 0.125     77.28 %  77.28 %   yes              0.4 s       1 ms
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from core.classify import Classifier, open_run
from core.decoding import Decoder
from core.paths import runs_dir
from core.predictions import read_predictions
from core.store import RunStore

AT_ONCE = 500
ONE_BY_ONE = 50


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", help="id of a finished run")
    parser.add_argument("folder", type=Path, help="of the images that it was trained on")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    options = parser.parse_args(arguments)
    store = RunStore(runs_dir())
    run = store.get(options.run)
    classifier = open_run(store, run.id)
    files = sorted(options.folder.glob("test/*/*"), key=lambda file: (file.parent.name, file.name))
    begin = time.monotonic()
    found = np.concatenate([classifier.classify(images).logits[0] for images in _images(files, classifier)])
    seconds = time.monotonic() - begin
    labels = np.array([classifier.classes.index(file.parent.name) for file in files])
    stored, end = read_predictions(run), run.history().end
    run.look("benchmark")
    result: dict[str, Any] = {
        "images": len(files),
        "accuracy": float((found.argmax(1) == labels).mean()),
        "stored_accuracy": end.test_accuracy,
        "same_answers": bool(np.array_equal(found.argmax(1), stored.answers)),
        "same_logits": bool(np.array_equal(found, stored.logits)),
        "seconds": seconds,
        **_speed(files, classifier),
    }
    width = max(map(len, result))
    print(json.dumps(result) if options.json else "\n".join(f"{k:{width}} {v}" for k, v in result.items()))
    return 0 if result["same_answers"] else 1


def _images(files: list[Path], classifier: Classifier) -> Iterator[np.ndarray]:
    """Decoded as uploads are, (n, 3, s, s)."""
    decoder = Decoder()
    for begin in range(0, len(files), AT_ONCE):
        contents = [(file.name, file.read_bytes()) for file in files[begin : begin + AT_ONCE]]
        yield np.stack([one.seen for one in decoder.decode(contents, classifier.image_size, shown=False)])


def _speed(files: list[Path], classifier: Classifier) -> dict[str, float]:
    def seconds(some: list[Path]) -> float:
        begin = time.monotonic()
        for images in _images(some, classifier):
            classifier.classify(images)
        return time.monotonic() - begin

    singles = [seconds([file]) for file in files[:ONE_BY_ONE]]
    return {"seconds_for_1000": seconds(files[:1000]), "seconds_for_one": float(np.median(singles))}


if __name__ == "__main__":
    sys.exit(main())
