"""Runs a contender as a process of its own and measures it from outside."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from sdgkit.rehearsal.options import Options

HERE = Path(__file__).parent
LIMIT_S = 300.0
LOOK_S = 0.5


@dataclass(frozen=True)
class Measured:
    """One run of a contender.

    Attributes:
        ended: "done", or how it ended otherwise.
        samples: Samples kept.
        requests: Replies that it got.
        refused: Requests that were answered with an error.
        wall_s: Seconds from the start of its process to its end.
        generation_s: Seconds from its first request to its last reply.
        work_s: What all replies take by themselves, one after the other.
        chain_s: The same of the longest chain of replies of which each needs the one before.
        tokens: Tokens read and written.
        cpu_s: Seconds of processor time of its processes.
        memory_mb: Most memory that its processes had at once.
        waited_s: Seconds for which its processes could have run and had no processor.
    """

    ended: str
    samples: int
    requests: int
    refused: int
    wall_s: float
    generation_s: float
    work_s: float
    chain_s: float
    tokens: int
    cpu_s: float
    memory_mb: float
    waited_s: float

    def bound_s(self, slots: int) -> float:
        """The least time in which any client could have had these replies."""
        return max(self.work_s / slots, self.chain_s)


class Server(closing["Server"]):
    """The peers' teacher as a process, for one run of one contender."""

    def __init__(self, options: Options) -> None:
        super().__init__(self)
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
            self.port = listener.getsockname()[1]
            descriptor = listener.fileno()
            command = [sys.executable, str(HERE / "teacher.py"), str(descriptor)]
            self._process = subprocess.Popen(
                [*command, json.dumps(asdict(options))], pass_fds=[descriptor]
            )
        self.base_url = f"http://127.0.0.1:{self.port}/v1"

    def notes(self) -> dict[str, Any]:
        """What it noted so far."""
        address = f"http://127.0.0.1:{self.port}/notes"
        with urllib.request.urlopen(address, timeout=60) as answer:
            notes: dict[str, Any] = json.load(answer)
        return notes

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


@dataclass
class _Use:
    """What a tree of processes has used."""

    memory_mb: float = 0.0
    cpu_s: dict[int, float] = field(default_factory=dict)
    waited_s: dict[int, float] = field(default_factory=dict)

    def look(self, process: psutil.Process) -> None:
        memory = 0
        for one in _tree(process):
            # A process may end while it is looked at.
            with suppress(psutil.Error, OSError):
                times = one.cpu_times()
                self.cpu_s[one.pid] = times.user + times.system
                self.waited_s[one.pid] = _waited_s(one.pid)
                memory += one.memory_full_info().pss
        self.memory_mb = max(self.memory_mb, memory / 2**20)


def _tree(process: psutil.Process) -> list[psutil.Process]:
    """A process with its children and theirs; none where it has ended."""
    with suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return []


def _waited_s(pid: int) -> float:
    """How long the threads of a process waited for a processor, as Linux counts it."""
    nanoseconds = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        nanoseconds += int((thread / "schedstat").read_text().split()[1])
    return nanoseconds / 1e9


def run(
    command: list[str],
    server: Server,
    folder: Path,
    *,
    environment: dict[str, str],
    kill_after: int | None = None,
) -> Measured:
    """Start a contender and wait for its end.

    Args:
        command: The words that start it.
        server: Its teacher.
        folder: Its folder, where it writes `samples.jsonl`.
        environment: Variables of its process.
        kill_after: Replies after which all its processes are killed at once.
    """
    before = len(server.notes()["notes"])
    use = _Use()
    begun = time.monotonic()
    with open(folder / "output.txt", "ab") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    ended = ""
    tree = psutil.Process(process.pid)
    while process.poll() is None:
        use.look(tree)
        if kill_after is not None and len(server.notes()["notes"]) - before >= kill_after:
            ended = "killed"
        elif time.monotonic() - begun > LIMIT_S:
            ended = f"not done after {LIMIT_S:.0f} s"
        if ended:
            _kill(process)
        time.sleep(LOOK_S)
    wall_s = time.monotonic() - begun
    _kill(process)
    if not ended:
        ended = "done" if process.returncode == 0 else f"exit status {process.returncode}"
    noted = server.notes()
    notes = noted["notes"][before:]
    return Measured(
        ended=ended,
        samples=_samples(folder),
        requests=len(notes),
        refused=noted["refused"],
        wall_s=wall_s,
        generation_s=_span(notes),
        work_s=sum(note["reply_s"] for note in notes),
        chain_s=max((note["chain_s"] for note in notes), default=0.0),
        tokens=sum(note["prompt_tokens"] + note["completion_tokens"] for note in notes),
        cpu_s=sum(use.cpu_s.values()),
        memory_mb=use.memory_mb,
        waited_s=sum(use.waited_s.values()),
    )


def _span(notes: list[dict[str, float]]) -> float:
    if not notes:
        return 0.0
    return max(note["ended_s"] for note in notes) - min(note["begun_s"] for note in notes)


def _samples(folder: Path) -> int:
    """Samples that it wrote; sdgkit names the file in its own way."""
    files = [folder / "samples.jsonl", folder / "run" / "dataset.jsonl"]
    return sum(len(path.read_bytes().splitlines()) for path in files if path.exists())


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
