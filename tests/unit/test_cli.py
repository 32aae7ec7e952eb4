"""The `sdgkit` command as one types it: its pages, its sentences, its exit statuses."""

import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from servers import FaultServer, completion, free_port

import sdgkit as sk
from sdgkit.cli.main import COMMANDS, main
from sdgkit.cli.progress import ProgressView, progress_table
from sdgkit.cli.terminal import command_line
from sdgkit.formatting import format_duration
from sdgkit.funnel import StageLine
from sdgkit.run.snapshot import Snapshot

SEEDS = sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"
HOSTILE = "\x1b]0;renamed\x07\x1b[31mred\x9b2J \u202eback"


# The pages ----------------------------------------------------------------------------------------


def test_the_first_page_names_every_command_and_where_the_teacher_comes_from(
    typed: Callable[..., tuple[int, str, str]],
) -> None:
    status, page, errors = typed("--help")
    assert (status, errors) == (0, "")
    names = [str(command.name) for command in COMMANDS]
    for word in [
        *names,
        "SDGKIT_TEACHER",
        "SDGKIT_BASE_URL",
        "SDGKIT_MODEL",
        "SDGKIT_API_KEY",
        "sdgkit.toml",
    ]:
        assert word in page
    assert typed("-h") == typed("--help") == typed()


