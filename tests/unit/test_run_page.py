"""What a notebook shows of a run: yield, samples, causes of drops, files, and what to do next."""

import json
import os
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest
import scripted
from scripted import PROMPTS, ScriptedTeacher

import sdgkit as sk


@pytest.fixture(autouse=True)
def a_folder_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as script:
        yield script


def generate(script: ScriptedTeacher, out: str | None) -> sk.Run:
    return sk.generate(
        scripted.seeds(3),
        teacher=script.connect(),
        out=out,
        num_contexts=2,
        prompts=PROMPTS,
        profile=False,
    )


def links(page: str) -> list[str]:
    return [unquote(address) for address in re.findall(r'href="([^"]*)"', page)]


def test_a_run_shows_its_yield_three_samples_and_why_rows_were_dropped(
    script: ScriptedTeacher,
) -> None:
    run = generate(script, "runs/a")
    page = unescape(run._repr_html_())
    assert f"{len(run.dataset) / 18:.0%} of 18 rows tried" in page
    assert page.count("<details") == 3
    shown = [sample for sample in run.samples() if f"<code>{sample['id']}</code>" in page]
    assert {sample["id"].partition("/")[0] for sample in shown} == {"s1", "s2", "s3"}
    assert all(sample["response"] in page for sample in shown)
    biggest = max((rows, stage.name) for stage in run.funnel for rows in stage.dropped.values())
    assert f">{biggest[0]}</strong>" in page
    assert f"at {biggest[1]}" in page


def test_its_links_lead_from_the_working_folder_to_what_is_there(script: ScriptedTeacher) -> None:
    generate(script, "my runs/ä#1")
    page = sk.open_run("my runs/ä#1")._repr_html_()
    addresses = links(page)
    assert "my runs/ä#1/report.html" in addresses
    assert "my runs/ä#1/train_messages.jsonl" in addresses
    assert "my runs/ä#1/</code>" in page, "no server runs that could show the folder"
    assert all(Path(address).exists() for address in addresses)


def test_the_folder_is_a_link_where_a_jupyter_server_shows_it(
    script: ScriptedTeacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("JPY_PARENT_PID", str(os.getpid()))
    run = generate(script, "my runs/ä#1")
    assert "my runs/ä#1/</code>" in run._repr_html_(), "a program started the kernel"
    record = tmp_path / "runtime" / f"jpserver-{os.getpid()}.json"
    record.parent.mkdir()
    server = {"base_url": "/user/me/", "root_dir": str(tmp_path), "token": "secret"}
    record.write_text(json.dumps(server))
    page = run._repr_html_()
    assert "/user/me/lab/tree/my runs/ä#1" in links(page)
    assert "secret" not in page
    record.write_text(json.dumps({**server, "root_dir": str(tmp_path / "elsewhere")}))
    assert "my runs/ä#1/</code>" in run._repr_html_(), "the server does not show this folder"


def test_a_folder_outside_of_the_working_folder_is_named_and_not_linked(
    script: ScriptedTeacher, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "a"
    page = generate(script, str(elsewhere))._repr_html_()
    assert links(page) == []
    assert "report.html" in page


def test_each_state_has_a_next_step(script: ScriptedTeacher) -> None:
    plan = sk.plan(scripted.seeds(1), teacher=script.connect(), prompts=PROMPTS, profile=False)
    assert "run.start()" in sk.Run(plan)._repr_html_()
    done = generate(script, None)._repr_html_()
    assert "sk.ReviewPanel(run)" in done
    script.answer = lambda ask: (
        scripted.tagged(evaluation="No.", score=0)
        if (ask.stage == "eval_grounded_questions")
        else script.usual(ask)
    )
    empty = generate(script, "runs/empty")._repr_html_()
    assert "run.explain()" in empty
    assert "ReviewPanel" not in empty


def test_what_a_teacher_wrote_is_text_there(script: ScriptedTeacher) -> None:
    hostile = "<img src=x onerror=alert(1)></pre><script>alert(2)</script>"
    script.answer = lambda ask: (
        scripted.tagged(response=hostile)
        if (ask.stage == "gen_grounded_responses")
        else script.usual(ask)
    )
    page = generate(script, "runs/a")._repr_html_()
    assert "&lt;img" in page
    assert "<img" not in page
    assert "<script" not in page


def test_the_plain_text_stays_one_line(script: ScriptedTeacher) -> None:
    assert "\n" not in repr(generate(script, "runs/a"))
