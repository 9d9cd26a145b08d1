"""A decoding child that goes wrong at images with a mark behind them: `python -m tests.faulty_child BYTES SECONDS`."""

import os
import sys
import time
from typing import Any

from core import decoding_child


def burn() -> None:
    while True:
        pass


def lack_memory() -> None:
    raise MemoryError


FAULTS = {
    b"sleep here": lambda: time.sleep(3600),
    b"burn here": burn,
    b"crash here": os.abort,
    b"lack memory here": lack_memory,
}

answer = decoding_child.answer


def faulty(content: bytes, *rest: Any, **named: Any) -> Any:
    for mark, fault in FAULTS.items():
        if content.endswith(mark):
            fault()
    return answer(content, *rest, **named)


if __name__ == "__main__":
    decoding_child.answer = faulty
    sys.exit(decoding_child.main(int(sys.argv[1]), float(sys.argv[2])))
