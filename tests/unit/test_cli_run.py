"""`sdgkit run` as a process: a notebook executed in this interpreter.

Whatever the notebook and the machine say about kernels.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from aiohttp import web
from servers import FaultServer, completion

import sdgkit as sk

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CHECKOUT = str(Path(sk.__file__).parent.parent)
SEEDS = sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"
PATIENCE = 240  # seconds, on the busiest machine
ELSEWHERE = {"display_name": "Julia", "language": "julia", "name": "julia-1.9"}


def notebook(path: Path, *cells: str, parameters: str | None = None, headings: bool = True) -> None:
    """Write a notebook of code cells, each under a heading of its own if there are any."""
    made = nbformat.v4.new_notebook(metadata={"kernelspec": ELSEWHERE})
    if parameters is not None:
        made.cells.append(nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    for number, source in enumerate(cells, 1):
        made.cells += [nbformat.v4.new_markdown_cell(f"## Part {number}")] if headings else []
        made.cells.append(nbformat.v4.new_code_cell(source))
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(made, path)


def environment(folder: Path) -> dict[str, str]:
    """The environment, with a home that cannot be written (a file: not even root can)."""
    home = folder / "home"
    home.write_text("")
    path = os.pathsep.join(filter(None, [CHECKOUT, os.environ.get("PYTHONPATH", "")]))
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JUPYTER", "IPYTHON", "XDG"))
    }
    return env | {"PYTHONPATH": path, "HOME": str(home)}


def started(folder: Path, *words: object) -> subprocess.Popen[str]:
    """A command running in this folder; its output and errors come through one pipe."""
    return subprocess.Popen(
        [sys.executable, "-m", "sdgkit", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        env=environment(folder),
    )


def sdgkit(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Run a command in this folder to its end."""
    return subprocess.run(
        [sys.executable, "-m", "sdgkit", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        cwd=folder,
        env=environment(folder),
    )


def printed(path: Path) -> list[str]:
    """What the cells of an executed notebook printed."""
    cells = nbformat.read(path, as_version=4).cells
    return [
        output.text
        for cell in cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "text" in output
    ]


def test_with_no_arguments_the_quickstart_goes_the_whole_way(tmp_path: Path) -> None:
    done = sdgkit(tmp_path, "run")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "runs" / "feedback_to_table"
    summary = json.loads((out / "summary.json").read_text())
    assert summary["state"] == "done" and summary["teacher"] == "rehearsal"
    kept = summary["stages"][-1]["rows_out"]
    assert f"{kept} samples from 8 seed examples in runs/feedback_to_table" in done.stdout
    assert f"The executed notebook: {out.relative_to(tmp_path)}/quickstart.ipynb" in done.stdout
    assert (out / "quickstart.ipynb").exists()
    assert (out / "profile.yaml").exists()
    assert (
        "add --base-url http://localhost:8000/v1 --out runs/feedback_to_table-real" in done.stdout
    )
    assert "sdgkit lab" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("These samples are from the rehearsal teacher")
    assert done.stderr == ""
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["home", "runs"]
    assert [entry.name for entry in (tmp_path / "runs").iterdir()] == ["feedback_to_table"]


def test_the_quickstart_goes_without_a_profile_if_told_to(tmp_path: Path) -> None:
    words = ("-p", "num_contexts", 1, "-p", "num_questions", 1)
    done = sdgkit(tmp_path, "run", "--no-profile", *words, "--out", "without")
    assert done.returncode == 0, done.stderr
    assert "Studied" not in done.stdout
    assert not (tmp_path / "without" / "profile.yaml").exists()
    run = sk.open_run(tmp_path / "without")
    assert run.state == "done" and run.profile is None
    config = json.loads((tmp_path / "without" / "config.json").read_text())
    assert config["settings"]["profile"] is False
    assert "profile_checks" not in [line.name for line in run.funnel]


def test_a_notebook_without_the_parameter_profile_refuses_no_profile(tmp_path: Path) -> None:
    notebook(tmp_path / "own.ipynb", "print('never')", parameters="out = 'here'")
    done = sdgkit(tmp_path, "run", "own.ipynb", "--no-profile")
    assert done.returncode == 2
    assert "has no parameter 'profile'" in done.stderr


def test_the_options_fill_in_the_parameters_and_the_kernel_is_this_interpreter(
    tmp_path: Path,
) -> None:
    parameters = "num_contexts = 10\nout = None\nreuse = False\nlists = None\nword = 'old'"
    shows = (
        "import sys, os\n"
        "print(sys.executable)\n"
        "print(os.getcwd())\n"
        "print(num_contexts, out, reuse, lists, word)"
    )
    notebook(tmp_path / "books" / "own.ipynb", shows, parameters=parameters)
    words = (
        "--num-contexts",
        3,
        "--out",
        "there",
        "--reuse",
        "-p",
        "lists",
        '{"mood": ["glad"]}',
        "-p",
        "word",
        "3 a=b",
    )
    done = sdgkit(tmp_path, "run", "books/own.ipynb", *words)
    assert done.returncode == 0, done.stderr
    [text] = printed(tmp_path / "there" / "own.ipynb")
    assert text.splitlines() == [
        sys.executable,
        str(tmp_path),
        "3 there True {'mood': ['glad']} 3 a=b",
    ]
    assert "The executed notebook: there/own.ipynb" in done.stdout


def test_seeds_that_the_notebook_refuses_are_bad_arguments(tmp_path: Path) -> None:
    notebook(
        tmp_path / "own.ipynb",
        "import sdgkit as sk\nsk.load_seeds(seeds)",
        parameters="seeds = None",
    )
    refused = sdgkit(tmp_path, "run", "own.ipynb", "--seeds", "nowhere.jsonl")
    assert refused.returncode == 2
    assert "nowhere.jsonl" in refused.stderr


def test_a_run_in_a_notebook_has_the_exit_statuses_of_generate(tmp_path: Path) -> None:
    makes = (
        "import sdgkit as sk\n"
        "with sk.connect('rehearsal') as teacher:\n"
        f"    run = sk.generate({str(SEEDS)!r}, teacher=teacher, out=out, profile=False,\n"
        "                      num_contexts=1, num_questions=1, checks=checks)"
    )
    notebook(tmp_path / "own.ipynb", makes, parameters="out = None\nchecks = None")
    enough = sdgkit(tmp_path, "run", "own.ipynb", "--out", "run", "--min-samples", "1")
    assert enough.returncode == 0, enough.stderr
    few = sdgkit(tmp_path, "run", "own.ipynb", "--out", "run", "--min-samples", "999")
    assert few.returncode == 3
    assert "--min-samples asks for 999" in few.stdout
    nothing = sdgkit(tmp_path, "run", "own.ipynb", "--out", "none", "--check", "matches=^never$")
    assert nothing.returncode == 3
    assert "Train on" not in nothing.stdout


def test_a_second_run_into_a_busy_folder_is_refused_at_once(tmp_path: Path) -> None:
    waits = "import time, pathlib\npathlib.Path('begun').touch()\ntime.sleep(300)"
    notebook(tmp_path / "own.ipynb", waits, parameters="out = None")
    first = started(tmp_path, "run", "own.ipynb", "--out", "busy")
    try:
        deadline = time.monotonic() + PATIENCE
        while not (tmp_path / "begun").exists():
            assert time.monotonic() < deadline and first.poll() is None
            time.sleep(0.1)
        second = sdgkit(tmp_path, "run", "own.ipynb", "--out", "busy")
        assert second.returncode == 1
        assert "is executing a notebook in busy" in second.stderr
        assert first.poll() is None
    finally:
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=PATIENCE)
    assert not (tmp_path / "busy" / ".notebook.lock").exists()


