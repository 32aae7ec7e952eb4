"""A real server as a process of its own: started, waited for, killed, started again, stopped."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import pytest
from teachers.environments import Environment, Unavailable

KEY = "a-key-of-its-own"  # without which vLLM answers nothing
CONTEXT_TOKENS = 16_384  # the tiny model's
SMALL_CONTEXT_TOKENS = 8_192  # SmolLM2's
START_SECONDS = 600  # vLLM on a busy machine
STOP_SECONDS = 20
LOG_TAIL = 40
RUNNING: list["RealServer"] = []
SEEN: list[str] = []  # what the report says at its end: which servers ran, what was done with them


class RealServer:
    """A server of its own process.

    Attributes:
        name: What it is called in reports.
        url: What a user gives as base URL.
        log: All that it says.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        url: str,
        ready: str,
        log: Path,
        environment: dict[str, str],
    ) -> None:
        """ready: the address that answers 200 when it is ready."""
        self.name, self.url, self.log, self.ready = name, url, log, ready
        self.version = ""
        self._command, self._environment = list(command), environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it is ready. Raises RuntimeError with the log's end if it never is."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                cwd=self.log.parent,
                start_new_session=True,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            )
        if self not in RUNNING:
            RUNNING.append(self)
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(
                    f"{self.name} does not start. The end of its log:\n{self.tail()}"
                )
            time.sleep(0.3)

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(self.ready, timeout=5) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def kill(self) -> None:
        """As the kernel does when memory runs out: all its processes, without a word."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def stop(self) -> None:
        """Politely, and then not."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
        self.kill()
        if self in RUNNING:
            RUNNING.remove(self)

    def tail(self) -> str:
        """The end of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL:])


def available(environment: Environment) -> Path:
    """The environment's Python; skips the test, saying why, where it cannot be had."""
    try:
        return environment.ready()
    except Unavailable as error:
        pytest.skip(str(error))


def _end_with_parent() -> None:
    """In the new process, before it begins: let no server outlive a killed test run (prctl(2)).

    A polite signal, since vLLM's own children would outlive a parent that is killed.
    """
    set_signal_of_parents_death = 1
    ctypes.CDLL(None).prctl(set_signal_of_parents_death, signal.SIGTERM)
