"""What trainers read: complete files, equal rows in both formats, loaded back by `datasets`."""

import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sdgkit.errors import RunError
from sdgkit.export import arrow_table, messages, train_file, write_jsonl, write_parquet
from sdgkit.export.card import write_card
from sdgkit.files import write_atomically
from sdgkit.funnel import StageLine, Summary
from sdgkit.samples import Row


@pytest.fixture(autouse=True)
def quiet_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")


def rows(number: int = 2_500) -> Iterator[dict[str, Any]]:
    for n in range(1, number + 1):
        row = {
            "id": f"s1/c{n}/q1",
            "question": f"Grüße № {n}?\n\n| a | b |",
            "response": '日本語 \u0000 "x"',
            "score": n % 3 + 1.0,
        }
        if n > 1_200:  # appears only in a later batch
            row |= {
                "vary": {"audience": "beginners", "mood": None if n % 2 else "cross"},
                "source": "mail",
            }
        yield row


def load(path: Path, kind: str, cache: Path) -> Any:
    import datasets

    return datasets.load_dataset(kind, data_files=str(path), split="train", cache_dir=str(cache))


def mixed_rows() -> Iterator[dict[str, Any]]:
    """Rows of several batches, whose columns change their type on the way."""
    for n in range(2_500):
        late = n > 1_500
        yield {
            "id": f"s{n}",
            "changing": {"depth": n} if late else n,
            "growing": {"a": "x", "b": [n]} if late else {"a": None},
            "number": n + 0.5 if late else n,
            "nothing": None,
            "half": "Half a pair \ud83d",
        }


@pytest.mark.parametrize("source", [rows, mixed_rows])
def test_a_table_in_memory_is_what_the_parquet_file_holds(
    tmp_path: Path, source: Callable[[], Iterator[Row]]
) -> None:
    import pyarrow.parquet

    write_parquet(tmp_path / "dataset.parquet", source)
    table = arrow_table(source(), ["id"])
    written = pyarrow.parquet.read_table(tmp_path / "dataset.parquet")
    assert table.schema == written.schema.remove_metadata()
    assert table.to_pylist() == written.to_pylist()


def test_a_large_table_is_in_a_file_without_a_name_and_not_in_memory(tmp_path: Path) -> None:
    code = (
        "import sys, pyarrow, pyarrow.ipc\n"
        "from sdgkit.export import arrow_table\n"
        "rows = ({'id': f's{n}', 'text': f'{n} ' * 500} for n in range(20_000))\n"
        "table = arrow_table(rows, ['id'])\n"
        "print(table.nbytes, pyarrow.default_memory_pool().max_memory())\n"
        "print(table.column('text')[19_999].as_py()[:6])\n"
    )
    words = [sys.executable, "-c", code]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    sizes, text = done.stdout.splitlines()
    size, most_in_memory = map(int, sizes.split())
    assert size > 40 * 2**20
    assert most_in_memory < size / 4
    assert text == "19999 "
    assert list(tmp_path.iterdir()) == []


def test_a_large_table_without_room_for_it_says_where_room_is_needed(tmp_path: Path) -> None:
    code = (
        "import resource, pyarrow.ipc\n"
        "from sdgkit.errors import RunError\n"
        "from sdgkit.export import arrow_table\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n"
        "    arrow_table({'text': f'{n} ' * 500} for n in range(5_000))\n"
        "except RunError as error:\n"
        "    print(error)\n"
    )
    words = [sys.executable, "-c", code]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert f"temporary files, {tmp_path}: " in done.stdout
    assert "ulimit -f" in done.stdout


def test_a_table_without_rows_has_the_columns_that_were_asked_for() -> None:
    assert arrow_table([], ["id", "stage"]).column_names == ["id", "stage"]


def test_jsonl_and_parquet_hold_equal_rows_for_datasets(tmp_path: Path) -> None:
    assert write_jsonl(tmp_path / "dataset.jsonl", rows()) == 2_500
    assert write_parquet(tmp_path / "dataset.parquet", rows) == 2_500
    lines = load(tmp_path / "dataset.jsonl", "json", tmp_path / "cache")
    table = load(tmp_path / "dataset.parquet", "parquet", tmp_path / "cache")
    assert table.column_names == ["id", "question", "response", "score", "vary", "source"]
    assert list(table) == list(lines)
    assert table[0]["vary"] is None and table[2_499]["vary"] == {
        "audience": "beginners",
        "mood": "cross",
    }
    assert {column: table.features[column].dtype for column in ("id", "score")} == {
        "id": "string",
        "score": "float64",
    }


def test_the_card_makes_the_folder_a_dataset(tmp_path: Path) -> None:
    import datasets

    folder = tmp_path / "run"
    write_parquet(folder / "dataset.parquet", rows)
    write_jsonl(folder / "train_messages.jsonl", (messages(row, "Be brief.") for row in rows()))
    write_jsonl(folder / "dropped.jsonl", [{"other": 1}])
    stages = [StageLine("gen_responses", rows_in=5, tried=2_500, rows_out=2_500)]
    summary = Summary("done", stages=stages, seeds=5)
    write_card(folder / "README.md", summary, next(rows()), None, name="mail")
    whole = datasets.load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))
    talk = load(folder / "train_messages.jsonl", "json", tmp_path / "cache")
    assert len(whole) == len(talk) == 2_500
    assert [turn["role"] for turn in talk[0]["messages"]] == ["system", "user", "assistant"]


