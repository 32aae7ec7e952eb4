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
from typing import Any

import sdgkit
from sdgkit.errors import SettingsError, TeacherUnreachable
from sdgkit.rehearsal.options import Options


class RehearsalProcess(contextlib.closing["RehearsalProcess"]):
    """A running rehearsal teacher; also a context manager that closes it.

    It ends at `close()`, when this process ends (also killed), or at a signal to its own `pid`; `wait()` waits for that
    and gives its exit status. `base_url` is its address for OpenAI clients, such as `http://127.0.0.1:40123/v1`.
    """

    def __init__(self, options: Options) -> None:
        super().__init__(self)
        try:  # The child is given the socket: whoever comes before it is up (half a second) waits in line.
            listener = socket.create_server(("127.0.0.1", options.port), backlog=1024)
        except OSError as error:
            reason = f"port {options.port} cannot be used: {error.strerror}"
            raise TeacherUnreachable(f"The rehearsal teacher was not started: {reason}.") from error
        # The child imports from where its parent imports, however the parent came by it (PYTHONPATH, an editable
        # install, a changed sys.path, the working folder).
        imports = [
            *(os.path.abspath(entry) for entry in sys.path),
            str(Path(sdgkit.__path__[0]).resolve().parent),
        ]
        with listener:
            self.port = listener.getsockname()[1]
            arguments = [str(listener.fileno()), json.dumps(asdict(options))]
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "sdgkit.rehearsal.server", *arguments],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(imports)},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=[listener.fileno()],
                start_new_session=True,  # Ctrl-C in the terminal is for the run, which has files to finish
            )
        self.base_url = f"http://127.0.0.1:{self.port}/v1"
        self.pid, self.wait = self._process.pid, self._process.wait
        atexit.register(self.close)

    def close(self) -> None:
        """End the server. More than once does no harm."""
        atexit.unregister(self.close)
        self._process.kill()  # there is nothing in it to be finished
        self._process.communicate()


def start(**options: Any) -> RehearsalProcess:
    """Start a rehearsal teacher; returns at once.

    Args:
        options: the fields of `rehearsal.options.Options`, such as `mean_latency_ms=200, slots=64`.

    Raises:
        SettingsError: an unknown option, or a value that cannot be used.
        TeacherUnreachable: the port is taken.
    """
    known = [option.name for option in fields(Options)]
    unknown = ", ".join(sorted(set(options) - set(known)))
    if unknown:
        raise SettingsError(
            f"The rehearsal teacher has no option {unknown}; it knows {', '.join(known)}."
        )
    return RehearsalProcess(Options(**options))
