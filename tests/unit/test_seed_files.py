"""Seeds as people have them: what spreadsheets, libraries and the Hub write."""

import dataclasses
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from servers import FaultServer

from sdgkit.errors import SeedError, SettingsError
from sdgkit.seeds import Seed, read_seeds

TASK = "Say what broke."
ROWS: list[Seed] = [
    {
        "task_description": TASK,
        "seed_context": "Pump 3 lost pressure; valve \u201eB\u201c leaks \u2013 12 €",
        "seed_question": "Was ist los, kurz?",
        "seed_response": "Größe stimmt nicht, Ventil B leckt.",
    },
    {
        "task_description": TASK,
        "seed_context": 'Belt torn, "twice" today',
        "seed_question": "And\nhere?",
        "seed_response": "The belt tore.",
    },
]
HEADER = list(ROWS[0])


def delimited(separator: str, rows: list[Seed] = ROWS, header: list[str] = HEADER) -> str:
    """Rows as a spreadsheet saves them."""

    def quoted(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    lines = [separator.join(header)]
    lines += [separator.join(quoted(row[name]) for name in HEADER) for row in rows]
    return "\r\n".join(lines) + "\r\n"


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_the_separator_of_a_table_is_found_out(tmp_path: Path, separator: str, suffix: str) -> None:
    path = tmp_path / f"seeds{suffix}"
    path.write_text(delimited(separator), encoding="utf-8", newline="")
    assert read_seeds(path) == ROWS


def test_the_separator_that_excel_declares_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "seeds.csv"
    path.write_text("sep=;\r\n" + delimited(";"), encoding="utf-8", newline="")
    assert read_seeds(path) == ROWS
    path.write_text("sep=;\r\n" + delimited(";") + "x;y\r\n", encoding="utf-8", newline="")
    with pytest.raises(SeedError, match="line 6: 2 fields where the header has 4"):
        read_seeds(path)


@pytest.mark.parametrize("ending", ["\r\n", ",,,\r\n,,,\r\n", "  \r\n", '"",,,\r\n'])
def test_blank_rows_of_a_spreadsheet_are_skipped(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "seeds.csv"
    path.write_text(ending + delimited(",") + ending, encoding="utf-8", newline="")
    assert read_seeds(path) == ROWS


def test_separators_at_the_end_of_the_lines_are_no_columns(tmp_path: Path) -> None:
    path = tmp_path / "seeds.csv"
    text = delimited(";").replace(";seed_response\r\n", ";seed_response;;\r\n")
    path.write_text(text, encoding="utf-8", newline="")
    with pytest.raises(SeedError, match="4 fields where the header has 6"):
        read_seeds(path)
    single = [{**row, "seed_question": row["seed_question"].replace("\n", " ")} for row in ROWS]
    path.write_text(delimited(";", single).replace("\r\n", ";;\r\n"), encoding="utf-8", newline="")
    assert read_seeds(path) == single


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "index", "level_0"])
def test_the_index_that_pandas_writes_is_no_column(tmp_path: Path, name: str) -> None:
    path = tmp_path / "seeds.csv"
    numbered = delimited(",").replace("task_description,seed", f"{name},task_description,seed")
    for number, row in enumerate(ROWS):
        start = f'"{row["task_description"]}","{row["seed_context"][:4]}'
        numbered = numbered.replace(start, f"{number},{start}")
    path.write_text(numbered, encoding="utf-8", newline="")
    assert read_seeds(path) == ROWS


