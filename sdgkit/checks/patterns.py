"""Regular expressions that may be a stranger's: as Python's `re` reads them, with bounded work.

An expression of ten characters can keep Python's `re` busy for years. So it is `regex` that looks
for it, which can be told when to give up.
"""

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from sdgkit.checks.registry import quoted
from sdgkit.errors import SettingsError

if TYPE_CHECKING:
    import regex

LONGEST_PATTERN = 10_000  # characters
LONGEST_SECONDS = 1.0  # for one text, in CPU time of this process
# Groups that are repeated so often are written out in memory: `(a{1000}){1000}` takes 250 MB.
MOST_REPEATED = 10_000
_COUNT = re.compile(r"\{(\d+)")
# A brace that repeats nothing stands for itself in `re`; in `regex` it may begin something else.
_PLAIN_BRACE = re.compile(r"(\\N\{[^}]*\}|\\.)|\{(?!\d*,?\d*\})", re.DOTALL)


def is_found(check: str, pattern: object, text: str) -> bool:
    """Whether a text matches a regular expression somewhere; ^ and $ match at every line.

    Args:
        check: The name of the check whose expression it is.
        pattern: The expression.
        text: The text.

    Raises:
        SettingsError: It is not an expression, or takes too long to look for.
    """
    if not isinstance(pattern, str):
        raise _refused(check, pattern, "is not a valid regular expression: it must be text")
    try:
        return _compiled(check, pattern).search(text, timeout=LONGEST_SECONDS) is not None
    except (TimeoutError, MemoryError):
        raise _refused(
            check,
            pattern,
            "takes too long to look for in a text. Write it without repetitions within "
            "repetitions, such as (a+)+, or leave the check out",
        ) from None


@cache
def _compiled(check: str, pattern: str) -> "regex.Pattern[str]":
    import regex  # only here, since few runs have an expression

    if len(pattern) > LONGEST_PATTERN:
        raise _refused(check, pattern, f"is longer than {LONGEST_PATTERN:,} characters")
    repeated = 1
    for count in _COUNT.findall(pattern):
        repeated *= max(1, int(count))
        if repeated > MOST_REPEATED:
            raise _refused(check, pattern, f"repeats something more than {MOST_REPEATED:,} times")
    try:
        re.compile(pattern, re.MULTILINE)
        readable: Any = _PLAIN_BRACE.sub(lambda match: match[1] or r"\{", pattern)
        return regex.compile(readable, regex.MULTILINE)
    except (re.error, regex.error, OverflowError) as error:
        reason = str(error)
    except RecursionError:
        reason = "it is nested too deep"
    raise _refused(check, pattern, f"is not a valid regular expression: {reason}")


def _refused(check: str, pattern: object, reason: str) -> SettingsError:
    return SettingsError(f"{check}: {quoted(str(pattern))} {reason}.", setting="pattern")
