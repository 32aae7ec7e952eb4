"""Checks that need no teacher: is it a table or JSON, how long is it, are its facts given?

Each function makes a `Check`, a stage like any other. `generate(…, checks=[checks.length(5)])` puts
it after the stage that writes its column, `pipeline.after(name, check)` anywhere else. A row that
fails is dropped, with the check's name as the reason and its finding as the message. What you do
not set is taken from the row's own seed. All checks take `column` (the column that holds the text,
by default "response") and `name` (the reason).
"""

from sdgkit.checks.deriving import derive_checks
from sdgkit.checks.facts import facts_in_context
from sdgkit.checks.json_texts import valid_json
from sdgkit.checks.languages import language, same_language
from sdgkit.checks.reading import CheckSource, read_checks, read_shipped_check, saved
from sdgkit.checks.registry import MAKERS, RULES, CheckedText, Rule, check
from sdgkit.checks.tables import Table, markdown_table
from sdgkit.checks.wording import length, matches, no_refusal, refusal

__all__ = [
    "MAKERS",
    "RULES",
    "CheckSource",
    "CheckedText",
    "Rule",
    "Table",
    "check",
    "derive_checks",
    "facts_in_context",
    "language",
    "length",
    "markdown_table",
    "matches",
    "no_refusal",
    "read_checks",
    "read_shipped_check",
    "refusal",
    "same_language",
    "saved",
    "valid_json",
]
