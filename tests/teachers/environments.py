"""The real servers' own Python environments.

They are built once, and kept in the user's cache folder under a key of what is in them.

Each is a list of exact versions in `recipes/`. They are installed with uv, which is itself
installed with pip; both use the package indexes that pip is configured for. For vLLM, one of them
must have the CPU build of torch: PyTorch's own does (PIP_EXTRA_INDEX_URL).
"""

import functools
import glob
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import filelock

HERE = Path(__file__).parent
# What would change an environment's Python, or how it is built.
OURS = (
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONDONTWRITEBYTECODE",
    "VIRTUAL_ENV",
    "SDGKIT_TEST_CONNECTIONS",
)
INSTALL_SECONDS = 900
MODEL_SECONDS = 600
FAILED = "failed.txt"


class Unavailable(Exception):
    """What cannot be had on this machine, and why."""


@dataclass(frozen=True)
class Environment:
    """One environment. name: of its list of versions. python: "3.11"."""

    name: str
    python: str

    @property
    def versions(self) -> Path:
        return HERE / "recipes" / f"{self.name}.txt"

    @property
    def folder(self) -> Path:
        key = hashlib.sha256(f"{self.python}\n{self.versions.read_text()}".encode()).hexdigest()[
            :12
        ]
        return cache() / f"{self.name}-{key}"

    def ready(self) -> Path:
        """The environment's Python; built first if it is not there. Raises Unavailable.

        Processes that want the same one wait for whoever builds it. One whose building was
        interrupted is built anew.
        """
        python, done = self.folder / "bin" / "python", self.folder / "complete"
        with locked(self.folder.name):
            if not done.exists():
                shutil.rmtree(self.folder, ignore_errors=True)
                self._build(python)
                done.write_text("yes\n")
        return python

    def _build(self, python: Path) -> None:
        packages = self.folder.with_suffix(
            ".packages"
        )  # linked into the environment, so nothing is lost with it
        install = [
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--python",
            str(python),
            "-r",
            str(self.versions),
        ]
        # vLLM starts in half the time when its byte code is compiled; the clean processes below may
        # not write it.
        install += ["--compile-bytecode", "--index-strategy", "unsafe-best-match", *indexes()]
        try:
            for words in (
                ["venv", "-q", "--python", find_python(self.python), str(self.folder)],
                install,
            ):
                run(
                    [str(uv()), *words, "--cache-dir", str(packages)],
                    f"The environment {self.name}",
                )
        finally:
            shutil.rmtree(packages, ignore_errors=True)


VLLM = Environment("vllm", "3.11")
LLAMA_STACK = Environment("llama_stack", "3.12")
OGX = Environment("ogx", "3.12")
OLD_LLAMA_STACK = Environment("old_llama_stack", "3.12")
OLD_CLIENT = Environment("old_client", "3.11")
# Ray and what it needs beside sdgkit's own libraries: it is put behind them, in their own Python.
RAY = Environment("ray", f"{sys.version_info.major}.{sys.version_info.minor}")


def tiny_model() -> Path:
    """The folder of the tiny model; made first if it is not there. Raises Unavailable."""
    return made_once("tiny-model", HERE / "tiny_model.py")


def small_model() -> Path:
    """The folder of SmolLM2-135M-Instruct; made first if it is not there. Raises Unavailable."""
    return made_once("smollm2", HERE / "smollm2.py", HERE / "recipes" / "smollm2.txt")


def made_once(name: str, script: Path, packages: Path | None = None) -> Path:
    """The folder that a script writes in vLLM's environment. Raises Unavailable.

    Args:
        name: What the folder is called.
        script: The script, which is given the folder to write.
        packages: A list of further packages that it needs.
    """
    content = VLLM.folder.name.encode() + script.read_bytes()
    if packages is not None:
        content += packages.read_bytes()
    folder = cache() / f"{name}-{hashlib.sha256(content).hexdigest()[:12]}"
    python = VLLM.ready()
    with locked(folder.name):
        if not folder.exists():
            made = folder.with_suffix(".unfinished")
            shutil.rmtree(made, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=cache()) as libraries:
                if packages is not None:
                    _install_beside(python, packages, libraries)
                run(
                    [str(python), str(script), str(made)],
                    f"The model {name}",
                    seconds=MODEL_SECONDS,
                    PYTHONPATH=libraries,
                )
            made.rename(folder)
    return folder


