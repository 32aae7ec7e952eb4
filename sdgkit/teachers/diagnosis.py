"""From whatever a client raised to what is the matter: the cause, the server's own words, a sentence for the user.

The cause is read from the whole chain of exceptions, since over the fast client a refused connection, an unknown host
and an untrusted certificate all arrive as "timed out". Nothing heavy is imported: the exceptions of our own adapter and
of llama-stack-client are known by the attributes that they share (`status_code`, `body`, `response`).
"""

import email.utils
import html
import json
import re
import socket
import ssl
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sdgkit import texts
from sdgkit.errors import RequestRefused, TeacherError, TeacherRefused, TeacherUnreachable
from sdgkit.teachers.credentials import Credentials


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
    WRONG_PATH = "wrong path", TeacherUnreachable
    WRONG_KEY = "wrong key", TeacherRefused
    EXPIRED_KEY = "expired key", TeacherRefused
    WRONG_MODEL = "wrong model", TeacherRefused
    BAD_REQUEST = "bad request", RequestRefused

    def __init__(self, words: str, error: type[TeacherError]) -> None:
        self.words, self.error = words, error


# Worth another try: a network, a busy server or a restart, not a decision.
PASSING = frozenset({Cause.REFUSED, Cause.UNKNOWN_HOST, Cause.LOST, Cause.TIMEOUT, Cause.BUSY, Cause.SERVER_ERROR})

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


@dataclass(frozen=True, slots=True)
class Trouble:
    """One failed exchange. `words` are the server's or the system's own; `retry_after` is in seconds."""

    cause: Cause
    words: str = ""
    status: int | None = None
    retry_after: float | None = None

    def __str__(self) -> str:
        known = self.cause.words if self.status is None else str(self.status)
        return f"{known}: {self.words}" if self.words else known


class NotACompletion(Exception):
    """A 200 whose body is not what was asked for. `body` is its text, or the parsed JSON."""

    def __init__(self, body: Any) -> None:
        super().__init__("not a chat completion")
        self.body = body


@dataclass(frozen=True, slots=True)
class Address:
    """What a sentence may tell of a teacher. The `credentials`' secrets are taken out of everything that is shown."""

    base_url: str
    kind: str = "vllm"
    model: str = ""
    credentials: Credentials = field(default_factory=Credentials, repr=False, compare=False)


def diagnose(error: BaseException, address: Address) -> Trouble:
    """Find out what an exception of a client means."""
    if isinstance(error, TimeoutError):  # our own limit on one exchange; the clients' timeouts are wrapped
        return Trouble(Cause.TIMEOUT)
    chain = list(_chain(error))
    for link in chain:
        if isinstance(link, NotACompletion):
            return _judge_body(link.body, address)
        if isinstance(getattr(link, "status_code", None), int):
            return _judge_status(link, address)
    for sign, cause in _SIGNS:
        for link in reversed(chain):  # the innermost knows most
            if isinstance(link, sign):
                words = getattr(link, "verify_message", None) or getattr(link, "strerror", None) or str(link)
                return Trouble(cause, _shown(words or type(link).__name__, address))
    return Trouble(Cause.LOST, _shown(str(chain[-1]) or type(chain[-1]).__name__, address))


def explain(trouble: Trouble, address: Address, models: Sequence[str] = ()) -> TeacherError:
    """The error to raise for it. models: those that the server has, where they are known."""
    details = ": ".join(str(part) for part in (trouble.status, trouble.words) if part)
    sentence = texts.words("troubles")[trouble.cause.words].format(
        where=address.base_url,
        host=urllib.parse.urlsplit(address.base_url).hostname,
        words=trouble.words,
        said=f" ({details})" if details else "",
        model=address.model,
        known=f"; it has {listed(models)}" if models else "",
        verdict="does not accept the key" if address.credentials.secrets else "wants a key, and none was given",
        place=address.credentials.place,
    )
    return trouble.cause.error(sentence)


def listed(models: Sequence[str], limit: int = 12) -> str:
    """Model names for a sentence; a long list is cut."""
    more = f" and {len(models) - limit} more" if len(models) > limit else ""
    return ", ".join(models[:limit]) + more


def _chain(error: BaseException) -> Iterator[BaseException]:
    waiting, seen = [error], set()
    while waiting:
        link = waiting.pop(0)
        if id(link) not in seen:
            seen.add(id(link))
            yield link
            under = (link.__cause__, link.__context__, getattr(link, "os_error", None))
            waiting += [*(e for e in under if e is not None), *getattr(link, "exceptions", ())]


def _judge_status(error: BaseException, address: Address) -> Trouble:
    status, body = getattr(error, "status_code", 0), getattr(error, "body", None)
    response = getattr(error, "response", None)
    words = _words(getattr(response, "text", "") if body is None else body, address)
    cause = _meaning(status)
    if status == 404 and isinstance(body, dict) and "model" in words.lower():
        cause = Cause.WRONG_MODEL
    return Trouble(cause, words, status, _retry_after(getattr(response, "headers", {}).get("retry-after")))


def _judge_body(body: Any, address: Address) -> Trouble:
    if isinstance(body, str) and body.lstrip().startswith("{"):
        return Trouble(Cause.LOST, "its reply was cut off")
    if not isinstance(body, dict):
        return Trouble(Cause.WRONG_PATH, _words(body, address) or "an empty page", 200)
    problem = body.get("error")
    code = problem.get("code") if isinstance(problem, dict) else None
    words = _words(problem or "its reply has no choices", address)
    # Some gateways answer 200 and put what happened into the body.
    if isinstance(code, int) and _meaning(code) in PASSING:
        return Trouble(_meaning(code), words, code)
    return Trouble(Cause.BAD_REQUEST, words)


def _meaning(status: int) -> Cause:
    return next((cause for cause, statuses in _STATUSES.items() if status in statuses), Cause.BAD_REQUEST)


def _words(body: Any, address: Address) -> str:
    while isinstance(body, dict):
        told = (body[name] for name in ("message", "error", "detail", "title") if body.get(name))
        body = next(told, json.dumps(body, default=str))
    return _shown(body if isinstance(body, str) else json.dumps(body, default=str), address)


def _shown(text: str, address: Address, limit: int = 300) -> str:
    """One line, without markup and secrets, that may stand in a terminal."""
    if re.search(r"<html|<!doctype|<body", text[:1000], re.IGNORECASE):
        title = re.search(r"<title[^>]*>(.*?)</title>", text[:10_000], re.IGNORECASE | re.DOTALL)
        text = html.unescape(title.group(1)) if title else "an HTML page"
    for secret in sorted(address.credentials.secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    text = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _retry_after(value: str | None) -> float | None:
    """Seconds, from a number or an HTTP date (RFC 9110, section 10.2.3); never negative."""
    try:
        seconds = float(value or "")
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value or "").timestamp() - time.time()
        except (TypeError, ValueError):
            return None
    return max(0.0, seconds) if seconds < float("inf") else None