def test_messages_are_question_and_response_with_the_user_s_own_system_message_first() -> None:
    sample = {
        "id": "s1/c1/q1",
        "context": "C",
        "question": "C\n\nQ",
        "response": "R",
        "evaluation": "good",
    }
    turns = [{"role": "user", "content": "C\n\nQ"}, {"role": "assistant", "content": "R"}]
    assert messages(sample) == {"id": "s1/c1/q1", "messages": turns}
    with_system = messages(sample, "S")["messages"]
    assert with_system == [{"role": "system", "content": "S"}, *turns]


def test_a_sample_without_a_response_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"s1/c9.*'response'"):
        write_jsonl(tmp_path / "train.jsonl", map(messages, [{"id": "s1/c9", "question": "Q"}]))
    assert list(tmp_path.iterdir()) == []


def test_a_rehearsal_s_training_file_says_so() -> None:
    assert train_file("rehearsal") == "rehearsal_train_messages.jsonl"
    assert train_file("vllm") == "train_messages.jsonl"
    names = [train_file("rehearsal", format) for format in ("alpaca", "parquet", "datasets")]
    assert names == [
        "rehearsal_train_alpaca.jsonl",
        "rehearsal_train.parquet",
        "rehearsal_datasets",
    ]


@pytest.mark.parametrize("write", [lambda path, rows: write_jsonl(path, rows()), write_parquet])
def test_rows_that_fail_half_way_leave_the_old_file_and_nothing_beside_it(
    tmp_path: Path, write: Callable[[Path, Callable[[], Iterable[Row]]], int]
) -> None:
    path = tmp_path / "dataset"
    path.write_text("old")
    times: list[int] = []

    def failing() -> Iterator[Row]:
        times.append(1)
        yield from rows(1_500)
        if write is not write_parquet or len(times) == 2:
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        write(path, failing)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["dataset"]


def test_a_file_appears_only_when_it_is_whole_and_keeps_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    with write_atomically(path) as file:
        file.write(b"x")
        assert not path.exists()
    assert path.read_bytes() == b"x"
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_file_that_cannot_be_written_is_reported_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file/train\.jsonl cannot be written"):
        write_jsonl(tmp_path / "file" / "train.jsonl", [])


def test_a_link_stays_one_and_a_pipe_is_written_to(tmp_path: Path) -> None:
    link, pipe = tmp_path / "link.jsonl", tmp_path / "pipe"
    link.symlink_to("there.jsonl")
    write_jsonl(link, [{"id": "s1"}])
    assert link.is_symlink() and (tmp_path / "there.jsonl").read_text() == '{"id": "s1"}\n'
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_jsonl(pipe, [{"id": "s1"}])
    assert pipe.is_fifo() and os.read(reader, 99) == b'{"id": "s1"}\n'
    os.close(reader)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        "link.jsonl",
        "pipe",
        "there.jsonl",
    ]


def test_lone_surrogates_are_replaced_in_both_formats(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    odd = [{"id": "s1", "response": "a\ud83db"}]
    write_jsonl(tmp_path / "x.jsonl", odd)
    write_parquet(tmp_path / "x.parquet", lambda: odd)
    line = json.loads((tmp_path / "x.jsonl").read_text(encoding="utf-8"))
    assert (
        line
        == pq.read_table(tmp_path / "x.parquet").to_pylist()[0]
        == {"id": "s1", "response": "a\ufffdb"}
    )


def test_columns_without_a_common_type_become_text(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    odd: list[Row] = [
        {"id": "s1", "n": 1, "v": {}, "none": None, "score": 2},
        {"id": "s2", "n": "two", "v": {}, "none": None, "score": 3},
    ]
    write_parquet(tmp_path / "x.parquet", lambda: odd)
    table = pq.read_table(tmp_path / "x.parquet")
    assert table.column("n").to_pylist() == ["1", "two"]
    assert table.column("v").to_pylist() == ["{}", "{}"]
    assert table.column("none").to_pylist() == [None, None]
    assert table.column("score").to_pylist() == [2.0, 3.0]


def test_a_file_without_rows_has_columns(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    write_parquet(tmp_path / "x.parquet", list)
    table = pq.read_table(tmp_path / "x.parquet")
    assert len(table) == 0 and {"id", "question", "response", "score"} <= set(table.column_names)


def test_forty_megabytes_of_rows_are_written_in_little_memory(tmp_path: Path) -> None:
    def many() -> Iterator[Row]:
        return ({"id": f"s{n}", "response": f"{n} " * 400} for n in range(20_000))

    write_parquet(tmp_path / "warm.parquet", lambda: [{"id": "s1"}])
    tracemalloc.start()
    write_jsonl(tmp_path / "x.jsonl", many())
    write_parquet(tmp_path / "x.parquet", many)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "x.jsonl").stat().st_size > 40e6
    assert peak < 15e6
