"""The command `tenfold`: alone or with options of Streamlit it opens the dashboard, with a command it is `python -m core`.

An installed package can't hold runs: they and the data sets lie in `runs/` and `data/` of the folder where the command is
given, unless `TENFOLD_RUNS` and `TENFOLD_DATA` say otherwise.
"""

import os
import re
import sys
from pathlib import Path
from typing import NoReturn

HERE = Path(__file__).resolve().parent
PROGRAM = HERE if (HERE / "dashboard.py").exists() else HERE.parent
"""Where `dashboard.py` lies: inside the package once it is installed, beside it in a checkout."""


def main() -> NoReturn:
    arguments, here = sys.argv[1:], Path.cwd()
    environment = {"TENFOLD_RUNS": str(here / "runs"), "TENFOLD_DATA": str(here / "data"), **os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(PROGRAM), os.environ.get("PYTHONPATH"))))
    if arguments and not re.match(r"--\w+\.", arguments[0]):  # not one of Streamlit's, as --server.port
        command, folder = ["-P", "-m", "core", *arguments], here  # -P: no `core` of the caller's folder
    else:
        command, folder = ["-m", "streamlit", "run", "dashboard.py", *arguments], PROGRAM  # has .streamlit/
    os.chdir(folder)
    os.execve(
        sys.executable, [sys.executable, *command], environment
    )  # one process: whoever ends it ends all


if __name__ == "__main__":
    main()
