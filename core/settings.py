"""What a person set for this dashboard: `.settings.json` beside the runs.

A file by hand or from a newer version may hold keys that nobody here knows: they stay. One that can't
be read counts as none, is said to be so, and is set aside before another is written.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.paths import write_json

NAME = ".settings.json"


@dataclass(frozen=True)
class Settings:
    """Every setting with its default.

    `cover_test`: test figures of a run stay covered until a person reveals them. Off: they are shown with
    the run, and each run shown counts as looked at all the same.
    `guess_test`: before test figures are revealed, the person is asked for a guess of the test accuracy.
    """

    cover_test: bool = True
    guess_test: bool = False


def read_settings(folder: Path) -> tuple[Settings, str]:
    """The settings beside the runs in a folder, and what is wrong with their file, in a sentence; "" for nothing.

    A value of the wrong kind counts as not set.
    """
    values, fault = _read(folder)
    known = {item.name: type(item.default) for item in dataclasses.fields(Settings)}
    wrong = [name for name, kind in known.items() if name in values and type(values[name]) is not kind]
    if wrong:
        fault = f"{folder / NAME} has no valid value for {', '.join(wrong)}: its default is used."
    kept = {name: value for name, value in values.items() if name in known and name not in wrong}
    return Settings(**kept), fault


def write_settings(folder: Path, **changes: Any) -> Settings:
    """Change some settings and leave the others, those that nobody here knows included.

    Raises:
        TypeError: no such setting.
        OSError: the folder can't be written to; the settings are as before.
    """
    dataclasses.replace(Settings(), **changes)
    values, fault = _read(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if fault:
        (folder / NAME).replace(folder / f"{NAME}.damaged")
    write_json(folder / NAME, {**values, **changes})
    return read_settings(folder)[0]


def _read(folder: Path) -> tuple[dict[str, Any], str]:
    path = folder / NAME
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}, ""
    except (OSError, ValueError):
        values = None
    if not isinstance(values, dict):
        return {}, f"{path} can't be read: the defaults are used."
    return values, ""
