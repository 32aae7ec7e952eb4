"""The exit status tells a good night from a bad one."""

import json
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from scripted import PROMPTS, ScriptedTeacher, completion, seeds
from servers import status

import sdgkit as sk
from sdgkit.cli.main import main
from sdgkit.errors import SettingsError

Behaviour = Callable[[dict[str, Any], int], Awaitable[web.StreamResponse]]
DONE, FAILED, SHORT = 0, 1, 3


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ScriptedTeacher]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SDGKIT_API_KEY", "key")
    (tmp_path / "seeds.json").write_text(json.dumps(seeds(1)))
    with ScriptedTeacher() as server:
        yield server


def generate(script: ScriptedTeacher, *options: str) -> int:
    words = ["generate", "seeds.json", "--base-url", script.base_url, "--out", "run"]
    return main([*words, "--num-contexts", "2", "--num-questions", "1", *options])


def rehearse(*options: str) -> int:
    words = ["generate", "seeds.json", "--out", "run", "--num-contexts", "2"]
    return main([*words, "--num-questions", "2", *options])


def test_a_run_that_a_server_refused_entirely_has_failed(
    script: ScriptedTeacher, capsys: pytest.CaptureFixture[str]
) -> None:
    script.behave = refusing(lambda: status(400, "System role not supported"))
    assert generate(script) == FAILED
    shown = capsys.readouterr()
    assert "Train on" not in shown.out
    assert "System role not supported" in shown.err
    assert json.loads(Path("run/summary.json").read_text())["state"] == "failed"
    assert main(["status", "run"]) == FAILED


@pytest.mark.parametrize(
    "reply",
    [
        lambda: completion("no tags at all"),
        lambda: completion("<think>never ended"),
        lambda: completion("[Start of Context] half", "length"),
        lambda: completion("[Start of Context] half" + " and half" * 40, "length"),
        lambda: completion("", "content_filter"),
    ],
    ids=["malformed", "no_answer", "truncated", "loop", "refused"],
)
def test_a_run_that_technical_failures_emptied_has_failed(
    script: ScriptedTeacher,
    reply: Callable[[], web.Response],
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    script.behave = refusing(reply)
    assert generate(script) == FAILED
    shown = capsys.readouterr()
    assert request.node.callspec.id in shown.err
    assert "Train on" not in shown.out


def test_a_run_whose_judge_said_no_to_everything_finished_short(
    script: ScriptedTeacher, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rehearse("--check", "matches=^never$") == SHORT
    shown = capsys.readouterr()
    assert "no sample was kept" in shown.out
    assert "Train on" not in shown.out
    assert "See the form" not in shown.out
    assert main(["status", "run"]) == SHORT


def test_too_few_samples_for_min_samples_finished_short(
    script: ScriptedTeacher, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rehearse("--min-samples", "1000") == SHORT
    assert "--min-samples asks for 1,000" in capsys.readouterr().out
    assert main(["status", "run", "--min-samples", "1000"]) == SHORT
    assert main(["status", "run", "--min-samples", "1"]) == DONE


def test_a_run_remembers_how_many_samples_it_needs(
    script: ScriptedTeacher, capsys: pytest.CaptureFixture[str]
) -> None:
    run = sk.generate(
        seeds(1),
        teacher=script.connect(),
        prompts=PROMPTS,
        profile=False,
        out="run",
        min_samples=500,
    )
    assert run.shortfall.endswith("--min-samples asks for 500.")
    assert main(["status", "run"]) == SHORT
    assert main(["status", "run", "--min-samples", "1"]) == DONE
    assert json.loads(Path("run/summary.json").read_text())["min_samples"] == 500


@pytest.mark.parametrize("number", [0, -2, "many", 1.5, True])
def test_min_samples_is_a_number_of_samples(number: Any) -> None:
    with pytest.raises(SettingsError, match="min_samples"):
        sk.plan(seeds(), min_samples=number)


def test_many_technical_drops_are_said_before_the_numbers(
    script: ScriptedTeacher, capsys: pytest.CaptureFixture[str]
) -> None:
    script.answer = lambda ask: (
        "no tags" if ask.stage == "gen_contexts" and ask.ordinal % 2 else script.usual(ask)
    )
    (Path("prompts")).mkdir()
    for name, prompt in PROMPTS.items():
        prompt.save(f"prompts/{name}.yaml")
    assert generate(script, "--num-contexts", "8", "--prompts", "prompts", "--no-profile") == DONE
    shown = capsys.readouterr().out
    lost = re.search(r"(\d+) rows were lost to technical failures.*malformed \d+", shown)
    assert lost and lost.start() < shown.index("rows_in" if "rows_in" in shown else "samples from")
    assert main(["status", "run"]) == DONE
    assert "lost to technical failures" in capsys.readouterr().out


def test_enough_samples_are_done(script: ScriptedTeacher) -> None:
    assert rehearse("--min-samples", "1") == DONE
    assert main(["status", "run"]) == DONE


def refusing(reply: Callable[[], web.Response]) -> Behaviour:
    """A server that answers everything alike."""

    async def behave(body: dict[str, Any], number: int) -> web.StreamResponse:
        return reply()

    return behave
