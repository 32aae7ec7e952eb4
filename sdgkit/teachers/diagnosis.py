"""From a failed exchange to its cause, and from there to a sentence for the user.

The cause is read from the whole chain of exceptions, since over the fast client a refused
connection, an unknown host and an untrusted certificate all arrive as "timed out".
"""

import contextlib
import email.utils
import html
import json
import math
import re
import socket
import ssl
import time
import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from sdgkit.errors import (
    RequestRefused,
    RequestWithheld,
    TeacherError,
    TeacherRefused,
    TeacherUnreachable,
)
from sdgkit.formatting import format_duration
from sdgkit.limits import handles_remedy, is_out_of_handles
from sdgkit.teachers.address import azure_hint
from sdgkit.teachers.endings import Ending, ending_of
from sdgkit.teachers.server import Server, enumerate_models
from sdgkit.teachers.server_words import tells_no_credit, tells_passing_trouble, tells_withheld
from sdgkit.texts import load_texts

_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)

# Seconds: a server may be wrong about when it will be ready, and a run must not sleep for days.
LONGEST_RETRY_AFTER = 300.0
SHORTEST_BOUND = 1.0  # of it, where the patience is still shorter

FORBIDDEN = 403
# Where servers put the message of an error.
_MESSAGE_NAMES = ("message", "error", "detail", "errors", "msg", "error_msg")
LONGEST_BODY = 200  # characters of a response, in a message
# aiohttp's: no connection to the proxy, and the proxy's own refusal of one to the server.
_PROXY_ERRORS = ("ClientProxyConnectionError", "ClientHttpProxyError")
_BUSY_WORDS = re.compile(r"(?i)rate.?limit|too many requests|overloaded|high traffic|try again")
# How servers say that there is no such model: words of a 404, codes, and sentences of a 400.
_MODEL_WORDS = re.compile(r"(?i)\b(?:model|deployment)")
_MODEL_CODES = re.compile(r"(?i)(?:model|deployment)_?not_?found|invalid_model|unknown_model")
_NO_SUCH_MODEL = re.compile(
    r"(?i)\b(?:no such|unknown|invalid|unsupported) model\b(?! parameter)"
    r"|\bnot a valid model\b"
    r"|\bmodels?\b[^.]{0,120}\b(?:not found|does(?: not|n't) exist|is not available)"
)
_MAY_BE_OUT_OF_CREDIT = (400, 401, 403, 412, 422, 429)
_WRONG_PATHS = (404, 405, *range(300, 400))
# 499: a server in between was left by its client, which is another one in between.
_SERVER_ERRORS = (408, 409, 420, 423, 425, 449, 499, *range(500, 600))


class TroubleCause(Enum):
    """Why an exchange failed.

    The sentence for each is in `texts/troubles.yaml`, under its label.

    Attributes:
        label: The cause in a few words.
        error: The error to raise when it is final.
        is_transient: Worth another try: a network, a busy server or a restart, not a decision.
        statuses: The HTTP statuses that mean it. Any other refuses the request.
        exception: The exception that means it, anywhere in a chain. The first in this table wins,
            since a certificate's error is an OSError too.
    """

    # fmt: off
    # name         label                    error to raise      transient statuses, exception
    PROXY        = ("proxy",                 TeacherUnreachable, True,  (407,))
    CERTIFICATE  = ("untrusted certificate", TeacherRefused,     False, (), ssl.CertificateError)
    UNKNOWN_HOST = ("unknown host",          TeacherUnreachable, True,  (), socket.gaierror)
    REFUSED      = ("connection refused",    TeacherUnreachable, True,  (), ConnectionRefusedError)
    LOST         = ("connection lost",       TeacherUnreachable, True,  (), OSError)
    TIMEOUT      = ("timed out",             TeacherUnreachable, True)
    BUSY         = ("too many requests",     TeacherUnreachable, True,  (429,))
    SERVER_ERROR = ("server error",          TeacherUnreachable, True,  _SERVER_ERRORS)
    NO_REPLY     = ("no reply",              TeacherUnreachable, True)
    BROKEN_OFF   = ("broken off",            TeacherUnreachable, True)
    NO_HANDLES   = ("too many open files",   TeacherUnreachable, False)
    GONE         = ("gone",                  TeacherUnreachable, False)
    WRONG_PATH   = ("wrong path",            TeacherUnreachable, False, _WRONG_PATHS)
    WRONG_KEY    = ("wrong key",             TeacherRefused,     False, (401, 403))
    EXPIRED_KEY  = ("expired key",           TeacherRefused,     False)
    NO_CREDIT    = ("empty account",         TeacherRefused,     False, (402,))
    WRONG_MODEL  = ("wrong model",           TeacherRefused,     False)
    CUT_PROMPT   = ("cut prompt",            TeacherRefused,     False)
    WITHHELD     = ("withheld",              RequestWithheld,    False)
    BAD_REQUEST  = ("bad request",           RequestRefused,     False)
    # fmt: on

    def __init__(
        self,
        label: str,
        error: type[TeacherError],
        is_transient: bool,
        statuses: tuple[int, ...] = (),
        exception: type[BaseException] | None = None,
    ) -> None:
        self.label = label
        self.error = error
        self.is_transient = is_transient
        self.statuses = statuses
        self.exception = exception


