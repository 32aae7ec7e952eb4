"""Checks: deterministic validators of a text, each a stage of a pipeline."""

from sdgkit.checks.validators import (
    MAKERS,
    RULES,
    Rule,
    Table,
    facts_in_context,
    language,
    length,
    markdown_table,
    matches,
    no_refusal,
    read_checks,
    refusal,
    same_language,
    saved,
    valid_json,
)

__all__ = [
    "MAKERS",
    "RULES",
    "Rule",
    "Table",
    "facts_in_context",
    "language",
    "length",
    "markdown_table",
    "matches",
    "no_refusal",
    "read_checks",
    "refusal",
    "same_language",
    "saved",
    "valid_json",
]
