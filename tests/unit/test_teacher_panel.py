"""The panel of a teacher finds servers, asks for what is missing, and can be stopped."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from scripted import Gate, ScriptedTeacher, completion

import sdgkit as sk
from sdgkit.panels import teacher as teacher_panel
from sdgkit.teachers import local_servers
from sdgkit.teachers.settings_file import save_teacher


@pytest.fixture(autouse=True)
def a_folder_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def blue(body: dict[str, Any], number: int) -> web.StreamResponse:
    return completion("Blue.")


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as script:
        script.behave = blue
        yield script


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.01)


def click(panel: sk.TeacherPanel, action: str, **values: Any) -> dict[str, Any]:
    """A click whose work is waited for; what is shown afterwards."""
    panel.act(action, **values)
    panel.wait()
    state: dict[str, Any] = panel.view.state
    return state


def test_find_lists_the_servers_of_this_machine_and_one_is_taken(
    script: ScriptedTeacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(script.base_url.rsplit(":", 1)[1].partition("/")[0])
    monkeypatch.setattr(local_servers, "USUAL_PORTS", {port: "vLLM"})
    panel = sk.TeacherPanel()
    assert panel.view.state["found"] == [], "nothing is looked for before you ask"
    [found] = click(panel, "find")["found"]
    assert str(port) in found["label"]
    click(panel, "choose", kind=found["kind"], base_url=found["base_url"], model=found["model"])
    assert click(panel, "test")["sign"] == "good"


def test_where_nothing_answers_the_ports_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_servers, "USUAL_PORTS", {})
    monkeypatch.setattr(teacher_panel, "USUAL_PORTS", {9: "vLLM"})
    assert "vLLM 9" in click(sk.TeacherPanel(), "find")["notice"]


def test_a_server_that_wants_a_key_gets_the_field_opened_and_named(
    script: ScriptedTeacher,
) -> None:
    script.behave = lambda body, number: web.json_response({"error": "no key"}, status=401)
    panel = sk.TeacherPanel("vllm", script.base_url)
    state = click(panel, "test")
    assert state["wants_key"]
    assert "key" in state["status"]
    assert "the key field" in state["error"]
    assert "SDGKIT_API_KEY" not in state["error"]
    script.behave = blue
    click(panel, "choose", api_key="sk-secret")
    assert not panel.view.state["wants_key"]
    assert click(panel, "test")["sign"] == "good"


def test_several_models_are_a_choice_and_no_error(script: ScriptedTeacher) -> None:
    script.models = ["small", "large"]
    panel = sk.TeacherPanel("vllm", script.base_url)
    state = click(panel, "test")
    assert state["wants_model"]
    assert state["models"] == ["small", "large"]
    assert state["error"] == ""
    click(panel, "choose", model="large")
    assert click(panel, "test")["sign"] == "good"


def test_a_server_that_hangs_can_be_cancelled(script: ScriptedTeacher) -> None:
    gate = Gate()

    async def hold(body: dict[str, Any], number: int) -> web.StreamResponse:
        await gate.passed()
        return blue(body, number)

    script.behave = hold
    panel = sk.TeacherPanel("vllm", script.base_url)
    panel.act("test")
    gate.await_arrivals(1)
    assert panel.busy
    panel.act("cancel")
    until(lambda: not panel.busy, 20)
    assert panel.last_error is None
    gate.open()
    assert click(panel, "test")["sign"] == "good", "and tried again"


def test_the_advice_names_the_fields(script: ScriptedTeacher) -> None:
    panel = sk.TeacherPanel("vllm", "http://127.0.0.1:9/v1")
    assert "the address field" in click(panel, "test")["error"]
    panel = sk.TeacherPanel("vllm", script.base_url, "absent")
    error = click(panel, "test")["error"]
    assert "--model" not in error
    assert "--base-url" not in error


def test_a_teacher_saved_as_default_is_the_one_that_connect_takes(
    script: ScriptedTeacher,
) -> None:
    Path("sdgkit.toml").write_text("# mine\nnum_contexts = 4\n", "utf-8")
    panel = sk.TeacherPanel("vllm", script.base_url, api_key="sk-secret")
    click(panel, "save_default")
    text = Path("sdgkit.toml").read_text("utf-8")
    assert "# mine" in text
    assert "num_contexts = 4" in text
    assert "sk-secret" not in text
    assert sk.connect().base_url == script.base_url
    assert click(panel, "test")["sign"] == "good", "the typed key still goes with the address"


def test_a_settings_file_that_cannot_be_read_is_not_overwritten() -> None:
    Path("sdgkit.toml").write_text("teacher = [", "utf-8")
    with pytest.raises(sk.SettingsError):
        save_teacher("vllm", "http://127.0.0.1:8000/v1")
    assert Path("sdgkit.toml").read_text("utf-8") == "teacher = ["
    assert os.listdir() == ["sdgkit.toml"]
