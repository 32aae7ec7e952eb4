"""The rehearsal teacher as a process of its own, which ends with the one that started it."""

import atexit
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

import sdgkit
from sdgkit.errors import TeacherUnreachable
from sdgkit.teachers.rehearsal.options import Options, named_options

# The child imports from where its parent imports, however the parent came by it (PYTHONPATH, an editable
# install, a changed sys.path, the working folder), so it is given the parent's sys.path itself.
_PROGRAM = (
    "import sys, json; sys.path[:], options = json.loads(sys.argv[1]); "
    "from sdgkit.teachers.rehearsal.server import main; sys.exit(main(options))"
)


class RehearsalProcess(contextlib.AbstractContextManager["RehearsalProcess", None]):
    """A running rehearsal teacher; also a context manager that closes it.

    It ends at `close()`, when this process ends (also killed), or at its own `pid`'s SIGTERM.
    """

    def __init__(self, options: Options) -> None:
        self._owner = os.getpid()
        self._port: int | None = None
        self._reading = threading.Lock()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process; a pipe could fill up
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _PROGRAM, json.dumps([_import_path(), asdict(options)])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                start_new_session=True,  # Ctrl-C in the terminal is for the run, which has files to finish
            )
        except OSError as error:
            raise TeacherUnreachable(f"The rehearsal teacher could not be started: {error}.") from error
        atexit.register(self.close)

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    @property
    def port(self) -> int:
        """The port it listens on; waits until it does.

        Raises:
            TeacherUnreachable: it ended before it listened; the message has its reason.
        """
        with self._reading:
            if self._port is None:
                self._port = self._read_port()
            return self._port

    @property
    def base_url(self) -> str:
        """Its address for OpenAI clients, such as `http://127.0.0.1:40123/v1`; waits until it listens.

        Raises:
            TeacherUnreachable: it ended before it listened; the message has its reason.
        """
        return f"http://127.0.0.1:{self.port}/v1"

    def wait(self) -> int:
        """Wait until the server has ended, and return its exit status."""
        return self._process.wait()

    def close(self) -> None:
        """End the server. More than once does no harm; in a forked child it does nothing."""
        if os.getpid() != self._owner:
            return
        atexit.unregister(self.close)
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_port(self) -> int:
        assert self._process.stdout is not None
        for line in self._process.stdout:  # other lines: what somebody's sitecustomize has to say
            with contextlib.suppress(ValueError, TypeError, KeyError):
                return int(json.loads(line)["port"])
        self._process.wait()
        self._errors.seek(0)
        words = self._errors.read().decode(errors="replace").strip().splitlines()
        reason = words[-1] if words else f"it ended with status {self._process.returncode}"
        self.close()
        raise TeacherUnreachable(f"The rehearsal teacher could not be started: {reason}")


def start(**options: Any) -> RehearsalProcess:
    """Start a rehearsal teacher.

    Returns at once; `base_url` waits until it listens (about half a second), so work can go on meanwhile.

    Args:
        options: the fields of `rehearsal.options.Options`, such as `mean_latency_ms=200, slots=64`.

    Raises:
        SettingsError: an unknown option, or a value that cannot be used.
        TeacherUnreachable: the process could not be started.
    """
    return RehearsalProcess(named_options(**options))


def _import_path() -> list[str]:
    here = str(Path(sdgkit.__path__[0]).resolve().parent)
    path = [os.path.abspath(entry) if entry else os.getcwd() for entry in sys.path]
    return path if here in path else [here, *path]
