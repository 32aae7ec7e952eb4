"""The rules that hold for all tests. 192.0.2.1 belongs to nobody (RFC 5737)."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from connections import Connections


def test_a_connection_to_another_machine_is_refused_and_noticed(connections: Connections) -> None:
    with pytest.raises(PermissionError, match="only connect to loopback"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    assert "192.0.2.1" in connections.attempts()[0]
    connections.forget()


def test_looking_up_another_machines_name_is_refused_and_noticed(
    connections: Connections,
) -> None:
    with pytest.raises(PermissionError, match="only connect to loopback"):
        socket.getaddrinfo("example.com", 443)
    assert "example.com" in connections.attempts()[0]
    connections.forget()


def test_a_process_that_a_test_starts_is_kept_here_too(connections: Connections) -> None:
    reach_out = "import urllib.request; urllib.request.urlopen('http://192.0.2.1/', timeout=1)"
    result = subprocess.run(
        [sys.executable, "-c", reach_out], capture_output=True, text=True, check=False
    )
    assert result.returncode != 0
    assert "192.0.2.1" in connections.attempts()[0]
    connections.forget()


def test_loopback_is_reached_by_number_and_by_name(connections: Connections) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
        socket.create_connection(("localhost", port), timeout=10).close()
    assert connections.attempts() == []


SWALLOWED = """
import socket

def test_that_swallows_the_refusal():
    try:
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    except OSError:
        pass
"""
SKIPPED = """
import pytest

def test_one():
    pytest.skip("no Chromium here")
"""
SKIPPED_WHOLE = """
import pytest

pytest.skip("no server here", allow_module_level=True)
"""


def outer_run(variable: str) -> bool:
    """Whether it tells of the run that this test is part of."""
    return variable == "CI" or variable.startswith("PYTEST_")


@pytest.fixture
def pytest_here(repo: Path, tmp_path: Path) -> Any:
    """Runs pytest on a copy of these rules with test files of the given folders and names: its
    output.
    """
    rules = tmp_path / "tests"
    rules.mkdir()
    shutil.copy(repo / "tests" / "conftest.py", rules)
    shutil.copytree(repo / "tests" / "offline", rules / "offline")
    shutil.copy(repo / "pyproject.toml", tmp_path)

    def run(files: dict[str, str], *named: str, **environment: str) -> str:
        for name, source in files.items():
            (rules / name).parent.mkdir(exist_ok=True)
            (rules / name).write_text(source, encoding="utf-8")
        result = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-p",
                "no:cacheprovider",
                "--continue-on-collection-errors",
                *named,
            ],
            cwd=tmp_path,
            env={name: value for name, value in os.environ.items() if not outer_run(name)}
            | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return result.stdout

    return run


def test_an_attempt_to_leave_fails_its_test_even_when_swallowed(pytest_here: Any) -> None:
    output = pytest_here({"unit/test_swallowed.py": SWALLOWED})
    assert "tried to leave this machine" in output
    assert "1 passed, 1 error" in output  # the test itself saw nothing wrong


SKIPPING = {
    "browser/test_browser_skips.py": SKIPPED,
    "browser/test_browser_skips_whole.py": SKIPPED_WHOLE,
    "teachers/test_teachers_skips.py": SKIPPED,
    "teachers/test_teachers_skips_whole.py": SKIPPED_WHOLE,
    "unit/test_unit_skips.py": SKIPPED,
}


NAMED = ("tests/browser", "tests/teachers", "tests/unit")


def test_ci_fails_what_it_provides_for_and_finds_skipped(pytest_here: Any) -> None:
    output = pytest_here(SKIPPING, *NAMED, CI="true")
    assert "2 failed, 1 skipped, 2 errors" in output
    assert "must not be skipped. Skipped: no Chromium here" in output
    assert "must not be skipped. Skipped: no server here" in output


def test_elsewhere_a_skip_is_a_skip_with_its_reason(pytest_here: Any) -> None:
    output = pytest_here(SKIPPING, *NAMED, CI="false")
    assert "5 skipped" in output
    assert "failed" not in output
    assert "no Chromium here" in output
    assert "no server here" in output


def test_what_takes_minutes_and_much_disk_runs_only_when_it_is_named(pytest_here: Any) -> None:
    files = {
        f"{kind}/test_{kind}_runs.py": "def test_it():\n    pass\n"
        for kind in ("browser", "teachers", "unit")
    }
    output = pytest_here(files, CI="false")
    assert "1 passed, 2 skipped" in output
    assert "only when named: pytest tests/teachers" in output
    assert "2 passed" in pytest_here(
        files, "tests/teachers", "tests/unit/test_unit_runs.py", CI="false"
    )
