"""A folder, a file, a reply from a stranger is data: the lines of the guide's page on security."""

import base64
import html
import http.client
import json
import os
import re
import resource
import shutil
import sqlite3
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet
import pytest
from scripted import PROMPTS, Ask, ScriptedTeacher, seeds
from servers import FaultServer, completion, status

import sdgkit as sk
from sdgkit.checks import RULES, CheckedText
from sdgkit.cli import main
from sdgkit.decisions import Decision, DecisionBook
from sdgkit.errors import RunError, SdgkitError, SeedError, SettingsError
from sdgkit.flows import read_flow
from sdgkit.formatting import visible
from sdgkit.journal import Journal
from sdgkit.journal.connection import connect
from sdgkit.method.lists_file import read_lists
from sdgkit.prompts import load_prompt
from sdgkit.run.folder import write_calibrated, write_reviewed
from sdgkit.run.own_seeds import seeds_of_run
from sdgkit.teachers.settings_file import is_trusted_folder

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
        run = sk.generate(seeds(1), teacher=teacher, num_contexts=1, num_questions=2, out=folder)
    assert list(run.samples())
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


@pytest.fixture(scope="module")
def rehearsal() -> Iterator[sk.Teacher]:
    with sk.connect("rehearsal") as teacher:
        yield teacher


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
    with pytest.raises(RunError, match=r"config\.json was changed or damaged"):
        sk.plan(folder)