OPTIONS = {
    "generate": "--teacher --base-url --model --key-file --header --judge-base-url --judge-model "
    "--task --column --encoding "
    "--prompts --contexts --questions --vary --check --near-duplicates --twins "
    "--responses --keep-reasoning --min-score "
    "--num-contexts --num-questions --target --max-tokens --concurrency --timeout "
    "--patience --system --out --reuse --mean-latency-ms --slots --dry-run "
    "--price-in --price-out --min-samples --max-requests --json --log --quiet "
    "--error-rate --rate-limit --drop-rate --hang-rate --malformed-rate",
    "run": "--seeds -p --teacher --base-url --model --prompts --num-contexts --target --out "
    "--reuse",
    "ask": "--teacher --base-url --model --max-tokens",
    "study": "--to --prompts --json --teacher --base-url --judge-model --timeout",
    "check": "--with-teacher --prompts --teacher --base-url --timeout",
    "status": "--watch --min-samples --json --log --quiet",
    "samples": "-n --json",
    "show": "",
    "explain": "--json",
    "compare": "--html --json",
    "review": "--to --from",
    "export": "--format --to --test-share",
    "merge": "--format --to --test-share",
    "mix": "--to --format --weight --cap --max-repeat --with --test-share",
    "push": "--public --test-share",
    "studio": "",
    "evaluate": "--teacher --base-url --model --against --against-model --judge-base-url "
    "--judge-model --test-share --limit",
    "calibrate": "--judge-base-url --judge-model",
    "rehearse": "--port --mean-latency-ms --slots --error-rate --rate-limit --drop-rate "
    "--hang-rate --malformed-rate",
    "flow": "--teacher --base-url --judge-model --out --prompts --max-tokens --encoding",
    "lab": "--no-open",
}


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_each_command_has_a_page_with_an_example_and_its_options(
    typed: Callable[..., tuple[int, str, str]], command: str
) -> None:
    status, page, errors = typed(command, "--help")
    assert (status, errors) == (0, "")
    assert page.startswith(f"Usage: sdgkit {command} ")
    assert f"\n    sdgkit {command} " in page
    for option in OPTIONS[command].split():
        assert f"  {option} " in page or f"  {option}, " in page or f", {option} " in page
    assert not re.search(r"--\S*key(?!-env|-file)", page)  # a key is no option
    assert typed(command, "-h") == (0, page, "")


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_pages_fit_the_terminal(
    typed: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = [line for line in typed("rehearse", "-h")[1].splitlines() if "  sdgkit " not in line]
    assert max(len(line) for line in lines) <= max(columns, 60)


def test_the_page_of_commands_loads_nothing_heavy() -> None:
    heavy = {
        *("openai", "aiohttp", "datasets", "pandas", "pyarrow"),
        *("papermill", "rich.table", "jinja2", "asyncio"),
    }
    program = (
        "import sys; from sdgkit.cli import main; main(['--help']); "
        f"sys.exit(str({heavy!r} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "sdgkit generate" in done.stdout
    assert done.stderr.strip() == "set()"


def test_the_version_is_the_packages(typed: Callable[..., tuple[int, str, str]]) -> None:
    assert typed("--version") == (0, f"sdgkit {sk.__version__}\n", "")


# Slips --------------------------------------------------------------------------------------------

SLIPS = {
    "generate": "Missing argument 'SEEDS'",
    "generate nowhere.jsonl": "nowhere.jsonl: there is no such file",
    "generate runs/nowhere": "runs/nowhere: there is no such file",
    "generate broken.jsonl": "broken.jsonl",
    "generate empty": "empty holds no run, no skill",
    "generate SEEDS more": "unexpected extra argument",
    "generate SEEDS --contxts 3": "--contexts",
    "generate SEEDS --out": "'--out' requires an argument",
    "generate SEEDS --num-contexts many": "'--num-contexts'",
    "generate SEEDS --num-contexts 0": "num_contexts must be a whole number of at least 1, not 0",
    "generate SEEDS --target 0": "target must be",
    "generate SEEDS --concurrency 0": "concurrency must be 1 or more, not 0",
    "generate SEEDS --patience -1": "'--patience'",
    "generate SEEDS --questions all": "questions can only be",
    "generate SEEDS --prompts nowhere": "no folder of prompts at nowhere",
    "generate SEEDS --contexts nowhere.csv": "nowhere.csv: there is no such file",
    "generate SEEDS --vary nowhere.yaml": "--vary nowhere.yaml cannot be read",
    "generate SEEDS --vary broken.jsonl": (
        "--vary broken.jsonl cannot be read, line 2: not valid YAML"
    ),
    "generate SEEDS --vary words.txt": "must be named lists",
    "generate SEEDS --teacher oracle": "'oracle' is not a kind of teacher",
    "generate SEEDS --base-url nonsense": "must look like http://host:8000/v1",
    "generate SEEDS --error-rate 2": "error_rate must be a number from 0 to 1, not 2.0",
    "gnerate": "No such command 'gnerate'",
    "frobnicate": "No such command 'frobnicate'",
    "--nonsense": "--nonsense",
    "ask": "Missing argument 'MESSAGE'",
    "status": "Missing argument 'RUN'",
    "status nowhere": "There is no run in nowhere",
    "show": "Missing argument 'RUN'",
    "show empty": "There is no run in empty",
    "show nowhere s1/c1/q1": "There is no run in nowhere",
    "export nowhere": "There is no run in nowhere",
    "rehearse --port 99999": "port must be a whole number from 0 to 65,535, not 99999",
    "rehearse --error-rate 0.7 --drop-rate 0.7": "add up to",
    "run nothing": "nothing is not a notebook (format 4) or one of the tutorials: ",
    "run nowhere.ipynb": "nowhere.ipynb is not a notebook",
    "run words.txt": "words.txt is not a notebook",
    "run -p flavour sweet": "no parameter 'flavour'. Its parameters: seeds, out",
    "run -p flavour": "'-p' requires 2 arguments",
    "run plain.ipynb --target 5": "no parameter 'target'. Its parameters: none",
    "lab words.txt": "words.txt: File exists",
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_told_in_plain_lines_with_status_2(
    typed: Callable[..., tuple[int, str, str]], tmp_path: Path, slip: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.jsonl").write_text('{"task_description": "x"\n')
    (tmp_path / "words.txt").write_text("only words\n")
    (tmp_path / "plain.ipynb").write_text(
        '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
    )
    words = [str(SEEDS) if word == "SEEDS" else word for word in slip.split()]
    status, output, errors = typed(*words)
    assert SLIPS[slip] in errors
    assert (status, output) == (2, "")
    assert errors.startswith("sdgkit")
    assert "Traceback" not in errors
    assert len(errors.splitlines()) <= 2
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("command", ["ask hello", f"generate {SEEDS}"])
def test_a_teacher_that_is_not_there_is_told_with_status_1(
    typed: Callable[..., tuple[int, str, str]], command: str
) -> None:
    port = free_port()
    status, output, errors = typed(*command.split(), "--base-url", f"http://127.0.0.1:{port}/v1")
    assert (status, output) == (1, "")
    assert "connection refused" in errors and str(port) in errors and "--base-url" in errors
    assert len(errors.splitlines()) <= 2  # on a slow machine it also says what it waits for


def test_what_stands_after_two_dashes_is_not_taken_as_an_option(
    typed: Callable[..., tuple[int, str, str]],
) -> None:
    status, said, _ = typed("ask", "--", "--debug")
    assert status == 0 and "answered in" in said


def test_debug_shows_where_it_happened(typed: Callable[..., tuple[int, str, str]]) -> None:
    status, _, errors = typed("generate", "nowhere.jsonl", "--debug")
    assert status == 2
    assert "Traceback" in errors and errors.splitlines()[-1].startswith(
        "sdgkit generate: nowhere.jsonl"
    )


# A teacher by itself ------------------------------------------------------------------------------


def test_ask_tells_who_answers_how_fast_and_what(
    typed: Callable[..., tuple[int, str, str]],
) -> None:
    with FaultServer(models=("some-model",)) as server:
        status, output, errors = typed("ask", "Who", "are", "you?", "--base-url", server.base_url)
        assert server.requests[-1]["messages"] == [{"role": "user", "content": "Who are you?"}]
    assert (status, errors) == (0, "")
    assert "some-model at " in output and " s: 5 tokens" in output
    assert "\nhello\n" in output


def test_ask_sends_no_control_characters_of_the_teacher_to_the_terminal(
    typed: Callable[..., tuple[int, str, str]],
) -> None:
    with FaultServer() as server:
        server.behave = lambda body, n: completion(HOSTILE)
        _, output, _ = typed("ask", "Who are you?", "--base-url", server.base_url)
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(output)
    assert "\u241b]0;renamed\u2407\u241b[31mred\ufffd2J [U+202E]back" in output


def test_the_key_and_the_model_are_taken_from_the_environment(
    typed: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultServer(models=("one", "two"), key="sesame") as server:
        monkeypatch.setenv("SDGKIT_BASE_URL", server.base_url)
        status, _, errors = typed("ask", "hello")
        assert status == 1 and "SDGKIT_API_KEY" in errors
        monkeypatch.setenv("SDGKIT_API_KEY", "sesame")
        status, _, errors = typed("ask", "hello")
        assert status == 2 and "one, two" in errors
        monkeypatch.setenv("SDGKIT_MODEL", "two")
        status, output, _ = typed("ask", "hello")
        assert status == 0 and "two at " in output


def test_ask_takes_the_rehearsal_teacher_for_what_it_is(
    typed: Callable[..., tuple[int, str, str]],
) -> None:
    status, output, _ = typed("ask", "Who are you?")
    assert status == 0
    assert "rules, not a model" in output


# The tutorials ------------------------------------------------------------------------------------


def test_lab_copies_notebooks_guide_seeds_and_prompts(
    typed: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    status, output, _ = typed("lab", "mine", "--no-open")
    assert status == 0 and "to mine" in output
    for name in (
        "quickstart.ipynb",
        "guide/index.md",
        "guide/gallery/feedback_to_table.html",
        "images/run_panel.png",
        "seeds/feedback_to_table.jsonl",
        "prompts/grounded/gen_contexts.yaml",
    ):
        assert (tmp_path / "mine" / name).is_file()
    assert not list((tmp_path / "mine" / "images").glob("*.svg"))


def test_lab_never_writes_over_an_edited_file(
    typed: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    typed("lab", "mine", "--no-open")
    edited = tmp_path / "mine" / "quickstart.ipynb"
    edited.write_text("mine")
    (tmp_path / "mine" / "seeds" / "feedback_to_table.jsonl").unlink()
    status, output, _ = typed("lab", "mine", "--no-open")
    assert status == 0 and edited.read_text() == "mine"
    assert "kept yours: quickstart.ipynb" in output and output.startswith("Copied 1 file")


# What is seen meanwhile ---------------------------------------------------------------------------

STAGES = [
    StageLine("gen_contexts", 5, 81, 80, {"duplicate": 1}),
    StageLine("[red]own[/red]", 80, 80, 60, {"score": 19, "\x1b[2J": 1}),
]
RUNNING = Snapshot(
    "running",
    STAGES,
    60,
    requests=1200,
    completion_tokens=98765,
    requests_per_s=30.0,
    seconds_left=130.0,
    fraction=0.4,
)


def drawn(snapshot: Snapshot, width: int = 120) -> list[str]:
    from rich.console import Console

    page = io.StringIO()
    console = Console(file=page, width=width, force_terminal=False)
    console.print(progress_table(snapshot))
    return page.getvalue().splitlines()


@pytest.mark.parametrize("width", [50, 80, 120])
def test_what_is_drawn_stays_within_the_terminal_and_ends_where_it_may_echo_a_key(
    width: int,
) -> None:
    for snapshot in (RUNNING, Snapshot("paused", STAGES, 60, message="nobody answers " * 20)):
        lines = drawn(snapshot, width)
        assert all(len(line) <= width for line in lines) and lines[-1] == ""


def test_the_table_shows_the_numbers_and_takes_no_text_for_markup() -> None:
    lines = drawn(RUNNING)
    assert lines[1].split() == ["gen_contexts", "81", "80", "1", "duplicate", "1"]
    assert "[red]own[/red]" in lines[2] and "\u241b[2J 1" in lines[2]
    for words in (
        "40%",
        "about 2 min left",
        "60 samples",
        "1,200 requests (30/s)",
        "98,765 tokens written",
    ):
        assert words in lines[-2]


def test_plain_lines_come_with_a_change_of_state_and_not_with_every_look(
    capsys: pytest.CaptureFixture[str],
) -> None:
    view = ProgressView()
    for _ in range(50):
        view.show(RUNNING)
    view.show(Snapshot("paused", STAGES, 60, message="nobody answers"))
    view.show(Snapshot("paused", STAGES, 60, message="nobody answers"))
    [only] = capsys.readouterr().out.splitlines()
    assert only.startswith("paused: nobody answers, ")


def test_commands_to_type_next_name_an_sdgkit_that_the_shell_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [".venv/bin/sdgkit", "run"])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command_line("show", "my runs", "s1/c1/q1") == ".venv/bin/sdgkit show 'my runs' s1/c1/q1"
    (tmp_path / "sdgkit").touch(mode=0o755)
    assert command_line("lab") == "sdgkit lab"


def test_durations_read_well() -> None:
    assert [format_duration(s) for s in (0.84, 41.2, 59.7, 200, 7500)] == [
        "0.8 s",
        "41 s",
        "1 min",
        "3 min 20 s",
        "2 h 5 min",
    ]


def test_a_word_in_the_place_of_a_number_is_told_plainly(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["generate", "seeds.jsonl", "--patience", "soon"]) == 2
    assert "'soon' is not a valid number." in capsys.readouterr().err


# Completion ---------------------------------------------------------------------------------------

COMPLETIONS = {
    "bash": {"COMP_WORDS": "sdgkit gen", "COMP_CWORD": "1"},
    "zsh": {"COMP_WORDS": "sdgkit gen", "COMP_CWORD": "1"},
    "fish": {"COMP_WORDS": "sdgkit gen", "COMP_CWORD": "gen"},
}


@pytest.mark.parametrize("shell", COMPLETIONS)
def test_each_shell_completes_commands(shell: str) -> None:
    done = completed(shell, COMPLETIONS[shell])
    assert "generate" in done.stdout


@pytest.mark.parametrize("shell", COMPLETIONS)
def test_each_shell_gets_a_script_to_source(shell: str) -> None:
    done = completed(shell, {}, "source")
    assert "_SDGKIT_COMPLETE" in done.stdout


def test_options_and_run_folders_are_completed() -> None:
    options = completed("bash", {"COMP_WORDS": "sdgkit generate s.jsonl --num", "COMP_CWORD": "3"})
    assert "--num-contexts" in options.stdout
    folders = completed("bash", {"COMP_WORDS": "sdgkit status ru", "COMP_CWORD": "2"})
    assert folders.stdout == "dir,ru\n"


def completed(
    shell: str, words: dict[str, str], instruction: str = "complete"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sdgkit"],
        env={**os.environ, **words, "_SDGKIT_COMPLETE": f"{shell}_{instruction}"},
        capture_output=True,
        text=True,
        check=False,
    )
