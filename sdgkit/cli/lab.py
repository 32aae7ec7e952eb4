"""`sdgkit lab`: the tutorials in a folder of your own, opened in JupyterLab."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from sdgkit.cli.commands import argument, command, option
from sdgkit.cli.terminal import command_line, say
from sdgkit.errors import RunError
from sdgkit.files import shipped
from sdgkit.formatting import pluralize

DEFAULT_FOLDER = "sdgkit-tutorials"
FIRST_NOTEBOOK = "quickstart.ipynb"


@dataclass(frozen=True)
class Shipment:
    """Shipped files to copy.

    Attributes:
        source: The shipped folder.
        pattern: Which of its files.
        within: Where to, within your folder.
    """

    source: str
    pattern: str
    within: str = ""


SHIPMENTS = (
    Shipment("notebooks", "*.ipynb"),
    Shipment("notebooks", "seeds/*"),
    Shipment("notebooks", "guide/*.md"),
    Shipment("notebooks", "guide/*.json"),
    Shipment("notebooks", "guide/*.svg"),
    Shipment("notebooks", "guide/gallery/*"),
    Shipment("notebooks", "images/*.png"),
    Shipment("prompts", "*/*.yaml", "prompts"),
)


@dataclass
class CopiedFiles:
    """What became of the shipped files: how many are new, and which of yours were kept."""

    new: int = 0
    kept: list[Path] = field(default_factory=list)


@command()
@argument(
    "words",
    metavar="[DIR]",
    nargs=-1,
    help="the folder (default: ./sdgkit-tutorials). Anything after -- is passed to JupyterLab",
)
@option("--no-open", is_flag=True, help="only copy; do not open JupyterLab")
def lab(words: tuple[str, ...], no_open: bool) -> None:
    """Copy the tutorial notebooks into a folder and open them in JupyterLab.

    Their seed files, the guide and the prompts come with them. A file that is already there is
    never overwritten. To get the original back, delete yours and run the command again.

    Examples:
      sdgkit lab ~/training
      sdgkit lab ~/training -- --no-browser --port 9000
    """
    names_folder = bool(words) and not words[0].startswith("-")
    folder = Path(DEFAULT_FOLDER)
    jupyter_options = words
    if names_folder:
        folder = Path(words[0])
        jupyter_options = words[1:]
    copied = copy_tutorials(folder)
    say(f"Copied {pluralize(copied.new, 'file')} to {folder}.")
    for path in copied.kept:
        say(f"  kept yours: {path}")
    if no_open:
        say(f"To open them: {command_line('lab', folder)}. Start with {FIRST_NOTEBOOK}.")
        return
    open_in_jupyterlab(folder, FIRST_NOTEBOOK, jupyter_options)


def copy_tutorials(folder: Path) -> CopiedFiles:
    """Copy the tutorials and what they need; never overwrite a file."""
    copied = CopiedFiles()
    for shipment in SHIPMENTS:
        root = shipped(shipment.source)
        for source in sorted(root.glob(shipment.pattern)):
            target = folder / shipment.within / source.relative_to(root)
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read_bytes())
                copied.new += 1
            elif target.read_bytes() != source.read_bytes():
                copied.kept.append(target.relative_to(folder))
    return copied


def open_in_jupyterlab(folder: Path, notebook: str, options: tuple[str, ...]) -> None:
    """Start JupyterLab in the folder and wait until it ends. Raises RunError if it fails."""
    say("Starting JupyterLab; its address follows. Press Ctrl-C twice to stop it.")
    serve("JupyterLab", [sys.executable, "-m", "jupyterlab", notebook, *options], folder)


def serve(name: str, command: list[str], folder: Path) -> None:
    """Start a server of notebooks in the folder and wait until it ends.

    Raises:
        RunError: It fails.
    """
    # Its kernel is this environment's, whatever other kernels you have.
    environment = os.environ | {"JUPYTER_PREFER_ENV_PATH": "1"}
    server = subprocess.Popen(command, cwd=folder, env=environment)
    # Ctrl-C is for the server; JupyterLab asks whether you mean it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: server.terminate())
    status = server.wait()
    if status > 0:
        raise RunError(
            f"{name} ended with status {status}; its own message is above. To pass it options, put "
            "them after --."
        )
