"""While a run works, one line says what is being made, how much so far, and the time left."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

REPO = Path(__file__).parent.parent.parent
GENERATE = """
import sdgkit as sk
seeds = list(sk.load_seeds(sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"))[:2]
teacher = sk.connect("rehearsal", mean_latency_ms=600, sigma=0)
run = sk.generate(seeds, teacher=teacher, num_contexts=2, profile=False)
"""
STAGE = "contexts = sk.gen_contexts(seeds, teacher=teacher, num_contexts=20)\n"


def environment(tmp_path: Path) -> dict[str, str]:
    return os.environ | {
        "PYTHONPATH": os.pathsep.join([str(REPO), os.environ.get("PYTHONPATH", "")]),
        "HOME": str(tmp_path),
        "TERM": "xterm",
        "COLUMNS": "100",
    }


def test_a_notebook_shows_one_line_for_each_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    cells = [nbformat.v4.new_code_cell(GENERATE)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=240, kernel_name="python3").execute()
    pictures = [out for out in notebook.cells[0].outputs if out.output_type == "display_data"]
    assert len(pictures) == 1
    line = pictures[0].data["text/plain"]
    assert "samples" in line
    assert "done after" in line


def test_a_script_that_is_no_terminal_prints_plain_lines(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", GENERATE + STAGE],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(tmp_path),
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert any("of at most 12 samples" in line for line in lines)
    assert any(line.startswith("gen_contexts: ") for line in lines)
    assert "\r" not in done.stderr
    assert "\x1b" not in done.stderr


def test_a_terminal_shows_one_line_that_is_redrawn(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", GENERATE],
        stderr=theirs,
        stdout=subprocess.DEVNULL,
        cwd=tmp_path,
        env=environment(tmp_path),
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:  # Linux says so where the other end is closed
        pass
    os.close(ours)
    assert process.wait(240) == 0
    text = shown.decode()
    assert text.count("\n") == 1, "the last line alone stays"
    redrawn = text.split("\r\x1b[K")
    assert len(redrawn) > 2
    assert "_grounded_" in text, "what is being made"
    assert "done after" in redrawn[-1]
