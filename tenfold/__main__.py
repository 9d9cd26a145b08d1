"""The command `tenfold`: alone it opens the dashboard, with a command it is `python -m core`.

An installed package can't hold runs: they and the data sets lie in `runs/` and `data/` of the folder where the command is
given, unless `TENFOLD_RUNS` and `TENFOLD_DATA` say otherwise.
"""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAM = HERE if (HERE / "dashboard.py").exists() else HERE.parent
"""Where `dashboard.py` lies: inside the package once it is installed, beside it in a checkout."""


def main() -> int:
    arguments, here = sys.argv[1:], Path.cwd()
    environment = {"TENFOLD_RUNS": str(here / "runs"), "TENFOLD_DATA": str(here / "data"), **os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(PROGRAM), os.environ.get("PYTHONPATH"))))
    if arguments and not arguments[0].startswith("--server."):
        command, folder = ["-P", "-m", "core", *arguments], here  # -P: no `core` of the caller's folder
    else:
        command, folder = ["-m", "streamlit", "run", "dashboard.py", *arguments], PROGRAM  # has .streamlit/
    try:
        return subprocess.run([sys.executable, *command], cwd=folder, env=environment).returncode
    except KeyboardInterrupt:  # the child has got it, too, and has said what there was to say
        return 130


if __name__ == "__main__":
    sys.exit(main())
