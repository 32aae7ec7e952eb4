"""Training formats, the dataset's card, and sets made of several runs."""

from sdgkit.export.files import arrow_table, write_jsonl, write_parquet, write_text
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
    "arrow_table",
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
