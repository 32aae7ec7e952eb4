"""What a run leaves for a trainer: training formats, JSON Lines and Parquet, written whole or not at all.

Rows stream through: memory is one batch, whatever the number of samples. `datasets` and pandas are not needed
here.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdgkit.errors import RunError
from sdgkit.files import write_atomically

if TYPE_CHECKING:
    import pyarrow as pa

Row = Mapping[str, Any]

_BATCH = 1_000  # rows in memory at a time, and in a row group
_NO_ROWS = (
    "id",
    "task_description",
    "question",
    "response",
    "evaluation",
    "score",
)  # of a Parquet file with none


def messages(sample: Row, system: str | None = None) -> dict[str, Any]:
    """Chat messages as trainers read them: `{"id", "messages": [system, user, assistant]}`.

    The user's message is the sample's `question`, in which the grounded method has put the context already;
    the assistant's is its `response`. `system` is the user's own message, never the teacher's; without one
    there is none.
    """
    turns = [{"role": "system", "content": system}] if system else []
    turns.append({"role": "user", "content": _text(sample, "question")})
    turns.append({"role": "assistant", "content": _text(sample, "response")})
    return {"id": sample.get("id"), "messages": turns}


def instructlab(sample: Row, system: str | None = None) -> dict[str, Any]:
    """A line of InstructLab's training files (instructlab/sdg, docs/dataset_formats.md): the chat messages, and a text
    of JSON with the system message."""
    return messages(sample, system) | {
        "metadata": json.dumps({"system": system or ""}, ensure_ascii=False)
    }


def alpaca(sample: Row, system: str | None = None) -> dict[str, Any]:
    """Alpaca's form: the question is the instruction, the context its input (tatsu-lab/stanford_alpaca)."""
    context, question = str(sample.get("context") or ""), _text(sample, "question")
    line = {
        "id": sample.get("id"),
        "instruction": question.removeprefix(f"{context}\n\n"),
        "input": context,
    }
    return line | {"output": _text(sample, "response")} | ({"system": system} if system else {})


def sharegpt(sample: Row, system: str | None = None) -> dict[str, Any]:
    """ShareGPT's form: a conversation from human to gpt."""
    named = {"system": "system", "user": "human", "assistant": "gpt"}
    turns = messages(sample, system)["messages"]
    said = [{"from": named[turn["role"]], "value": turn["content"]} for turn in turns]
    return {"id": sample.get("id"), "conversations": said}


def table(sample: Row, system: str | None = None) -> dict[str, Any]:
    """Every column of the sample, and its chat messages."""
    return {**sample, **messages(sample, system)}


def preference(original: Row, edited: Row, system: str | None = None) -> dict[str, Any]:
    """A preference pair, as TRL's trainers read it: what a person made of a response is chosen, the original rejected.

    original: the sample as the teacher wrote it; edited: as it was edited. An edited question stands in the prompt of
    both.
    """
    *prompt, chosen = messages(edited, system)["messages"]
    rejected = {"role": "assistant", "content": _text(original, "response")}
    return {"id": edited.get("id"), "prompt": prompt, "chosen": [chosen], "rejected": [rejected]}


FORMATS: dict[str, Callable[[Row, str | None], dict[str, Any]]] = {
    "messages": messages,
    "instructlab": instructlab,
    "alpaca": alpaca,
    "sharegpt": sharegpt,
    "parquet": table,
}


def train_file(teacher: str | None, format: str = "messages") -> str:
    """The name of a run's training file or folder in this format; that of a rehearsal says so."""
    names = {"parquet": "train.parquet", "datasets": "datasets"}
    return f"{'rehearsal_' if teacher == 'rehearsal' else ''}{names.get(format, f'train_{format}.jsonl')}"


def _text(sample: Row, column: str) -> str:
    text = sample.get(column)
    if not isinstance(text, str):
        raise RunError(
            f"Sample {sample.get('id')} has no text in column {column!r}, which a training file needs."
        )
    return text


def write_text(path: str | Path, pieces: Iterable[str]) -> int:
    """Write text, piece by piece, as UTF-8; returns how many pieces."""
    written = 0
    with write_atomically(path) as file:
        for piece in pieces:
            file.write(_whole(piece).encode())
            written += 1
    return written


def write_jsonl(path: str | Path, rows: Iterable[Row]) -> int:
    """Write rows as JSON Lines (UTF-8, one object a line); returns how many."""
    return write_text(path, (f"{_json(row)}\n" for row in rows))


def write_parquet(path: str | Path, rows: Callable[[], Iterable[Row]]) -> int:
    """Write rows as Parquet; returns how many.

    rows: a new iterator at each call; they are gone through twice, since a column or a field may first appear in the
    last of them. Columns stand in the order in which they appear; text is string, `score` float64, a dictionary such
    as `vary` a struct. A column whose values have no common type becomes text, its values other than text as JSON.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema(rows())
    written = 0
    with (
        write_atomically(path) as file,
        pq.ParquetWriter(file, schema, compression="zstd") as writer,
    ):
        for batch in _batches(rows()):
            for name in (field.name for field in schema if pa.types.is_string(field.type)):
                for row in batch:
                    if not isinstance(row.get(name), str | None):
                        row[name] = _json(row[name])
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            written += len(batch)
    return written


def as_stored(row: Row) -> dict[str, Any]:
    """A row as the line of a JSON file holds it."""
    return dict(json.loads(_whole(_json(row))))


def _batches(rows: Iterable[Row]) -> Iterator[list[dict[str, Any]]]:
    lines = map(as_stored, rows)
    while batch := list(itertools.islice(lines, _BATCH)):
        yield batch


def _schema(rows: Iterable[Row]) -> pa.Schema:
    """One schema that holds every row."""
    import pyarrow as pa

    types: dict[str, pa.DataType] = {}
    for batch in _batches(rows):
        for name in dict.fromkeys(itertools.chain.from_iterable(batch)):
            try:
                found = pa.array([row.get(name) for row in batch]).type
                both = [pa.schema({name: types.get(name, found)}), pa.schema({name: found})]
                types[name] = pa.unify_schemas(both, promote_options="permissive").field(0).type
            except (pa.ArrowException, OverflowError):
                types[name] = pa.string()
    types = types or dict.fromkeys(_NO_ROWS, pa.null())
    for name, kind in types.items():
        if pa.types.is_null(kind) or "struct<>" in str(
            kind
        ):  # Parquet has no struct without fields
            types[name] = pa.string()
        if name == "score":
            types[name] = pa.float64()
    return pa.schema(types)


def _json(value: Any) -> str:
    return json.dumps(
        value, ensure_ascii=False, default=str
    )  # str: dates, say, in a user's own columns


def _whole(text: str) -> str:
    """The text with half pairs replaced: a reply may hold one; neither UTF-8 nor Parquet can."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
