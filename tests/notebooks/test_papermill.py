"""The tutorials as users run them without a browser: with papermill, and then as a page."""

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest
from aiohttp import ClientSession, web
from servers import FaultServer

import sdgkit as sk

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("notebooks")]

REPO = Path(__file__).parent.parent.parent
# Tutorial 8 trains a model, which tests/training do in an environment of their own.
NEEDS_MORE = ("08_train_and_compare.ipynb",)
NOTEBOOKS = [
    path for path in sorted((REPO / "notebooks").glob("*.ipynb")) if path.name not in NEEDS_MORE
]
QUICKSTART = REPO / "notebooks" / "quickstart.ipynb"
TUTORIALS = {path.stem[:2]: path for path in NOTEBOOKS}
ENOUGH = 240  # seconds, on the busiest machine; it takes about ten


class Executed:
    """A notebook as papermill left it, the folder it ran in, and how papermill ended."""

    def __init__(self, notebook: Path, folder: Path, *options: str) -> None:
        self.folder = folder
        self.path = folder / f"{notebook.stem}.ipynb"
        home = folder / "home"
        home.write_text("a file: not even root can write into it\n")
        environment = os.environ | {
            "HOME": str(home),
            "PYTHONPATH": os.pathsep.join([str(REPO), os.environ.get("PYTHONPATH", "")]),
            "JUPYTER_PREFER_ENV_PATH": "1",
            "JUPYTER_RUNTIME_DIR": str(folder / "jupyter"),
            "IPYTHONDIR": str(folder / "ipython"),
        }
        command = [sys.executable, "-m", "papermill", str(notebook), str(self.path), *options]
        command += ["-k", "python3", "--no-progress-bar", "--execution-timeout", "120"]
        self.end = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=ENOUGH,
            check=False,
        )
        text = self.path.read_text("utf-8")
        self.notebook: Any = nbformat.reads(text, as_version=4)
        self.cells = [cell for cell in self.notebook.cells if cell.cell_type == "code"]
        self.outputs = [output for cell in self.cells for output in cell.outputs]

    def text_of(self, cell_id: str) -> str:
        """The plain text that a cell left: printed, or the value's."""
        [cell] = [cell for cell in self.cells if cell.id == cell_id]
        return "".join(
            output.get("text") or output.get("data", {})["text/plain"] for output in cell.outputs
        )


@pytest.fixture(scope="module")
def executed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Executed:
    return Executed(request.param, tmp_path_factory.mktemp(request.param.stem))


def of(*notebooks: Path) -> pytest.MarkDecorator:
    """Run a test on these notebooks, each executed once."""
    return pytest.mark.parametrize(
        "executed", notebooks, ids=lambda path: path.stem, indirect=True, scope="module"
    )


@of(*NOTEBOOKS)
def test_it_runs_to_its_end_with_a_home_that_cannot_be_written(executed: Executed) -> None:
    assert executed.end.returncode == 0, executed.end.stderr
    assert all(cell.execution_count for cell in executed.cells)


@of(*NOTEBOOKS)
def test_what_is_left_is_readable_without_a_kernel(executed: Executed) -> None:
    assert executed.outputs
    for output in executed.outputs:
        assert output.output_type != "error"
        assert output.get("name") != "stderr", output.text
        data = output.get("data", {})
        assert not any("widget" in kind or "javascript" in kind for kind in data)
        assert output.get("text", "").strip() or data["text/plain"].strip()
    assert "widgets" not in executed.notebook.metadata


@of(*NOTEBOOKS)
def test_what_is_drawn_is_also_written_and_needs_no_stylesheet_and_no_script(
    executed: Executed,
) -> None:
    drawn = [output.data for output in executed.outputs if "text/html" in output.get("data", {})]
    assert drawn
    for data in drawn:
        assert re.search(r"<(table|section|svg|details|p|pre)\b", data["text/html"])
        # Links lead to the run's own files, beside the notebook.
        assert not re.search(r"<style|<script|\bclass=|src=|href=\"(?!runs/)", data["text/html"])
        assert not data["text/plain"].startswith("<")


