"""The studio: one skill's folder, tabs that know each other, and the same as code."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import scripted
from click.testing import CliRunner

import sdgkit as sk
from sdgkit.cli.main import root
from sdgkit.panels.frame import Panel
from sdgkit.panels.state import RESTORED
from sdgkit.panels.studio_panel import TABS
from sdgkit.run import Run

COLUMNS = ("task_description", "seed_context", "seed_question", "seed_response")


@pytest.fixture(autouse=True)
def a_folder_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The working folder; a run writes its last file there before the next test has another."""
    monkeypatch.chdir(tmp_path)
    started: list[Run] = []
    start = Run.start

    def noted_start(run: Run) -> Run:
        started.append(run)
        return start(run)

    monkeypatch.setattr(Run, "start", noted_start)
    yield
    for run in started:
        with contextlib.suppress(sk.SdgkitError):
            run.wait()


@pytest.fixture(scope="module")
def teacher() -> Iterator[sk.Teacher]:
    with sk.connect("rehearsal") as connected:
        yield connected


def some_seeds(number: int = 3) -> list[dict[str, str]]:
    shipped = sk.load_seeds(sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl")
    return [{column: seed[column] for column in COLUMNS} for seed in list(shipped)[:number]]


def click(studio: sk.StudioPanel, tab: str, action: str, /, **values: Any) -> None:
    """A click in a tab, whose work is waited for and must not go wrong."""
    panel: Panel = studio.panel(tab)
    studio.act("in", tab=tab, action=action, values=values)
    panel.wait()
    assert studio.last_error is None
    assert panel.last_error is None


def write_seeds(studio: sk.StudioPanel, seeds: list[dict[str, str]]) -> None:
    first = len(studio.seeds.draft.rows)
    for place, seed in enumerate(seeds, first):
        click(studio, "seeds", "add")
        for column, text in seed.items():
            click(studio, "seeds", "edit", place=place, column=column, text=text)


def finished(teacher: sk.Teacher) -> sk.StudioPanel:
    """A studio whose run is done."""
    sk.save_seeds(some_seeds(), "tables/seeds.jsonl")
    studio = sk.studio("tables", teacher=teacher)
    studio.act("open", tab="run")
    click(studio, "run", "start")
    return studio


# From nothing to the end --------------------------------------------------------------------------


def test_the_next_step_leads_from_nothing_to_a_training_file(teacher: sk.Teacher) -> None:
    studio = sk.studio("tables", teacher=teacher)
    assert "Press Test" in studio.state().next.sentence
    click(studio, "teacher", "test")
    assert studio.state().next.tab == "seeds"

    studio.act("open", tab="seeds")
    assert "Add a seed" in studio.state().next.sentence
    write_seeds(studio, some_seeds())
    assert studio.state().next.tab == "profile"

    studio.act("open", tab="profile")
    assert "Press Study" in studio.state().next.sentence
    click(studio, "profile", "study")
    assert studio.state().next.tab == "run"

    studio.act("open", tab="run")
    studio.wait()
    assert "Press Start" in studio.state().next.sentence
    click(studio, "run", "start")
    assert studio.state().next.tab == "review"

    studio.act("open", tab="review")
    for _ in range(10):
        click(studio, "review", "accept")
    assert studio.state().next.tab == "export"

    studio.act("open", tab="export")
    click(studio, "export", "export")
    rows = Path("tables/rehearsal_train_messages.jsonl").read_text("utf-8").splitlines()
    assert len(rows) == sk.open_run("tables/runs/tables").snapshot().samples >= 10
    assert len(sk.load_seeds("tables")) == 3
    assert sk.Profile.load("tables/profile.yaml").criteria


def test_what_is_left_is_saved_in_the_skills_folder_when_another_tab_is_opened(
    teacher: sk.Teacher,
) -> None:
    studio = sk.studio("tables", teacher=teacher)
    studio.act("open", tab="seeds")
    write_seeds(studio, some_seeds(1))
    assert not Path("tables/seeds.jsonl").exists()
    studio.act("open", tab="profile")
    assert sk.load_seeds("tables")["seed_question"] == [some_seeds(1)[0]["seed_question"]]


def test_tomorrow_everything_is_there_again(teacher: sk.Teacher) -> None:
    finished(teacher)
    studio = sk.studio("tables", teacher=teacher)
    assert "3 seeds" in studio.state().status
    studio.act("open", tab="review")
    review = studio.panel("review")
    assert isinstance(review, sk.ReviewPanel)
    assert review.review.progress.samples > 0


# Tabs that know each other ------------------------------------------------------------------------


def test_a_text_that_arrives_after_a_restart_is_kept_in_its_tab_which_says_so(
    teacher: sk.Teacher,
) -> None:
    sk.save_seeds(some_seeds(), "late/seeds.jsonl")
    studio = sk.studio("late", teacher=teacher)  # no tab of this kernel has been opened yet
    values = {"part": "system", "text": "You write what was on its way."}
    arguments = {"tab": "prompts", "action": "text", "values": values}
    studio._receive({"action": "in", "arguments": arguments, "is_late": True})
    assert studio.last_error is None
    studio.open("prompts")
    prompts = studio.panel("prompts")
    assert isinstance(prompts, sk.PromptPanel)
    assert prompts.draft.texts["system"] == "You write what was on its way."
    assert prompts.notice == RESTORED


def test_the_teacher_that_is_chosen_in_its_tab_is_the_one_that_is_asked() -> None:
    sk.save_seeds(scripted.seeds(2), "pumps/seeds.jsonl")
    with scripted.ScriptedTeacher() as script:
        studio = sk.studio("pumps")
        address = script.connect().base_url
        click(studio, "teacher", "choose", kind="vllm")
        click(studio, "teacher", "choose", base_url=address)
        studio.act("open", tab="run")
        run = studio.panel("run")
        assert isinstance(run, sk.RunPanel)
        assert run.latest.plan is not None
        assert [teacher.base_url for teacher in run.latest.teachers] == [address]


def test_a_sample_that_is_made_a_seed_appears_among_the_seeds(teacher: sk.Teacher) -> None:
    studio = finished(teacher)
    studio.act("open", tab="review")
    review = studio.panel("review")
    assert isinstance(review, sk.ReviewPanel)
    sample = review.review.samples[0]
    click(studio, "review", "go", id=sample["id"])
    click(studio, "review", "accept")
    click(studio, "review", "go", id=sample["id"])
    click(studio, "review", "seed", path="")
    studio.act("open", tab="seeds")
    assert len(studio.seeds.draft.rows) == 4
    assert studio.seeds.draft.rows[-1]["seed_response"] == sample["response"]
    assert not studio.seeds.draft.changed


def test_a_run_uses_the_profile_and_the_number_of_contexts_of_the_studio(
    teacher: sk.Teacher,
) -> None:
    sk.save_seeds(some_seeds(), "tables/seeds.jsonl")
    studio = sk.studio("tables", teacher=teacher)
    studio.act("open", tab="profile")
    click(studio, "profile", "add")
    click(studio, "profile", "criterion", place=0, text="It is a table.")
    studio.act("open", tab="run")
    studio.act("contexts", number="1")
    click(studio, "run", "start")
    run = sk.open_run("tables/runs/tables")
    assert run.profile is not None
    assert run.profile.enabled_criteria == ["It is a table."]
    assert sum(stage.tried for stage in run.funnel if stage.name == "gen_contexts") >= 3
    panel = studio.panel("run")
    assert isinstance(panel, sk.RunPanel)
    plan = panel.latest.plan
    assert plan is not None
    assert plan.pipeline.stage("gen_contexts").per_row == 1


QNA = """\
version: 2
task_description: Write limericks.
seed_examples:
- question: Write one about a cat.
  answer: There once was a cat on a mat.
- question: Write one about a dog.
  answer: There once was a dog in a fog.
"""


def test_seeds_of_another_format_are_saved_in_its_place(teacher: sk.Teacher) -> None:
    leaf = Path("limericks")
    leaf.mkdir()
    (leaf / "qna.yaml").write_text(QNA, "utf-8")
    studio = sk.studio(leaf, teacher=teacher)
    studio.act("open", tab="seeds")
    click(studio, "seeds", "edit", place=0, column="seed_response", text="A cat sat on a hat.")
    studio.act("open", tab="profile")
    assert not studio.seeds.draft.changed
    assert "now called qna.yaml.orig" in studio.seeds.notice
    assert (leaf / "qna.yaml.orig").read_text("utf-8") == QNA
    assert sk.load_seeds(leaf)[0]["seed_response"] == "A cat sat on a hat."
    assert sk.studio(leaf, teacher=teacher).seeds.draft.rows == studio.seeds.draft.rows


def test_a_sample_can_be_made_a_seed_beside_seeds_of_another_format(teacher: sk.Teacher) -> None:
    studio = finished(teacher)
    Path("tables", "seeds.json").write_text(json.dumps(some_seeds()), "utf-8")
    Path("tables", "seeds.jsonl").unlink()
    studio = sk.studio("tables", teacher=teacher)
    studio.act("open", tab="review")
    review = studio.panel("review")
    assert isinstance(review, sk.ReviewPanel)
    sample = review.review.samples[0]
    click(studio, "review", "go", id=sample["id"])
    click(studio, "review", "accept")
    click(studio, "review", "go", id=sample["id"])
    click(studio, "review", "seed", path="")
    studio.act("open", tab="seeds")
    assert len(studio.seeds.draft.rows) == 4
    assert len(sk.load_seeds("tables")) == 4


def test_a_half_written_seed_stands_in_the_way_of_a_run_alone(teacher: sk.Teacher) -> None:
    sk.save_seeds(some_seeds(), "tables/seeds.jsonl")
    studio = sk.studio("tables", teacher=teacher)
    click(studio, "seeds", "add")
    studio.act("open", tab="profile")
    assert studio.state().obstacle == ""
    studio.act("open", tab="run")
    assert studio.state().panel is None
    assert "seed_question" in studio.state().obstacle
    assert studio.state().next.tab == "seeds"
    click(studio, "seeds", "remove", place=3)
    studio.act("open", tab="run")
    studio.wait()
    assert studio.state().obstacle == ""


def test_a_teacher_that_does_not_answer_is_told_where_the_run_would_be() -> None:
    sk.save_seeds(some_seeds(), "tables/seeds.jsonl")
    nowhere = sk.TeacherPanel("vllm", "http://127.0.0.1:9/v1", "tiny")
    studio = sk.studio("tables", teacher=nowhere)
    studio.act("open", tab="run")
    studio.wait()
    assert "127.0.0.1:9" in studio.state().obstacle
    assert studio.state().next.tab == "teacher"


def test_without_samples_the_review_says_how_to_get_some() -> None:
    studio = sk.studio("tables")
    for tab in ("review", "export"):
        studio.act("open", tab=tab)
        assert "no samples yet" in studio.state().obstacle
        assert studio.state().next.tab == "run"


def test_contexts_that_are_no_number_are_refused_in_a_sentence() -> None:
    studio = sk.studio("tables")
    studio.act("contexts", number="some")
    assert "at least 1, not 'some'" in str(studio.last_error)


# As code ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tab", TABS)
def test_the_lines_of_a_tab_run_by_themselves(teacher: sk.Teacher, tab: str) -> None:
    studio = finished(teacher)
    studio.act("open", tab=tab)
    studio.wait()
    ran = subprocess.run(
        [sys.executable, "-c", studio.state().code], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip()


def test_the_lines_of_the_run_make_the_same_samples(teacher: sk.Teacher) -> None:
    studio = finished(teacher)
    before = Path("tables/runs/tables/dataset.jsonl").read_text("utf-8")
    code = studio.state().code.replace("tables/runs/tables", "elsewhere")
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert Path("elsewhere/dataset.jsonl").read_text("utf-8") == before


def test_no_key_is_in_the_lines() -> None:
    panel = sk.TeacherPanel("openai", "https://example.org/v1", "big", api_key="sk-secret")
    code = sk.studio("tables", teacher=panel).state().code
    assert '"https://example.org/v1"' in code
    assert "sk-secret" not in code


# The command --------------------------------------------------------------------------------------


def test_the_command_writes_a_notebook_into_the_folder_and_keeps_one_that_is_there() -> None:
    result = CliRunner().invoke(root, ["studio", "tables", "--no-open"])
    assert result.exit_code == 0
    path = Path("tables/studio.ipynb")
    cells = json.loads(path.read_text("utf-8"))["cells"]
    assert cells[-1]["source"].endswith('sk.studio(".")')
    path.write_text("{}", "utf-8")
    CliRunner().invoke(root, ["studio", "tables", "--no-open"])
    assert path.read_text("utf-8") == "{}"


def test_a_file_is_not_taken_for_a_skills_folder() -> None:
    Path("seeds.jsonl").write_text("", "utf-8")
    with pytest.raises(sk.SettingsError, match="is a file"):
        sk.studio("seeds.jsonl")