def test_the_index_in_a_parquet_file_of_pandas_is_no_column(tmp_path: Path) -> None:
    import pandas

    frame = pandas.DataFrame(ROWS, index=[4, 7])
    frame.to_parquet(tmp_path / "seeds.parquet")
    assert read_seeds(tmp_path / "seeds.parquet") == ROWS


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-16-le", "utf-16-be"])
def test_an_encoding_that_the_file_names_itself_is_found(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "seeds.csv"
    path.write_bytes(delimited("\t").encode(encoding))
    assert read_seeds(path) == ROWS


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".yaml"])
def test_the_line_ends_of_old_macs_are_line_ends(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"qna{suffix}"
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
    texts = {
        ".csv": delimited(";").replace("\r\n", "\r"),
        ".jsonl": lines.replace("\n", "\r"),
        ".yaml": f"task_description: {TASK}\n{EXAMPLES}".replace("\n", "\r"),
    }
    path.write_bytes(texts[suffix].encode())
    assert read_seeds(path) == ([LOADED] if suffix == ".yaml" else ROWS)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_another_encoding_is_named_and_can_be_given(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"seeds{suffix}"
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
    text = delimited(";") if suffix == ".csv" else lines
    path.write_bytes(text.encode("cp1252"))
    with pytest.raises(SeedError, match="cp1252: add --encoding cp1252"):
        read_seeds(path)
    assert read_seeds(path, encoding="cp1252") == ROWS
    with pytest.raises(SeedError, match="there is no encoding 'windows'"):
        read_seeds(path, encoding="windows")


def write_xlsx(path: Path, rows: list[list[Any]]) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.create_sheet("notes").append(["something else"])
    book.save(path)


def test_a_sheet_of_excel_is_read_and_its_figures_are_text(tmp_path: Path) -> None:
    path = tmp_path / "seeds.xlsx"
    answers: list[list[Any]] = [[TASK, "How many?", 42], [TASK, "How much?", 2.5], [None] * 3]
    write_xlsx(path, [["task_description", "seed_question", "seed_response"], *answers])
    assert [row["seed_response"] for row in read_seeds(path)] == ["42", "2.5"]


def test_a_date_in_a_sheet_is_refused_with_its_row(tmp_path: Path) -> None:
    import datetime

    path = tmp_path / "seeds.xlsx"
    day = datetime.datetime(2024, 5, 1)
    write_xlsx(path, [["task_description", "question", "answer"], [TASK, "When?", day]])
    with pytest.raises(SeedError, match="row 2: a cell holds the date"):
        read_seeds(path)


def test_a_file_that_is_no_workbook_is_refused(tmp_path: Path) -> None:
    (tmp_path / "seeds.xlsx").write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(SeedError, match="cannot be read"):
        read_seeds(tmp_path / "seeds.xlsx")


# ---- a qna.yaml

EXAMPLES = "seed_examples:\n- question: Why?\n  answer: So.\n  context: It rains.\n"
LOADED = {
    "task_description": TASK,
    "seed_question": "Why?",
    "seed_response": "So.",
    "seed_context": "It rains.",
}


@pytest.mark.parametrize(
    "version", ["", "version: 1\n", 'version: "3"\n', "version: 2.0\n", "version: ~\n"]
)
def test_a_qna_yaml_needs_no_version(tmp_path: Path, version: str) -> None:
    path = tmp_path / "qna.yaml"
    path.write_text(f"{version}task_description: {TASK}\n{EXAMPLES}")
    assert read_seeds(path) == [LOADED]
    assert read_seeds(tmp_path) == [LOADED]


@pytest.mark.parametrize("task", ["task_description: ''\n", "task_description:\n", ""])
def test_a_task_can_be_given_where_the_file_has_none(tmp_path: Path, task: str) -> None:
    path = tmp_path / "qna.yaml"
    path.write_text(task + EXAMPLES)
    with pytest.raises(SeedError, match="task_description"):
        read_seeds(path)
    assert read_seeds(path, task=TASK) == [LOADED]


# ---- other names of columns


@pytest.mark.parametrize(
    ("question", "response"),
    [
        ("question", "answer"),
        ("instruction", "output"),
        ("prompt", "completion"),
        ("Question", "Response"),
        ("User", "Assistant"),
        ("problem", "solution"),
        ("input", "output"),
        ("Seed Question", "seed-response"),
        ("seed_question", "answer"),
    ],
)
def test_usual_names_of_columns_are_read_and_said(
    tmp_path: Path, question: str, response: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_text(json.dumps({"task_description": TASK, question: "Why?", response: "So."}))
    with caplog.at_level(logging.WARNING, "sdgkit"):
        [seed] = read_seeds(path)
    assert (seed["seed_question"], seed["seed_response"]) == ("Why?", "So.")
    assert repr(response) in caplog.text


def test_alpacas_rows_are_read_with_their_input_as_the_context() -> None:
    rows = [{"instruction": "Shorten.", "input": "A long text.", "output": "Text."}]
    [seed] = read_seeds(rows, task=TASK)
    assert seed == {
        "task_description": TASK,
        "seed_question": "Shorten.",
        "seed_context": "A long text.",
        "seed_response": "Text.",
    }
    [freeform] = read_seeds([{**rows[0], "input": ""}], task=TASK)
    assert freeform["input"] == "" and "seed_context" not in freeform


def test_names_that_could_mean_two_things_are_refused_with_the_columns() -> None:
    rows = [{"task_description": TASK, "question": "Why?", "prompt": "Say.", "answer": "So."}]
    with pytest.raises(SeedError, match=r"--column seed_question=NAME; the columns here are"):
        read_seeds(rows)
    [seed] = read_seeds(rows, columns={"seed_question": "question", "seed_response": "answer"})
    assert (seed["seed_question"], seed["prompt"]) == ("Why?", "Say.")


def test_a_column_that_is_mapped_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SeedError, match="no column 'reply' for seed_response; the columns are"):
        read_seeds(ROWS, columns="seed_response=reply")
    with pytest.raises(SettingsError, match="NAME=COLUMN"):
        read_seeds(ROWS, columns="reply")


CHAT = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{"role": "system", "content": TASK}, *CHAT]},
        {"messages": json.dumps([{"role": "system", "content": TASK}, *CHAT])},
        {"task_description": TASK, "messages": CHAT},
        {
            "task_description": TASK,
            "messages": [CHAT[0], {**CHAT[1], "content": [{"text": "So."}]}],
        },
        {
            "task_description": TASK,
            "conversations": [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}],
        },
        {"task_description": TASK, "prompt": [CHAT[0]], "completion": [CHAT[1]]},
    ],
)
def test_chats_of_one_question_and_one_answer_are_read(
    row: Seed, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "sdgkit"):
        [seed] = read_seeds([row])
    wanted = {"task_description": TASK, "seed_question": "Why?", "seed_response": "So."}
    assert seed == wanted
    assert caplog.text


