"""A teacher that a worker starts for itself, waits for, and ends."""

import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sdgkit.cluster import supervisor
from sdgkit.errors import SettingsError, TeacherUnreachable

PORT = "{port}"
"""Where the port belongs in a command."""

LOG_FILE = "server.log"
"""What the server prints, in the folder of the shard."""

LINES_SHOWN = 5
"""Lines of it that an error shows."""

LOOK_S = 0.5
"""Seconds between two looks whether the server answers."""

ANSWER_S = 5.0
"""Seconds that one look may take."""

END_S = 15.0
"""Seconds that the server may take to end."""


def words_of(command: str) -> list[str]:
    """The words of a command that starts a teacher.

    Raises:
        SettingsError: It cannot be read, or has no `{port}`.

    Example:
        >>> words_of("vllm serve tiny --port {port}")
        ['vllm', 'serve', 'tiny', '--port', '{port}']
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise SettingsError(
            f"The command {command!r} cannot be read: {error}.", setting="serve"
        ) from None
    if not words or PORT not in command:
        raise SettingsError(
            "The command that starts a teacher (--serve, serve=) needs {port} where its port "
            'belongs, such as "vllm serve MODEL --port {port}".',
            setting="serve",
        )
    return words


@contextmanager
def serve(command: str, folder: Path, patience: float) -> Iterator[str]:
    """Start a server, wait until it answers, and end it at the end.

    It ends with this process in any case, even if this process is killed.

    Args:
        command: The command, with `{port}` where the port belongs.
        folder: Where to put what it prints.
        patience: Seconds to wait until it answers.

    Yields:
        Its base URL.

    Raises:
        TeacherUnreachable: It ended, or does not answer in time.
    """
    port = _free_port()
    words = [word.replace(PORT, str(port)) for word in words_of(command)]
    base_url = f"http://127.0.0.1:{port}/v1"
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / LOG_FILE
    with open(log, "wb") as output:
        process = subprocess.Popen(
            # By its file: the server may be of another Python, which must not see our packages.
            [sys.executable, "-P", supervisor.__file__, *words],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_it_answers(process, base_url, log, patience)
        yield base_url
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_it_answers(
    process: "subprocess.Popen[bytes]", base_url: str, log: Path, patience: float
) -> None:
    deadline = time.monotonic() + patience
    while not _is_answering(base_url):
        if process.poll() is not None:
            raise TeacherUnreachable(
                f"The teacher that a worker started ended with status {process.returncode}."
                f"{_last_lines(log)}"
            )
        if time.monotonic() > deadline:
            raise TeacherUnreachable(
                f"The teacher that a worker started did not answer within {patience:.0f} seconds."
                f"{_last_lines(log)}"
            )
        time.sleep(LOOK_S)


def _is_answering(base_url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback: no proxy
    try:
        with opener.open(f"{base_url}/models", timeout=ANSWER_S) as response:
            return bool(response.status == 200)
    except (OSError, ValueError):
        return False


def _last_lines(log: Path) -> str:
    """The server's last output, for an error."""
    lines = log.read_text("utf-8", "replace").strip().splitlines()[-LINES_SHOWN:]
    return " Its last output: " + " / ".join(lines) if lines else ""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
