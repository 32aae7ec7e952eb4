"""What flows through a run: rows, the samples they become, and what identifies them."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar, runtime_checkable

Row: TypeAlias = Mapping[str, Any]
"""One row: the values of its columns, by name."""

RowT = TypeVar("RowT", bound=Row)


@runtime_checkable
class HasSamples(Protocol):
    """Something with samples of its own, such as a run."""

    def samples(self) -> Iterable[Row]:
        """All samples, in lineage order."""


RowSource: TypeAlias = HasSamples | Iterable[Row]
"""Rows, or a run, whose samples are meant."""

TEXTS = ("context", "question", "response")
"""The columns of a sample that a reader judges, in the order in which they are read."""


def rows_of(source: RowSource) -> Iterable[Row]:
    """The rows that a function was given, or the samples of the run that it was given."""
    return source.samples() if isinstance(source, HasSamples) else source


def content_key(sample: Row) -> str:
    """The key of a sample's content, under which a reviewer's decision about it is stored.

    The decision applies to every sample with the same context, question and response, in whichever
    run it is made. In a pipeline without these columns, all columns count.

    Args:
        sample: The sample.

    Returns:
        24 hexadecimal digits.

    Example:
        >>> content_key({"id": "s1/q1", "question": "Why?", "response": "Because."})
        '11e0c80abc36bc0fde570605'
    """
    texts = [sample.get(column) for column in TEXTS]
    if not any(isinstance(text, str) for text in texts):
        columns = sorted(sample.items())
        texts = []
        for name, value in columns:
            if name != "id":
                texts.append(f"{name}={value}")
    text = json.dumps(texts, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def own_question(sample: Row) -> str:
    """A sample's question without the context that the grounded method's last stage put before it.

    Example:
        >>> own_question({"context": "A memo.", "question": "A memo.\\n\\nWho wrote it?"})
        'Who wrote it?'
    """
    question = str(sample.get("question") or "")
    context = sample.get("context") or ""
    return question.removeprefix(f"{context}\n\n")


def texts_in(row: Row, columns: Iterable[str]) -> list[str]:
    """The texts in these columns of a row, "" where there is none.

    Example:
        >>> texts_in({"question": "Why?", "context": None}, ("context", "question", "response"))
        ['', 'Why?', '']
    """
    return [str(row.get(column) or "") for column in columns]


def only_columns(row: Row, columns: Iterable[str]) -> dict[str, Any]:
    """These columns of a row, None where it has none.

    Example:
        >>> only_columns({"id": "s1/q1", "score": 3.0}, ("id", "faults"))
        {'id': 's1/q1', 'faults': None}
    """
    return {column: row.get(column) for column in columns}


def with_ids(rows: Iterable[Row], letter: str) -> list[dict[str, Any]]:
    """Rows with ids: those that have none are numbered behind this letter, from 1.

    Example:
        >>> [row["id"] for row in with_ids([{"id": "s7"}, {"context": "A memo."}], "r")]
        ['s7', 'r2']
    """
    rows_with_ids = []
    for number, row in enumerate(rows, 1):
        rows_with_ids.append({**row, "id": str(row.get("id") or f"{letter}{number}")})
    return rows_with_ids


def rows_by_id(rows: Iterable[RowT]) -> dict[str, RowT]:
    """Rows by their ids; of several with one id, the last."""
    by_id = {}
    for row in rows:
        by_id[str(row["id"])] = row
    return by_id


def without_ids(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The columns of rows without their ids; see `without_id`."""
    return [without_id(row) for row in rows]


def without_id(row: Row) -> dict[str, Any]:
    """A row's columns without its id, which says where it comes from and not what it is.

    Example:
        >>> without_id({"id": "s1", "seed_question": "Why?"})
        {'seed_question': 'Why?'}
    """
    columns = {}
    for name, value in row.items():
        if name != "id":
            columns[name] = value
    return columns


def seed_of(id: str) -> str:
    """The id of the seed that a row came from.

    Example:
        >>> seed_of("s3/c7/q2")
        's3'
    """
    return id.partition("/")[0]


def normalized(row: Row, names: Sequence[str]) -> str:
    """The row's texts in some columns, as one text in which white space makes no difference.

    Example:
        >>> normalized({"question": " Why  not? "}, ["question"])
        'Why not?'
    """
    return "\x1f".join(" ".join(str(row[name]).split()) for name in names)
