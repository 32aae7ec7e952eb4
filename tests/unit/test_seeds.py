"""Seeds: every format gives equal rows, every fault is reported with file, line and column."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sdgkit.errors import RunError, SeedError
from sdgkit.seeds import Seed, load_seeds, read_seeds, row_key, save_seeds, skill

GROUNDED: list[Seed] = [
    {
        "task_description": "Count the animals.",
        "seed_context": 'Two cats, "one" dog;\nno fish — 零',
        "seed_question": "How many?",
        "seed_response": "Three, with a comma\nand a second line.",
    },
    {
        "task_description": "Count the animals.",
        "seed_context": "  A line separator \u2028 in the text, and indentation.",
        "seed_question": "And here?",
        "seed_response": "None.",
    },
]
FREEFORM = [{k: v for k, v in row.items() if k != "seed_context"} for row in GROUNDED]
ROW = FREEFORM[0]


def write_csv(path: Path, rows: list[Seed]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_qna(path: Path, rows: list[Seed], version: int) -> None:
    import yaml

    names = {"seed_context": "context", "seed_question": "question", "seed_response": "answer"}
    examples = [{names[k]: v for k, v in row.items() if k in names} for row in rows]
    qna = {
        "version": version,
        "task_description": rows[0]["task_description"],
        "created_by": "someone",
        "seed_examples": examples,
    }
    path.write_text(yaml.safe_dump(qna, allow_unicode=True), encoding="utf-8")


def write_parquet(path: Path, rows: list[Seed]) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


WRITERS: dict[str, Callable[[Path, list[Seed]], object]] = {
    "seeds.jsonl": lambda path, rows: save_seeds(rows, path),
    "list.json": lambda path, rows: path.write_text(json.dumps(rows, indent=2), encoding="utf-8"),
    "seeds.csv": write_csv,
    "seeds.parquet": write_parquet,
    "v2/qna.yaml": lambda path, rows: write_qna(path, rows, 2),
    "v3/qna.yml": lambda path, rows: write_qna(path, rows, 3),
}


@pytest.mark.parametrize("rows", [GROUNDED, FREEFORM], ids=["grounded", "freeform"])
@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_equal_rows(tmp_path: Path, name: str, rows: list[Seed]) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    WRITERS[name](path, rows)
    assert read_seeds(path) == rows
    assert read_seeds(str(path)) == rows
    assert load_seeds(path).to_list() == rows


@pytest.mark.parametrize("rows", [GROUNDED, FREEFORM], ids=["grounded", "freeform"])
def test_a_dataset_and_a_list_give_equal_rows(rows: list[Seed]) -> None:
    assert read_seeds(rows) == read_seeds(tuple(rows)) == rows
    assert read_seeds(load_seeds(rows)) == rows


def test_a_dataset_whose_contexts_are_all_none_is_a_freeform_skill() -> None:
    import datasets

    dataset = datasets.Dataset.from_list([{**row, "seed_context": None} for row in FREEFORM])
    assert read_seeds(dataset) == FREEFORM


def test_further_columns_are_kept(tmp_path: Path) -> None:
    rows = [{**ROW, "team": "blue", "tags": ["a", "b"]}, {**FREEFORM[1], "weight": 2}]
    save_seeds(rows, tmp_path / "seeds.jsonl")
    assert read_seeds(tmp_path / "seeds.jsonl") == rows
    assert load_seeds(tmp_path / "seeds.jsonl")[1]["team"] is None


@pytest.mark.parametrize("name", ["seeds.jsonl", "list.json", "seeds.csv", "v2/qna.yaml"])
def test_a_byte_order_mark_is_accepted(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    WRITERS[name](path, GROUNDED)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_seeds(path) == GROUNDED


def test_windows_line_ends_and_blank_lines_between_seeds_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_bytes(b"\r\n\r\n".join(json.dumps(row).encode() for row in GROUNDED) + b"\r\n")
    assert read_seeds(path) == GROUNDED
    path = tmp_path / "seeds.csv"
    path.write_bytes(b"task_description,seed_question,seed_response\r\nt,q,r\r\n\r\n")
    assert read_seeds(path) == [
        {"task_description": "t", "seed_question": "q", "seed_response": "r"}
    ]


def test_a_csv_field_may_be_as_long_as_a_context_is(tmp_path: Path) -> None:
    rows = [{**GROUNDED[0], "seed_context": "word " * 60_000 + "end"}]
    write_csv(tmp_path / "seeds.csv", rows)
    assert read_seeds(tmp_path / "seeds.csv") == rows


def test_a_block_of_text_in_a_qna_yaml_loses_only_the_line_breaks_that_end_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "qna.yaml"
    path.write_text(
        "version: 3\ncreated_by: x\ntask_description: |\n  Do it.\n"
        "seed_examples:\n- question: >\n    Folded\n    text\n"
        "  answer: |2+\n      indented\n\n    last\n\n"
    )
    texts = {"seed_question": "Folded text", "seed_response": "  indented\n\nlast"}
    assert read_seeds(path) == [{"task_description": "Do it.", **texts}]


def test_reading_text_files_loads_none_of_the_heavy_libraries(tmp_path: Path) -> None:
    for name in ("seeds.jsonl", "list.json", "seeds.csv", "v2/qna.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        WRITERS[name](tmp_path / name, FREEFORM)
    code = (
        "import sys; from sdgkit.seeds import read_seeds\n"
        "for name in sys.argv[1:]: read_seeds(name)\n"
        "print({'datasets', 'pandas', 'pyarrow', 'numpy'} & set(sys.modules))"
    )
    names = [str(path) for path in tmp_path.rglob("*.*") if path.is_file()]
    done = subprocess.run(
        [sys.executable, "-c", code, *names], capture_output=True, text=True, check=True
    )
    assert len(names) == 4 and done.stdout.strip() == "set()"


# What cannot be used ------------------------------------------------------------------------------

GOOD = json.dumps(ROW)


def without(column: str, **more: object) -> str:
    return json.dumps({k: v for k, v in ROW.items() if k != column} | more)


def changed(**columns: object) -> str:
    return json.dumps(ROW | columns)


QNA = """\
version: 2
created_by: x
task_description: Do it.
seed_examples:
- question: Why?
  answer: So.
