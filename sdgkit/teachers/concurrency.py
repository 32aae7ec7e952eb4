"""The setting `concurrency`: a fixed number of requests at once, or "auto" below an upper bound."""

from dataclasses import dataclass

from sdgkit.errors import SettingsError
from sdgkit.limits import most_connections
from sdgkit.teachers.auto_concurrency import MOST

AUTO = "auto"
FIXED_DEFAULT = 16
"""The default for other teachers: a number that a server shared with others can take."""


@dataclass(frozen=True)
class Concurrency:
    """How many requests may be in flight at once.

    Attributes:
        most: The number; with `is_auto`, the upper bound.
        is_auto: Whether the number is found while requests are answered.
    """

    most: int
    is_auto: bool = False


def parse_concurrency(value: int | str) -> Concurrency:
    """The setting from what you give: 16, "16", "auto", or "auto:256" with an upper bound.

    Raises:
        SettingsError: It is none of these.

    Example:
        >>> parse_concurrency("auto:256")
        Concurrency(most=256, is_auto=True)
        >>> parse_concurrency("fast")
        Traceback (most recent call last):
        sdgkit.errors.SettingsError: concurrency must be a number, "auto", or "auto:N" with N as \
the upper bound, not 'fast'.
    """
    text = str(value).strip()
    word, colon, number = text.rpartition(":")
    is_auto = text == AUTO or (word == AUTO and colon == ":")
    if text == AUTO:
        return Concurrency(min(MOST, most_connections()), is_auto=True)
    if isinstance(value, bool | float) or (colon and not is_auto) or not _is_whole(number):
        raise SettingsError(
            f'concurrency must be a number, "auto", or "auto:N" with N as the upper bound, '
            f"not {value!r:.50}.",
            setting="concurrency",
        )
    if int(number) < 1:
        raise SettingsError(f"concurrency must be 1 or more, not {number}.", setting="concurrency")
    return Concurrency(int(number), is_auto)


def _is_whole(number: str) -> bool:
    return number.removeprefix("-").isdecimal()


def default_concurrency(kind: str, servers: int) -> int | str:
    """The setting where you give none.

    "auto" for vLLM, and for several servers; otherwise 16.

    Args:
        kind: The kind of teacher.
        servers: How many servers it has.
    """
    return AUTO if kind == "vllm" or servers > 1 else FIXED_DEFAULT
