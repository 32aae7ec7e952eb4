"""Any server that speaks the OpenAI API (vLLM first), over the fast HTTP client that `openai` brings along; and several
servers of one model as one.
"""

import asyncio
import contextlib
import json
import os
import re
import ssl
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import certifi

from sdgkit.errors import SettingsError
from sdgkit.teachers.diagnosis import PASSING, Cause, Server, Trouble, diagnose, judged
from sdgkit.teachers.exchange import Reply

# Seconds. Servers close idle connections after 5 (uvicorn's default), and a request on its way at that moment is lost;
# so we drop them before.
_KEEP_ALIVE, _CONNECT_SECONDS, _LIST_SECONDS, _METRICS_SECONDS = 3.0, 20.0, 60.0, 5.0
# The slots are the limit of concurrent requests, not the pool of connections.
_CONNECTIONS = 10_000

# How long to wait for a reply to our own tiny request, and how long before an absent one of several is asked again.
PROBE_SECONDS, LOOK_SECONDS = 60.0, 2.0

# What a model can do without. Some servers take no `seed`, some models only their own temperature ("Unsupported value:
# 'temperature' …"), OpenAI's reasoning models want `max_completion_tokens` in place of `max_tokens`.
_OTHER_NAME = "max_completion_tokens"
_OPTIONAL = ("seed", "temperature", "top_p", "max_tokens", _OTHER_NAME)
# A refusal of the parameter as such, or of every value but the default; not of a value that is too large.
_REFUSED = re.compile(
    r"(?i)unsupported|not (support|allow|permit|accept)|unrecognized|unknown|unexpected|forbidden|deprecated"
)