def test_a_chat_of_several_turns_is_refused_with_its_row() -> None:
    with pytest.raises(SeedError, match=r"row 2: column messages: .*user, assistant, user"):
        read_seeds([{"messages": CHAT}, {"messages": [*CHAT, CHAT[0]]}], task=TASK)


# ---- what libraries hold


@dataclasses.dataclass
class Example:
    task_description: str
    seed_question: str
    seed_response: str


def test_rows_of_any_library_are_read() -> None:
    import datasets
    import pandas
    import pyarrow

    frame = pandas.DataFrame(ROWS)
    dataset = datasets.Dataset.from_list(ROWS)
    splits = datasets.DatasetDict({"test": dataset.select([0]), "train": dataset})
    for source in (frame, pyarrow.Table.from_pylist(ROWS), splits, iter(ROWS), tuple(ROWS)):
        assert read_seeds(source) == ROWS
    assert read_seeds(dataset.to_iterable_dataset()) == ROWS
    [seed] = read_seeds([Example(TASK, "Why?", "So.")])
    assert seed["seed_response"] == "So."


def test_splits_without_train_are_refused_by_name() -> None:
    import datasets

    dataset = datasets.Dataset.from_list(ROWS)
    with pytest.raises(SeedError, match="with the splits dev, test"):
        read_seeds(datasets.DatasetDict({"dev": dataset, "test": dataset}))


def test_what_save_to_disk_wrote_is_read(tmp_path: Path) -> None:
    import datasets

    dataset = datasets.Dataset.from_list(ROWS)
    dataset.save_to_disk(tmp_path / "one", num_shards=2)
    splits = datasets.DatasetDict({"test": dataset.select([0]), "train": dataset})
    splits.save_to_disk(tmp_path / "splits")
    assert read_seeds(tmp_path / "one") == ROWS
    assert read_seeds(tmp_path / "splits") == ROWS
    assert read_seeds(tmp_path / "splits" / "test") == ROWS[:1]


def test_a_folder_as_on_the_hub_gives_its_train_split(tmp_path: Path) -> None:
    import datasets

    dataset = datasets.Dataset.from_list(ROWS)
    (tmp_path / "data").mkdir()
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n")
    for number in range(2):
        path = tmp_path / "data" / f"train-0000{number}-of-00002.parquet"
        dataset.select([number]).to_parquet(path)
    dataset.select([0]).to_parquet(tmp_path / "data" / "test-00000-of-00001.parquet")
    assert read_seeds(tmp_path) == ROWS