"""

# name of the file, its content, and what the message must say
FAULTS: dict[str, tuple[str, str | bytes, list[str]]] = {
    "a missing column": (
        "a.jsonl",
        GOOD + "\n" + without("seed_response"),
        ["line 2", "seed_response", "missing"],
    ),
    "a misspelt column": (
        "a.jsonl",
        GOOD + "\n" + without("seed_response", seed_respones="x"),
        ["line 2", "seed_response", "missing", "columns here are:", "seed_respones"],
    ),
    "a misspelt context": (
        "a.jsonl",
        changed(seed_contxt="x"),
        ["line 1", "seed_contxt", "seed_context"],
    ),
    "a column no row has": (
        "a.csv",
        "task_description,seed_question\na,b\nc,d\n",
        ["seed_response", "missing"],
    ),
    "an empty value": (
        "a.jsonl",
        GOOD + "\n\n" + changed(seed_question=""),
        ["line 3", "seed_question", "empty"],
    ),
    "white space only": (
        "a.jsonl",
        changed(seed_response=" \n\t\u00a0"),
        ["line 1", "seed_response", "empty"],
    ),
    "an empty context": ("a.jsonl", changed(seed_context=" "), ["line 1", "seed_context", "empty"]),
    "a number": (
        "a.jsonl",
        changed(seed_response=42),
        ["line 1", "seed_response", "is 42, not text"],
    ),
    "a bool": (
        "a.jsonl",
        changed(seed_response=True),
        ["line 1", "seed_response", "is True, not text"],
    ),
    "a null": (
        "a.jsonl",
        changed(seed_response=None),
        ["line 1", "seed_response", "is None, not text"],
    ),
    "a list": (
        "a.jsonl",
        changed(seed_response=["x"]),
        ["line 1", "seed_response", "is ['x'], not text"],
    ),
    "a broken line": (
        "a.jsonl",
        GOOD + '\n{"task_description": "x"',
        ["line 2", "broken JSON", "character 25"],
    ),
    "two objects in a line": ("a.jsonl", GOOD + GOOD, ["line 1", "broken JSON"]),
    "a line that is no object": ("a.jsonl", GOOD + "\n[1]", ["line 2", "object", "not [1]"]),
    "a line that is text": ("a.jsonl", GOOD + '\n"x"', ["line 2", "object", "not 'x'"]),
    "a duplicate key": (
        "a.jsonl",
        GOOD + '\n{"seed_question": "a", "seed_question": "b"}',
        ["line 2", "seed_question", "twice"],
    ),
    "NaN": ("a.jsonl", GOOD[:-1] + ', "weight": NaN}', ["line 1", "column weight", "JSON"]),
    "NaN for a text": (
        "a.jsonl",
        changed(seed_response=float("nan")),
        ["line 1", "seed_response", "is nan, not text"],
    ),
    "infinity": ("a.jsonl", GOOD[:-1] + ', "weight": -Infinity}', ["line 1", "column weight"]),
    "half a surrogate pair": (
        "a.jsonl",
        changed(seed_question="a\ud83d"),
        ["line 1", "seed_question", "surrogate"],
    ),
    "half a pair further on": (
        "a.jsonl",
        changed(note={"x": ["\udc00"]}),
        ["line 1", "column note", "surrogate"],
    ),
    "a column without a name": ("a.jsonl", changed(**{" ": "x"}), ["line 1", "' '", "name"]),
    "deep nesting": (
        "a.jsonl",
        GOOD + "\n" + "[" * 200_000,
        ["line 2", "broken JSON", "nested too deep"],
    ),
    "a number of 5,000 digits": ("a.jsonl", GOOD[:-1] + ', "n": ' + "9" * 5_000 + "}", ["line 1"]),
    "some contexts": (
        "a.jsonl",
        "\n".join([GOOD, changed(seed_context="x"), GOOD]),
        ["1 of 3 seeds", "line 1, line 3", "none (a freeform one)"],
    ),
    "a wrong encoding": (
        "a.jsonl",
        b'{"a": 1}\n{"b": "\xe9"}',
        ["line 2", "0xE9", "offset 16", "cp1252", "--encoding", "save the file as UTF-8"],
    ),
    "half of UTF-16": ("a.csv", b"\xff\xfet", ["line 1", "UTF-16", "--encoding"]),
    "an empty file": ("a.jsonl", b"", ["no seeds"]),
    "an empty parquet file": ("a.parquet", b"", ["cannot be read"]),
    "a byte order mark alone": ("a.json", b"\xef\xbb\xbf \n", ["line 2", "broken JSON"]),
    "an unknown suffix": ("a.docx", b"PK", [".docx", ".jsonl", ".parquet"]),
    "no suffix": ("seeds", GOOD, ["without a suffix", ".jsonl"]),
    # .json
    "json: no seeds": ("a.json", "[]", ["no seeds"]),
    "json: one seed only": ("a.json", GOOD, ["line 1", "list of objects"]),
    "json: a text": ("a.json", '"x"', ["line 1", "list of objects"]),
    "json: the third line": (
        "a.json",
        f"[\n{GOOD},\n{changed(seed_response=1)}\n]",
        ["line 3", "seed_response", "is 1, not text"],
    ),
    "json: broken": ("a.json", f"[\n{GOOD},\n{GOOD}\n", ["line 4", "broken JSON", "',' delimiter"]),
    "json: broken inside": (
        "a.json",
        f'[\n{GOOD},\n{{"a" 1}}]',
        ["line 3", "broken JSON", "character 6"],
    ),
    # Python 3.13 blames the comma, older ones the bracket: both on one line here.
    "json: a trailing comma": ("a.json", f"[\n{GOOD},]", ["line 2", "broken JSON"]),
    "json: something after it": (
        "a.json",
        f"[{GOOD}]\n[]",
        ["line 2", "broken JSON", "Extra data"],
    ),
    "json: a duplicate key": ("a.json", '[\n\n{"a": 1, "a": 2}]', ["line 3", "column a", "twice"]),
    "json: deep nesting": ("a.json", "[" * 200_000, ["line 1", "broken JSON", "nested too deep"]),
    # .csv
    "csv: too few fields": (
        "a.csv",
        'task_description,seed_question,seed_response\na,"b\nb",c\nd,e\n',
        ["line 4", "2 fields", "header has 3"],
    ),
    "csv: too many fields": (
        "a.csv",
        "task_description,seed_question,seed_response\na,b,c, and d\n",
        ["line 2", "4 fields", "double quotes"],
    ),
    "csv: an empty field": (
        "a.csv",
        "task_description,seed_context,seed_question,seed_response\na,b,c,d\na,,c,d\n",
        ["line 3", "seed_context", "empty"],
    ),
    "csv: an open quote": (
        "a.csv",
        'task_description,seed_question,seed_response\na,b,"c\n',
        ["line 2", "broken CSV"],
    ),
    "csv: text after a quote": (
        "a.csv",
        'task_description,seed_question,seed_response\na,b,"c"d\n',
        ["line 2", "broken CSV"],
    ),
    "csv: semicolons, too many fields": (
        "a.csv",
        "task_description;seed_question;seed_response\na;b;c\na;b;c;d\n",
        ["line 3", "4 fields", "header has 3", "semicolons"],
    ),
    "csv: a column twice": (
        "a.csv",
        "seed_question,seed_question\na,b\n",
        ["line 2", "seed_question", "twice"],
    ),
    "csv: a header alone": (
        "a.csv",
        "task_description,seed_question,seed_response\n",
        ["no seeds"],
    ),
    "csv: a column without a name": (
        "a.csv",
        ",task_description,seed_question,seed_response\nx,a,b,c\n",
        ["line 2", "''", "name"],
    ),
    # .parquet
    "parquet: something else": ("a.parquet", b"PAR1 and so on", ["a.parquet", "parquet"]),
    # qna.yaml
    "qna: knowledge": ("qna.yaml", QNA + "document:\n  repo: x\n", ["knowledge", "skill"]),
    "qna: knowledge, without a task": (
        "qna.yaml",
        "version: 3\ndocument:\n  repo: x\n",
        ["knowledge", "skill"],
    ),
    "qna: knowledge in its examples": (
        "qna.yaml",
        QNA + "- context: c\n  questions_and_answers: []\n",
        ["line 7", "question is missing", "questions_and_answers"],
    ),
    "qna: version 4": ("qna.yaml", QNA.replace("2", "4"), ["line 1", "version 4", "2 and 3"]),
    "qna: no task": (
        "qna.yaml",
        QNA.replace("task_description", "task"),
        ["task_description", "missing"],
    ),
    "qna: an empty task": (
        "qna.yaml",
        QNA.replace("Do it.", "''"),
        ["line 3", "task_description", "empty"],
    ),
    "qna: no answer": ("qna.yaml", QNA + "- question: Why?\n", ["line 7", "answer", "missing"]),
    "qna: a number": (
        "qna.yaml",
        QNA + "- question: Why?\n  answer: 42\n",
        ["line 8", "key answer", "seed_response", "is 42, not text"],
    ),
    "qna: an unquoted Yes": (
        "qna.yaml",
        QNA + "- question: Why?\n  answer: Yes\n",
        ["line 8", "is True, not text", "quotes"],
    ),
    "qna: a date": (
        "qna.yaml",
        QNA + "- question: Why?\n  answer: 2024-05-01\n",
        ["line 8", "date"],
    ),
    "qna: a date that is none": (
        "qna.yaml",
        QNA + "- question: Why?\n  answer: 2024-13-45\n",
        ["line 8", "quotes"],
    ),
    "qna: a number that is none": (
        "qna.yaml",
        QNA + "- question: Why?\n  answer: !!int\n",
        ["line 8", "quotes"],
    ),
    "qna: bold text": (
        "qna.yaml",
        QNA + "- question: Why?\n  answer: *So*\n",
        ["line 8", "in quotes"],
    ),
    "qna: nothing": (
        "qna.yaml",
        QNA + "- question: Why?\n  answer:\n",
        ["line 8", "is None, not text"],
    ),
    "qna: a list": (
        "qna.yaml",
        QNA + "- question: Why?\n  answer: [a]\n",
        ["line 8", "is ['a'], not text"],
    ),
    "qna: a Python object": (
        "qna.yaml",
        QNA + "- question: Why?\n  answer: !!python/name:os.system x\n",
        ["line 8", "not valid YAML"],
    ),
    "qna: a key twice": (
        "qna.yaml",
        QNA + "- question: a\n  answer: b\n  question: c\n",
        ["line 9", "question", "twice"],
    ),
    "qna: a key that is a list": (
        "qna.yaml",
        QNA + "? [a]\n: b\n",
        ["line 7", "not valid YAML", "where a key should"],
    ),
    "qna: some contexts": (
        "qna.yaml",
        QNA + "- question: a\n  answer: b\n  context: c\n",
        ["1 of 2 seeds", "line 5"],
    ),
    "qna: seeds that are no list": (
        "qna.yaml",
        QNA.split("- ")[0] + "  a: b\n",
        ["line 5", "seed_examples", "list"],
    ),
    "qna: no seeds": ("qna.yaml", QNA.split("\n- ")[0] + " []\n", ["no seeds"]),
    "qna: a seed that is text": ("qna.yaml", QNA + "- Why?\n", ["line 7", "it must be a mapping"]),
    "qna: a list at the top": ("qna.yaml", "- a\n- b\n", ["line 1", "it must be a mapping"]),
    "qna: broken": ("qna.yaml", QNA + "- question: 'a\n", ["qna.yaml, line", "not valid YAML"]),
    "qna: a tab": ("qna.yaml", QNA + "\t- question: a\n", ["line 7", "not valid YAML"]),
    "qna: a control character": (
        "qna.yaml",
        QNA + "- question: \x07\n",
        ["line 7", "not valid YAML", "unacceptable character"],
    ),
    "qna: deep nesting": ("qna.yaml", "[" * 20_000, ["not valid YAML", "levels deep"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_reported_with_file_line_and_column(tmp_path: Path, fault: str) -> None:
    name, content, phrases = FAULTS[fault]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SeedError) as raised:
        read_seeds(path)
    message = str(raised.value)
    assert message.startswith(str(path))
    assert [phrase for phrase in phrases if phrase not in message] == []
    assert message.endswith((".", "…].")), "the message ends with what to do"
    assert len(message) < 900 and message.count("\n") <= 5


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SeedError, match="there is no such file"):
        read_seeds(tmp_path / "none.jsonl")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(SeedError, match="holds no run, no skill"):
        read_seeds(tmp_path / "folder.csv")


def test_faults_in_a_parquet_file_or_dataset_are_reported_by_row(tmp_path: Path) -> None:
    rows = [ROW, {**ROW, "seed_response": "  "}]
    write_parquet(tmp_path / "a.parquet", rows)
    with pytest.raises(SeedError, match="row 2, column seed_response: is empty"):
        read_seeds(tmp_path / "a.parquet")
    import datasets

    with pytest.raises(
        SeedError, match=r"seeds \(Dataset\), row 2, column seed_response: is empty"
    ):
        read_seeds(datasets.Dataset.from_list(rows))
    numbers = [{**ROW, "seed_question": n} for n in (1, 2)]
    write_parquet(tmp_path / "b.parquet", numbers)
    with pytest.raises(SeedError, match="row 1, column seed_question: is 1, not text"):
        read_seeds(tmp_path / "b.parquet")


@pytest.mark.parametrize("source", [5, None, {"seed_question": ["x"]}, b"seeds.jsonl"])
def test_a_source_of_another_kind_is_refused(source: Any) -> None:
    with pytest.raises(SeedError, match=r"datasets\.Dataset"):
        read_seeds(source)


def test_a_list_of_something_else_is_refused() -> None:
    with pytest.raises(SeedError, match="row 2: a seed is an object"):
        read_seeds([ROW, "text"])
    with pytest.raises(SeedError, match=r"row 1, column seen: cannot be stored .*datetime"):
        import datetime

        read_seeds([{**ROW, "seen": datetime.datetime(2024, 1, 1)}])
    with pytest.raises(SeedError, match="row 1: a column is named 7"):
        read_seeds([{**ROW, 7: "x"}])


def test_up_to_five_findings_are_listed_and_the_rest_counted() -> None:
    with pytest.raises(SeedError) as raised:
        read_seeds([{**ROW, "seed_response": ""} for _ in range(8)])
    lines = str(raised.value).splitlines()
    assert [line.split(",")[1].strip() for line in lines[:5]] == [f"row {n}" for n in range(1, 6)]
    assert lines[5:] == ["seeds (list): 3 more findings."]


def test_a_dataset_needs_further_columns_of_one_type() -> None:
    rows = [{**ROW, "weight": 1}, {**ROW, "weight": "heavy"}]
    assert read_seeds(rows) == rows
    with pytest.raises(SeedError, match="one type"):
        load_seeds(rows)


# What an error carries ---------------------------------------------------------------------------


def test_a_seed_error_knows_the_place_of_every_finding(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join([GOOD, "", changed(seed_question=""), without("seed_response")]))
    with pytest.raises(SeedError) as raised:
        read_seeds(path)
    error = raised.value
    assert (error.file, error.line, error.row, error.column) == (str(path), 3, 2, "seed_question")
    assert [(f.line, f.row, f.column) for f in error.findings] == [
        (3, 2, "seed_question"),
        (4, 3, "seed_response"),
    ]
    assert error.findings[0].problem == "is empty. Write the text, or remove it."


def test_a_file_that_cannot_be_read_is_an_error_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "qna.yaml"
    path.write_text(QNA + "- question: Why?\n  answer: *So*\n")
    with pytest.raises(SeedError) as raised:
        read_seeds(path)
    assert (raised.value.file, raised.value.line) == (path, 8)


def test_seeds_without_a_context_among_others_are_all_named() -> None:
    with pytest.raises(SeedError) as raised:
        read_seeds([GROUNDED[0], ROW, ROW])
    assert [finding.row for finding in raised.value.findings] == [2, 3]


# Kind, key and saving -----------------------------------------------------------------------------


def test_the_seeds_say_which_skill_they_teach() -> None:
    assert skill(GROUNDED) == "grounded"
    assert skill(FREEFORM) == "freeform"
    assert skill([{**ROW, "seed_context": None}]) == "freeform"
    with pytest.raises(SeedError, match="missing in row 2"):
        read_seeds([GROUNDED[0], ROW])


def test_a_seed_keeps_its_key_in_whatever_order_its_columns_stand_and_whatever_its_id() -> None:
    assert row_key(ROW) == row_key(dict(reversed(ROW.items()))) == row_key({**ROW, "id": "s7"})
    assert len({row_key(row) for row in GROUNDED + FREEFORM}) == 4
    swapped = {**ROW, "seed_question": ROW["seed_response"], "seed_response": ROW["seed_question"]}
    assert row_key(swapped) != row_key(ROW)


def test_saving_writes_the_whole_file_or_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "new" / "seeds.jsonl"
    save_seeds(GROUNDED, path)
    before = path.read_bytes()
    assert "零".encode() in before
    with pytest.raises(SeedError, match="row 2"):
        save_seeds([GROUNDED[0], {**GROUNDED[1], "seed_response": ""}], path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["seeds.jsonl"]


def test_saving_to_an_impossible_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SeedError, match=r"\.jsonl"):
        save_seeds(GROUNDED, tmp_path / "seeds.csv")
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="cannot be written"):
        save_seeds(GROUNDED, tmp_path / "file" / "seeds.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(RunError, match="cannot be written"):
        save_seeds(GROUNDED, tmp_path / "folder.jsonl")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder.jsonl"]
