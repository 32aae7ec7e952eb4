"""Training formats, the dataset's card, and sets made of several runs."""

from sdgkit.export.formats import (
    FORMATS,
    Row,
    alpaca,
    as_stored,
    instructlab,
    messages,
    preference,
    sharegpt,
    table,
    train_file,
    write_jsonl,
    write_parquet,
    write_text,
)

__all__ = [
    "FORMATS",
    "Row",
    "alpaca",
    "as_stored",
    "instructlab",
    "messages",
    "preference",
    "sharegpt",
    "table",
    "train_file",
    "write_jsonl",
    "write_parquet",
    "write_text",
]
