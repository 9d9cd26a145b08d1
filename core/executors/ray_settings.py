"""The settings of the Ray executor: environment variables, read and checked in one place."""

import math
import os
from dataclasses import dataclass

from core.errors import UserError
from core.paths import data_dir

ADDRESS = "http://127.0.0.1:8265"
"""Where `ray start --head` answers on this machine."""


@dataclass(frozen=True)
class Share:
    """What of a node each run asks for; None: a whole GPU where the cluster has any, else the CPU cores it can use."""

    gpus: float | None
    cpus: float | None


def address() -> str:
    """`TENFOLD_RAY_ADDRESS`, or Ray's own on this machine.

    Raises:
        UserError: it is no address of a Jobs API.
    """
    found = os.environ.get("TENFOLD_RAY_ADDRESS") or ADDRESS
    if not found.startswith(("http://", "https://")):
        raise UserError(
            f"TENFOLD_RAY_ADDRESS is {found!r}: give the address of Ray's dashboard, such as {ADDRESS}; "
            "it is how runs reach a cluster."
        )
    return found


def share() -> Share:
    """`TENFOLD_RAY_GPUS` and `TENFOLD_RAY_CPUS`.

    Raises:
        UserError: one is no number that Ray takes.
    """
    gpus, cpus = _number("TENFOLD_RAY_GPUS"), _number("TENFOLD_RAY_CPUS")
    if gpus and gpus > 1 and gpus != int(gpus):
        raise UserError(
            f"TENFOLD_RAY_GPUS is {gpus:g}: give a part of one GPU, such as 0.25, or a whole number."
        )
    return Share(gpus, cpus)


def _number(name: str) -> float | None:
    text = os.environ.get(name, "").strip()
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise UserError(f"{name} is {text!r}: give a number, such as 0.25 or 1.")
    return number


def passed_on() -> dict[str, str]:
    """Of the environment, what workers of a cluster are told; a node that sets one of them itself is right."""
    ours = {"TENFOLD_EXECUTOR", "TENFOLD_RAY_ADDRESS", "TENFOLD_RUNS", "TENFOLD_SLOTS"}
    told = {key: value for key, value in os.environ.items() if key.startswith("TENFOLD_") and key not in ours}
    return {**told, "TENFOLD_DATA": str(data_dir())}