def test_a_notebook_is_not_executed_in_a_folder_that_a_run_is_writing(tmp_path: Path) -> None:
    words = ["generate", SEEDS, "--out", "busy", "--no-profile", "--mean-latency-ms", "1500"]
    first = started(tmp_path, *words, "--concurrency", "1")
    try:
        deadline = time.monotonic() + PATIENCE
        while not (tmp_path / "busy" / "seeds.jsonl").exists():
            assert time.monotonic() < deadline and first.poll() is None
            time.sleep(0.1)
        notebook(tmp_path / "own.ipynb", "open('executed', 'w')", parameters="out = None")
        second = sdgkit(tmp_path, "run", "own.ipynb", "--out", "busy")
        assert second.returncode == 1
        assert "is being written by another process" in second.stderr
        assert not (tmp_path / "executed").exists()
    finally:
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=PATIENCE)


def test_a_cell_that_fails_ends_it_with_its_error_and_the_path(tmp_path: Path) -> None:
    fails = "print('so far')\nimport sdgkit as sk\nsk.load_seeds('nowhere.jsonl')"
    notebook(
        tmp_path / "own.ipynb", "1 + 1", fails, "print('never')", parameters="seeds = 'mail.csv'"
    )
    done = sdgkit(tmp_path, "run", "own.ipynb")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 2, done.stderr
    first, second = done.stderr.splitlines()
    assert first.startswith(
        "sdgkit run: The notebook stopped in 'Part 2': nowhere.jsonl: there is no such file."
    )
    assert second.endswith("runs/mail/own.ipynb")
    assert printed(tmp_path / "runs" / "mail" / "own.ipynb") == ["so far\n"]


