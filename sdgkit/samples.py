"""What flows through a run: rows, the samples they become, and what identifies them."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

Row: TypeAlias = Mapping[str, Any]


@runtime_checkable
class HasSamples(Protocol):
    """Something with samples of its own, such as a run."""

    def samples(self) -> Iterable[Row]:
        """All samples, in lineage order."""
        ...


RowSource: TypeAlias = HasSamples | Iterable[Row]


def rows_of(source: RowSource) -> Iterable[Row]:
    """The rows that a function was given, or the samples of the run that it was given."""
    return source.samples() if isinstance(source, HasSamples) else source


TEXTS = ("context", "question", "response")


def content_key(sample: Row) -> str:
    """What a decision holds for: a hash of context, question and response (of all columns where there is none)."""
    texts = [sample.get(column) for column in TEXTS]
    if not any(isinstance(text, str) for text in texts):
        texts = [f"{name}={value}" for name, value in sorted(sample.items()) if name != "id"]
    text = json.dumps(texts, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def own_question(sample: Row) -> str:
    """A sample's question without the context that the grounded method's last stage put above it."""
    return str(sample.get("question") or "").removeprefix(f"{sample.get('context') or ''}\n\n")


def seed_of(id: str) -> str:
    """The seed that a row came from: "s3" of "s3/c7/q2"."""
    return id.partition("/")[0]


def normalized(row: Row, names: Sequence[str]) -> str:
    """The row's texts in these columns, in which white space makes no difference."""
    return "\x1f".join(" ".join(str(row[name]).split()) for name in names)