class Page(HTMLParser):
    """What a page says, and what it fetches from elsewhere."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.fetched: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        link = dict(attrs).get("href" if tag == "link" else "src") or ""
        self.fetched += [link] if re.match(r"(https?:)?//", link) else []

    def handle_data(self, data: str) -> None:
        self.text += data


@of(*NOTEBOOKS)
def test_it_becomes_a_page_that_is_whole_and_needs_no_network(executed: Executed) -> None:
    from nbconvert import HTMLExporter

    addresses = dict.fromkeys(["require_js_url", "mathjax_url", "mermaid_js_url", "jquery_url"], "")
    exporter = HTMLExporter(template_name="lab", **addresses)
    html, _ = exporter.from_notebook_node(executed.notebook)
    page = Page(html)
    assert not page.fetched
    for output in executed.outputs:
        printed = output.get("text") or ""
        assert " ".join(printed.split()) in " ".join(page.text.split())


@of(*NOTEBOOKS)
def test_its_last_words_are_that_it_was_a_rehearsal(executed: Executed) -> None:
    last_output = [cell for cell in executed.cells if cell.outputs][-1]
    assert "This was a rehearsal" in executed.text_of(last_output.id)


@of(TUTORIALS["03"])
def test_tutorial_3_runs_with_a_changed_prompt_and_asks_only_what_follows_from_it(
    executed: Executed,
) -> None:
    notes = executed.text_of("run-mine")
    assert "prompt gen_grounded_responses" in notes
    assert re.search(r"Reused [1-9]\d* recorded repl(y|ies), sent [1-9]\d* request", notes)


@of(TUTORIALS["04"])
def test_tutorial_4_shows_every_stage_and_resumes_where_it_stopped(executed: Executed) -> None:
    assert all(stage.name in executed.text_of("run") for stage in sk.GROUNDED.stages)
    assert re.search(
        r"Reused [1-9]\d* recorded repl(y|ies), sent [1-9]\d* request", executed.text_of("resume")
    )


@of(TUTORIALS["05"])
def test_tutorial_5_rejects_a_sample_exports_without_it_and_takes_that_back(
    executed: Executed,
) -> None:
    left, samples = map(int, re.findall(r"(\d+) of (\d+) samples", executed.text_of("export"))[0])
    assert left == samples - 1
    files = executed.folder / "runs" / "05_rehearsal"
    assert (files / "rehearsal_train_messages.jsonl").read_text().count("\n") == samples


def test_tutorial_5_leaves_a_run_that_it_is_given_as_it_is(tmp_path: Path) -> None:
    seeds = REPO / "notebooks" / "seeds" / "figures_to_email.jsonl"
    mine = tmp_path / "mine"
    with sk.connect("rehearsal") as teacher:
        sk.generate(seeds, teacher=teacher, out=mine, num_contexts=1, profile=False)
    before = {path.name: path.read_bytes() for path in mine.iterdir() if path.is_file()}
    executed = Executed(TUTORIALS["05"], tmp_path, "-p", "out", str(mine))
    assert executed.end.returncode == 0, executed.end.stderr
    assert {path.name: path.read_bytes() for path in mine.iterdir() if path.is_file()} == before
    assert f"a copy of {mine}" in executed.text_of("connect")
    assert "nothing to estimate" in executed.text_of("estimate")


@of(TUTORIALS["03"])
def test_tutorial_3_says_of_a_change_what_the_numbers_above_it_say(executed: Executed) -> None:
    shipped, mine = re.findall(
        r"shipped is better on (\d+), mine on (\d+)", executed.text_of("compare-panel")
    )[0]
    verdict = executed.text_of("verdict")
    assert f"better on {mine} of 12 rows, and worse on {shipped}" in verdict
    assert ("no improvement" in verdict) == (int(mine) <= int(shipped))


@of(TUTORIALS["06"])
def test_tutorial_6_ends_with_a_training_file_of_just_as_many_samples_as_were_asked_for(
    executed: Executed,
) -> None:
    training_file = executed.folder / "runs" / "06_rehearsal" / "rehearsal_train_messages.jsonl"
    assert training_file.read_text().count("\n") == 40


@of(TUTORIALS["07"])
def test_tutorial_7_mixes_a_set_of_every_skill_in_the_tree(executed: Executed) -> None:
    lines = (executed.folder / "runs/07_rehearsal/rehearsal_train.jsonl").read_text("utf-8")
    skills = {json.loads(line)["skill"] for line in lines.splitlines()}
    assert skills == {"tables", "writing/commits", "writing/mails"}


@of(QUICKSTART)
def test_the_quickstart_leaves_a_whole_run_and_says_that_it_was_a_rehearsal(
    executed: Executed,
) -> None:
    folder = executed.folder / "runs" / "feedback_to_table"
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["state"], summary["teacher"]) == ("done", "rehearsal")
    samples = (folder / "dataset.jsonl").read_text().count("\n")
    assert samples == summary["stages"][-1]["rows_out"] > 50
    assert (folder / "rehearsal_train_messages.jsonl").read_text().count("\n") == samples
    assert f"{samples} samples" in executed.text_of("report")
    assert "rehearsal" in executed.text_of("report")
    left = {path.name for path in executed.folder.iterdir()}
    assert left <= {"runs", "quickstart.ipynb", "home", "jupyter", "ipython"}


@of(QUICKSTART)
def test_the_quickstart_shows_each_step_and_where_the_rows_went(executed: Executed) -> None:
    assert "Reachable: rehearsal" in executed.text_of("teacher")
    assert "8 seeds" in executed.text_of("seeds")
    assert re.search(r"Done: \d+ samples", executed.text_of("run"))
    assert re.search(r"filter_grounded_questions .* score \d+", executed.text_of("run"))
    assert "reviewed" in executed.text_of("review")
    assert "What to change" in executed.text_of("report")


def test_the_quickstart_asks_nothing_twice(tmp_path: Path) -> None:
    async def pass_on(body: dict[str, Any], _: int) -> web.StreamResponse:
        address = f"{rehearsal.base_url}/chat/completions"
        request = {**body, "model": rehearsal.model}
        async with ClientSession() as session, session.post(address, json=request) as reply:
            return web.json_response(await reply.json(), status=reply.status)

    with sk.connect("rehearsal") as rehearsal, FaultServer(models=("counted",)) as server:
        server.behave = pass_on
        settings = {"teacher": "vllm", "base_url": server.base_url, "num_contexts": 1}
        options = [word for name, value in settings.items() for word in ("-p", name, str(value))]
        first = Executed(QUICKSTART, tmp_path, *options)
        assert first.end.returncode == 0, first.end.stderr
        asked = len(server.requests)
        again = Executed(QUICKSTART, tmp_path, *options)
        assert again.end.returncode == 0, again.end.stderr
        assert len(server.requests) == asked > 10
    assert "This was a rehearsal" not in again.text_of("report")


def test_the_quickstart_takes_seeds_and_settings_of_ones_own(tmp_path: Path) -> None:
    seeds = REPO / "notebooks" / "seeds" / "commit_messages.jsonl"
    settings = {
        "seeds": seeds,
        "out": "mine",
        "num_questions": 3,
        "profile": False,
        "system": "Be brief.",
    }
    options = [word for name, value in settings.items() for word in ("-p", name, str(value))]
    executed = Executed(QUICKSTART, tmp_path, *options)
    assert executed.end.returncode == 0, executed.end.stderr
    summary = json.loads((tmp_path / "mine" / "summary.json").read_text())
    assert [stage["name"] for stage in summary["stages"]] == [
        stage.name for stage in sk.FREEFORM.stages
    ]
    assert summary["stages"][0]["tried"] == 3 * summary["seeds"]
    with (tmp_path / "mine" / "rehearsal_train_messages.jsonl").open() as lines:
        assert json.loads(next(lines))["messages"][0] == {"role": "system", "content": "Be brief."}