def _install_beside(python: Path, packages: Path, folder: str) -> None:
    """Install packages into a folder of their own. Raises Unavailable."""
    install = ["pip", "install", "-q", "--no-deps", "--python", str(python), "--target", folder]
    place = ["--no-cache", "--index-strategy", "unsafe-best-match", *indexes()]
    run([str(uv()), *install, "-r", str(packages), *place], packages.stem)


def cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) / "sdgkit-tests"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"The cache folder {folder} cannot be made: {error.strerror}.") from None
    return folder


def locked(name: str) -> filelock.FileLock:
    return filelock.FileLock(cache() / f"{name}.lock")


def clean_environment(**more: str) -> dict[str, str]:
    """The environment of a process that is not sdgkit's: without what these tests set."""
    return {name: value for name, value in os.environ.items() if name not in OURS} | more


def run(command: list[str], what: str, *, seconds: int = INSTALL_SECONDS, **more: str) -> None:
    """Raises Unavailable with the last words of a command that failed.

    Args:
        command: The command.
        what: What it makes, for the message.
        seconds: How long it may take.
        more: Further environment variables.
    """
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=seconds,
            env=clean_environment(**more),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{what} cannot be made here: {error}.") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-1500:]
        raise Unavailable(
            f"{what} cannot be made here "
            f"({Path(command[0]).name} ended with {done.returncode}):\n{said}"
        )


@functools.cache
def find_python(version: str) -> str:
    """A Python of this version that truly runs; a pyenv shim may be for one that is not active.

    Raises:
        Unavailable: There is none.
    """
    pyenv = os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv"
    installed = sorted(glob.glob(f"{pyenv}/versions/{version}.*/bin/python"))
    tell = "import sys; print('%d.%d' % sys.version_info[:2])"
    for candidate in (
        sys.executable,
        f"python{version}",
        *installed,
        f"/usr/bin/python{version}",
        "python3",
    ):
        try:
            command, clean = [candidate, "-c", tell], clean_environment()
            told = subprocess.run(
                command, capture_output=True, text=True, timeout=60, env=clean, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if told.stdout.strip() == version:
            return candidate
    raise Unavailable(
        f"There is no Python {version} on this machine, neither on the PATH nor among pyenv's."
    )


@functools.cache
def uv() -> Path:
    """uv, from the PATH or installed in the cache folder. Raises Unavailable."""
    found = shutil.which("uv")
    if found:
        return Path(found)
    folder = cache() / "uv"
    program = folder / "bin" / "uv"
    with locked("uv"):
        if not program.exists():
            shutil.rmtree(folder, ignore_errors=True)
            run(
                [sys.executable, "-m", "pip", "install", "-q", "--target", str(folder), "uv"],
                "The installer uv",
            )
    return program


@functools.cache
def indexes() -> tuple[str, ...]:
    """Where pip is configured to look, as uv's options; uv does not read pip's files."""
    names = {
        "index-url": "--index-url",
        "extra-index-url": "--extra-index-url",
        "find-links": "--find-links",
    }
    options: list[str] = []
    for name, option in names.items():
        for place in ("install", "global"):
            told = os.environ.get(f"PIP_{name.upper().replace('-', '_')}") or _configured(
                f"{place}.{name}"
            )
            if told:
                options += [word for value in told.split() for word in (option, value)]
                break
    return tuple(options)


def _configured(key: str) -> str:
    command = [sys.executable, "-m", "pip", "config", "get", key]
    told = subprocess.run(
        command, capture_output=True, text=True, env=clean_environment(), check=False
    )
    return told.stdout.strip() if told.returncode == 0 else ""
