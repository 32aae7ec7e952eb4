"""Contexts as people have them: folders of texts, patterns, tables with other names."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from servers import FaultServer

import sdgkit as sk
from sdgkit.errors import SeedError, SettingsError
from sdgkit.method.context_files import ContextReading
from sdgkit.method.own_contexts import read_contexts
from sdgkit.seeds.documents import parse_split, split_document

SEED = {
    "task_description": "Sum the note up in one sentence.",
    "seed_context": "The lift stopped at nine.",
    "seed_question": "What happened?",
    "seed_response": "The lift stopped.",
}
MANUAL = """---
title: Manual
---
# Pump

Check the valve.

## Noise

```
# not a heading
```
Call us.

Care
----
Clean it.
"""


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    (folder / "more").mkdir(parents=True)
    (folder / "a.txt").write_text("First note.\n")
    (folder / "more" / "b.md").write_text(MANUAL)
    (folder / "empty.txt").write_text("\n\n")
    (folder / ".hidden.txt").write_text("Secret.")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    return folder


def test_a_folder_of_texts_gives_one_context_a_file_and_says_how_many(
    notes: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "sdgkit"):
        rows = read_contexts(notes)
    assert [(row["source"], row["context"][:11]) for row in rows] == [
        ("a.txt", "First note."),
        ("more/b.md", "# Pump\n\nChe"),
    ]
    assert "2 contexts from 3 files" in caplog.text and "1 empty file left out" in caplog.text


@pytest.mark.parametrize(("pattern", "number"), [("*.txt", 1), ("**/*.md", 1), ("**/*.*", 2)])
def test_a_pattern_gives_the_files_that_match(notes: Path, pattern: str, number: int) -> None:
    assert len(read_contexts(f"{notes}/{pattern}")) == number


def test_a_pattern_that_nothing_matches_is_refused(notes: Path) -> None:
    with pytest.raises(SeedError, match="no files match"):
        read_contexts(f"{notes}/*.docx")


def test_a_document_is_split_at_its_headings() -> None:
    assert split_document(MANUAL, "heading") == [
        "# Pump\n\nCheck the valve.",
        "## Noise\n\n```\n# not a heading\n```\nCall us.",
        "Care\n----\nClean it.",
    ]


@pytest.mark.parametrize("most", [1, 3, 7, 50])
@pytest.mark.parametrize(
    "text",
    [
        "One two three. Four five six seven eight.\n\nNine ten.\n\nEleven twelve thirteen.",
        "word " * 40,
        "\u6253\u5370\u673a\u5361\u7eb8\u3002" * 12,
    ],
)
def test_a_document_is_split_by_size_without_losing_anything(text: str, most: int) -> None:
    from sdgkit.prompts.words import count_words

    pieces = split_document(text, most)
    assert all(count_words(piece) <= most for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


@pytest.mark.parametrize("value", ["sentence", 0, -3, "1.5", True])
def test_another_way_to_split_is_refused(value: object) -> None:
    with pytest.raises(SettingsError, match="split_contexts must be"):
        parse_split(value)


@pytest.mark.parametrize("name", ["text", "content", "page_content", "Passage"])
def test_a_table_with_another_name_for_its_texts_is_read_and_said(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "contexts.jsonl"
    path.write_text(json.dumps({name: "A note.", "team": "blue"}))
    with caplog.at_level(logging.WARNING, "sdgkit"):
        [row] = read_contexts(path)
    assert row == {"context": "A note.", "team": "blue"}
    assert repr(name) in caplog.text


def test_a_column_for_contexts_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "contexts.csv"
    path.write_text("text;body\nA note.;B\n")
    with pytest.raises(SeedError, match="no text in the column 'context'"):
        read_contexts(path)
    [row] = read_contexts(path, ContextReading(columns={"context": "body"}))
    assert row == {"context": "B", "text": "A note."}


def test_a_table_in_parquet_is_read(tmp_path: Path) -> None:
    import pandas

    pandas.DataFrame({"context": ["A note."]}).to_parquet(tmp_path / "c.parquet")
    assert read_contexts(tmp_path / "c.parquet") == [{"context": "A note."}]


def test_a_run_takes_a_folder_of_texts(notes: Path) -> None:
    planned = sk.plan([SEED], contexts=notes, split_contexts="heading")
    assert len(planned.settings["contexts"]) == 4


def test_contexts_that_do_not_fit_the_teacher_are_refused_before_anything_is_asked(
    notes: Path,
) -> None:
    (notes / "long.txt").write_text("word " * 9_000)
    with FaultServer() as server:
        server.rows = [{"id": "tiny", "max_model_len": 8192}]
        options: dict[str, Any] = {"contexts": notes, "profile": False}
        with sk.connect(base_url=server.base_url) as teacher:
            sk.plan([SEED], teacher=teacher, split_contexts=1000, **options)
            with pytest.raises(SeedError, match=r"1 of 3 do not fit .* 8,192 .*\(long\.txt\)"):
                sk.generate([SEED], teacher=teacher, **options)
        assert not server.asked
