"""A Ray cluster for the tests: machines are processes of their own, which can be killed."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from servers import free_port
from teachers.environments import RAY, clean_environment

import sdgkit

UP_S = 240.0
"""Seconds a machine may take to join the cluster."""

STORE_BYTES = 80_000_000
"""Ray's smallest object store, and a little more."""

LISTEN_PORT = "dashboard-agent-listen-port"
AGENT_PORTS = (
    "runtime-env-agent-port",
    "metrics-export-port",
    "dashboard-agent-grpc-port",
    LISTEN_PORT,
)

PATIENT = {
    "PYTHONUNBUFFERED": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Otherwise a token of your own in ~/.ray decides whether the head asks the others for one.
    "RAY_AUTH_MODE": "disabled",
    # A busy machine needs longer than Ray waits for its own processes.
    "RAY_raylet_start_wait_time_s": "240",
    "RAY_agent_register_timeout_ms": "240000",
    "RAY_worker_register_timeout_seconds": "240",
}
"""The environment of Ray's own processes."""


def ray_paths() -> str:
    """Where Ray is; the rest comes from the Python that runs the tests."""
    python = RAY.ready()
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return str(python.parent.parent / "lib" / version / "site-packages")


def python_path() -> str:
    """What every machine of the cluster has installed: sdgkit, and Ray."""
    package = Path(sdgkit.__path__[0]).parent
    tests = Path(__file__).parent.parent
    return os.pathsep.join([str(package), str(tests), ray_paths()])


def driver_environment(**more: str) -> dict[str, str]:
    """The environment of a process that uses the cluster: with Ray, and without our guards.

    Ray's machines know each other by the address of this one, which is not the loopback.
    """
    return clean_environment(PYTHONPATH=python_path(), **PATIENT, **more)


@dataclass(eq=False)
class Machine:
    """A machine of the cluster.

    Attributes:
        process: The process that all others of the machine come from.
        log: What it prints.
        agent_port: Where one of its agents listens.
    """

    process: "subprocess.Popen[bytes]"
    log: Path
    agent_port: int

    def wait(self) -> None:
        """Wait until it has joined the cluster."""
        wait_for(self._has_joined, f"a machine of Ray: {self.log}")

    def _has_joined(self) -> bool:
        self.answer_for_agent(self.agent_port)
        assert self.process.poll() is None, self.log.read_text()
        return "Ray runtime started" in self.log.read_text()

    def file(self, path: Path) -> Path:
        """A file as this machine sees it, from outside."""
        return Path(f"/proc/{self.process.pid}/root{path}")

    def workers(self) -> list[psutil.Process]:
        """Its processes that work on a shard at this moment."""
        found = []
        for process in self._processes():
            with contextlib.suppress(psutil.Error):
                if "sdgkit.run_shard" in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def raylet(self) -> psutil.Process:
        """The process by which it belongs to the cluster."""
        for process in self._processes():
            with contextlib.suppress(psutil.Error):
                if process.name().startswith("raylet"):
                    return process
        raise AssertionError("the machine has no raylet")

    def answer_for_agent(self, port: int) -> None:
        """Say where one of Ray's agents listens, before the agent says so itself.

        The raylet waits for the others without haste, and for this one no more than 15 seconds:
        too short where every core is busy.
        """
        for process in self._processes():
            with contextlib.suppress(psutil.Error):
                words = process.cmdline()
                options = dict(word[2:].split("=", 1) for word in words if _is_option(word))
                if process.name().startswith("raylet") and "session_dir" in options:
                    name = f"dashboard_agent_listen_port_{options['node_id']}"
                    file = Path(options["session_dir"]) / name
                    if not file.exists():
                        file.write_text(str(port))

    def _processes(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def kill(self) -> None:
        """Let it die at once, with all that runs on it, as in a power cut."""
        for process in self._processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.process.kill()
        self.process.wait()


@dataclass
class Nodes:
    """A cluster of machines.

    Attributes:
        folder: Where Ray puts its files; its path must be short.
        address: The address of the cluster.
        machines: The machines, the head first.
    """

    folder: Path
    address: str = ""
    machines: list[Machine] = field(default_factory=list)
    _started: int = 0

    def start_head(self) -> None:
        """Start the machine that keeps the cluster together, with a core."""
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        options = ["--head", f"--port={port}", "--include-dashboard=false"]
        self._start([*options, "--num-cpus=1", f"--temp-dir={self.folder}"]).wait()

    def add(self, first_path: Path | None = None, mounts: str = "", **environment: str) -> Machine:
        """Begin to add a machine with a core; it takes a while to join.

        Args:
            first_path: A folder in which it looks for Python packages before all others.
            mounts: Shell commands that mount file systems of its own.
            environment: Further environment variables.
        """
        options = [f"--address={self.address}", "--num-cpus=1"]
        return self._start(options, first_path, mounts, environment)

    def _start(
        self,
        options: Sequence[str],
        first_path: Path | None = None,
        mounts: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> Machine:
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block"]
        command += ["--disable-usage-stats", f"--object-store-memory={STORE_BYTES}", *options]
        ports = {name: free_port() for name in AGENT_PORTS}
        command += [f"--{name}={port}" for name, port in ports.items()]
        path = python_path()
        if first_path is not None:
            path = f"{first_path}{os.pathsep}{path}"
        if mounts:
            script = f'{mounts} && exec "$@"'
            own = ["unshare", "--map-root-user", "--mount", "bash", "-c", script, "bash"]
            command = [*own, *command]
        self._started += 1
        log = self.folder.parent / f"{self.folder.name}-{self._started}.log"
        with open(log, "wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=clean_environment(PYTHONPATH=path, **PATIENT, **(environment or {})),
                start_new_session=True,
            )
        machine = Machine(process, log, ports[LISTEN_PORT])
        self.machines.append(machine)
        return machine

    @contextlib.contextmanager
    def one_more(
        self, first_path: Path | None = None, mounts: str = "", **environment: str
    ) -> Iterator[Machine]:
        """A further machine for a moment, which a test waits for; see `add`."""
        machine = self.add(first_path, mounts, **environment)
        try:
            yield machine
        finally:
            machine.kill()
            self.machines.remove(machine)

    def stop(self) -> None:
        """End all machines."""
        for machine in reversed(self.machines):
            machine.kill()


def _is_option(word: str) -> bool:
    return word.startswith("--") and "=" in word


def wait_for(is_so: Callable[[], object], what: str, seconds: float = UP_S) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


@contextlib.contextmanager
def cluster(folder: Path, machines: int) -> Iterator[Nodes]:
    """A cluster of so many machines, with a core each."""
    nodes = Nodes(folder)
    try:
        nodes.start_head()
        # One after the other: two that join from the same host at the same moment sometimes take
        # the same names or ports, and one of them never joins.
        for _ in range(machines - 1):
            nodes.add().wait()
        yield nodes
    finally:
        nodes.stop()


def interrupt(process: "subprocess.Popen[str]") -> None:
    """Ctrl-C."""
    process.send_signal(signal.SIGINT)