def test_a_check_of_your_own_is_asked_for_again(
    script: ScriptedTeacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_short(row: dict[str, Any]) -> bool:
        return len(row["response"]) < 1000

    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text("def is_short(row):\n    return True\n")
    run = sk.generate(
        seeds(1),
        teacher=script.connect(),
        prompts=PROMPTS,
        profile=False,
        checks=[is_short],
        out="mine",
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


# Files outside the folder -------------------------------------------------------------------------

WRITTEN = [
    "dataset.jsonl",
    "dataset.parquet",
    "dropped.jsonl",
    "report.html",
    "summary.json",
    "config.json",
    "seeds.jsonl",
    "README.md",
    "rehearsal_train_messages.jsonl",
    "journal.sqlite",
    "journal.sqlite-wal",
    "journal.sqlite-journal",
    ".journal.lock",
]


@pytest.mark.parametrize("name", WRITTEN)
def test_no_link_leads_a_writer_out_of_the_folder(folder: Path, tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim.txt"
    victim.write_text("precious")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(victim)
    main(["generate", "strange"])
    main(["export", "strange"])
    assert victim.read_text() == "precious"


def test_no_linked_folder_leads_an_export_out(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folder / "datasets").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (folder / "evaluation").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(RunError, match="leads out of the run's folder"):
        sk.open_run(folder).export("datasets", folder / "datasets")
    with pytest.raises(RunError, match="leads out of the run's folder"):
        Journal(folder / "evaluation")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_pipe_in_a_folder_blocks_nobody(folder: Path) -> None:
    (folder / "report.html").unlink()
    os.mkfifo(folder / "report.html")
    refused("generate", "strange", status=1)


def test_the_seeds_of_a_folder_are_its_own(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "private.jsonl").write_text((folder / "seeds.jsonl").read_text("utf-8"))
    (folder / "seeds.jsonl").unlink()
    (folder / "seeds.jsonl").symlink_to(tmp_path / "private.jsonl")
    with pytest.raises(RunError, match="leads out"):
        sk.plan(folder)
    run = sk.open_run(folder)
    with pytest.raises(RunError, match="leads out"):
        seeds_of_run(run)
    review = sk.Review(run)
    first = review.samples[0]["id"]
    review.accept(first)
    with pytest.raises(RunError, match="leads out"):
        review.make_seed(first, tmp_path / "my_seeds.jsonl")


@pytest.mark.parametrize("path", ["../victim.txt", "{victim}", "datasets/../../victim.txt"])
@pytest.mark.parametrize("format", ["messages", "datasets", "messages=0.1"])
def test_no_export_of_a_journal_leads_out_of_the_folder(
    folder: Path, tmp_path: Path, path: str, format: str
) -> None:
    victim = tmp_path / "victim.txt"
    victim.write_text("precious")
    execute(folder, "INSERT INTO exports VALUES (?,?)", path.format(victim=victim), format)
    main(["generate", "strange"])
    with pytest.raises(RunError):
        write_reviewed(folder)
    assert victim.read_text() == "precious"


def test_a_link_beside_a_run_stays_yours(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").symlink_to(tmp_path / "there.jsonl")
    sk.open_run(folder).export("messages", tmp_path / "train.jsonl")
    assert (tmp_path / "there.jsonl").exists()
    (tmp_path / "short").symlink_to(folder, target_is_directory=True)
    sk.open_run(tmp_path / "short").export("messages", tmp_path / "short" / "mine.jsonl")
    assert (folder / "mine.jsonl").exists()


def test_what_a_killed_process_left_half_written_goes(folder: Path) -> None:
    part = folder / ".dataset.jsonl.0123abcd.part"
    young = folder / ".dataset.jsonl.0123abce.part"
    other = folder / ".mine.part"
    for path in (part, young, other):
        path.write_text("half")
    for path in (part, other):
        os.utime(path, (1, 1))
    assert main(["generate", "strange"]) == 0
    assert [path.exists() for path in (part, young, other)] == [False, True, True]


# A stranger's journal -----------------------------------------------------------------------------


def execute(folder: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(folder / "journal.sqlite")) as connection, connection:
        connection.execute(statement, values)


ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c)"
VIEWS = [
    ("rows", f"{ENDLESS} SELECT r.* FROM rows0 r, c"),
    ("sessions", "SELECT id, edition, process, host, begun, seen, state, reused, retries, refused,"
     " zeroblob(900000000) AS snapshot FROM sessions0"),
    ("replies", f"{ENDLESS} SELECT r.* FROM replies0 r, c"),
    ("decisions", f"{ENDLESS} SELECT r.* FROM decisions0 r, c"),
]  # fmt: skip
LOOKS = (["status"], ["show"], ["explain"], ["export"], ["generate"], ["compare"])


@pytest.mark.parametrize(("table", "view"), VIEWS)
def test_a_view_in_a_journal_is_never_read(folder: Path, table: str, view: str) -> None:
    execute(folder, f"ALTER TABLE {table} RENAME TO {table}0")
    execute(folder, f"CREATE VIEW {table} AS {view}")
    for look in LOOKS:
        refused(*look, "strange")  # and ends, where reading the view would not


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON sessions BEGIN DELETE FROM replies; END",
        "CREATE TRIGGER t AFTER INSERT ON decisions BEGIN DELETE FROM replies; END",
        "CREATE TABLE extra (x)",
        "CREATE INDEX i ON replies (abs(session))",
        "ALTER TABLE rows ADD COLUMN x TEXT AS (zeroblob(900000000))",
        "ALTER TABLE exports ADD COLUMN x TEXT DEFAULT 'a'",
    ],
)
def test_a_journal_has_our_tables_and_nothing_else(folder: Path, statement: str) -> None:
    execute(folder, statement)
    with pytest.raises(RunError, match="not a journal that sdgkit wrote"):
        Journal(folder)
    with pytest.raises(RunError, match="not a journal that sdgkit wrote"):
        DecisionBook(folder).write([Decision("a", "s1", "accept")])


def test_a_journal_whose_schema_is_not_text_is_one_sentence(folder: Path) -> None:
    file = folder / "journal.sqlite"
    data = file.read_bytes()
    assert b"CREATE TABLE replies" in data
    file.write_bytes(data.replace(b"CREATE TABLE replies", b"CREATE TABLE\xc2replie "))
    for look in LOOKS:
        refused(*look, "strange")
    with pytest.raises(RunError, match="cannot be used as a journal"):
        sk.open_run(folder).snapshot()
    with pytest.raises(RunError, match=r"review cannot be saved|cannot be used"):
        DecisionBook(folder).write([Decision("a", "s1", "accept")])


def test_an_error_obeys_no_control_character_that_it_quotes(tmp_path: Path) -> None:
    """A traceback in a terminal prints the message as it is."""
    (tmp_path / "contexts.csv").write_text('con\x1b]0;x\x07text,\u202ex\n"a",1\n', "utf-8")
    with pytest.raises(sk.SdgkitError) as caught:
        sk.plan(seeds(1), contexts=tmp_path / "contexts.csv")
    sentence = str(caught.value)
    assert "con\u241b]0;x\u2407text" in sentence and "[U+202E]" in sentence
    assert sentence.isprintable()


def test_an_unrelated_database_is_not_adopted(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    execute(tmp_path / "mine", "CREATE TABLE bookmarks (address TEXT)")
    before = (tmp_path / "mine" / "journal.sqlite").read_bytes()
    for read_only in (False, True):
        with pytest.raises(RunError, match="'bookmarks' in it is not part of one"):
            Journal(tmp_path / "mine", read_only=read_only)
    assert (tmp_path / "mine" / "journal.sqlite").read_bytes() == before


def test_a_config_of_millions_of_values_is_refused_before_they_are_looked_at(folder: Path) -> None:
    (folder / "config.json").write_text('{"settings": [' + "1," * 5_000_000 + "1]}")
    refused("status", "strange", status=1)
    with pytest.raises(RunError, match="too many values"):
        sk.plan(folder)


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("UPDATE rows SET columns=?", "[1]"),
        ("UPDATE rows SET columns=?", "[" * 5000),
        ("UPDATE rows SET columns=?", b"\xff"),
        ("UPDATE rows SET trail=?", '["a"]'),
        ("UPDATE rows SET unit=?", "x"),
        ("UPDATE rows SET id=?", None),
        ("UPDATE rows SET message=?, stage='x'", 1.5),
        ("UPDATE sessions SET snapshot=?", '{"state": 5}'),
        ("UPDATE sessions SET snapshot=?", '{"state": "done", "stages": [5]}'),
        ("UPDATE sessions SET snapshot=?", "[["),
        ("UPDATE sessions SET seen=?", "soon"),
        ("UPDATE sessions SET process=?", "x"),
        ("UPDATE editions SET config=?", "{}"),
        ("UPDATE editions SET config=?", "5"),
        ("UPDATE finished SET counts=?", '{"a": "b"}'),
        ("UPDATE replies SET text=?", None),
        ("UPDATE replies SET messages=?", "5"),
        ("INSERT INTO decisions (content, id, verdict, reason, edits) VALUES (1,2,?,4,5)", "maybe"),
        ("INSERT INTO decisions (content, id, verdict, edits) VALUES ('a','b','accept',?)", "[]"),
        ("INSERT INTO exports VALUES ('x', ?)", "messages=much"),
        ("INSERT INTO exports VALUES ('dataset.jsonl', ?)", "messages=nan"),
        ("INSERT INTO exports VALUES ('dataset.jsonl', ?)", "no such format"),
    ],
)
def test_a_value_that_sdgkit_does_not_write_is_one_sentence(
    folder: Path, statement: str, value: object, capfd: pytest.CaptureFixture[str]
) -> None:
    execute(folder, statement, value)
    for look in LOOKS:
        assert main([*look, "strange"]) in (0, 1, 2)
        assert "should not have happened" not in capfd.readouterr().err