_MAY_BE_THE_PROXYS = (
    TroubleCause.LOST,
    TroubleCause.TIMEOUT,
    TroubleCause.SERVER_ERROR,
    TroubleCause.WRONG_PATH,
)
# Where only the list of models was asked for, these may be about the list alone.
_MAY_NOT_LIST = (TroubleCause.WRONG_PATH, TroubleCause.SERVER_ERROR)


def _cause_of_status(status: int) -> TroubleCause:
    for cause in TroubleCause:
        if status in cause.statuses:
            return cause
    return TroubleCause.BAD_REQUEST


@dataclass(eq=False)
class Trouble(Exception):
    """One failed exchange.

    Attributes:
        cause: Why it failed.
        detail: The server's or the system's own message, without secrets.
        status: The HTTP status, if there was an answer.
        retry_after: Seconds that the server asks to wait before the next try.
    """

    cause: TroubleCause
    detail: str = ""
    status: int | None = None
    retry_after: float | None = None

    def __str__(self) -> str:
        """Such as `503: model is loading` or `connection refused`."""
        summary = self.cause.label if self.status is None else str(self.status)
        return f"{summary}: {self.detail}" if self.detail else summary


def diagnose_exception(error: BaseException, server: Server) -> Trouble:
    """Find out what a client's exception means."""
    if type(error) is TimeoutError:
        # Our own limit on one exchange: a client's timeouts have classes of their own.
        return Trouble(TroubleCause.TIMEOUT)
    chain = list(_exception_chain(error))
    chain.reverse()  # the innermost is the most specific
    if any(is_out_of_handles(link) for link in chain):
        return Trouble(TroubleCause.NO_HANDLES, handles_remedy())
    trouble = Trouble(TroubleCause.LOST, server.redact(_message_of(chain[0])))
    for cause in reversed(TroubleCause):
        for link in chain:
            if cause.exception is not None and isinstance(link, cause.exception):
                trouble = Trouble(cause, server.redact(_message_of(link)))
                break
    if server.proxy is not None:
        is_proxys = any(type(link).__name__ in _PROXY_ERRORS for link in chain)
        # Only the proxy itself is looked up and connected to: it does so for the server.
        if is_proxys or trouble.cause in (TroubleCause.UNKNOWN_HOST, TroubleCause.REFUSED):
            return _trouble_of_proxy(chain, trouble, server)
    return trouble


def _trouble_of_proxy(chain: Iterable[BaseException], trouble: Trouble, server: Server) -> Trouble:
    """What a failed connection through a proxy means where the proxy itself is at fault."""
    for link in chain:
        status = getattr(link, "status", None)  # of the proxy's own response
        if isinstance(status, int):
            words = server.redact(str(getattr(link, "message", "")))
            return Trouble(TroubleCause.PROXY, f"{status}: {words}", status)
    if trouble.cause is TroubleCause.LOST:
        return replace(trouble, cause=TroubleCause.PROXY)
    return Trouble(TroubleCause.PROXY, trouble.cause.label)


def _exception_chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, and what led to it, in turn."""
    seen: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in seen:
        yield link
        seen.append(link)
        link = link.__cause__ or link.__context__


def _message_of(error: BaseException) -> str:
    """The system's own message: not all exceptions have it where `str` finds it."""
    message = ""
    if isinstance(error, ssl.SSLCertVerificationError):
        message = error.verify_message
    elif isinstance(error, OSError):
        message = error.strerror or ""
    return message or str(error) or type(error).__name__


