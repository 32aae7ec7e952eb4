"""Settings of a nightly job: `sdgkit.toml`, the environment, and slips in either."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from scripted import PROMPTS, ScriptedTeacher, seeds

import sdgkit as sk
from sdgkit.cli.main import main
from sdgkit.cli.options import TeacherOptions
from sdgkit.errors import SettingsError
from sdgkit.run.folder import write_start
from sdgkit.teachers.settings_file import JOB_SETTINGS, SETTING_NAMES

CHECKOUT = str(Path(sk.__file__).parent.parent)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in [*os.environ]:
        if name.startswith("SDGKIT_") and not name.startswith("SDGKIT_TEST_"):
            monkeypatch.delenv(name)
    (tmp_path / "seeds.json").write_text(json.dumps(seeds(2)))
    return tmp_path


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as script:
        yield script


def write_settings(text: str) -> None:
    Path("sdgkit.toml").write_text(text, encoding="utf-8")


def config_of(folder: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(Path(folder, "config.json").read_text())
    return values


# The file -----------------------------------------------------------------------------------------

JOB = """
teacher = "rehearsal"
seeds = "seeds.json"
out = "night"
concurrency = 3
num_contexts = 2
num_questions = 1
target = 3
max_requests = 400
min_samples = 2
checks = ["no_refusal", "length=1..2000words"]
twins = "drop"
keep_reasoning = true
profile = false
system = "Answer in a table."

