"""A simulated teacher: slots, a queue, and reply times that each request decides.

It costs hardly any CPU, so that hundreds of slots can be simulated beside a client on one machine.

python tests/benchmarks/simulated.py FD SLOTS MEAN_S [--no-metrics]   # SLOTS such as 64 or 64,60:16
"""

import argparse
import asyncio
import hashlib
import itertools
import json
import random
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

MODEL = "simulated"
SIGMA = 0.8
TEXT = "A reply like any other."
END_OF_HEAD = b"\r\n\r\n"


@dataclass(frozen=True)
class Schedule:
    """How many slots there are, by the second since the first request.

    Attributes:
        steps: Seconds and slots, in order; the first begins at 0.
    """

    steps: tuple[tuple[float, int], ...]

    @classmethod
    def parse(cls, text: str) -> "Schedule":
        """From "64,60:16": 64 at first, 16 after a minute."""
        steps = []
        for entry in text.split(","):
            at, _, slots = entry.rpartition(":")
            steps.append((float(at or 0), int(slots)))
        return cls(tuple(steps))

    def slots_at(self, seconds: float) -> int:
        """The slots at a moment."""
        return [slots for at, slots in self.steps if at <= seconds][-1]


def reply_seconds(body: bytes, mean_s: float) -> float:
    """How long the reply to a request takes: log-normal, drawn by the request itself."""
    dice = random.Random(hashlib.blake2b(body, digest_size=8).digest())
    return mean_s * dice.lognormvariate(-(SIGMA**2) / 2, SIGMA)


class Simulation:
    """The slots and the queue of all connections."""

    def __init__(self, schedule: Schedule, mean_s: float, *, has_metrics: bool) -> None:
        self.running = 0
        self.waiting: deque[tuple[Connection, bytes]] = deque()
        self.has_metrics = has_metrics
        self._schedule = schedule
        self._mean_s = mean_s
        self._began_at = 0.0

    def ask(self, connection: "Connection", body: bytes) -> None:
        """Queue a request."""
        self._began_at = self._began_at or time.monotonic()
        self.waiting.append((connection, body))
        self._start()

    def metrics(self) -> str:
        """The page /metrics."""
        return (
            f"vllm:num_requests_running {self.running}\n"
            f"vllm:num_requests_waiting {len(self.waiting)}\n"
        )

    def _start(self) -> None:
        slots = self._schedule.slots_at(time.monotonic() - self._began_at)
        while self.waiting and self.running < slots:
            connection, body = self.waiting.popleft()
            if connection.is_open:
                self.running += 1
                seconds = reply_seconds(body, self._mean_s)
                asyncio.get_running_loop().call_later(seconds, partial(self._end, connection))

    def _end(self, connection: "Connection") -> None:
        self.running -= 1
        connection.send_reply()
        self._start()


class Connection(asyncio.Protocol):
    """One client's connection: HTTP/1.1, one request after the other."""

    def __init__(self, simulation: Simulation) -> None:
        self.is_open = True
        self._simulation = simulation
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(END_OF_HEAD)
        if not end or len(body) < _content_length(head):
            return
        self._received = b""
        path = head.split(b" ", 2)[1]
        if path.endswith(b"/chat/completions"):
            self._simulation.ask(self, body)
        elif path.endswith(b"/models"):
            self._send(json.dumps({"data": [{"id": MODEL, "max_model_len": 32768}]}))
        elif path == b"/metrics" and self._simulation.has_metrics:
            self._send(self._simulation.metrics())
        else:
            self._send("{}", "404 Not Found")

    def send_reply(self) -> None:
        """Send a chat completion."""
        message = {"role": "assistant", "content": TEXT}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self._send(json.dumps({"id": "1", "model": MODEL, "choices": [choice]}))

    def _send(self, text: str, status: str = "200 OK") -> None:
        assert self._transport is not None
        body = text.encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(body)}\r\n\r\n"
        if self.is_open:
            self._transport.write(head.encode() + body)


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


@contextmanager
def simulated(slots: str, mean_s: float, *, has_metrics: bool = True) -> Iterator[str]:
    """A simulated teacher in a process of its own; its base URL."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(4096)
        port = listening.getsockname()[1]
        command = [sys.executable, str(Path(__file__)), str(listening.fileno()), slots]
        command += [str(mean_s)] + ([] if has_metrics else ["--no-metrics"])
        process = subprocess.Popen(command, pass_fds=[listening.fileno()])
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


def bodies(name: str) -> Iterator[str]:
    """Messages that are different from each other, the same ones in each run."""
    for number in itertools.count():
        yield f"{name} {number}"


async def _serve(options: argparse.Namespace) -> None:
    schedule = Schedule.parse(options.slots)
    simulation = Simulation(schedule, options.mean_s, has_metrics=not options.no_metrics)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(simulation), sock=socket.socket(fileno=options.fd), backlog=4096
    )
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fd", type=int)
    parser.add_argument("slots")
    parser.add_argument("mean_s", type=float)
    parser.add_argument("--no-metrics", action="store_true")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