def diagnose_response(
    status: int, body: object, server: Server, retry_after: str | None = None
) -> Trouble:
    """Find out what a response means that is not the expected one.

    Args:
        status: Its HTTP status.
        body: Its JSON, parsed; its text where it is not JSON.
        server: The server it comes from.
        retry_after: Its Retry-After header.
    """
    error = None
    if isinstance(body, dict):
        error = body.get("error")
    if status == 200 and isinstance(error, dict) and error.get("code") in range(300, 600):
        # Some gateways answer 200 and put what happened into the body.
        status = error["code"]
    detail = server.redact(_message_in(body))
    cause = _cause_of_status(status)
    if status == 200 and isinstance(body, str):
        cause = TroubleCause.WRONG_PATH
    elif _names_wrong_model(status, body, detail):
        cause = TroubleCause.WRONG_MODEL
    elif status in _MAY_BE_OUT_OF_CREDIT and tells_no_credit(detail, _codes_of(body)):
        cause = TroubleCause.NO_CREDIT
    elif _may_be_withheld(cause, status) and _is_withheld(body, detail):
        cause = TroubleCause.WITHHELD
    elif cause is TroubleCause.BAD_REQUEST and tells_passing_trouble(_all_words(body)):
        cause = TroubleCause.SERVER_ERROR
    return Trouble(cause, detail, status, _bounded_pause(_seconds_until(retry_after), server))


def _bounded_pause(seconds: float | None, server: Server) -> float | None:
    """The pause that a server asks for; of one that is too long, the part that is kept."""
    if seconds is None:
        return None
    longest = min(LONGEST_RETRY_AFTER, max(server.patience, SHORTEST_BOUND))
    if seconds <= longest:
        return seconds
    bound = ""
    if longest < LONGEST_RETRY_AFTER:
        bound = " (--patience)"
    server.note(
        f"{server.base_url} asked for a pause of {format_duration(seconds)} (Retry-After). "
        f"The next request is sent after {format_duration(longest)}{bound}."
    )
    return longest


def _names_wrong_model(status: int, body: object, detail: str) -> bool:
    """Whether a response says that there is no such model."""
    if not isinstance(body, dict):
        return False
    if status == 404 and _MODEL_WORDS.search(detail):
        return True
    codes = _codes_of(body)
    if any(isinstance(code, str) and _MODEL_CODES.fullmatch(code) for code in codes):
        return True
    return status in (400, 422) and bool(_NO_SUCH_MODEL.search(detail))


def _codes_of(body: object) -> list[object]:
    """The codes and types in a response, of the error and of what it was made of."""
    codes: list[object] = []
    while isinstance(body, dict):
        codes.extend((body.get("code"), body.get("type")))
        inner = body.get("innererror")
        if isinstance(inner, dict):
            codes.append(inner.get("code"))
        body = body.get("error")
    return codes


def _may_be_withheld(cause: TroubleCause, status: int) -> bool:
    return cause is TroubleCause.BAD_REQUEST or status == FORBIDDEN


def _is_withheld(body: object, detail: str) -> bool:
    """Whether a refusal's codes or words say that a filter withheld the reply."""
    for code in _codes_of(body):
        if isinstance(code, str) and ending_of(code) is Ending.REFUSED:
            return True
    return tells_withheld(detail)


def _all_words(body: object) -> str:
    """All that a response says, with what a router passes on of the server behind it."""
    return body if isinstance(body, str) else json.dumps(body, ensure_ascii=False, default=str)


def diagnose_reply(body: object, server: Server) -> Trouble:
    """Find out what the answer to a chat request means that came with status 200 and has no reply.

    A gateway may put an error of any other kind behind that status. What names no kind is a passing
    trouble: asking again has been seen to bring the reply.

    Args:
        body: Its JSON, parsed; its text where it is not JSON.
        server: The server it comes from.
    """
    if isinstance(body, str) and body.strip():
        return diagnose_response(200, body, server)
    if not isinstance(body, dict):
        return Trouble(TroubleCause.NO_REPLY, _shown_body(body, server))
    error = body.get("error")
    if not error and _is_error(body):
        error = body
    if not error:
        return _trouble_without_choice(body, server)
    status = _status_in(error)
    if status is not None:
        return diagnose_response(status, body, server)
    detail = server.redact(_message_in(body))
    cause = TroubleCause.SERVER_ERROR
    if tells_no_credit(detail, _codes_of(body)):
        cause = TroubleCause.NO_CREDIT
    elif _is_withheld(body, detail):
        cause = TroubleCause.WITHHELD
    elif _BUSY_WORDS.search(json.dumps(error)):
        cause = TroubleCause.BUSY
    return Trouble(cause, detail)


