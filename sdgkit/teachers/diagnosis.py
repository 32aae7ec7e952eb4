"""From whatever a client raised to what is the matter: the cause, the server's own words, a sentence for the user.

The cause is read from the whole chain of exceptions, since over the fast client a refused connection, an unknown host
and an untrusted certificate all arrive as "timed out".
"""

import email.utils
import html
import json
import re
import socket
import ssl
import time
import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sdgkit import texts
from sdgkit.errors import RequestRefused, TeacherError, TeacherRefused, TeacherUnreachable
from sdgkit.teachers.settings import Credentials


class Cause(Enum):
    """What can be the matter between us and a teacher: in a few words, and as the error to raise.

    The sentence for each is in `texts/troubles.yaml`.
    """

    REFUSED = "connection refused", TeacherUnreachable
    UNKNOWN_HOST = "unknown host", TeacherUnreachable
    LOST = "connection lost", TeacherUnreachable
    TIMEOUT = "timed out", TeacherUnreachable
    BUSY = "too many requests", TeacherUnreachable
    SERVER_ERROR = "server error", TeacherUnreachable
    CERTIFICATE = "untrusted certificate", TeacherRefused
    GONE = "gone", TeacherUnreachable
    WRONG_PATH = "wrong path", TeacherUnreachable
    WRONG_KEY = "wrong key", TeacherRefused
    EXPIRED_KEY = "expired key", TeacherRefused
    WRONG_MODEL = "wrong model", TeacherRefused
    BAD_REQUEST = "bad request", RequestRefused

    def __init__(self, words: str, error: type[TeacherError]) -> None:
        self.words, self.error = words, error


# Worth another try: a network, a busy server or a restart, not a decision.
PASSING = frozenset(
    {Cause.REFUSED, Cause.UNKNOWN_HOST, Cause.LOST, Cause.TIMEOUT, Cause.BUSY, Cause.SERVER_ERROR}
)

# What the status of an answer means; any other refuses the request.
_STATUSES = {
    Cause.WRONG_KEY: {401, 403},
    Cause.WRONG_PATH: {404, 405, *range(300, 400)},
    Cause.BUSY: {429},
    Cause.SERVER_ERROR: {408, 409, 425, *range(500, 600)},
}

# In this order: a certificate's error is an OSError too, and the fast client wraps each of them in a timeout.
_SIGNS: tuple[tuple[type[BaseException], Cause], ...] = (
    (ssl.SSLCertVerificationError, Cause.CERTIFICATE),
    (socket.gaierror, Cause.UNKNOWN_HOST),
    (ConnectionRefusedError, Cause.REFUSED),
    (OSError, Cause.LOST),
)


@dataclass(eq=False)
class Trouble(Exception):
    """One failed exchange. `words` are the server's or the system's own; `retry_after` is in seconds."""

    cause: Cause
    words: str = ""
    status: int | None = None
    retry_after: float | None = None

    def __str__(self) -> str:
        known = self.cause.words if self.status is None else str(self.status)
        return f"{known}: {self.words}" if self.words else known


@dataclass
class Server:
    """What is known of a server. The `credentials`' secrets are taken out of everything that is shown.

    notes: sentences for the user; servers of one teacher share them. models: how many tokens each can hold, None where
    it does not tell. model: the one that is asked.
    """

    base_url: str
    kind: str
    credentials: Credentials = field(repr=False)
    notes: list[str]
    models: dict[str, int | None] = field(default_factory=dict)
    model: str = ""


def diagnose(error: BaseException, server: Server) -> Trouble:
    """Find out what an exception of a client means."""
    if isinstance(
        error, TimeoutError
    ):  # our own limit on one exchange; the clients' timeouts are wrapped
        return Trouble(Cause.TIMEOUT)
    chain = [error]
    while (under := chain[-1].__cause__ or chain[-1].__context__) and under not in chain:
        chain.append(under)
    chain.reverse()  # the innermost knows most
    found = ((cause, link) for sign, cause in _SIGNS for link in chain if isinstance(link, sign))
    cause, link = next(found, (Cause.LOST, chain[0]))
    words = getattr(link, "verify_message", None) or getattr(link, "strerror", None) or str(link)
    return Trouble(cause, _shown(words or type(link).__name__, server))


def judged(status: int, body: Any, server: Server, retry_after: str | None = None) -> Trouble:
    """What an answer means that is not what was asked for. body: parsed, where it is JSON, else its text."""
    problem = body.get("error") if isinstance(body, dict) else None
    if status == 200 and isinstance(problem, dict) and problem.get("code") in range(300, 600):
        status = problem["code"]  # some gateways answer 200, and put what happened into the body
    words = _shown(_words(body), server)
    cause = next(
        (cause for cause, statuses in _STATUSES.items() if status in statuses), Cause.BAD_REQUEST
    )
    if status == 200 and isinstance(body, str):
        cause = Cause.WRONG_PATH
    elif status == 404 and isinstance(body, dict) and "model" in words.lower():
        cause = Cause.WRONG_MODEL
    return Trouble(cause, words, status, _seconds(retry_after))


def explain(trouble: Trouble, server: Server) -> TeacherError:
    """The error to raise for it."""
    sentence = texts.load_texts("troubles")[trouble.cause.words].format(
        where=server.base_url,
        host=urllib.parse.urlsplit(server.base_url).hostname,
        words=trouble.words,
        said=trouble,
        model=server.model,
        known=f"; it has {listed(server.models)}" if server.models else "",
        verdict="does not accept the key"
        if server.credentials.secrets
        else "wants a key, and none was given",
        place=server.credentials.place,
    )
    return trouble.cause.error(sentence)


def listed(models: Iterable[str]) -> str:
    """Model names for a sentence; a long list is cut."""
    first, more = list(models)[:12], list(models)[12:]
    return ", ".join(first) + (f" and {len(more)} more" if more else "")


def _words(body: Any) -> str:
    """What an answer says, without the form that it is wrapped in."""
    while isinstance(body, dict):
        told = (body[name] for name in ("message", "error", "detail") if body.get(name))
        body = next(told, json.dumps(body))
    title = re.search(r"<title[^>]*>(.*?)</title>", str(body)[:10_000], re.IGNORECASE | re.DOTALL)
    return html.unescape(title[1]) if title else str(body)


def _shown(text: str, server: Server, limit: int = 300) -> str:
    """One line without secrets, that may stand in a terminal."""
    for secret in sorted(server.credentials.secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    text = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _seconds(retry_after: str | None) -> float | None:
    """From a number or an HTTP date (RFC 9110, section 10.2.3); never negative."""
    try:
        seconds = float(retry_after or "")
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(retry_after or "").timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, seconds) if seconds < float("inf") else None
