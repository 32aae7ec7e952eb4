"""What is known about one server."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from sdgkit.teachers.address import Address
from sdgkit.teachers.credentials import Credentials
from sdgkit.teachers.network import Proxy

# Characters of a server's message that are shown.
_MESSAGE_LIMIT = 300
# Characters of it that are looked at: more than are shown, so that no key is cut in half.
_READ_LIMIT = 100_000


@dataclass(frozen=True)
class Server:
    """What is known about one server. While it is being connected, new values complete it.

    Attributes:
        base_url: What comes before `/chat/completions`; never with a password in it.
        kind: One of `settings.KINDS`.
        credentials: Sent with every request, and removed from whatever is shown.
        notes: Sentences for the user. The servers of one teacher share one list, which grows.
        models: The models it offers, with the number of tokens each can hold (prompt and reply
            together), None where the server does not say.
        model: The model to ask.
        query: What follows every path, such as Azure's "?api-version=…"; usually empty.
        proxy: The proxy on the way to it, if any.
        patience: Seconds without an answer after which requests give up.
    """

    base_url: str
    kind: str
    credentials: Credentials = field(repr=False)
    notes: list[str] = field(default_factory=list)
    models: Mapping[str, int | None] = field(default_factory=dict)
    model: str = ""
    query: str = ""
    proxy: Proxy | None = None
    patience: float = math.inf

    @property
    def address(self) -> Address:
        """Its address, as you would give it."""
        return Address(self.base_url, self.query)

    def redact(self, text: str) -> str:
        """The text as one line without secrets or control characters, at most 300 characters."""
        beginning = self.credentials.patterns.hide(text[:_READ_LIMIT])[: 4 * _MESSAGE_LIMIT]
        printable = "".join(char if char.isprintable() else " " for char in beginning)
        line = " ".join(printable.split())
        if len(line) <= _MESSAGE_LIMIT:
            return line
        return line[: _MESSAGE_LIMIT - 1] + "…"

    def note(self, sentence: str) -> None:
        """Say something to the user, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)


def enumerate_models(models: Mapping[str, int | None]) -> str:
    """Model names for a sentence; a long list is cut after twelve."""
    names = list(models)
    sentence_part = ", ".join(names[:12])
    remaining = len(names) - 12
    if remaining > 0:
        sentence_part += f" and {remaining} more"
    return sentence_part