[vary]
mood = ["angry", "glad"]
"""


def test_one_file_holds_a_whole_nightly_job() -> None:
    write_settings(JOB)
    assert main(["generate"]) == 0
    config = config_of("night")
    settings = config["settings"]
    assert (config["target"], config["system"]) == (3, "Answer in a table.")
    assert settings["vary"] == {"mood": ["angry", "glad"]}
    assert [check["name"] for check in settings["checks"]] == ["no_refusal", "length"]
    assert settings["max_requests"] == 400 and settings["min_samples"] == 2
    assert settings["profile"] is False and settings["twins"] == "drop"


def test_an_option_takes_the_place_of_the_setting_in_the_file() -> None:
    write_settings(JOB)
    assert main(["generate", "--target", "4", "--out", "other"]) == 0
    assert config_of("other")["target"] == 4
    assert not Path("night").exists()


def test_a_run_that_is_repeated_keeps_its_own_settings() -> None:
    options = ["--num-contexts", "1", "--num-questions", "1", "--no-profile"]
    assert main(["generate", "seeds.json", "--out", "run", *options]) == 0
    before = config_of("run")
    write_settings(JOB)
    assert main(["generate", "run"]) == 0
    assert config_of("run") == before


def test_the_file_can_hold_every_option_of_generate_that_is_a_setting() -> None:
    from sdgkit.cli.generate import generate

    assert isinstance(generate, click.Command)
    names = {parameter.name for parameter in generate.params}
    others = {"dry_run", "reuse", "no_profile"}
    others |= {"as_json", "log", "quiet"}
    # A folder from a stranger would choose the machines, and a command that they run.
    others |= {"ray", "workers", "serve", "gpus_per_worker"}
    of_rehearsal = {parameter for parameter in names if str(parameter).endswith(("_rate", "_ms"))}
    of_rehearsal |= {"slots", "rate_limit"}
    teacher = set(TeacherOptions.__dataclass_fields__)
    assert names - others - of_rehearsal - teacher == set(JOB_SETTINGS)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("target = 'many'", "target cannot be used. It must be a whole number"),
        ("target = true", "target cannot be used. It must be a whole number"),
        ("num_context = 3", "Did you mean 'num_contexts'?"),
        ("checks = [1]", "checks cannot be used"),
        ("min_score = '3'", "min_score cannot be used. It must be a number"),
        ("keep_reasoning = 'yes'", "It must be true or false"),
        ("api_key = 'sk-123'", "api_key cannot be used"),
    ],
)
def test_a_slip_in_the_file_is_one_sentence(
    line: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_settings(line)
    assert main(["generate", "seeds.json"]) == 2
    told = capsys.readouterr().err
    assert problem in told and "sdgkit.toml" in told
    assert "sk-123" not in told
    assert main(["generate", "--help"]) == 0


@pytest.mark.parametrize(
    "line",
    [
        "checks = ['evil.py:check']",
        "contexts = '/etc/hostname'",
        "prompts = '../elsewhere'",
        "out = '../elsewhere'",
        "seeds = '../seeds.json'",
        "vary = '/etc/hostname'",
        "profile = '/etc/hostname'",
        "judge_base_url = 'http://127.0.0.1:1/v1'",
    ],
)
def test_a_folder_that_you_do_not_trust_decides_nothing_outside_it(
    line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("evil.py").write_text("open('ran', 'w').close()\ndef check(row): return True\n")
    monkeypatch.setenv("SDGKIT_API_KEY", "sk-secret")
    write_settings(line)
    assert main(["generate", "seeds.json", "--teacher", "rehearsal", "--no-profile"]) == 2
    assert "SDGKIT_TRUST_FOLDER" in capsys.readouterr().err
    assert not Path("ran").exists()


def test_a_folder_that_you_trust_may_name_your_own_check(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("own.py").write_text("def check(row): return True\n")
    write_settings(
        "checks = 'own.py:check'\nnum_contexts = 1\nnum_questions = 1\nprofile = false\n"
    )
    monkeypatch.setenv("SDGKIT_TRUST_FOLDER", str(Path.cwd()))
    assert main(["generate", "seeds.json", "--out", "run"]) == 0


# The environment ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("SDGKIT_BASEURL", "Did you mean 'SDGKIT_BASE_URL'?"),
        ("SDGKIT_KEY", "SDGKIT"),
        ("SDGKIT_APIKEY", "Did you mean 'SDGKIT_API_KEY'?"),
        ("sdgkit_model", "SDGKIT_MODEL"),
        ("SDGKIT_FOO", "not a setting of sdgkit. Rename it, or unset it."),
    ],
)
def test_a_variable_that_is_no_setting_is_refused_by_name(
    name: str, advice: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:1/v1")
    assert main(["generate", "seeds.json"]) == 2
    told = capsys.readouterr().err
    assert name in told and advice in told
    assert not Path("runs").exists()
    with pytest.raises(SettingsError, match=name):
        sk.connect("rehearsal")
    assert main(["--help"]) == 0


@pytest.mark.parametrize("name", [f"SDGKIT_{name.upper()}" for name in SETTING_NAMES])
def test_every_setting_of_the_environment_is_known(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "")
    with sk.connect("rehearsal") as teacher:
        assert teacher.is_rehearsal


# Which teacher ------------------------------------------------------------------------------------


def test_a_run_that_had_an_address_says_which_to_give(
    script: ScriptedTeacher, capsys: pytest.CaptureFixture[str]
) -> None:
    teacher = script.connect()
    sk.generate(
        seeds(1), teacher=teacher, out="run", prompts=PROMPTS, profile=False, num_contexts=1
    )
    assert main(["generate", "run"]) == 2
    told = capsys.readouterr().err
    assert f"--base-url {script.base_url}" in told
    assert "does not choose the teacher" in told


def test_the_same_model_at_another_address_is_the_same_finished_run() -> None:
    for _ in range(2):
        with ScriptedTeacher() as script:
            run = sk.generate(
                seeds(1), teacher=script.connect(), out="run", prompts=PROMPTS, profile=False
            )
    assert "is already finished" in run.notes[-1]


@pytest.mark.parametrize("kind", ["vllm", "rehearsal"])
def test_a_kind_in_place_of_a_teacher_is_one_sentence(kind: Any) -> None:
    with pytest.raises(SettingsError, match=rf"sdgkit.connect\('{kind}'\)"):
        sk.generate(seeds(1), teacher=kind)


def test_a_misspelt_keyword_of_connect_is_one_sentence() -> None:
    misspelt: dict[str, Any] = {"base_ulr": "http://127.0.0.1:1/v1"}
    with pytest.raises(SettingsError, match="Did you mean 'base_url'"):
        sk.connect("vllm", **misspelt)


# Signals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_hangup_ends_like_a_request_to_end(folder: Path, number: signal.Signals) -> None:
    words = ["generate", "seeds.json", "--out", "run", "--mean-latency-ms", "400", "--no-profile"]
    process = subprocess.Popen(
        [sys.executable, "-m", "sdgkit", *words, "--concurrency", "1"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": CHECKOUT},
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    assert "seed examples to run" in first
    while not (folder / "run" / "seeds.jsonl").exists():  # it has begun
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    process.communicate(timeout=120)
    assert process.returncode == 130
    assert json.loads((folder / "run" / "summary.json").read_text())["state"] == "cancelled"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_a_run_is_being_set_up_ends_it_in_order(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def write_and_interrupt(*arguments: Any) -> None:
        write_start(*arguments)
        signal.raise_signal(number)

    monkeypatch.setattr("sdgkit.run.session.write_start", write_and_interrupt)
    before = signal.signal(number, signal.default_int_handler)
    try:
        teacher = sk.connect("rehearsal", mean_latency_ms=400)
        with teacher, pytest.raises(KeyboardInterrupt):
            sk.generate("seeds.json", out="run", teacher=teacher, profile=False)
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)
    assert json.loads((folder / "run" / "summary.json").read_text())["state"] == "cancelled"
