"""A panel in a marimo notebook: live, and what you do in it reaches Python."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from browser.lab import REPO, UP_S
from playwright.sync_api import Page, expect
from servers import free_port

pytest.importorskip("marimo", reason="marimo is not installed: pip install marimo.")

NOTEBOOK = """
import marimo

app = marimo.App()


@app.cell
def _():
    import sdgkit as sk

    seed_panel = sk.SeedPanel("my_seeds.jsonl")
    seed_panel
    return (sk,)


@app.cell
def _(sk):
    seeds = sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"
    teacher = sk.connect("rehearsal")
    run_panel = sk.RunPanel(seeds, teacher=teacher, out="run", num_contexts=1, profile=False)
    run_panel
    return


if __name__ == "__main__":
    app.run()
"""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The notebook as `marimo run` serves it; its address."""
    (folder / "panels.py").write_text(NOTEBOOK, "utf-8")
    port = free_port()
    command = [sys.executable, "-m", "marimo", "run", "panels.py", "--headless", "--no-token"]
    path = os.pathsep.join([str(REPO), os.environ.get("PYTHONPATH", "")])
    with (folder / "marimo.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env=os.environ
            | {"PYTHONPATH": path, "HOME": str(folder), "MARIMO_SKIP_UPDATE_CHECK": "1"},
            stdout=log,
            stderr=log,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + UP_S
        while not _answers(address):
            log_text = (folder / "marimo.log").read_text("utf-8")
            assert process.poll() is None and time.monotonic() < deadline, log_text
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(10)


def _answers(address: str) -> bool:
    try:
        with urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def test_panels_are_live_in_marimo_and_a_run_can_be_started_there(
    page: Page, tmp_path: Path
) -> None:
    with served(tmp_path) as address:
        page.goto(address)
        seeds = page.locator("section.sdg-seeds")
        seeds.get_by_role("button", name="Add a seed").click()
        seeds.get_by_label("question", exact=True).fill("What does the night shift say?")
        # Only then has the text arrived, and the page stopped moving under the pointer.
        expect(seeds.get_by_role("status")).to_contain_text("2 fields to fill in · not saved")
        run = page.locator("section.sdg-run")
        run.get_by_role("button", name="Start").click()
        expect(run.get_by_role("button", name="Run again")).to_be_enabled()
    assert "night shift" in (tmp_path / ".my_seeds.jsonl.draft").read_text("utf-8")
    assert (tmp_path / "run" / "summary.json").is_file()
