"""How values become text: counts, shares, durations, and characters that would not show."""

import re
from typing import Any

_SIGNS = {
    code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\t\n"
}  # U+2400: pictures of controls

_SIGNS |= {127: "\u2421"} | dict.fromkeys(range(0x80, 0xA0), "\ufffd")

_SIGNS |= dict.fromkeys(range(0xD800, 0xE000), "\ufffd")  # half of a pair: no file can hold it

_SIGNS |= {
    code: f"[U+{code:04X}]" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
}  # turn text round


def visible(value: Any) -> Any:
    """Text with control, half-pair and direction characters made visible; anything else as it is."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return value.replace("\r\n", "\n").translate(_SIGNS)
    return value


def clip(text: str, limit: int = 20_000) -> str:
    """At most `limit` characters, with a sign that says how many more there are."""
    return (
        text if len(text) <= limit else f"{text[:limit]}\n[… {len(text) - limit:,} more characters]"
    )


def count(number: float) -> str:
    """A number as people read it: `60,000`, `2.5`."""
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.1f}"


def counted(number: int, noun: str) -> str:
    """`1 sample`, `1,200 samples`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def lasting(seconds: float) -> str:
    """A duration in words, as exact as one wants to know it: `0.8 s`, `41 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = (hours, "h"), (minutes, "min"), (0 if hours else rest, "s")
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def roughly(seconds: float | None) -> str:
    """Time left in words, a round number: one that changed with every look would tell less. … if nobody knows."""
    if seconds is None:
        return "…"
    return f"about {lasting(max(10, round(seconds / 5) * 5) if seconds < 90 else round(seconds / 60) * 60)}"


def percent(share: float) -> str:
    """A share, 0 to 1, as people read it: `15 %`."""
    return f"{100 * share:.0f} %"


def text(value: Any) -> str:
    """Any column's value as people read it."""
    if isinstance(value, float | int) and not isinstance(value, bool):
        return count(value)
    return "" if value is None else str(value)


def code(words: Any) -> str:
    """A Markdown code span that stays one, also inside a table."""
    return "`" + re.sub(r"[`\s]+", " ", str(words)).strip().replace("|", r"\|") + "`"


def fence(words: str) -> str:
    """A Markdown code block longer than any fence in the text."""
    marks = "`" * max(3, 1 + max(map(len, re.findall("`+", words)), default=0))
    return f"{marks}text\n{visible(words)}\n{marks}"


def public(model: Any) -> str:
    """A model's name as it may be published: without the server's folders, for a model served from a path."""
    text = "" if model is None else str(model)
    return (
        re.split(r"[/\\]", text.rstrip("/\\"))[-1]
        if re.match(r"([/~\\.]|[A-Za-z]:\\)", text)
        else text
    )
