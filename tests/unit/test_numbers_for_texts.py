"""A parameter that papermill turned into a number is text again, or one sentence."""

from pathlib import Path

import pytest

import sdgkit as sk
from sdgkit.errors import SettingsError
from sdgkit.method.options import check_vary
from sdgkit.method.own_contexts import read_contexts

SEED = {"task_description": "Add.", "seed_question": "1 + 1?", "seed_response": "2"}


def test_a_whole_number_for_the_system_message_is_text() -> None:
    assert sk.plan([SEED], system=42).system == "42"  # type: ignore[arg-type]


def test_a_whole_number_for_the_folder_is_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with sk.connect("rehearsal") as teacher:
        sk.generate([SEED], teacher=teacher, num_questions=1, out=2024)  # type: ignore[arg-type]
    assert (tmp_path / "2024" / "dataset.jsonl").exists()


@pytest.mark.parametrize("value", [1.5, True])
def test_another_number_is_refused_by_name_with_what_to_type(value: object) -> None:
    with pytest.raises(SettingsError, match=r"system must be text.*-r system") as refused:
        sk.plan([SEED], system=value)  # type: ignore[arg-type]
    assert refused.value.setting == "system"


def test_a_number_for_a_model_is_its_name_in_a_panel_too() -> None:
    panel = sk.TeacherPanel(kind="openai", base_url="http://127.0.0.1:9/v1", model=4)  # type: ignore[arg-type]
    assert panel.state().connection.model == "4"


@pytest.mark.parametrize("name", ["api_key", "headers", "key_file", "base_url", "kind"])
@pytest.mark.parametrize("value", [5, 1.5, True])
def test_a_number_for_any_text_that_connects_is_a_sentence(name: str, value: object) -> None:
    settings = {"kind": "openai", "base_url": "http://127.0.0.1:9/v1", name: value}
    with pytest.raises(SettingsError):
        sk.connect(**settings)  # type: ignore[arg-type]


def test_another_number_for_a_model_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="model must be text"):
        sk.connect(model=1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [7, True, 1.5])
def test_a_number_for_contexts_is_refused_with_what_to_type(value: object) -> None:
    with pytest.raises(SettingsError, match="-r contexts PATH"):
        read_contexts(value)  # type: ignore[arg-type]


def test_an_entry_of_vary_that_is_none_is_refused_with_its_list() -> None:
    with pytest.raises(SettingsError, match="list mood: an entry is None"):
        check_vary({"mood": ["calm", None]})