def test_pages_that_stand_for_endless_work_end_in_a_sentence(tmp_path: Path) -> None:
    """An inner page that names one child many times stands for a tree without an end."""
    with closing(Journal(tmp_path)) as journal:
        assert journal.count_replies() == 0
    with closing(connect(tmp_path, "rw")) as connection:
        connection.begin_statement()
        with pytest.raises(sqlite3.OperationalError, match="interrupted"):
            connection.execute(f"{ENDLESS} SELECT COUNT(*) FROM c").fetchone()


# Keys ---------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


def settings_file(text: str) -> None:
    Path("sdgkit.toml").write_text(text, "utf-8")


@pytest.mark.parametrize(
    ("variables", "arguments"),
    [
        ({"SDGKIT_API_KEY": "sk-mine"}, {}),
        ({"OPENAI_API_KEY": "sk-mine"}, {"kind": "openai"}),
        ({}, {"api_key": "sk-mine"}),
        ({"MINE": "sk-mine", "SDGKIT_HEADERS": "X-Key=MINE"}, {}),
        ({"MINE": "sk-mine"}, {"headers": "X-Key=MINE"}),
        ({"SDGKIT_KEY_FILE": "mine.txt"}, {}),
        ({}, {"key_file": "mine.txt"}),
    ],
)
def test_a_key_goes_to_no_address_that_the_folder_names(
    server: FaultServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    arguments: dict[str, str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.txt").write_text("sk-mine")
    kind = arguments.get("kind", "vllm")
    settings_file(f'teacher = "{kind}"\nbase_url = "{server.base_url}"\n')
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match="SDGKIT_TRUST_FOLDER=") as caught:
        sk.connect(**arguments)  # type: ignore[arg-type]
    assert "sk-mine" not in str(caught.value)
    assert not server.headers
    monkeypatch.setenv("SDGKIT_TRUST_FOLDER", str(tmp_path))
    with sk.connect(**arguments) as teacher:  # type: ignore[arg-type]
        teacher.ask("Hello")
    assert "sk-mine" in str(server.headers)


@pytest.mark.parametrize(
    "text",
    [
        'headers = ["X-Leak=AWS_SECRET_ACCESS_KEY"]',
        'headers = {X-Leak = "AWS_SECRET_ACCESS_KEY"}',
        'key_file = "{outside}"',
        'key_file = "link.txt"',
        'key_file = "../token.txt"',
    ],
)
def test_a_folders_settings_read_no_secret(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / "token.txt").write_text("hf-secret")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("link.txt").symlink_to(tmp_path / "token.txt")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "aws-secret")
    text = text.replace("{outside}", str(tmp_path / "token.txt"))
    for address in (f'base_url = "{server.base_url}"\n', ""):
        settings_file(address + text)
        with pytest.raises(SettingsError, match=r"^sdgkit\.toml in this folder names"):
            sk.connect(base_url=None if address else server.base_url)
    assert not server.headers


