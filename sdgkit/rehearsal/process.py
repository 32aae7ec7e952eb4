"""The rehearsal teacher as a process of its own, which ends with the one that started it."""

import atexit
import contextlib
import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict, fields
from pathlib import Path

import sdgkit
from sdgkit.errors import TeacherUnreachable
from sdgkit.keywords import unknown_keyword
from sdgkit.rehearsal.options import Options

_HOST = "127.0.0.1"
_BACKLOG = 1024


class RehearsalProcess(contextlib.closing["RehearsalProcess"]):
    """A running rehearsal teacher; also a context manager that closes it.

    It ends at `close()`, when this process ends (even if it is killed), or at a signal to its
    `pid`.

    Args:
        options: How slow, how busy and how faulty it is.

    Attributes:
        port: Its port on 127.0.0.1.
        base_url: Its address for OpenAI clients, such as `http://127.0.0.1:40123/v1`.
        pid: Its process id.

    Raises:
        TeacherUnreachable: The port is taken.
    """

    def __init__(self, options: Options) -> None:
        super().__init__(self)
        try:
            # The child inherits the socket: connections made before it is up (half a second) queue.
            listener = socket.create_server((_HOST, options.port), backlog=_BACKLOG)
        except OSError as error:
            raise TeacherUnreachable(
                "The rehearsal teacher could not be started: "
                f"port {options.port} cannot be used ({error.strerror})."
            ) from error
        with listener:
            self.port: int = listener.getsockname()[1]
            self._process = _start_server(listener, options)
        self.base_url = f"http://{_HOST}:{self.port}/v1"
        self.pid = self._process.pid
        atexit.register(self.close)

    def wait(self) -> int:
        """Wait until it ends. Returns its exit status."""
        return self._process.wait()

    def close(self) -> None:
        """End the server. Calling this more than once does no harm."""
        atexit.unregister(self.close)
        self._process.kill()  # it has nothing to finish
        self._process.communicate()


def start(**options: float) -> RehearsalProcess:
    """Start a rehearsal teacher; returns at once.

    Args:
        options: The fields of `rehearsal.options.Options`, such as `mean_latency_ms=200, slots=64`.

    Raises:
        SettingsError: There is no such option, or its value is out of range.
        TeacherUnreachable: The port is taken.
    """
    names = [option.name for option in fields(Options)]
    for name in options:
        if name not in names:
            raise unknown_keyword("start", name, names)
    return RehearsalProcess(Options(**options))  # type: ignore[arg-type]  # checked by Options


def _start_server(listener: socket.socket, options: Options) -> "subprocess.Popen[bytes]":
    # The child imports from where its parent does, however the parent came by it (PYTHONPATH, an
    # editable install, a changed sys.path, the working folder).
    import_paths = [os.path.abspath(entry) for entry in sys.path]
    import_paths.append(str(Path(sdgkit.__path__[0]).resolve().parent))
    module = [sys.executable, "-P", "-m", "sdgkit.rehearsal.server"]
    return subprocess.Popen(
        [*module, str(listener.fileno()), json.dumps(asdict(options))],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(import_paths)},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        pass_fds=[listener.fileno()],
        # Ctrl-C in the terminal is for the run, which has files to finish.
        start_new_session=True,
    )
