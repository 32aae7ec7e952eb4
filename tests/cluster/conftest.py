"""A real Ray cluster, whose machines are processes on this one.

Ray is installed into an environment in your cache folder on first use (250 MB).
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from cluster.nodes import Nodes, cluster, driver_environment
from scripted import ScriptedTeacher
from teachers.environments import RAY, Unavailable

HERE = Path(__file__).parent
SMALL: dict[str, Any] = {"num_contexts": 3, "num_questions": 2}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test waits for the installation."""
    for item in items:
        if HERE in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session", autouse=True)
def _ray() -> None:
    try:
        RAY.ready()
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def ray_folder() -> Iterator[Path]:
    """A folder with a short path: Ray puts sockets into it."""
    folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def nodes(ray_folder: Path) -> Iterator[Nodes]:
    """A cluster of three machines, to which a test may add one."""
    with cluster(ray_folder / "a", machines=3) as nodes:
        yield nodes


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as script:
        yield script


Start: TypeAlias = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(script: ScriptedTeacher) -> Iterator[Start]:
    """Starts a run in a process of its own; see `one_run.py`."""
    started: list[subprocess.Popen[str]] = []

    def begin(out: Path, **settings: Any) -> "subprocess.Popen[str]":
        given = {"base_url": script.base_url, "out": str(out), **SMALL, **settings}
        process = subprocess.Popen(
            [sys.executable, str(HERE.parent / "one_run.py"), json.dumps(given)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=driver_environment(),
            cwd=out.parent,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def ended() -> Callable[["subprocess.Popen[str]"], dict[str, Any]]:
    """Waits for a run to end; what it printed."""

    def wait(process: "subprocess.Popen[str]") -> dict[str, Any]:
        out, err = process.communicate(timeout=300)
        lines = out.strip().splitlines()
        assert lines, err
        said: dict[str, Any] = json.loads(lines[-1])
        print(said, err)  # shown where a test fails
        return said

    return wait
