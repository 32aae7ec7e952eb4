"""The `sdgkit` command as a process: what it prints and leaves, how it ends, what a signal does."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web
from servers import FaultServer, completion

import sdgkit as sk

SEEDS = sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"
Made = tuple[Path, Path, "subprocess.CompletedProcess[str]"]
SDGKIT = (sys.executable, "-m", "sdgkit")
CHECKOUT = str(Path(sk.__file__).parent.parent)
PATIENCE = 120  # seconds for a process, on the busiest machine
HOSTILE = "\x1b]0;renamed\x07\x1b[31mred\x9b2J"


def environment(**more: str) -> dict[str, str]:
    path = os.pathsep.join(filter(None, [CHECKOUT, os.environ.get("PYTHONPATH", "")]))
    return os.environ | {"PYTHONPATH": path} | more


def sdgkit(folder: Path, *words: object, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [*SDGKIT, *map(str, words)]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )


class Going:
    """A running command, with everything it has printed so far."""

    def __init__(self, folder: Path, *words: object) -> None:
        self.process = subprocess.Popen(
            [*SDGKIT, *map(str, words)],
            cwd=folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)

    def until(self, come: Callable[[], bool]) -> None:
        """Wait until something has come."""
        for _ in range(PATIENCE * 20):
            if come():
                return
            assert self.process.poll() is None, "".join(self.lines)
            time.sleep(0.05)
        raise AssertionError("".join(self.lines))

    def end(self, number: int) -> int:
        """Send a signal; gives the exit status."""
        self.process.send_signal(number)
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status


def journal_holds(folder: Path, replies: int) -> Callable[[], bool]:
    """Asks whether the run in this folder has so many replies."""

    def look() -> bool:
        try:
            return sk.open_run(folder).snapshot().requests >= replies
        except sk.RunError:
            return False

    return look


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A finished run of the command: (its folder, the working folder, the process)."""
    folder = tmp_path_factory.mktemp("made")
    options = ("--num-contexts", "2", "--num-questions", "2")
    done = sdgkit(folder, "generate", SEEDS, *options, PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "feedback_to_table", folder, done


# The job ------------------------------------------------------------------------------------------


def test_generate_leaves_a_run_and_says_what_and_where(made: Made) -> None:
    out, _, done = made
    summary = json.loads((out / "summary.json").read_text())
    kept = len((out / "dataset.jsonl").read_text().splitlines())
    assert summary["state"] == "done" and kept == summary["stages"][-1]["rows_out"] > 0
    assert f"{kept} samples from 8 seed examples in runs/feedback_to_table" in done.stdout
    assert "rows dropped: " in done.stdout
    for file in ("report.html", "rehearsal_train_messages.jsonl"):
        assert (out / file).exists() and f"/{out.name}/{file}" in done.stdout
    assert f"add --base-url http://localhost:8000/v1 --out {out.parent.name}/" in done.stdout
    assert "\x1b" not in done.stdout


def test_the_last_line_says_that_it_was_a_rehearsal(made: Made) -> None:
    assert (
        made[2].stdout.splitlines()[-1].startswith("These samples are from the rehearsal teacher")
    )


def test_generate_loads_neither_datasets_nor_pandas(made: Made) -> None:
    loaded = {
        line.rpartition("|")[2].strip() for line in made[2].stderr.splitlines() if "|" in line
    }
    assert "sdgkit.pipeline" in loaded
    assert not {"datasets", "pandas._libs", "papermill", "IPython"} & loaded


def test_the_same_command_again_asks_nothing(made: Made) -> None:
    out, folder, _ = made
    before = {name: (out / name).read_bytes() for name in ("dataset.jsonl", "dropped.jsonl")}
    requests = json.loads((out / "summary.json").read_text())["requests"]
    for words in (
        (SEEDS, "--num-contexts", "2", "--num-questions", "2"),
        ("runs/feedback_to_table",),
    ):
        again = sdgkit(folder, "generate", *words)
        assert again.returncode == 0, again.stderr
        assert json.loads((out / "summary.json").read_text())["requests"] == requests
        assert {name: (out / name).read_bytes() for name in before} == before


def test_a_run_that_fails_says_why_and_how_to_go_on(tmp_path: Path) -> None:
    with FaultServer() as server:
        server.behave = lambda body, n: completion("no tags at all")
        words = ("--base-url", server.base_url, "--out", "kept here")
        failed = sdgkit(tmp_path, "generate", SEEDS, *words)
    assert failed.returncode == 1
    assert "gen_contexts" in failed.stderr and "Traceback" not in failed.stderr
    assert (
        "Every finished sample is kept in kept here. Run the same command again to resume."
        in failed.stderr
    )
    assert json.loads((tmp_path / "kept here" / "summary.json").read_text())["state"] == "failed"


# Signals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_run_which_the_same_command_ends(tmp_path: Path, number: int) -> None:
    words = (
        "--num-contexts",
        "3",
        "--num-questions",
        "1",
        "--mean-latency-ms",
        "150",
        "--out",
        "here",
    )
    going = Going(tmp_path, "generate", SEEDS, *words)
    going.until(journal_holds(tmp_path / "here", 20))
    assert going.end(number) == 130, going.lines
    said = "".join(going.lines)
    assert "Traceback" not in said and "Run the same command again to resume." in said
    summary = json.loads((tmp_path / "here" / "summary.json").read_text())
    assert summary["state"] == "cancelled"
    asked = summary["requests"]
    if number == signal.SIGINT:
        done = sdgkit(tmp_path, "generate", SEEDS, *words)
        assert done.returncode == 0, done.stderr
        summary = json.loads((tmp_path / "here" / "summary.json").read_text())
        assert summary["state"] == "done" and summary["stages"][0]["rows_out"] == 24
        assert f"sent {summary['requests'] - asked} requests." in done.stdout


def test_a_signal_before_anything_was_asked_leaves_no_traceback(tmp_path: Path) -> None:
    with FaultServer() as server:
        arrived = threading.Event()

        def come_too_late() -> web.Response:
            arrived.set()
            time.sleep(1)
            return web.json_response({"data": [{"id": "tiny"}]})

        server.pages["/v1/models"] = come_too_late
        going = Going(tmp_path, "generate", SEEDS, "--base-url", server.base_url)
        going.until(arrived.is_set)
        assert going.end(signal.SIGINT) == 130
    assert going.lines == ["\n", "Interrupted. Run the same command again to resume.\n"]


# The terminal -------------------------------------------------------------------------------------


def test_on_a_terminal_the_stages_are_drawn_in_place(tmp_path: Path) -> None:
    main, other = pty.openpty()
    words = ["generate", str(SEEDS), "--num-contexts", "1", "--num-questions", "1"]
    process = subprocess.Popen(
        [*SDGKIT, *words],
        cwd=tmp_path,
        env=environment(TERM="xterm", COLUMNS="100", LINES="40"),
        stdin=other,
        stdout=other,
        stderr=other,
    )
    os.close(other)
    shown = b""
    try:
        while chunk := os.read(main, 4096):
            shown += chunk
    except OSError:  # Linux's way of saying that the terminal's other end is closed
        pass
    os.close(main)
    assert process.wait(PATIENCE) == 0, shown
    text = shown.decode()
    assert (
        "combine_question_and_context" in text and "\x1b[?25l" in text
    )  # the table, without a cursor
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")  # and the cursor given back
    assert text.rstrip().splitlines()[-1].startswith("These samples are from the rehearsal teacher")


def test_output_that_cannot_show_every_sign_loses_none_and_ends_nothing(made: Made) -> None:
    _, folder, _ = made
    plain = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    for words in (
        ("status", "runs/feedback_to_table"),
        ("show", "runs/feedback_to_table", "s1/c1/q1"),
    ):
        done = sdgkit(folder, *words, **plain)
        assert done.returncode == 0, done.stderr
        assert done.stdout.isascii() and done.stderr == ""
    assert "\\u2605" in done.stdout  # the stars of the seed


def test_a_reader_that_has_enough_is_no_error(made: Made) -> None:
    _, folder, _ = made
    show = f"'{sys.executable}' -m sdgkit show runs/feedback_to_table s1/c1/q1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {show} | head -n 1; echo $?"],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[0].startswith("### gen_contexts")


