"""--json: one document on stdout with the values of the Python objects, by a published schema."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from scripted import seeds

import sdgkit as sk
from sdgkit.cli.main import COMMANDS, main
from sdgkit.cli.output import plain

SCHEMA = json.loads((sk.shipped("notebooks") / "guide" / "output.schema.json").read_text("utf-8"))
REPORTING = (
    *("generate", "run", "status", "samples", "check", "explain", "ask", "calibrate"),
    *("export", "evaluate", "compare"),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with seeds and a finished rehearsal in it."""
    folder = tmp_path_factory.mktemp("json")
    (folder / "seeds.json").write_text(json.dumps(seeds(2)))
    with sk.connect("rehearsal") as teacher:
        sk.generate(
            folder / "seeds.json",
            teacher=teacher,
            out=folder / "run",
            profile=False,
            num_contexts=3,
            num_questions=2,
        )
    return folder


@pytest.fixture(autouse=True)
def in_folder(made: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(made)
    yield


def document(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> dict[str, Any]:
    """The one document that a command prints on stdout, held against the schema."""
    assert main([*words, "--json"]) == status
    shown = capsys.readouterr()
    values: dict[str, Any] = json.loads(shown.out)
    jsonschema.Draft202012Validator(SCHEMA).validate(values)
    assert shown.out.isascii()
    return values


def test_generate_prints_the_summary_of_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--out", "made", "--num-contexts", "2", "--num-questions", "1", "--no-profile"]
    values = document(capsys, "generate", "seeds.json", *options)
    summary = sk.open_run("made").summary
    assert values.items() >= plain(summary.as_json()).items()
    assert values["command"] == "generate" and values["exit_status"] == 0
    assert values["is_rehearsal"] is True
    assert values["training_file"] == "made/rehearsal_train_messages.jsonl"


def test_a_short_run_says_so_in_its_document(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--out", "short", "--num-contexts", "1", "--no-profile", "--min-samples", "999"]
    values = document(capsys, "generate", "seeds.json", *options, status=3)
    assert values["exit_status"] == 3
    assert "999" in values["shortfall"]


def test_status_prints_the_snapshot(capsys: pytest.CaptureFixture[str]) -> None:
    values = document(capsys, "status", "run")
    snapshot = sk.open_run("run").snapshot()
    assert values.items() >= plain(snapshot.as_json()).items()


def test_samples_prints_as_many_as_are_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    values = document(capsys, "samples", "run", "-n", "2")
    rows = list(sk.open_run("run").samples())
    assert values["total"] == len(rows)
    assert len(values["samples"]) == 2
    assert all(sample in rows for sample in values["samples"])


def test_explain_prints_causes_with_the_id_of_an_example(
    capsys: pytest.CaptureFixture[str],
) -> None:
    values = document(capsys, "explain", "run")
    explanation = sk.open_run("run").explain()
    assert values["headline"] == explanation.headline
    assert [cause["reason"] for cause in values["causes"]] == [
        cause.reason for cause in explanation.causes
    ]


def test_a_missing_argument_is_named_as_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    values = document(capsys, "ask", status=2)
    assert values["error"]["message"] == "Missing argument 'MESSAGE'."


def test_compare_prints_both_runs(capsys: pytest.CaptureFixture[str]) -> None:
    values = document(capsys, "compare", "run", "run", "--html", "compared.html")
    assert values["one"]["summary"] == plain(sk.open_run("run").summary.as_json())
    assert values["shared"] == len(list(sk.open_run("run").samples()))
    assert values["page"] == "compared.html"
    assert Path("compared.html").exists()


def test_check_prints_its_findings(capsys: pytest.CaptureFixture[str]) -> None:
    found = sk.check_seeds("seeds.json")
    errors = found.count("error")
    values = document(capsys, "check", "seeds.json", status=1 if errors else 0)
    assert values["findings"] == plain(found.findings)
    assert values["errors"] == errors


def test_ask_prints_the_reply(capsys: pytest.CaptureFixture[str]) -> None:
    values = document(capsys, "ask", "Write a haiku.", "--teacher", "rehearsal")
    assert values["text"] and values["model"] == "rehearsal"


def test_export_prints_what_it_wrote(capsys: pytest.CaptureFixture[str]) -> None:
    values = document(capsys, "export", "run", "--format", "alpaca", "--to", "alpaca.jsonl")
    assert values["samples"] == len(list(sk.open_run("run").samples()))
    assert values["path"] == "alpaca.jsonl"


def test_calibrate_and_evaluate_print_their_results(capsys: pytest.CaptureFixture[str]) -> None:
    calibrated = document(capsys, "calibrate", "run")
    assert calibrated["judge"] == "rehearsal" and calibrated["verdicts"]
    evaluated = document(capsys, "evaluate", "run", "--teacher", "rehearsal", "--limit", "2")
    assert evaluated["duels"]


@pytest.mark.parametrize("target", [[], ["--target", "50"]])
def test_a_dry_run_prints_its_estimate(
    capsys: pytest.CaptureFixture[str], target: list[str]
) -> None:
    words = ["generate", "seeds.json", "--dry-run", "--out", "dry", "--no-profile", *target]
    values = document(capsys, *words)
    assert values["command"] == "estimate"
    assert values["requests"] > 0 and values["examples"]
    assert bool(values["request_range"]) == bool(target)


def test_an_error_is_a_document_too_and_a_sentence_on_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["generate", "nowhere.jsonl", "--json"]) == 2
    shown = capsys.readouterr()
    values = json.loads(shown.out)
    jsonschema.Draft202012Validator(SCHEMA).validate(values)
    assert values["error"]["type"] == "SeedError"
    assert values["error"]["message"] in shown.err


def test_progress_is_json_lines_on_stderr_and_none_if_quiet(
    capsys: pytest.CaptureFixture[str],
) -> None:
    job = ["generate", "seeds.json", "--num-contexts", "1", "--no-profile"]
    assert main([*job, "--out", "log", "--log", "json", "--json"]) == 0
    shown = capsys.readouterr()
    events = [json.loads(line) for line in shown.err.splitlines()]
    assert {"run_started", "run_ended"} <= {event["event"] for event in events}
    assert all({"time", "level", "message"} <= set(event) for event in events)
    json.loads(shown.out)
    assert main([*job, "--out", "quiet", "--quiet", "--json"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    json.loads(shown.out)
    assert main([*job, "--out", "text", "--json"]) == 0
    assert "seed examples to text" in capsys.readouterr().err


def test_help_as_json_is_the_whole_interface(capsys: pytest.CaptureFixture[str]) -> None:
    values = document(capsys, "--help")
    assert [command["name"] for command in values["commands"]] == [
        command.name for command in COMMANDS
    ]
    generate = next(entry for entry in values["commands"] if entry["name"] == "generate")
    names = {name for option in generate["options"] for name in option["names"]}
    assert {"--target", "--max-requests", "--json", "--log", "--quiet"} <= names
    one = document(capsys, "samples", "--help")
    assert [entry["name"] for entry in one["commands"]] == ["samples"]


def test_every_command_that_reports_has_json() -> None:
    for command in COMMANDS:
        names = {name for parameter in command.params for name in parameter.opts}
        assert command.name not in REPORTING or "--json" in names, command.name
    assert set(REPORTING) <= {command.name for command in COMMANDS}


def test_generate_ends_with_one_sample_beside_its_seed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["--out", "one", "--num-contexts", "1", "--no-profile"]
    assert main(["generate", "seeds.json", *options]) == 0
    shown = capsys.readouterr().out
    assert len(re.findall(r"^  response of its seed:", shown, re.MULTILINE)) == 1
    assert "sdgkit samples one" in shown


def test_samples_shows_samples_beside_their_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["samples", "run", "-n", "2"]) == 0
    shown = capsys.readouterr().out
    assert len(re.findall(r"^  response of its seed:", shown, re.MULTILINE)) == 2
    assert shown.count("2 of") == 1