def test_ctrl_c_stops_the_run_within_the_notebook_without_waiting_for_its_kernel(
    tmp_path: Path,
) -> None:
    slow_end = (
        "import atexit, signal, time\n"
        "signal.signal(15, signal.SIG_IGN)\n"
        "atexit.register(time.sleep, 3600)\n"
    )
    job = f"run = sk.generate({str(SEEDS)!r}, teacher=teacher, out=out, num_contexts=3)"
    cell = f"import sdgkit as sk\nteacher = sk.connect('rehearsal', mean_latency_ms=300)\n{job}"
    notebook(
        tmp_path / "own.ipynb",
        slow_end + cell,
        "print('never')",
        parameters="out = 'here'",
        headings=False,
    )
    process = started(tmp_path, "run", "own.ipynb")
    for _ in range(PATIENCE * 10):
        time.sleep(0.1)
        assert process.poll() is None, process.communicate()[0]
        try:
            if sk.open_run(tmp_path / "here").snapshot().requests >= 20:
                break
        except sk.RunError:
            pass
    kernels = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=PATIENCE)  # its kernel by itself would take an hour
    assert process.returncode == 130, said
    _, left = psutil.wait_procs(kernels, timeout=PATIENCE)
    assert not left
    assert "Traceback" not in said and "Run the same command again to resume" in said
    assert json.loads((tmp_path / "here" / "summary.json").read_text())["state"] == "cancelled"
    assert "never\n" not in printed(tmp_path / "here" / "own.ipynb")


def test_ctrl_c_while_the_kernel_starts_leaves_no_traceback(tmp_path: Path) -> None:
    notebook(tmp_path / "own.ipynb", "print('never')", parameters="out = 'here'")
    process = started(tmp_path, "run", "own.ipynb")
    for _ in range(PATIENCE * 50):
        time.sleep(0.02)
        if psutil.Process(process.pid).children():
            break
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, said
    assert said.splitlines()[-1] == "Interrupted. Run the same command again to resume."
    assert "Traceback" not in said and "rror" not in said


def test_a_killed_command_leaves_no_kernel_that_goes_on_asking(tmp_path: Path) -> None:
    async def slowly(body: dict[str, object], n: int) -> web.StreamResponse:
        await asyncio.sleep(0.2)
        return completion(f"reply {n}")

    job = (
        "import itertools, sdgkit as sk\n"
        "teacher = sk.connect(base_url=base_url)\n"
        "for number in itertools.count():\n"
        "    teacher.ask(f'Question {number}')"
    )
    with FaultServer() as server:
        server.behave = slowly
        notebook(
            tmp_path / "own.ipynb", job, parameters=f"base_url = {server.base_url!r}\nout = 'here'"
        )
        process = started(tmp_path, "run", "own.ipynb")
        deadline = time.monotonic() + PATIENCE
        while len(server.asked) < 5:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.1)
        kernels = psutil.Process(process.pid).children(recursive=True)
        assert kernels
        process.kill()
        process.wait(PATIENCE)
        assert process.stdout is not None
        process.stdout.close()
        _, left = psutil.wait_procs(kernels, timeout=60)
        for kernel in left:
            kernel.kill()
        assert not left
        asked = len(server.asked)
        time.sleep(1)
        assert len(server.asked) == asked