def test_a_folder_may_bring_its_own_key_and_an_address_without_one(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings_file(f'base_url = "{server.base_url}"\n')
    sk.connect().close()
    Path("key.txt").write_text("its-own")
    settings_file(f'base_url = "{server.base_url}"\nkey_file = "key.txt"\n')
    with sk.connect() as teacher:
        teacher.ask("Hello")
    assert server.headers[-1]["Authorization"] == "Bearer its-own"


def test_your_own_address_gets_your_key_whatever_the_folder_says(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings_file('base_url = "http://127.0.0.1:9/v1"\nmodel = "tiny"\n')
    monkeypatch.setenv("SDGKIT_API_KEY", "sk-mine")
    monkeypatch.setenv("SDGKIT_BASE_URL", server.base_url)
    with sk.connect() as teacher:
        teacher.ask("Hello")
    assert server.headers[-1]["Authorization"] == "Bearer sk-mine"


def test_a_kind_of_the_folder_sends_your_key_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings_file('teacher = "openai"\n')
    monkeypatch.setenv("SDGKIT_API_KEY", "sk-mine")
    with pytest.raises(SettingsError, match=r"api\.openai\.com"):
        sk.connect()


def test_a_panel_connects_to_no_address_of_the_folder_with_your_key(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings_file(f'base_url = "{server.base_url}"\n')
    monkeypatch.setenv("SDGKIT_API_KEY", "sk-mine")
    with pytest.raises(SettingsError, match="SDGKIT_TRUST_FOLDER"):
        _ = sk.TeacherPanel().teacher
    assert not server.headers


def test_a_folder_above_may_be_trusted_and_its_neighbour_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("work", "works"):
        (tmp_path / name / "job").mkdir(parents=True)
    monkeypatch.setenv("SDGKIT_TRUST_FOLDER", f"/nowhere{os.pathsep}{tmp_path / 'work'}")
    monkeypatch.chdir(tmp_path / "work" / "job")
    assert is_trusted_folder()
    monkeypatch.chdir(tmp_path / "works" / "job")
    assert not is_trusted_folder()


# Small files, bounded work ------------------------------------------------------------------------


def laughs(levels: int, indent: str = "") -> str:
    """A text of a few lines that stands for 10 ** levels values."""
    lines = [f"{indent}a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, levels):
        aliases = ", ".join([f"*a{level - 1}"] * 10)
        lines.append(f"{indent}a{level}: &a{level} [{aliases}]")
    return "\n".join(lines) + "\n"


BOMBS = {
    "aliases": laughs(9),
    "brackets": "a: " + "[" * 2_000_000,
    "braces": "{" * 2_000_000,
    "dashes": "- " * 1_000_000,
    "entries": "a: [" + "[]," * 600_000 + "]",
    "base 60": "a: [" + "1:" * 400_000 + "1]",
    "digits": "a: [" + "9" * 1_000_000 + "]",
    "size": "a: [" + "x" * 9_000_000 + "]",
    "tag": "a: [!!python/object/apply:os.system [true]]",
    "merge": "a: &a {b: 1}\nc: {<<: *a}",
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("kind", ["vary", "flow", "prompt", "qna"])
def test_a_small_yaml_file_is_little_work(kind: str, bomb: str, tmp_path: Path) -> None:
    text = BOMBS[bomb]
    path = tmp_path / f"{kind}.yaml"
    began = time.process_time()
    if kind == "flow":
        head = "- block_type: FilterByValueBlock\n  block_config:\n    block_name: keep\n"
        path.write_text(head + "\n".join("    " + line for line in text.splitlines()))
    elif kind == "prompt":
        path.write_text("generation: write\nsampling:\n  extra_body:\n    " + text[:4_000_000])
    elif kind == "qna":
        head = (
            "version: 3\ntask_description: x\nseed_examples:\n- question: q\n  answer: a\n  more:\n"
        )
        path.write_text(head + "\n".join("    " + line for line in text.splitlines()))
    else:
        path.write_text(text)
    readers: dict[str, Callable[[Path], object]] = {
        "vary": read_lists,
        "flow": read_flow,
        "prompt": load_prompt,
        "qna": sk.load_seeds,
    }
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with suppress(SdgkitError):
        readers[kind](path)
    assert time.process_time() - began < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kB


def test_the_texts_of_a_list_stay_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "vary.yaml"
    path.write_text("country: [NO, SE]\nlamp: [on, off]\ntime: [12:30, 07:05]\n"
                    "agent: [007, 7, 1.50, 1.5]\n"
                    "day: [2020-13-45, 2024-05-01]\nsure: [yes, true, 0x1F, 1_000, .inf, 1e3]\n"
                    "said: ['~', \"NO\", 'a: b']\n")  # fmt: skip
    assert read_lists(path) == {
        "country": ["NO", "SE"],
        "lamp": ["on", "off"],
        "time": ["12:30", "07:05"],
        "agent": ["007", 7, "1.50", 1.5],
        "day": ["2020-13-45", "2024-05-01"],
        "sure": ["yes", "true", "0x1F", "1_000", ".inf", "1e3"],
        "said": ["~", "NO", "a: b"],
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("mood: [calm]\ntone:\n- warm\n-\n", r"line 4: list tone: an entry is empty"),
        ("mood: [calm, ~]\n", r"line 1: list mood: an entry is empty"),
        ("mood: calm\n", r"line 1: mood must be a list"),
        ("mood: []\n", r"line 1: mood must be a list"),
        ("- calm\n", r"line 1: vary must be named lists"),
        ("a: [x]\na: [y]\n", r"line 2: .*the key a appears twice"),
        ("a: [x]\nb: [!!binary aGk=]\n", r"line 2: list b: the tag .*binary is not supported"),
        ("a: &a [x]\nb: *a\n", r"line 2: .*aliases are not supported"),
    ],
)
def test_a_list_that_cannot_be_read_is_named_with_its_line(
    tmp_path: Path, text: str, sentence: str
) -> None:
    path = tmp_path / "vary.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=sentence):
        read_lists(path)


@pytest.mark.parametrize("kind", ["rows", "list"])
def test_a_small_parquet_file_that_stands_for_millions_of_values_is_refused(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "seeds.parquet"
    if kind == "rows":
        table = pa.table({"task_description": pa.nulls(20_000_000, pa.string())})
    else:
        table = pa.table({"x": pa.array([[None] * 8_000_000], pa.list_(pa.string()))})
    pyarrow.parquet.write_table(table, path, compression="zstd")
    assert path.stat().st_size < 1_000_000
    del table
    with pytest.raises(SeedError, match="too many for seeds"):
        sk.load_seeds(path)


def write_arrow(path: Path, more: dict[str, Any], compression: str | None = None) -> None:
    """An Arrow stream of seeds with further columns."""
    number = len(next(iter(more.values())))
    columns = {name: pa.array([text] * number) for name, text in seeds(1)[0].items()}
    table = pa.table({**columns, **more})
    options = pyarrow.ipc.IpcWriteOptions(compression=compression)
    with pyarrow.ipc.new_stream(path, table.schema, options=options) as writer:
        writer.write_table(table)


def nothing_again_and_again() -> pa.Array:
    many = 100_000_000
    return pa.ListArray.from_arrays(pa.array([0, many], pa.int32()), pa.nulls(many))


def one_text_again_and_again() -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), ["x" * 1_000_000])


def one_list_again_and_again() -> pa.Array:
    rows = 2_000
    values = pa.array(range(100_000))
    return pa.ListViewArray.from_arrays(
        pa.array([0] * rows, pa.int32()), pa.array([100_000] * rows, pa.int32()), values
    )


ARROW_BOMBS: dict[str, tuple[Callable[[], pa.Array], str | None, str]] = {
    "a list of nothing": (nothing_again_and_again, None, "too many for seeds"),
    "one text for all rows": (one_text_again_and_again, None, "too many for seeds"),
    "one list for all rows": (one_list_again_and_again, None, "are not read"),
    "compressed": (lambda: pa.array(["x" * 300_000_000]), "zstd", "too many for seeds"),
}


@pytest.mark.parametrize("kind", ARROW_BOMBS)
def test_a_small_arrow_file_that_stands_for_much_is_refused(kind: str, tmp_path: Path) -> None:
    make, compression, reason = ARROW_BOMBS[kind]
    path = tmp_path / "seeds.arrow"
    write_arrow(path, {"x": make()}, compression)
    assert path.stat().st_size < 5_000_000
    limit = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (address_space() + 2**31, limit[1]))
    try:
        with pytest.raises(SeedError, match=reason):
            sk.load_seeds(path)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limit)


def address_space() -> int:
    """The bytes of addresses that this process uses."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    return pages * resource.getpagesize()


def test_a_parquet_file_that_stores_one_text_for_all_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "seeds.parquet"
    rows = 600
    columns = {name: pa.array([text] * rows) for name, text in seeds(1)[0].items()}
    table = pa.table({**columns, "x": pa.array(["y" * 1_000_000] * rows)})
    pyarrow.parquet.write_table(table, path, compression="zstd")
    assert path.stat().st_size < 1_000_000
    with pytest.raises(SeedError, match="too many for seeds"):
        sk.load_seeds(path)


def test_an_arrow_file_whose_places_lead_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "seeds.arrow"
    write_arrow(path, {"x": pa.array(["hello" * 200])})
    data = path.read_bytes()
    for end in (2**31 - 2, 5_000):
        path.write_bytes(data.replace((1_000).to_bytes(4, "little"), end.to_bytes(4, "little")))
        with pytest.raises(SeedError):
            sk.load_seeds(path)


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_an_arrow_file_with_lists_objects_and_categories_is_read(
    compression: str | None, tmp_path: Path
) -> None:
    more = {
        "list": pa.array([[1, 2], []]),
        "object": pa.array([{"a": "b"}, None]),
        "category": pa.array(["one", "two"]).dictionary_encode(),
    }
    write_arrow(tmp_path / "seeds.arrow", more, compression)
    table = pyarrow.ipc.open_stream((tmp_path / "seeds.arrow").read_bytes()).read_all()
    pyarrow.feather.write_feather(table, tmp_path / "feather.arrow")
    pyarrow.parquet.write_table(table, tmp_path / "seeds.parquet")
    for name in ("seeds.arrow", "feather.arrow", "seeds.parquet"):
        first, second = sk.load_seeds(tmp_path / name)
        assert (first["list"], first["object"], second["category"]) == ([1, 2], {"a": "b"}, "two")


@pytest.mark.parametrize("name", ["seeds.jsonl", "seeds.arrow", "own.jsonl", "p/gen_contexts.yaml"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_file_that_never_ends_is_refused(name: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(SdgkitError, match="not a regular file"):
        if name == "own.jsonl":
            sk.plan(seeds(1), contexts=path)
        elif name.startswith("p/"):
            sk.plan(seeds(1), prompts=path.parent)
        else:
            sk.load_seeds(path)


@pytest.mark.parametrize("deep", ["[" * 3_000 + "]" * 3_000, "(" * 3_000 + ")" * 3_000])
def test_a_notebook_that_is_nested_deep_is_one_sentence(
    deep: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cell = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": [f"x = {deep}"]}
    for text in (f'{{"cells": {deep}}}', json.dumps({"cells": [cell]})):
        (tmp_path / "n.ipynb").write_text(text)
        refused("run", str(tmp_path / "n.ipynb"), "-p", "y", deep, status=2)
        assert "should not have happened" not in capfd.readouterr().err


def test_a_row_of_thousands_of_columns_is_refused(tmp_path: Path) -> None:
    odd = {f"column {number}": "x" for number in range(100_000)}
    (tmp_path / "seeds.jsonl").write_text(json.dumps({**seeds(1)[0], **odd}), "utf-8")
    with pytest.raises(SeedError, match=r"100,004 columns; at most 1,000 are read") as caught:
        sk.load_seeds(tmp_path / "seeds.jsonl")
    assert len(str(caught.value)) < 300


DOTTED = ".".join("a" * 50_000)


@pytest.mark.parametrize("text", [f"{DOTTED} = 1", f"[{DOTTED}]", f"a = {{{DOTTED} = 1}}"])
def test_a_key_of_thousands_of_parts_in_a_settings_file_is_one_sentence(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "skill").mkdir()
    (tmp_path / "skill" / "skill.toml").write_text(text)
    sk.save_seeds(seeds(1), tmp_path / "skill" / "seeds.jsonl")
    refused("generate", "skill", "--teacher", "rehearsal", status=2)
    (tmp_path / "sdgkit.toml").write_text(text)
    refused("generate", "skill/seeds.jsonl", status=2)


@pytest.mark.parametrize("depth", [35, 120, 900, 5000])
def test_a_column_that_is_nested_too_deep_is_refused_before_anything_is_paid(
    tmp_path: Path, depth: int
) -> None:
    seed = json.dumps(seeds(1)[0])[:-1]
    for name, text in (("seeds.jsonl", seed), ("own.jsonl", '{"context": "a"')):
        path = tmp_path / name
        path.write_text(f'{text}, "x": {"[" * depth}{"]" * depth}}}\n')
    with pytest.raises(SeedError, match=r"nested|recursion"):
        sk.load_seeds(tmp_path / "seeds.jsonl")
    with pytest.raises(SeedError, match=r"nested|recursion"):
        sk.plan(seeds(1), contexts=tmp_path / "own.jsonl")


def test_what_may_be_nested_can_be_written(script: ScriptedTeacher, tmp_path: Path) -> None:
    value: object = "leaf"
    for level in range(28):
        value = {"x": value} if level % 2 else [value]
    row = {**seeds(1)[0], "deep": value}
    run = sk.generate(
        [row],
        teacher=script.connect(),
        prompts=PROMPTS,
        profile=False,
        num_contexts=1,
        out=tmp_path / "run",
    )
    assert run.state == "done"
    assert pyarrow.parquet.read_table(tmp_path / "run" / "dataset.parquet").num_rows


# Keys in any form ---------------------------------------------------------------------------------

KEY = "sk-Test_0123/456789+abcdef"
FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in capitals": str.upper,
    "in small letters": str.lower,
    "quoted for an address": lambda key: urllib.parse.quote(key, safe=""),
    "every character quoted": lambda key: "".join(f"%{ord(c):02x}" for c in key),
    "spaced": " ".join,
    "with hidden characters": "\u200b".join,
    "on two lines": lambda key: f"{key[:9]}\n> {key[9:]}",
    "backwards": lambda key: key[::-1],
    "in hexadecimal": lambda key: key.encode().hex(),
    "in base64": lambda key: base64.b64encode(key.encode()).decode(),
    "a header in base64": lambda key: base64.b64encode(f"Bearer {key}\r\n".encode()).decode(),
    "shifted base64": lambda key: base64.urlsafe_b64encode(f"ab{key}".encode()).decode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_key_that_a_server_repeats_reaches_no_file_and_is_told(
    script: ScriptedTeacher, tmp_path: Path, form: str
) -> None:
    shown = FORMS[form](KEY)

    def answer(ask: Ask) -> Any:
        if (ask.stage, ask.ordinal) == ("gen_contexts", 2):
            return status(400, f"The key {shown} may not do this")
        written = script.usual(ask)
        return written.replace("[End of", f" {shown} [End of", 1)

    script.answer = answer
    teacher = sk.connect(base_url=script.base_url, api_key=KEY)
    run = sk.generate(
        seeds(1),
        teacher=teacher,
        prompts=PROMPTS,
        profile=False,
        num_contexts=3,
        out=tmp_path / "run",
    )
    assert any("contained your key" in note for note in run.notes)
    content = b"".join(path.read_bytes() for path in (tmp_path / "run").iterdir())
    stored = content.decode("utf-8", "replace")
    for hidden in (shown, json.dumps(shown)[1:-1], html.escape(shown), KEY):
        assert hidden not in stored
    assert "***" in stored


@pytest.mark.parametrize("key", ["EMPTY", "not-needed", "lm-studio"])
def test_a_key_that_is_a_word_changes_no_text(server: FaultServer, key: str) -> None:
    text = "The table is empty. A key is not needed here: say so in LM Studio. " * 5
    server.behave = lambda body, n: completion(text)
    with sk.connect(base_url=server.base_url, api_key=key) as teacher:
        assert teacher.ask("Hello").text == text


# What is shown ------------------------------------------------------------------------------------

HIDDEN_CHARACTERS = (
    "\u00ad\u034f\u061c\u115f\u200b\u200e\u200f\u2028\u2029\u202e\u2060\u2066\u3164\ufeff\U000e0041"
)


@pytest.mark.parametrize("character", HIDDEN_CHARACTERS)
def test_a_hidden_character_shows_where_people_look(character: str) -> None:
    assert visible(f"a{character}b") == f"a[U+{ord(character):04X}]b"


def test_what_a_language_needs_stays() -> None:
    persian = "\u0645\u06cc\u200c\u062e\u0648"
    for text in (persian, "👩\u200d🚀", "❤\ufe0f", "naïve café", "你好\n\tא"):
        assert visible(text) == text
    assert visible("pay\u200dpal") == "pay[U+200D]pal"


def test_the_report_shows_hidden_characters(script: ScriptedTeacher, tmp_path: Path) -> None:
    script.answer = lambda ask: script.usual(ask).replace("[End of", "a\u200bb\u2028c [End of", 1)
    sk.generate(
        seeds(1),
        teacher=script.connect(),
        prompts=PROMPTS,
        profile=False,
        num_contexts=1,
        out=tmp_path / "run",
    )
    report = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "a[U+200B]b[U+2028]c" in report
    assert "\u200b" not in report and "\u2028" not in report


# The rehearsal server -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1:{port}", 200),
        ("localhost:{port}", 200),
        ("LOCALHOST", 200),
        ("[::1]:{port}", 200),
        ("evil.example", 403),
        ("evil.example:{port}", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example:{port}", 403),
        ("", 403),
    ],
)
def test_a_page_that_is_made_to_point_at_the_rehearsal_server_gets_nothing(
    rehearsal: sk.Teacher, host: str, expected: int
) -> None:
    address = urllib.parse.urlsplit(rehearsal.base_url)
    assert address.hostname is not None and address.port is not None
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    with closing(connection):
        connection.putrequest("GET", "/v1/models", skip_host=True)
        connection.putheader("Host", host.format(port=address.port))
        connection.endheaders()
        assert connection.getresponse().status == expected


def test_panels_mark_the_same_characters(repo: Path) -> None:
    script = (repo / "sdgkit" / "panels" / "look" / "panel.js").read_text("utf-8")
    found = re.search(r"const HIDDEN =\s*/\[(.*)\]/gu", script)
    assert found is not None
    code_point = r"\\u\{?([0-9a-f]+)\}?"
    in_panels: set[int] = set()
    for first, last in re.findall(f"{code_point}(?:-{code_point})?", found[1]):
        in_panels.update(range(int(first, 16), int(last or first, 16) + 1))
    looked_at = [*range(0xD800), *range(0xE000, 0x20000), *range(0xE0000, 0xE1000)]
    here = {at for at in looked_at if visible(f"א{chr(at)}א") == f"א[U+{at:04X}]א"}
    assert here == in_panels


# The page -----------------------------------------------------------------------------------------


def test_every_line_of_the_guides_page_names_a_test_that_there_is(repo: Path) -> None:
    page = (repo / "notebooks" / "guide" / "security.md").read_text("utf-8")
    lines = [line for line in page.splitlines() if line.startswith("| ") and "test |" not in line]
    tests = {
        name
        for path in repo.glob("tests/**/test_*.py")
        for name in re.findall(r"def (test_\w+)\(", path.read_text("utf-8"))
    }
    assert len(lines) > 20
    for line in lines:
        named = re.findall(r"`(test_\w+)`", line)
        assert named and not set(named) - tests, line


# Work that does not grow out of hand --------------------------------------------------------------


def test_a_table_of_hundreds_of_numbers_is_checked_in_a_moment() -> None:
    figures = [str(7 * number % 99_991 + 1_000) for number in range(1, 801)]
    source = " ".join(figures)
    row = {"context": source, "question": "", "seed_context": source, "seed_question": ""}
    began = time.process_time()
    for text in (source, " ".join(str(int(figure) * 37 + 1) for figure in figures)):
        RULES["facts_in_context"](CheckedText(text, source, row))
    assert time.process_time() - began < 3


def test_a_thousand_seeds_after_one_template_are_checked_in_moderate_time() -> None:
    context = "The customer reports that the lamp in the hall flickers when it rains. " * 4
    rows = [{**seeds(1)[0], "seed_context": f"{context} Case {number}."} for number in range(1_000)]
    began = time.process_time()
    assert sk.check_seeds(rows)
    assert time.process_time() - began < 30