def write_lines(path: Path, rows: list[Seed]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_the_files_that_a_dataset_card_names_are_read_and_no_others(tmp_path: Path) -> None:
    write_lines(tmp_path / "data" / "good.jsonl", ROWS)
    write_lines(tmp_path / "data" / "rejected.jsonl", ROWS[:1])
    (tmp_path / "README.md").write_text(
        "---\nlicense: mit\nconfigs:\n- config_name: default\n  data_files:\n"
        "  - split: train\n    path: data/g*.jsonl\n  - split: test\n"
        "    path: [data/rejected.jsonl]\n---\n# Seeds\n"
    )
    assert read_seeds(tmp_path) == ROWS


def test_of_several_configurations_the_default_is_read_or_they_are_named(tmp_path: Path) -> None:
    write_lines(tmp_path / "de.jsonl", ROWS)
    write_lines(tmp_path / "en.jsonl", ROWS[:1])
    card = "---\nconfigs:\n- config_name: de\n  data_files: de.jsonl\n{}- config_name: en\n"
    card += "  data_files: en.jsonl\n---\n"
    (tmp_path / "README.md").write_text(card.format("  default: true\n"))
    assert read_seeds(tmp_path) == ROWS
    (tmp_path / "README.md").write_text(card.format(""))
    with pytest.raises(SeedError, match="the configurations de, en"):
        read_seeds(tmp_path)


def test_splits_of_files_without_train_are_refused_by_name(tmp_path: Path) -> None:
    write_lines(tmp_path / "validation.jsonl", ROWS)
    assert read_seeds(tmp_path) == ROWS
    write_lines(tmp_path / "test.jsonl", ROWS)
    with pytest.raises(SeedError, match="the splits test, validation"):
        read_seeds(tmp_path)


def test_a_folder_without_rows_or_with_rows_of_two_kinds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SeedError, match="holds no run, no skill and no data files"):
        read_seeds(tmp_path)
    (tmp_path / "a.csv").write_text("x")
    (tmp_path / "b.jsonl").write_text("{}")
    with pytest.raises(SeedError, match=r"several kinds of data file \(a\.csv, b\.jsonl\)"):
        read_seeds(tmp_path)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda rows: {"data": rows},
        lambda rows: {"seeds": rows, "n": 2},
        lambda rows: {name: [row[name] for row in rows] for name in HEADER},
        lambda rows: {name: {"0": rows[0][name], "7": rows[1][name]} for name in HEADER},
    ],
)
def test_json_with_its_rows_under_a_key_is_read(tmp_path: Path, wrap: Any) -> None:
    path = tmp_path / "seeds.json"
    path.write_text(json.dumps(wrap(ROWS), indent=1))
    assert read_seeds(path) == ROWS


def test_json_lines_under_the_name_json_are_read(tmp_path: Path) -> None:
    path = tmp_path / "seeds.json"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    assert read_seeds(path) == ROWS


# ---- the Hub


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    """As much of the Hub as a download of one small file needs."""
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()
    sha = "0123456789abcdef0123456789abcdef01234567"
    info = {
        "id": "owner/name",
        "sha": sha,
        "siblings": [
            {"rfilename": "train.jsonl", "size": len(content)},
            {"rfilename": "README.md", "size": 5},
        ],
    }
    tree = [{"type": "file", "path": "train.jsonl", "size": len(content), "oid": "1" * 40}]

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        server.paths.append(request.path)
        if request.path.startswith("/api/datasets/owner/name/tree"):
            return web.json_response(tree)
        if request.path.startswith("/api/datasets/owner/name"):
            return web.json_response(info)
        if request.path.endswith("/train.jsonl"):
            headers = {"ETag": '"abc"', "X-Repo-Commit": sha, "Content-Length": str(len(content))}
            return web.Response(body=content, headers=headers)
        return web.json_response(
            {"error": "Repository not found"}, status=404, headers={"X-Error-Code": "RepoNotFound"}
        )

    with FaultServer() as server:
        server.down()
        monkeypatch.setattr(server, "_handle", handle)
        server.up()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.port}")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(
            "huggingface_hub.constants.AGENT_HARNESSES_PATH", str(tmp_path / "list"), raising=False
        )
        yield server


def test_a_dataset_on_the_hub_is_read_by_its_name(hub: FaultServer) -> None:
    assert read_seeds("hub:owner/name") == ROWS
    assert any(path.endswith("/train.jsonl") for path in hub.paths)
    assert not any(path.endswith("/README.md") for path in hub.paths)


def test_a_dataset_that_the_hub_does_not_have_is_named(hub: FaultServer) -> None:
    with pytest.raises(SeedError, match="hub:owner/other: the Hub cannot give this dataset"):
        read_seeds("hub:owner/other")
    with pytest.raises(SeedError, match="hub:owner/name, or hub:owner/name@revision"):
        read_seeds("hub:name")
