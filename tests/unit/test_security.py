"""A folder, a file, a reply from a stranger is data: the lines of the guide's page on security."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted import PROMPTS, ScriptedTeacher, seeds

import sdgkit as sk
from sdgkit.cli import main
from sdgkit.errors import RunError, SdgkitError, SettingsError
from sdgkit.run.folder import write_calibrated

CODE = """
import pathlib
pathlib.Path("the_code_ran").write_text("x")
def wicked(row):
    return True
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small finished rehearsal, to be copied."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    with sk.connect("rehearsal") as teacher:
        sk.generate(seeds(1), teacher=teacher, num_contexts=1, num_questions=1, out=folder)
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stranger's folder, in the working folder."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(finished, tmp_path / "strange"))


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as script:
        yield script


def change_config(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **values}), "utf-8")


def refused(*words: str, status: int | None = None) -> int:
    """Run a command, which must end with a sentence and not with a traceback; its exit status."""
    code = main(list(words))
    assert code in ((1, 2) if status is None else (status,))
    return code


# Code ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dry_run", [(), ("--dry-run",)])
@pytest.mark.parametrize(
    "settings",
    [
        {"checks": ["strange/wicked.py:wicked"]},
        {"checks": "strange/wicked.py:wicked"},
        {"checks": [{"name": "strange/wicked.py:wicked"}]},
        {"checks": [{"name": "x", "check": "strange/wicked.py:wicked"}]},
        {"checks": [["strange/wicked.py:wicked"]]},
        {"checks": {"0": "strange/wicked.py:wicked"}},
        {"pipeline": "strange/wicked.py"},
        {"judge": "strange/wicked.py:wicked"},
    ],
)
def test_a_folder_names_no_code_that_is_run(
    folder: Path, tmp_path: Path, settings: dict[str, Any], dry_run: tuple[str, ...]
) -> None:
    (folder / "wicked.py").write_text(CODE)
    change_config(folder, settings=settings)
    refused("generate", "strange", *dry_run)
    with pytest.raises(SdgkitError):
        sk.plan(folder)
    assert not (tmp_path / "the_code_ran").exists()


@pytest.mark.parametrize(
    "settings",
    [
        {"contexts": "secret.jsonl"},
        {"prompts": "secrets"},
        {"checks": ["valid_json=secret.json"]},
        {"sampling": {"gen_contexts": {"temperature": 1}}},
    ],
)
def test_a_folder_names_no_file_that_is_read(folder: Path, settings: dict[str, Any]) -> None:
    Path("secret.jsonl").write_text('{"context": "the secret"}\n')
    Path("secret.json").write_text("{}")
    change_config(folder, settings=settings)
    with pytest.raises(RunError, match=r"config\.json is not as sdgkit writes it"):
        sk.plan(folder)


def test_a_check_of_your_own_is_asked_for_again(
    script: ScriptedTeacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_short(row: dict[str, Any]) -> bool:
        return len(row["response"]) < 1000

    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text("def is_short(row):\n    return True\n")
    run = sk.generate(
        seeds(1), teacher=script.connect(), prompts=PROMPTS, checks=[is_short], out="mine"
    )
    with pytest.raises(
        SettingsError, match=r"check of your own, 'is_short'.* give all checks again"
    ):
        sk.plan("mine")
    again = sk.plan("mine", checks=["mine.py:is_short"])
    assert run.plan is not None
    assert again.pipeline.names == run.plan.pipeline.names


def test_the_checks_that_sdgkit_records_are_used_again(folder: Path) -> None:
    change_config(
        folder,
        settings={"checks": [{"name": "short", "check": "length", "column": "response", "max": 9}]},
    )
    assert "short" in sk.plan(folder).pipeline.names


@pytest.mark.parametrize(
    "values",
    [
        {"name": 5},
        {"system": ["x"]},
        {"target": 1.5},
        {"target": True},
        {"pipeline": None},
        {"settings": []},
        {"settings": {"num_contexts": "3"}},
        {"settings": {"vary": {"a": 1}}},
        {"settings": {"near_duplicates": "x"}},
        {"settings": {"structure": "now"}},
        {"settings": {"checks": [{"name": 5, "check": "length", "max": 3}]}},
        {"settings": {"checks": [{"name": "a", "check": [], "max": 3}]}},
        {"settings": {"checks": [{"name": "a", "check": "length", "max": "3"}]}},
        {"settings": {"checks": [{"name": "a", "check": "length", "self": 1}]}},
        {"prompts": {"gen_contexts": 5}},
        {"prompts": {"gen_contexts": {"generation": 5}}},
        {"prompts": {"gen_contexts": {"generation": "a", "_lines": {}}}},
        {"prompts": {"gen_contexts": {"generation": "a", "start_tags": [1], "end_tags": ["b"]}}},
        {"prompts": {"gen_contexts": {"generation": "a", "start_tags": ["a", "b"]}}},
        {"prompts": {"gen_contexts": {"generation": "a", "sampling": {"n": 5}}}},
        {"prompts": {"gen_contexts": {"generation": "a", "sampling": {"extra_body": {"n": 5}}}}},
    ],
)
def test_a_config_that_sdgkit_would_not_write_is_one_sentence(
    folder: Path, values: dict[str, Any]
) -> None:
    change_config(folder, **values)
    with pytest.raises(SdgkitError):
        sk.plan(folder)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "{", "[" * 100_000, '{"target": NaN}', '{"x": ' + "9" * 5000 + "}", "\xff"],
)
@pytest.mark.parametrize("name", ["config.json", "summary.json", "calibration.json"])
def test_a_damaged_file_of_a_folder_is_one_sentence(folder: Path, name: str, text: str) -> None:
    (folder / name).write_bytes(text.encode("latin-1"))
    with pytest.raises(RunError) as caught:
        write_calibrated(folder)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("kind", ["openai", "vllm", "llama-stack"])
def test_a_folder_decides_nobody_to_be_asked(
    folder: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change_config(folder, teacher=kind, model="some-model")
    refused("generate", "strange", status=2)
    assert "name the teacher with --base-url" in capsys.readouterr().err
