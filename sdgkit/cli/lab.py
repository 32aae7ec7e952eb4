"""`sdgkit lab`: the tutorials in a folder of the user's, opened in JupyterLab."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from sdgkit.cli.options import command_line, option
from sdgkit.cli.terminal import complain, counted, say
from sdgkit.errors import SettingsError
from sdgkit.prompts import shipped

FOLDER = "sdgkit-tutorials"
FIRST = "quickstart.ipynb"
# What is copied: from which room, to where within the folder.
WANTED = (("notebooks", "*.ipynb", ""), ("notebooks", "seeds/*", ""), ("prompts", "*/*.yaml", "prompts"))


def lab(
    folder: Annotated[str, typer.Argument(metavar="[DIR]", help="where to; ./sdgkit-tutorials by default")] = FOLDER,
    options: Annotated[list[str] | None, typer.Argument(metavar="[-- OPTIONS]", help="JupyterLab's own")] = None,
    no_open: Annotated[bool, option("only copy; do not open JupyterLab", None, "--no-open")] = False,
) -> int:
    """Copy the tutorial notebooks into a folder and open them in JupyterLab.

    Their seed files and the prompts come with them. A file that is there already is never written over; to have the
    original back, delete yours and call this again.

    Examples:
      sdgkit lab ~/training
      sdgkit lab ~/training -- --no-browser --port 9000
    """
    if folder.startswith("-"):
        folder, options = FOLDER, [folder, *(options or [])]
    if options and not options[0].startswith("-"):
        raise SettingsError(f"One folder is enough: {folder} or {options[0]}?")
    try:
        _copy_tutorials(Path(folder))
    except OSError as error:
        where = f"{error.filename or folder}: {error.strerror}"
        raise SettingsError(f"{where}. Name another folder: {command_line('lab', 'DIR')}.") from None
    if no_open:
        say(f"To open them: {command_line('lab', folder)}. Begin with {FIRST}.")
        return 0
    return _open(Path(folder), options or [])


def _copy_tutorials(folder: Path) -> None:
    """Copy what is not there yet, and say which of the user's files differ from what is shipped. Raises OSError."""
    new, same, yours = 0, 0, []
    for room, pattern, within in WANTED:
        for source in sorted(shipped(room).glob(pattern)):
            target = folder / within / source.relative_to(shipped(room))
            content = source.read_bytes()
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
                new += 1
            elif target.read_bytes() == content:
                same += 1
            else:
                yours.append(target.relative_to(folder))
    say(f"{counted(new, 'file')} copied to {folder}" + (f", {same} there already." if same else "."))
    for name in yours:
        say(f"  kept yours: {name}")


def _open(folder: Path, options: list[str]) -> int:
    """JupyterLab in the folder until it is ended. Its kernel is this environment's, whatever else the user has."""
    say("JupyterLab starts; its address follows. Ctrl-C ends it, after it has asked.")
    command = [sys.executable, "-m", "jupyterlab", FIRST, *options]
    server = subprocess.Popen(command, cwd=folder, env=os.environ | {"JUPYTER_PREFER_ENV_PATH": "1"})
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for JupyterLab, which asks whether it is meant
    signal.signal(signal.SIGTERM, lambda number, frame: server.terminate())
    status = server.wait()
    if status > 0:
        hint = f"Options for it: {command_line('lab', str(folder))} -- OPTIONS"
        complain(f"JupyterLab ended with status {status}; what it said stands above. {hint}")
    return 1 if status > 0 else 0
