"""Any server that speaks the OpenAI API (vLLM first), over the fast HTTP client that `openai` brings along."""

import asyncio
import json
import os
import re
import ssl
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

import certifi

from sdgkit.errors import SettingsError
from sdgkit.teachers.diagnosis import BadAnswer, Server
from sdgkit.teachers.exchange import Reply

# Seconds. Servers close idle connections after 5 (uvicorn's default), and a request on its way at that moment is lost;
# so we drop them before.
_KEEP_ALIVE, _CONNECT_SECONDS, _LIST_SECONDS, _METRICS_SECONDS = 3.0, 20.0, 60.0, 5.0
# The slots are the limit of concurrent requests, not the pool of connections.
_CONNECTIONS = 10_000

# What a model can do without. Some servers take no `seed`, some models only their own temperature ("Unsupported value:
# 'temperature' …"), OpenAI's reasoning models want `max_completion_tokens` in place of `max_tokens`.
_OPTIONAL = ("seed", "temperature", "top_p", "max_tokens", "max_completion_tokens")
# A refusal of the parameter as such, or of every value but the default; not of a value that is too large.
_REFUSED = re.compile(r"(?i)unsupported|not (support|allow|permit|accept)|unrecognized|unknown|unexpected|forbidden")


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

    async def exchange(self, body: Mapping[str, Any]) -> Reply:
        """One chat completion. Raises TimeoutError, BadAnswer, the client's errors.

        Sent again only when the server refuses a parameter that it can be spared.
        """
        began = time.monotonic()
        sent = self._without_spared(body) if self._spared else body
        # "replace": lone surrogates, which come with text from broken files, cannot be sent as they are.
        content = json.dumps(sent, ensure_ascii=False).encode("utf-8", "replace")
        try:
            data = await self._send("POST", f"{self.server.base_url}/chat/completions", self._timeout, content)
        except BadAnswer as refusal:
            if not self._spare(refusal, sent):
                raise
        else:
            return _read(data, time.monotonic() - began)
        return await self.exchange(body)

    async def rows(self) -> list[dict[str, Any]]:
        """The server's list of models, as it writes it. Raises as `exchange` does."""
        data = await self._send("GET", f"{self.server.base_url}/models", min(self._timeout, _LIST_SECONDS))
        rows = data.get("data") if isinstance(data, dict) else None
        if not isinstance(rows, list):
            raise BadAnswer(200, data)
        return [row for row in rows if isinstance(row, dict)]

    async def metrics(self) -> str:
        """The text of the server's page /metrics. Raises as `exchange` does."""
        return str(await self._send("GET", f"{self.server.base_url.removesuffix('/v1')}/metrics", _METRICS_SECONDS))

    async def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _send(self, method: str, url: str, seconds: float, content: bytes | None = None) -> Any:
        """The JSON of an answer, or its text."""
        credentials = self.server.credentials
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key := credentials.key:
            headers["Authorization"] = f"Bearer {key}"
        headers |= credentials.headers
        if self._client is None:
            self._client = self._open()
        async with asyncio.timeout(seconds):
            response = await self._client.request(method, url, content=content, headers=headers)
        try:
            data = json.loads(response.content)
        except ValueError:
            data = response.text
        if response.status_code != 200:
            raise BadAnswer(response.status_code, data, response.headers.get("retry-after"))
        return data

    def _open(self) -> Any:
        from openai import DEFAULT_CONNECTION_LIMITS, DefaultAioHttpClient, Timeout

        return DefaultAioHttpClient(
            trust_env=False,  # proxy and authorities are chosen below
            proxy=proxy_for(self.server.base_url),
            verify=self._trust,
            follow_redirects=False,  # nothing goes to another address than the teacher's
            limits=type(DEFAULT_CONNECTION_LIMITS)(max_connections=_CONNECTIONS, keepalive_expiry=_KEEP_ALIVE),
            timeout=Timeout(None, connect=_CONNECT_SECONDS),
        )

    def _without_spared(self, body: Mapping[str, Any]) -> dict[str, Any]:
        sent = {}
        for name, value in body.items():
            while name in self._spared:
                name = self._spared[name]
            if name:
                sent[name] = value
        return sent

    def _spare(self, refusal: BadAnswer, sent: Mapping[str, Any]) -> bool:
        """Take note of a parameter that the server refuses to be told; False if that is not what is the matter."""
        words = json.dumps(refusal.body)
        # Of several, the one that it names first: what it suggests instead comes later.
        places = {name: re.search(rf"\b{name}\b", words) for name in _OPTIONAL if name in sent}
        name = min((name for name, found in places.items() if found), key=words.index, default=None)
        if refusal.status not in (400, 422) or name is None or not _REFUSED.search(words):
            return False
        if name not in self._spared:  # else another request has found it out meanwhile
            other = "max_completion_tokens" if name == "max_tokens" and "max_completion_tokens" in words else ""
            instead = f"it is told {other} instead" if other else "so it is left out, and the server's own holds"
            self.server.notes.append(f"The server takes no {name}; {instead}.")
            self._spared[name] = other
        return True


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
            raise SettingsError(f"The certificates in {place} cannot be read ({error}); see SSL_CERT_FILE.") from error
    return context


def model_names(rows: list[dict[str, Any]]) -> list[str]:
    """The rows that are language models: OpenAI's with an `id`; Llama Stack's may say what kind they are."""
    found = []
    for row in rows:
        name, more = row.get("id") or row.get("identifier"), row.get("custom_metadata")
        kind = row.get("model_type") or (more.get("model_type") if isinstance(more, dict) else None)
        if kind in (None, "llm") and isinstance(name, str) and name.isprintable():
            found.append(name)
    return found


def _read(data: Any, seconds: float) -> Reply:
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
        raise BadAnswer(200, data) from None


def _text(content: Any) -> str:
    return (content or "").encode("utf-8", "replace").decode()