def _is_error(body: dict[str, Any]) -> bool:
    """Whether a body without `error` is an error itself: it has a message and no choices."""
    has_message = any(body.get(name) for name in _MESSAGE_NAMES)
    return body.get("object") == "error" or (has_message and "choices" not in body)


def _trouble_without_choice(body: dict[str, Any], server: Server) -> Trouble:
    """A body with neither a choice nor an error; Gemini's may say that the prompt was blocked."""
    feedback = body.get("promptFeedback") or body.get("prompt_feedback")
    if isinstance(feedback, dict):
        reason = feedback.get("blockReason") or feedback.get("block_reason")
        if reason:
            return Trouble(
                TroubleCause.WITHHELD, server.redact(f"the prompt was blocked: {reason}")
            )
    return Trouble(TroubleCause.NO_REPLY, _shown_body(body, server))


def diagnose_broken_off(finish_reason: str, error: object, server: Server) -> Trouble:
    """What a reply means that did not end naturally.

    Args:
        finish_reason: The server's word for how it ended.
        error: What the server says about it, if anything.
        server: The server it comes from.
    """
    detail = f"the reply ended with finish_reason {finish_reason!r}"
    if error:
        detail = f"{detail}: {_message_in({'error': error})}"
    return Trouble(TroubleCause.BROKEN_OFF, server.redact(detail))


def _status_in(error: object) -> int | None:
    """The HTTP status that an error names as its code, as a number or as text."""
    code = None
    if isinstance(error, dict):
        code = error.get("code")
    with contextlib.suppress(TypeError, ValueError):
        status = int(str(code))
        if 300 <= status < 600:
            return status
    return None


def _shown_body(body: object, server: Server) -> str:
    text = server.redact(json.dumps(body, ensure_ascii=False, default=str))
    return text if len(text) <= LONGEST_BODY else f"{text[:LONGEST_BODY]}…"


def explain(trouble: Trouble, server: Server) -> TeacherError:
    """The error to raise for a trouble that is final."""
    template = load_texts("troubles")[trouble.cause.label]
    available = ""
    if server.models:
        available = f"; it has {enumerate_models(server.models)}"
    if server.credentials.secrets:
        key_verdict = "does not accept the key"
    else:
        key_verdict = "requires a key, but none was given"
    sentence = template.format(
        url=server.base_url,
        host=urllib.parse.urlsplit(server.base_url).hostname,
        detail=trouble.detail,
        failure=trouble,
        model=server.model,
        available=available,
        key_verdict=key_verdict,
        key_place=server.credentials.place,
        proxy=server.proxy.address if server.proxy else "",
        variable=server.proxy.variable if server.proxy else "",
    )
    if server.proxy is not None and trouble.cause in _MAY_BE_THE_PROXYS:
        sentence += (
            f" It is asked through the proxy {server.proxy.address} ({server.proxy.variable})."
        )
    if trouble.cause is TroubleCause.WRONG_PATH:
        sentence += azure_hint(server.address)
    if not server.model and (trouble.cause in _MAY_NOT_LIST or trouble.status == FORBIDDEN):
        sentence += (
            " If the address is right and the server just does not list its models, name the model "
            "with --model or model=."
        )
    return trouble.cause.error(sentence)


def _message_in(body: object) -> str:
    """The message in a response, without the structure it is wrapped in."""
    while isinstance(body, dict):
        parts: Iterable[Any] = (body.get(name) for name in _MESSAGE_NAMES)
        body = next(filter(None, parts), None) or json.dumps(body, ensure_ascii=False)
        if isinstance(body, list) and len(body) == 1:
            [error] = body
            if isinstance(error, dict) and "loc" not in error:
                body = error  # with `loc`, all of it says what is wrong
    text = str(body)
    title = _TITLE.search(text[:10_000])
    if not title:
        return text
    return html.unescape(title[1])


def _seconds_until(retry_after: str | None) -> float | None:
    """Seconds from a number or an HTTP date (RFC 9110, section 10.2.3); never negative.

    None without the header, or for a value that is neither.
    """
    if retry_after is None:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            date = email.utils.parsedate_to_datetime(retry_after)
            seconds = date.timestamp() - time.time()
        except ValueError:
            return None
    if seconds < math.inf:  # not a number is not, either
        return max(0.0, seconds)
    return None
