"""`sdgkit lab`: the tutorials in a folder of the user's, opened in JupyterLab."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from sdgkit.cli.options import Command
from sdgkit.cli.terminal import say, typed
from sdgkit.errors import RunError
from sdgkit.files import shipped
from sdgkit.formatting import pluralize

# What is copied: from which room, to where within the folder.
WANTED = (
    ("notebooks", "*.ipynb", ""),
    ("notebooks", "guide/*.md", ""),
    ("notebooks", "images/*.png", ""),
    ("notebooks", "seeds/*", ""),
    ("prompts", "*/*.yaml", "prompts"),
)


@Command
def lab(words: tuple[str, ...], no_open: bool) -> None:
    """Copy the tutorial notebooks into a folder and open them in JupyterLab.

    Their seed files and the prompts come with them. A file that is there already is never written over; to have the
    original back, delete yours and call this again.

    Examples:
      sdgkit lab ~/training
      sdgkit lab ~/training -- --no-browser --port 9000
    """
    named = bool(words) and not words[0].startswith("-")
    folder, options = Path(words[0] if named else "sdgkit-tutorials"), words[named:]
    new, kept = 0, []
    for room, pattern, within in WANTED:
        for source in sorted(shipped(room).glob(pattern)):
            target = folder / within / source.relative_to(shipped(room))
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read_bytes())
                new += 1
            elif target.read_bytes() != source.read_bytes():
                kept.append(f"  kept yours: {target.relative_to(folder)}")
    say("\n".join([f"{pluralize(new, 'file')} copied to {folder}.", *kept]))
    if no_open:
        say(f"To open them: {typed('lab', folder)}. Begin with quickstart.ipynb.")
        return
    say("JupyterLab starts; its address follows. Ctrl-C ends it, after it has asked.")
    # Its kernel is this environment's, whatever else the user has.
    command = [sys.executable, "-m", "jupyterlab", "quickstart.ipynb", *options]
    server = subprocess.Popen(
        command, cwd=folder, env=os.environ | {"JUPYTER_PREFER_ENV_PATH": "1"}
    )
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is for JupyterLab, which asks whether it is meant
    signal.signal(signal.SIGTERM, lambda number, frame: server.terminate())
    if (status := server.wait()) > 0:
        raise RunError(
            f"JupyterLab ended with status {status}; what it said stands above. Options may follow --."
        )
