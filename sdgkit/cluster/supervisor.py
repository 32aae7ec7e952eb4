"""Runs a command and ends it, with all processes that it started, when its own parent is gone.

`python -m sdgkit.cluster.supervisor COMMAND …`: the parent holds the other end of the standard
input, which closes when the parent ends, even if it is killed.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading

GRACE_S = 10.0
"""Seconds between the polite signal and the other one."""


def main(command: list[str]) -> int:
    """Run a command until it ends, or the standard input is closed. Returns its exit status.

    A process of its own does the work: when Ray ends a worker, it kills the worker's children, and
    would leave behind what those have started.
    """
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)
    os.setsid()
    os._exit(_supervise(command))


def _supervise(command: list[str]) -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _ignore)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    threading.Thread(target=_end_with_parent, args=(process,), daemon=True).start()
    status = process.wait()
    _signal_group(process.pid, signal.SIGKILL)  # what it started and left behind
    return status


def _ignore(signal_number: int, frame: object) -> None:
    """The parent decides. The command is not to inherit this, as it would inherit SIG_IGN."""


def _end_with_parent(process: "subprocess.Popen[bytes]") -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass  # nobody writes anything; this waits for the end
    _signal_group(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_S)
    _signal_group(process.pid, signal.SIGKILL)


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