class OpenAICompatible:
    """One server. `server.base_url` is what stands before `/chat/completions`.

    The requests go over the HTTP client that `openai` recommends for many at once, and not through its `AsyncOpenAI`:
    measured here, that costs 1.1 ms of CPU a request at its fastest, most of it for headers and addresses that never
    change, and this 0.5 ms.

    What the server refuses to be told is left out of every later request: found out once, by its own words. A request's
    key, its name in the journal, covers what the plan asks for, so it stays the same whatever a server is spared.
    """

    def __init__(self, server: Server, timeout: float) -> None:
        """Raises SettingsError if the certificates to trust cannot be read."""
        self.server, self._timeout, self._trust = server, timeout, trust(server.base_url)
        self._client: Any = None
        self._spared: dict[str, str] = {}  # a parameter's other name, "" to leave it out

    async def exchange(self, body: Mapping[str, Any], seconds: float | None = None) -> Reply:
        """One chat completion, sent again only when the server refuses a parameter that it can be spared.

        seconds: a limit of its own. Raises Trouble.
        """
        began, sent = time.monotonic(), body
        if self._spared:
            names = {name: self._spared.get(name, name) for name in body}
            sent = {new: body[name] for name, new in names.items() if new}
        # "replace": lone surrogates, which come with text from broken files, cannot be sent as they are.
        content = json.dumps(sent, ensure_ascii=False).encode("utf-8", "replace")
        try:
            data = await self._send(
                "POST",
                f"{self.server.base_url}/chat/completions",
                seconds or self._timeout,
                content,
            )
        except Trouble as refusal:
            if not self._spare(refusal, sent):
                raise
        else:
            return self._read(data, time.monotonic() - began)
        return await self.exchange(body, seconds)

    async def rows(self) -> list[dict[str, Any]]:
        """The server's list of models, as it writes it. Raises Trouble."""
        data = await self._send(
            "GET", f"{self.server.base_url}/models", min(self._timeout, _LIST_SECONDS)
        )
        rows = data.get("data") if isinstance(data, dict) else None
        if not isinstance(rows, list):
            raise judged(200, data, self.server)
        return [row for row in rows if isinstance(row, dict)]

    async def metrics(self) -> str:
        """The text of the server's page /metrics. Raises as `exchange` does."""
        return str(
            await self._send(
                "GET", f"{self.server.base_url.removesuffix('/v1')}/metrics", _METRICS_SECONDS
            )
        )

    async def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _send(
        self, method: str, url: str, seconds: float, content: bytes | None = None
    ) -> Any:
        """The JSON of an answer, or its text. Raises Trouble."""
        credentials = self.server.credentials
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key := credentials.key:
            headers["Authorization"] = f"Bearer {key}"
        headers |= credentials.headers
        try:
            self._client = self._client or self._open()
            async with asyncio.timeout(seconds):
                response = await self._client.request(method, url, content=content, headers=headers)
        except Exception as error:
            raise diagnose(error, self.server) from error
        try:
            data = json.loads(response.content)
        except (ValueError, RecursionError):
            data = response.text
        if response.status_code != 200:
            raise judged(
                response.status_code, data, self.server, response.headers.get("retry-after")
            )
        return data

    def _open(self) -> Any:
        from openai import DEFAULT_CONNECTION_LIMITS, DefaultAioHttpClient, Timeout

        return DefaultAioHttpClient(
            trust_env=False,  # proxy and authorities are chosen below
            proxy=proxy_for(self.server.base_url),
            verify=self._trust,
            follow_redirects=False,  # nothing goes to another address than the teacher's
            limits=type(DEFAULT_CONNECTION_LIMITS)(
                max_connections=_CONNECTIONS, keepalive_expiry=_KEEP_ALIVE
            ),
            timeout=Timeout(None, connect=_CONNECT_SECONDS),
        )

    def _read(self, data: Any, seconds: float) -> Reply:
        """A Reply from the parsed body; all that is used of it is checked here."""
        try:
            choice = data["choices"][0]
            message = choice["message"]
            usage = data.get("usage") or {}
            return Reply(
                text=_text(message.get("content")),
                finish_reason=str(choice.get("finish_reason") or "stop"),
                reasoning=_text(message.get("reasoning_content") or message.get("reasoning")),
                prompt_tokens=int(usage.get("prompt_tokens") or 0),
                completion_tokens=int(usage.get("completion_tokens") or 0),
                seconds=seconds,
            )
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
            raise judged(200, data, self.server) from None

    def _spare(self, refusal: Trouble, sent: Mapping[str, Any]) -> bool:
        """Take note of a parameter that the server refuses to be told; False if that is not what is the matter."""
        # Of several, the one that it names first: what it suggests instead comes later.
        named = [
            name for name in _OPTIONAL if name in sent and re.search(rf"\b{name}\b", refusal.words)
        ]
        if refusal.status not in (400, 422) or not named or not _REFUSED.search(refusal.words):
            return False
        name = min(named, key=refusal.words.index)
        if name not in self._spared:  # else another request has found it out meanwhile
            other = _OTHER_NAME if name == "max_tokens" and _OTHER_NAME in refusal.words else ""
            instead = (
                f"it is told {other} instead"
                if other
                else "so it is left out, and the server's own holds"
            )
            self.server.notes.append(f"The server takes no {name}; {instead}.")
            self._spared |= {told: "" for told, new in self._spared.items() if new == name} | {
                name: other
            }
        return True


def _text(content: Any) -> str:
    if isinstance(content, list):  # the API's other form: parts
        content = "".join(part.get("text") or "" for part in content)
    return (content or "").encode("utf-8", "replace").decode()


@dataclass(eq=False)
class _Replica:
    """One server. trouble: why it is left out, "" if it is not; it is asked again at `look_at` (time.monotonic)."""

    adapter: OpenAICompatible
    trouble: str = ""
    busy: int = 0
    asked_at: float = 0.0
    look_at: float = 0.0
    looking: asyncio.Task[None] | None = None