# Looking at a run ---------------------------------------------------------------------------------


def test_status_shows_the_funnel_of_a_finished_run(
    made: Made, typed: Callable[..., tuple[int, str, str]]
) -> None:
    out, _, _ = made
    for words in ((), ("--watch",)):
        status, output, _ = typed("status", out, *words)
        assert status == 0 and "done, " in output.splitlines()[0]
        for stage in json.loads((out / "summary.json").read_text())["stages"]:
            assert stage["name"] in output


def test_show_tells_the_story_of_samples_and_drops(
    made: Made, typed: Callable[..., tuple[int, str, str]]
) -> None:
    out, _, _ = made
    for name in ("dataset.jsonl", "dropped.jsonl"):
        row = json.loads((out / name).read_text().splitlines()[0])
        status, output, _ = typed("show", out, row["id"])
        assert status == 0
        assert row["id"] in output and "gen_contexts: reply" in output
    status, _, errors = typed("show", out, "s99/c1/q1")
    assert status == 1 and "s99/c1/q1" in errors


def test_show_sends_no_control_characters_of_the_teacher_to_the_terminal(
    tmp_path: Path, typed: Callable[..., tuple[int, str, str]]
) -> None:
    with FaultServer() as server:
        server.behave = lambda body, n: completion(
            f"[Start of Context]\n{n} {HOSTILE}\n[End of Context]"
        )
        teacher = sk.connect(base_url=server.base_url)
        sk.gen_contexts.run(
            sk.load_seeds(SEEDS), teacher=teacher, out=tmp_path / "run", num_contexts=1
        )
        teacher.close()
    status, output, _ = typed("show", "run", "s1/c1")
    assert status == 0
    assert not {"\x1b", "\x07", "\x9b"} & set(output)
    assert "\u241b]0;renamed\u2407" in output


