"""The `sdgkit` command as a process: what it prints, what it leaves, how it ends, and what a signal does to it."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from servers import FaultServer, completion

import sdgkit as sk

SEEDS = sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"
SDGKIT = (sys.executable, "-m", "sdgkit")
CHECKOUT = str(Path(sk.__file__).parent.parent)
PATIENCE = 120  # seconds for a process, on the busiest machine
HOSTILE = "\x1b]0;renamed\x07\x1b[31mred\x9b2J"


def environment(**more):
    path = os.pathsep.join(filter(None, [CHECKOUT, os.environ.get("PYTHONPATH", "")]))
    return os.environ | {"PYTHONPATH": path} | more


def sdgkit(folder, *words, **more):
    """Run a command to its end."""
    command = [*SDGKIT, *map(str, words)]
    settings = {"cwd": folder, "env": environment(**more), "capture_output": True, "timeout": PATIENCE}
    return subprocess.run(command, text=True, encoding="utf-8", check=False, **settings)


class Going:
    """A command that goes on, with all that it has printed so far."""

    def __init__(self, folder, *words):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        self.process = subprocess.Popen([*SDGKIT, *map(str, words)], cwd=folder, env=environment(), **pipes)
        self.lines = []
        self._reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout), daemon=True)
        self._reader.start()

    def until(self, come):
        """Wait until something has come."""
        for _ in range(PATIENCE * 20):
            if come():
                return
            assert self.process.poll() is None, "".join(self.lines)
            time.sleep(0.05)
        raise AssertionError("".join(self.lines))

    def end(self, number):
        """Send a signal; gives the exit status."""
        self.process.send_signal(number)
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status


def journal_holds(folder, replies):
    """Whether the run in this folder has so many replies."""

    def look():
        try:
            return sk.open_run(folder).snapshot().requests >= replies
        except sk.RunError:
            return False

    return look


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished run of the command: (its folder, the working folder, the process)."""
    folder = tmp_path_factory.mktemp("made")
    options = ("--num-contexts", "2", "--num-questions", "2")
    done = sdgkit(folder, "generate", SEEDS, *options, PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "feedback_to_table", folder, done


# The job --------------------------------------------------------------------------------------------------------------


def test_generate_leaves_a_run_and_says_what_and_where(made):
    out, _, done = made
    summary = json.loads((out / "summary.json").read_text())
    kept = len((out / "dataset.jsonl").read_text().splitlines())
    assert summary["state"] == "done" and kept == summary["stages"][-1]["rows_out"] > 0
    assert f"{kept} samples from 8 seed examples in runs/feedback_to_table" in done.stdout
    assert "rows dropped: " in done.stdout
    for file in ("report.html", "dataset.jsonl", "rehearsal_train_messages.jsonl"):
        assert (out / file).exists() and f"  {file}  " in done.stdout
    assert f"--num-contexts 2 --num-questions 2 --base-url http://localhost:8000/v1 --out {out.parent.name}" in done.stdout
    assert "\x1b" not in done.stdout


def test_the_last_line_says_that_it_was_a_rehearsal(made):
    assert made[2].stdout.splitlines()[-1].startswith("These samples are a rehearsal")


def test_generate_loads_neither_datasets_nor_pandas(made):
    loaded = {line.rpartition("|")[2].strip() for line in made[2].stderr.splitlines() if "|" in line}
    assert "sdgkit.pipeline" in loaded
    assert not {"datasets", "pandas", "papermill", "IPython"} & loaded


def test_the_same_command_again_asks_nothing(made):
    _, folder, _ = made
    for words in ((SEEDS, "--num-contexts", "2", "--num-questions", "2"), ("runs/feedback_to_table",)):
        again = sdgkit(folder, "generate", *words)
        assert again.returncode == 0, again.stderr
        assert ", 0 asked." in again.stdout


def test_a_key_that_is_missing_is_told_with_status_1_and_the_model_is_taken_from_the_environment(tmp_path):
    with FaultServer(models=("one", "two"), key="sesame") as server:
        there = {"SDGKIT_BASE_URL": server.base_url}
        refused = sdgkit(tmp_path, "ask", "hello", **there)
        choose = sdgkit(tmp_path, "ask", "hello", **there, SDGKIT_API_KEY="sesame")
        chosen = sdgkit(tmp_path, "ask", "hello", **there, SDGKIT_API_KEY="sesame", SDGKIT_MODEL="two")
    assert refused.returncode == 1 and "SDGKIT_API_KEY" in refused.stderr
    assert choose.returncode == 2 and "one, two" in choose.stderr
    assert chosen.returncode == 0 and "two at " in chosen.stdout


def test_a_run_that_fails_says_why_and_how_to_go_on(tmp_path):
    with FaultServer() as server:
        server.behave = lambda body, n: completion("no tags at all")
        words = ("--base-url", server.base_url, "--out", "kept here")
        failed = sdgkit(tmp_path, "generate", SEEDS, *words)
    assert failed.returncode == 1
    assert "gen_contexts" in failed.stderr and "Traceback" not in failed.stderr
    assert f"To go on: sdgkit generate 'kept here' --base-url {server.base_url}" in failed.stderr
    assert json.loads((tmp_path / "kept here" / "summary.json").read_text())["state"] == "failed"


# Signals --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_a_run_which_the_printed_command_ends(tmp_path, number, status):
    words = ("--num-contexts", "3", "--num-questions", "1", "--mean-latency-ms", "150", "--out", "here")
    going = Going(tmp_path, "generate", SEEDS, *words)
    going.until(journal_holds(tmp_path / "here", 20))
    assert going.end(number) == status, going.lines
    said = "".join(going.lines)
    assert "Traceback" not in said
    summary = json.loads((tmp_path / "here" / "summary.json").read_text())
    assert summary["state"] == "cancelled"
    asked = summary["requests"]
    [line] = [line for line in going.lines if line.startswith("To go on: ")]
    command = line.removeprefix("To go on: sdgkit ").split()
    assert command == ["generate", "here", "--mean-latency-ms", "150"]
    if number == signal.SIGINT:
        done = sdgkit(tmp_path, *command)
        assert done.returncode == 0, done.stderr
        summary = json.loads((tmp_path / "here" / "summary.json").read_text())
        assert summary["state"] == "done" and summary["stages"][0]["rows_out"] == 24
        assert f"{summary['requests'] - asked} asked." in done.stdout


def test_a_second_signal_ends_the_process_at_once():
    program = (
        "import time; from sdgkit.cli.interrupts import Interrupts; i = Interrupts(); i.gently = True\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    time.sleep(0.05)\n"
        "    if i.number: print('stopping', flush=True)"
    )
    pipes = {"stdout": subprocess.PIPE, "text": True, "env": environment()}
    with subprocess.Popen([sys.executable, "-c", program], **pipes) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "stopping\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130


def test_a_signal_before_anything_was_asked_leaves_no_traceback(tmp_path):
    with FaultServer() as server:
        arrived = threading.Event()

        def wait(*_):
            arrived.set()
            time.sleep(1)

        server.pages["/v1/models"] = wait  # never gives the list in time
        going = Going(tmp_path, "generate", SEEDS, "--base-url", server.base_url)
        going.until(arrived.is_set)
        assert going.end(signal.SIGINT) == 130
    assert going.lines == ["Interrupted before anything was asked.\n"]


# The terminal ---------------------------------------------------------------------------------------------------------


def test_on_a_terminal_the_stages_are_drawn_in_place(tmp_path):
    main, other = pty.openpty()
    words = ["generate", str(SEEDS), "--num-contexts", "1", "--num-questions", "1"]
    settings = {"cwd": tmp_path, "env": environment(TERM="xterm", COLUMNS="100", LINES="40")}
    process = subprocess.Popen([*SDGKIT, *words], stdin=other, stdout=other, stderr=other, **settings)
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
    assert "combine_question_and_context" in text and "\x1b[?25l" in text  # the table, without a cursor
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")  # and the cursor given back
    assert text.rstrip().splitlines()[-1].startswith("These samples are a rehearsal")


def test_output_that_cannot_show_every_sign_loses_none_and_ends_nothing(made):
    _, folder, _ = made
    plain = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    for words in (("status", "runs/feedback_to_table"), ("show", "runs/feedback_to_table", "s1/c1/q1")):
        done = sdgkit(folder, *words, **plain)
        assert done.returncode == 0, done.stderr
        assert done.stdout.isascii() and done.stderr == ""
    assert "\\u2605" in done.stdout  # the stars of the seed


def test_a_reader_that_has_enough_is_no_error(made):
    _, folder, _ = made
    command = f"set -o pipefail; '{sys.executable}' -m sdgkit show runs/feedback_to_table s1/c1/q1 | head -n 1; echo $?"
    settings = {"cwd": folder, "env": environment(), "capture_output": True, "text": True, "timeout": PATIENCE}
    done = subprocess.run(["bash", "-c", command], check=False, **settings)
    assert done.stderr == ""
    assert done.stdout.splitlines()[0].startswith("### gen_contexts")


# Looking at a run -----------------------------------------------------------------------------------------------------


def test_status_shows_the_funnel_of_a_finished_run(made):
    out, folder, _ = made
    for words in (("status", out), ("status", "runs/feedback_to_table", "--watch")):
        done = sdgkit(folder, *words)
        assert done.returncode == 0 and "done, " in done.stdout.splitlines()[0]
        for stage in json.loads((out / "summary.json").read_text())["stages"]:
            assert stage["name"] in done.stdout


def test_show_tells_the_story_of_samples_and_drops(made):
    out, folder, _ = made
    for name in ("dataset.jsonl", "dropped.jsonl"):
        row = json.loads((out / name).read_text().splitlines()[0])
        done = sdgkit(folder, "show", out, row["id"])
        assert done.returncode == 0
        assert row["id"] in done.stdout and "gen_contexts: reply" in done.stdout
    unknown, unsaid = sdgkit(folder, "show", out, "s99/c1/q1"), sdgkit(folder, "show", out)
    assert unknown.returncode == 1 and "s99/c1/q1" in unknown.stderr
    assert unsaid.returncode == 2 and "such as s1/" in unsaid.stderr


def test_show_sends_no_control_characters_of_the_teacher_to_the_terminal(tmp_path):
    with FaultServer() as server:
        server.behave = lambda body, n: completion(f"[Start of Context]\n{n} {HOSTILE}\n[End of Context]")
        teacher = sk.connect(base_url=server.base_url)
        sk.gen_contexts.run(sk.load_seeds(SEEDS), teacher=teacher, out=tmp_path / "run", num_contexts=1)
        teacher.close()
    done = sdgkit(tmp_path, "show", "run", "s1/c1")
    assert done.returncode == 0
    assert not {"\x1b", "\x07", "\x9b"} & set(done.stdout)
    assert "\\x1b]0;renamed\\x07" in done.stdout


def test_export_writes_a_training_file_that_says_that_it_is_a_rehearsal(made):
    out, folder, _ = made
    by_default, elsewhere = sdgkit(folder, "export", out), sdgkit(folder, "export", out, "--to", "train.jsonl")
    assert by_default.returncode == elsewhere.returncode == 0, by_default.stderr + elsewhere.stderr
    assert (folder / "train.jsonl").read_bytes() == (out / "rehearsal_train_messages.jsonl").read_bytes()
    assert by_default.stdout.splitlines()[-1].startswith("These samples are a rehearsal")
    wrong = sdgkit(folder, "export", out, "--format", "csv")
    assert wrong.returncode == 2 and "messages" in wrong.stderr


def test_rehearse_serves_until_it_is_interrupted(tmp_path):
    going = Going(tmp_path, "rehearse", "--malformed-rate", "0.1")
    going.until(lambda: any("--base-url" in line for line in going.lines))
    url = next(line for line in going.lines if "--base-url" in line).split()[-1]
    answered = sdgkit(tmp_path, "ask", "hello", "--base-url", url)
    assert answered.returncode == 0 and "rehearsal" in answered.stdout
    assert going.end(signal.SIGINT) == 130
    gone = sdgkit(tmp_path, "ask", "hello", "--base-url", url)
    assert gone.returncode == 1 and "connection refused" in gone.stderr