class Replicas:
    """Several servers of one model as one: each request goes to the least busy of those that answer.

    A server that fails is left out, and its request goes to another at once, at no cost in retries; a timeout, which
    was costly, is left to Patience. While requests come, the absent are asked for one token now and then, and whoever
    answers takes part again. Only when the last server has failed on a request does that one's failure get out: then
    the teacher is away, as one server would be.
    """

    def __init__(
        self, adapters: Sequence[OpenAICompatible], away: Mapping[OpenAICompatible, Trouble]
    ) -> None:
        """away: those known to be absent, and why."""
        self._replicas = [_Replica(one, str(away.get(one, ""))) for one in adapters]
        known = next(one.server for one in adapters if one not in away)
        self.server = replace(known, base_url=", ".join(one.server.base_url for one in adapters))

    @property
    def left_out(self) -> dict[str, str]:
        """The servers that get no requests now, by their base URLs, and why."""
        return {one.adapter.server.base_url: one.trouble for one in self._replicas if one.trouble}

    async def exchange(self, body: Mapping[str, Any], seconds: float | None = None) -> Reply:
        """One chat completion, from whoever gives it. Raises Trouble."""
        now = time.monotonic()
        for absent in self._replicas:
            if absent.trouble and now >= absent.look_at:
                absent.look_at = now + PROBE_SECONDS  # unless this look ends before
                absent.looking = asyncio.create_task(self._look(absent, body["model"]))
        there = [one for one in self._replicas if not one.trouble] or self._replicas
        met: list[Trouble] = []
        for one in sorted(there, key=lambda one: (one.busy, one.asked_at)):
            try:
                return await self._send(one, body, seconds)
            except Trouble as trouble:
                if not one.trouble or trouble.cause is Cause.TIMEOUT:
                    raise
                met.append(trouble)
        raise next((trouble for trouble in met if trouble.cause in PASSING), met[0])

    async def metrics(self) -> str:
        """The pages /metrics of all that have one, as one. Raises nothing."""
        pages = await asyncio.gather(
            *(one.adapter.metrics() for one in self._replicas), return_exceptions=True
        )
        return "\n".join(page for page in pages if isinstance(page, str))

    async def close(self) -> None:
        """Close all connections."""
        for one in self._replicas:
            if one.looking is not None:
                one.looking.cancel()
            await one.adapter.close()

    async def _send(self, one: _Replica, body: Mapping[str, Any], seconds: float | None) -> Reply:
        one.busy, one.asked_at = one.busy + 1, time.monotonic()
        try:
            reply = await one.adapter.exchange(body, seconds)
        except Trouble as trouble:
            if trouble.cause in (Cause.BAD_REQUEST, Cause.WRONG_KEY):
                one.trouble = ""  # an answer, too; another server would say the same
            else:
                one.trouble, one.look_at = (
                    str(trouble),
                    time.monotonic() + (trouble.retry_after or LOOK_SECONDS),
                )
            raise
        finally:
            one.busy -= 1
        one.trouble = ""
        return reply

    async def _look(self, one: _Replica, model: str) -> None:
        """Whether it answers again; `_send` takes note of what comes of it."""
        with contextlib.suppress(Trouble):
            await self._send(one, probe_of(model), PROBE_SECONDS)


def probe_of(model: str) -> dict[str, Any]:
    """A tiny request: does the server answer?"""
    return {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}


def proxy_for(base_url: str) -> str | None:
    """The proxy that HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY ask for; none for this very machine."""
    parts = urllib.parse.urlsplit(base_url)
    is_loopback = re.fullmatch(r"localhost|127\.[0-9.]+|::1", parts.hostname or "")
    if is_loopback or urllib.request.proxy_bypass(parts.netloc):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def trust(base_url: str) -> ssl.SSLContext:
    """Whom to trust: those in SSL_CERT_FILE and REQUESTS_CA_BUNDLE, else certifi's; and the system's.

    Raises SettingsError.
    """
    if not base_url.startswith("https:"):
        # Reading the authorities takes tens of milliseconds, which a plain connection need not pay.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = ssl.create_default_context()
    named = (os.environ.get(name) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"))
    for place in list(filter(None, named)) or [certifi.where()]:
        try:
            context.load_verify_locations(**{"capath" if os.path.isdir(place) else "cafile": place})
        except OSError as error:
            raise SettingsError(
                f"The certificates in {place} cannot be read ({error}); see SSL_CERT_FILE."
            ) from error
    return context


def models_in(rows: list[dict[str, Any]]) -> dict[str, int | None]:
    """The language models of a list, and how many tokens each can hold, where it says so.

    OpenAI's rows have an `id`; Llama Stack's may say what kind they are.
    """
    found: dict[str, int | None] = {}
    for row in rows:
        name, length = row.get("id") or row.get("identifier"), row.get("max_model_len")
        more = row.get("custom_metadata")
        kind = row.get("model_type") or (more.get("model_type") if isinstance(more, dict) else None)
        if kind in (None, "llm") and isinstance(name, str) and name.isprintable():
            found[name] = length if isinstance(length, int) else None
    return found