def test_export_writes_a_training_file_that_says_that_it_is_a_rehearsal(
    made: Made, typed: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    out, _, _ = made
    for words, path in (
        ((), out / "rehearsal_train_messages.jsonl"),
        (("--to", "train.jsonl"), tmp_path / "train.jsonl"),
    ):
        status, output, _ = typed("export", out, *words)
        assert status == 0
        assert path.read_bytes() == (out / "rehearsal_train_messages.jsonl").read_bytes()
        assert output.splitlines()[-1].startswith("These samples are from the rehearsal teacher")
    status, _, errors = typed("export", out, "--format", "csv")
    assert status == 2 and "messages" in errors
    going = shutil.copytree(out, tmp_path / "going")  # a run has no summary until it ends
    (going / "summary.json").unlink()
    assert typed("export", going)[0] == 0 and (going / "rehearsal_train_messages.jsonl").exists()


def test_rehearse_serves_until_it_is_interrupted(
    tmp_path: Path, typed: Callable[..., tuple[int, str, str]]
) -> None:
    going = Going(tmp_path, "rehearse", "--malformed-rate", "0.1")
    going.until(lambda: any("--base-url" in line for line in going.lines))
    url = next(line for line in going.lines if "--base-url" in line).split()[-1]
    status, output, _ = typed("ask", "hello", "--base-url", url)
    assert status == 0 and "rehearsal" in output
    assert going.end(signal.SIGINT) == 130
    status, _, errors = typed("ask", "hello", "--base-url", url)
    assert status == 1 and "connection refused" in errors


# What a command loads -----------------------------------------------------------------------------

GENERATE_BY_COMMAND = """
import sys
from sdgkit.cli import main
status = main(["generate", sys.argv[1], "--num-contexts", "1", "--out", "run"])
print(status, {"datasets", "pandas", "openai"} & set(sys.modules), file=sys.stderr)
"""

GENERATE_FROM_A_FILE = """
import sys
import sdgkit as sk
with sk.connect("rehearsal") as teacher:
    run = sk.generate(sys.argv[1], teacher=teacher, num_contexts=1, out="run")
print(run.state == "done" and 0, {"datasets", "openai"} & set(sys.modules), file=sys.stderr)
"""


@pytest.mark.parametrize("program", [GENERATE_BY_COMMAND, GENERATE_FROM_A_FILE])
def test_generating_from_a_file_loads_no_library_of_datasets(tmp_path: Path, program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program, str(SEEDS)],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (tmp_path / "run" / "dataset.parquet").exists()
    assert done.stderr.splitlines()[-1] == "0 set()", done.stderr
