"""Training formats, the dataset's card, and sets made of several runs."""

from sdgkit.export.files import as_stored, write_jsonl, write_parquet, write_text
from sdgkit.export.formats import (
    FORMATS,
    alpaca,
    instructlab,
    messages,
    preference,
    sharegpt,
    table,
    train_file,
)

__all__ = [
    "FORMATS",
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
