"""The quickstart notebook, executed by papermill on a real model, as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path

import nbformat
from teachers.environments import clean_environment
from teachers.real_servers import SEEN, RealServer
from teachers.samples import (
    SEED_FILE,
    SHORT_PROMPTS,
    SHORT_SEED_FILE,
    assert_adds_up,
    assert_keeps_to_short_forms,
)

import sdgkit as sk


def test_the_whole_quickstart_makes_a_training_file_with_a_real_model_behind_llama_stack(
    small_stack: RealServer, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "sdgkit", "run", "--teacher", "llama-stack"]
    command += ["--base-url", small_stack.url, "--seeds", str(SHORT_SEED_FILE), "--out", str(out)]
    command += ["--num-contexts", "4", "--num-questions", "1", "--no-profile"]
    command += ["--prompts", str(SHORT_PROMPTS)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        cwd=tmp_path,
        env=clean_environment(PYTHONPATH=str(SEED_FILE.parents[2])),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert (summary["state"], summary["teacher"]) == ("done", "llama-stack")
    assert summary["model"] == "vllm/smollm2"
    assert summary["prompt_tokens"] > summary["completion_tokens"] > 0
    run = sk.open_run(out)
    assert_adds_up(run)
    assert_keeps_to_short_forms(run)
    assert run.funnel[0].rows_out == 16, "a forced form brings every context"
    samples = list(run.samples())
    training_rows = (out / "train_messages.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(training_rows) == len(samples) > 0
    assert {drop["reason"] for drop in run.drops()} <= {"score", "duplicate"}
    notebook = nbformat.read(out / "quickstart.ipynb", as_version=4)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    assert not list(out.glob("rehearsal*"))
    said = "".join(
        output.get("text", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )
    assert f"{len(samples)} samples are in" in said
    assert "This was a rehearsal" not in said
    first, last = run.funnel[0], run.funnel[-1]
    rows = (
        f"{first.rows_in} seeds, {first.rows_out} contexts, "
        f"{last.rows_out} samples, all well-formed"
    )
    SEEN.append(
        f"quickstart.ipynb, executed by papermill on SmolLM2-135M through {small_stack.name} "
        f"{small_stack.version}: {rows}"
    )
