"""`sdgkit studio`: the studio on a skill's folder, opened in JupyterLab or by Voila."""

import importlib.util
import json
import sys
from pathlib import Path

from sdgkit.cli.commands import argument, command, option
from sdgkit.cli.lab import open_in_jupyterlab, serve
from sdgkit.cli.terminal import command_line, say
from sdgkit.errors import SettingsError
from sdgkit.files import write_atomically

NOTEBOOK = "studio.ipynb"
HEADING = """\
# The studio

Everything that you do here is saved in the skill's folder."""
# Voila shows no cells, and runs this one automatically.
CELL = """\
# Click here and press Shift+Enter.
import sdgkit as sk

sk.studio(".")"""


@command()
@argument(
    "words",
    metavar="SKILL",
    nargs=-1,
    help="the skill's folder, which need not exist yet. Anything after -- is passed to JupyterLab "
    "or Voila",
)
@option("--voila", is_flag=True, help="serve only the studio, as a web page, with Voila")
@option("--no-open", is_flag=True, help="only write the notebook; do not open it")
def studio(words: tuple[str, ...], voila: bool, no_open: bool) -> None:
    """Open the studio for a skill: one page, from the first seed to the training file.

    This writes a small notebook, studio.ipynb, into the skill's folder (an existing one is kept)
    and opens it in JupyterLab. Voila shows it as a page without cells.

    Examples:
      sdgkit studio my_skill
      sdgkit studio my_skill --voila
      sdgkit studio my_skill -- --no-browser --port 9000
    """
    if not words or words[0].startswith("-"):
        raise SettingsError("Which skill? Give its folder: sdgkit studio my_skill.")
    folder = Path(words[0])
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{folder} is a file. Give the folder of a skill.")
    if voila and importlib.util.find_spec("voila") is None:
        raise SettingsError("Voila is not installed. Run `pip install voila`, or omit --voila.")
    write_notebook(folder / NOTEBOOK)
    if no_open:
        say(f"The studio is in {folder / NOTEBOOK}. To open it: {command_line('studio', folder)}.")
        return
    if voila:
        say("Starting Voila; its address follows. Press Ctrl-C to stop it.")
        serve("Voila", [sys.executable, "-m", "voila", NOTEBOOK, *words[1:]], folder)
        return
    open_in_jupyterlab(folder, NOTEBOOK, words[1:])


def write_notebook(path: Path) -> None:
    """Write the notebook that shows the studio, unless it is there already.

    Raises:
        RunError: It cannot be written.
    """
    if path.exists():
        return
    heading = {"cell_type": "markdown", "id": "heading", "metadata": {}, "source": HEADING}
    cell: dict[str, object] = {
        "cell_type": "code",
        "id": "studio",
        "metadata": {},
        "source": CELL,
        "outputs": [],
        "execution_count": None,
    }
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": kernel},
        "cells": [heading, cell],
    }
    with write_atomically(path) as file:
        file.write(json.dumps(notebook, indent=1).encode())
