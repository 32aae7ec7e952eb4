"""The form of a text, such as a table, JSON or an e-mail: how it looks, and how a task asks for it.

Both are regular expressions in `texts/seed_check.yaml`.
"""

import re
from typing import Any

from sdgkit.texts import load_texts


def forms_of(text: str) -> set[str]:
    """The forms that a text has.

    Example:
        >>> forms_of("- tea\\n- milk")
        {'list'}
    """
    return _matching(text, "looks")


def forms_asked_for(text: str) -> set[str]:
    """The forms that a task or question asks for.

    Example:
        >>> forms_asked_for("Put it into a table.")
        {'table'}
    """
    return _matching(text, "asked")


def name_forms(forms: set[str]) -> str:
    """The forms as a sentence names them: "a list or a Markdown table"; "" for none."""
    return " or ".join(_forms()[form]["name"] for form in sorted(forms))


def _matching(text: str, sign: str) -> set[str]:
    """The forms of which the text shows this sign."""
    matching = set()
    for name, form in _forms().items():
        if sign in form and re.search(form[sign], text):
            matching.add(name)
    return matching


def _forms() -> dict[str, dict[str, str]]:
    forms: dict[str, Any] = load_texts("seed_check")["forms"]
    return forms
