"""Finds a key in a text, in whatever form a server repeats it, so that it is never shown or stored.

A server that echoes a request may quote the key for an address, write it in capitals, space it out,
or show the header as base64.
"""

import base64
import re
import urllib.parse
from collections.abc import Iterable, Iterator

HIDDEN = "***"

SHORTEST_FOR_FORMS = 8
"""Letters and digits. What is shorter, such as EMPTY, is found in words that have nothing to do
with it."""

SHORTEST_IN_PIECES = 16
"""Letters and digits from which a key may be broken anywhere, as by the lines of an e-mail."""

_OTHER_CHARACTERS = re.compile("[^0-9A-Za-z]+")
_GAP = "(?:%[0-9a-fA-F]{2}|[^0-9A-Za-z]){1,8}"
_MAYBE_GAP = "(?:%[0-9a-fA-F]{2}|[^0-9A-Za-z]){0,8}"


class Secrets:
    """The secrets of one teacher, as patterns to look for.

    Args:
        values: Every value that was ever sent.
    """

    def __init__(self, values: Iterable[str]) -> None:
        self._exact: re.Pattern[str] | None = None
        self._forms: re.Pattern[str] | None = None
        distinct = sorted(filter(None, set(values)), key=len, reverse=True)
        if distinct:
            self._exact = re.compile("|".join(map(re.escape, distinct)))
        forms: list[str] = []
        self._cores: set[str] = set()
        for value in distinct:
            # "Bearer sk-…": the word before a space is no secret.
            forms.extend(_forms_of(value.rpartition(" ")[2]))
            self._cores.update(map(_core, _plain_forms(value)))
        if forms:
            self._forms = re.compile("|".join(forms), re.IGNORECASE)

    def hide(self, text: str) -> str:
        """A message without any secret, however short."""
        if self._exact is not None:
            text = self._exact.sub(HIDDEN, text)
        return self.hide_keys(text)

    def hide_keys(self, text: str) -> str:
        """A reply without keys: only what is long enough to be no ordinary word."""
        if self._forms is None or not self._may_be_in(text):
            return text
        return self._forms.sub(HIDDEN, text)

    def are_in(self, text: str) -> bool:
        """Whether a text holds a key."""
        return self.hide_keys(text) != text

    def _may_be_in(self, text: str) -> bool:
        """Whether it is worth looking for the patterns, which takes 30 times as long."""
        core = _core(text)
        if "%" in text:
            core += f" {_core(urllib.parse.unquote(text))}"
        return any(form in core for form in self._cores)


def _core(text: str) -> str:
    """The letters and digits of a text, in small letters."""
    return _OTHER_CHARACTERS.sub("", text).lower()


def _plain_forms(value: str) -> Iterator[str]:
    """The forms of a secret whose letters and digits stand in a text that holds one of them."""
    secret = value.rpartition(" ")[2]
    if len(_core(secret)) < SHORTEST_FOR_FORMS:
        return
    data = secret.encode()
    yield from (secret, secret[::-1], data.hex())
    for skipped in range(3):
        yield _inner_base64(data, skipped)


def _forms_of(secret: str) -> Iterator[str]:
    """Patterns, to be matched whatever the case, for the forms of one secret."""
    characters = re.findall("[0-9A-Za-z]", secret)
    if len(characters) < SHORTEST_FOR_FORMS:
        return
    yield "".join(map(_quoted, secret))
    yield _GAP.join(map(_quoted, characters))
    if len(characters) >= SHORTEST_IN_PIECES:
        yield _MAYBE_GAP.join(map(_quoted, characters))
    data = secret.encode()
    yield data.hex()
    yield re.escape(secret[::-1])
    for skipped in range(3):  # where it is in what was encoded: at each of three places
        inner = re.escape(_inner_base64(data, skipped))
        # The form for addresses has two other characters.
        yield inner.replace(r"\+", "[+-]").replace("/", "[/_]")


def _quoted(character: str) -> str:
    """A character as it is, or quoted as in an address."""
    return f"(?:{re.escape(character)}|%{ord(character):02X})"


def _inner_base64(data: bytes, skipped: int) -> str:
    """The part of base64 that depends on these bytes alone, after so many others."""
    encoded = base64.b64encode(b"\0" * skipped + data).decode().rstrip("=")
    first = (8 * skipped + 5) // 6  # characters that hold bits of what comes before
    last = 8 * (skipped + len(data)) // 6  # and those after it
    return encoded[first:last]
