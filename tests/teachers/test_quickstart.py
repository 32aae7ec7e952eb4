"""The quickstart notebook, executed by papermill against the real servers, as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from teachers.environments import clean_environment
from teachers.real_servers import KEY, SEEN
from teachers.samples import SEED_FILE, assert_adds_up, assert_well_formed

import sdgkit as sk


@pytest.mark.parametrize("server", ["vllm", "llama_stack"])
def test_the_whole_quickstart_completes_with_every_row_well_formed(
    server: Any, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    kind = "vllm" if server == "vllm" else "llama-stack"
    running, out = request.getfixturevalue(server), tmp_path / "run"
    command = [sys.executable, "-m", "sdgkit", "run", "--teacher", kind, "--base-url", running.url]
    # The checks of a profile ask for the seeds' own kind of table, which no random model writes.
    command += ["--seeds", str(SEED_FILE), "--num-contexts", "1", "--no-profile", "--out", str(out)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        cwd=tmp_path,
        env=clean_environment(SDGKIT_API_KEY=KEY, PYTHONPATH=str(SEED_FILE.parents[2])),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert (summary["state"], summary["teacher"]) == ("done", kind)
    assert summary["model"] == ("tiny" if server == "vllm" else "vllm/tiny")
    run = sk.open_run(out)
    assert_adds_up(run)
    assert_well_formed(run)
    assert len(list(run.samples())) > 0
    assert not [drop for drop in run.drops() if drop["reason"] == "teacher_error"]
    notebook = nbformat.read(out / "quickstart.ipynb", as_version=4)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    assert not list(out.glob("rehearsal*"))
    said = "".join(
        output.get("text", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )
    assert f"{len(list(run.samples()))} samples are in" in said
    assert "This was a rehearsal" not in said
    first, last = run.funnel[0], run.funnel[-1]
    rows = (
        f"{first.rows_in} seeds, {first.rows_out} contexts, "
        f"{last.rows_out} samples, all well-formed"
    )
    SEEN.append(
        f"quickstart.ipynb, executed by papermill through {running.name} {running.version}: {rows}"
    )
