"""A parameter that papermill turned into a number is text again, or one sentence."""

from pathlib import Path

import pytest

import sdgkit as sk
from sdgkit.errors import SettingsError

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


def test_a_number_for_a_model_is_its_name() -> None:
    with pytest.raises(SettingsError, match="model must be text"):
        sk.connect(model=1.5)  # type: ignore[arg-type]
