"""`sdgkit lab`: the tutorials in a folder of the user's, opened in JupyterLab."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from sdgkit.cli.options import option
from sdgkit.cli.terminal import complain, counted, say
from sdgkit.errors import SettingsError

FOLDER = "sdgkit-tutorials"
RECORD = ".shipped.json"  # what was copied, to tell a file that the user edited from one of an older sdgkit
FIRST = "quickstart.ipynb"
WANTED = {"notebooks": ("*.ipynb", "seeds/*"), "prompts": ("*/*.yaml",)}


@dataclass
class Copied:
    """What became of the tutorials' files, by path within the folder."""

    new: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)  # the user's own, which differ from what is shipped
    same: list[str] = field(default_factory=list)


def lab(
    words: Annotated[list[str] | None, typer.Argument(metavar="[DIR]", show_default=False)] = None,
    no_open: Annotated[bool, option("Options", "only copy; do not open JupyterLab")] = False,
) -> Callable[[], int]:
    """Copy the tutorial notebooks, seed files and prompts to DIR (./sdgkit-tutorials), and open JupyterLab there.

    A file that you have edited is never written over; to have the original back, delete yours and call this again.
    What stands after -- is handed to JupyterLab.

    Examples:
      sdgkit lab ~/training
      sdgkit lab ~/training -- --no-browser --port 9000
    """
    folder, *rest = words if words and not words[0].startswith("-") else [FOLDER, *(words or [])]
    if rest and not rest[0].startswith("-"):
        raise SettingsError(f"One folder is enough: {folder} or {rest[0]}?")
    return lambda: _lab(Path(folder), no_open, rest)


def _lab(folder: Path, no_open: bool, options: list[str]) -> int:
    try:
        copied = copy_tutorials(folder)
    except OSError as error:
        raise SettingsError(
            f"{error.filename or folder}: {error.strerror}. Name another folder: sdgkit lab DIR."
        ) from None
    say(
        f"{counted(len(copied.new), 'file')} copied to {folder}"
        + (f", {len(copied.same)} there already." if copied.same else ".")
    )
    for name in copied.kept:
        say(f"  kept yours: {name}")
    if no_open:
        say(f"To open them: sdgkit lab {folder}. Begin with {FIRST}.")
        return 0
    return _open(folder, options)


def copy_tutorials(folder: Path) -> Copied:
    """Copy what is not there yet, and what is there as an older sdgkit shipped it. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    record = _record(folder / RECORD)
    copied = Copied()
    for name, source in _shipped_files():
        content, target = source.read_bytes(), folder / name
        there = target.read_bytes() if target.exists() else None
        if there == content:
            copied.same.append(name)
        elif there is None or _digest(there) == record.get(name):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            copied.new.append(name)
        else:
            copied.kept.append(name)
            continue
        record[name] = _digest(content)
    (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return copied


def _shipped_files() -> Iterator[tuple[str, Path]]:
    """(path within the user's folder, file) of everything that is copied."""
    from sdgkit.prompts import shipped

    for room, patterns in WANTED.items():
        root = shipped(room)
        within = "prompts/" if room == "prompts" else ""
        for pattern in patterns:
            for file in sorted(root.glob(pattern)):
                if file.is_file():
                    yield f"{within}{file.relative_to(root).as_posix()}", file


def _open(folder: Path, options: list[str]) -> int:
    """JupyterLab in the folder until it is ended, with kernels that are the interpreter running now."""
    with tempfile.TemporaryDirectory(prefix="sdgkit-") as data:
        spec = Path(data) / "kernels" / "python3"
        spec.mkdir(parents=True)
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        kernel = {"argv": argv, "display_name": "Python 3 (sdgkit)", "language": "python"}
        (spec / "kernel.json").write_text(json.dumps(kernel), encoding="utf-8")
        path = os.pathsep.join(filter(None, [data, os.environ.get("JUPYTER_PATH")]))
        first = [FIRST] if (folder / FIRST).exists() else []
        say("JupyterLab starts; its address follows. Ctrl-C ends it, after it has asked.")
        command = [sys.executable, "-m", "jupyterlab", *first, *options]
        server = subprocess.Popen(command, cwd=folder, env=os.environ | {"JUPYTER_PATH": path})
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for JupyterLab, which asks whether it is meant
        signal.signal(signal.SIGTERM, lambda number, frame: server.terminate())
        status = server.wait()
    if status > 0:
        complain(
            f"JupyterLab ended with status {status}; what it said stands above. "
            "Options for it: sdgkit lab DIR -- OPTIONS"
        )
    return 1 if status > 0 else 0


def _record(path: Path) -> dict[str, str]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
