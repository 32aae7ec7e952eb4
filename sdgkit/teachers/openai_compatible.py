"""Any server that speaks the OpenAI API (vLLM first), over the fast HTTP client that `openai` brings along."""

import asyncio
import base64
import ipaddress
import json
import os
import ssl
import time
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import certifi

from sdgkit.errors import SettingsError
from sdgkit.teachers.diagnosis import Address, Cause, NotACompletion, diagnose
from sdgkit.teachers.exchange import Reply

if TYPE_CHECKING:
    from openai import DefaultAioHttpClient

# Seconds. Servers close idle connections after 5 (uvicorn's default), and a request on its way at that moment is lost;
# so we drop them before.
_KEEP_ALIVE, _CONNECT_SECONDS, _LIST_SECONDS, _METRICS_SECONDS = 3.0, 20.0, 60.0, 5.0
# The slots are the limit of concurrent requests, not the pool of connections.
_CONNECTIONS = 10_000

# No row's request is sent and no model named when models are listed: what is refused then is the path.
NOT_HERE = (Cause.WRONG_PATH, Cause.BAD_REQUEST, Cause.WRONG_MODEL)


class Refused(Exception):
    """An answer with another status than 200."""

    def __init__(self, response: Any) -> None:
        super().__init__(f"status {response.status_code}")
        self.response, self.status_code = response, response.status_code
        try:
            self.body = json.loads(response.content)
        except ValueError:
            self.body = None


class OpenAICompatible:
    """The adapter: `address.base_url` is what stands before `/chat/completions`.

    The requests go over the HTTP client that `openai` recommends for many at once, and not through its `AsyncOpenAI`:
    measured here, that costs 1.1 ms of CPU a request at its fastest, most of it for headers and addresses that never
    change, and this 0.5 ms.
    """

    def __init__(self, address: Address, *, headers: Mapping[str, str] | None = None, timeout: float = 600.0) -> None:
        """headers: beside those of the address's credentials, such as the Authorization that a URL brought along."""
        self.address = address
        address.credentials.secrets += (headers or {}).values()
        self.headers = {**address.credentials.headers, **(headers or {})}
        self._timeout = timeout
        self._client: DefaultAioHttpClient | None = None
        self._parents: DefaultAioHttpClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def exchange(self, body: Mapping[str, Any]) -> Reply:
        """One chat completion, sent once. Raises TimeoutError, Refused, NotACompletion, the client's errors."""
        began = time.monotonic()
        # "replace": lone surrogates, which come with text from broken files, cannot be sent as they are.
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        response = await self._send("POST", f"{self.address.base_url}/chat/completions", self._timeout, content)
        return _read(_parsed(response), time.monotonic() - began)

    async def rows(self) -> list[dict[str, Any]]:
        """The server's list of models, as it writes it. Raises as `exchange` does."""
        seconds = min(self._timeout, _LIST_SECONDS)
        data = _parsed(await self._send("GET", f"{self.address.base_url}/models", seconds))
        rows = data.get("data") if isinstance(data, dict) else None
        if not isinstance(rows, list):
            raise NotACompletion("no list of models")
        return [row for row in rows if isinstance(row, dict)]

    async def find(self, places: Iterable[str]) -> list[dict[str, Any]]:
        """Stay at the first of these base URLs that lists models, and return its list. Raises what the first said."""
        said: list[Exception] = []
        for place in places:
            self.address = replace(self.address, base_url=place)
            try:
                return await self.rows()
            except Exception as error:
                if diagnose(error, self.address).cause not in NOT_HERE:
                    raise
                said.append(error)
        raise said[0]

    async def models(self) -> list[str]:
        """The names of the server's language models. Raises as `exchange` does."""
        return model_names(await self.rows())

    async def metrics(self) -> str:
        """The text of the server's page /metrics, "" where it has none. Raises as `exchange` does."""
        response = await self._send("GET", f"{self.address.base_url.removesuffix('/v1')}/metrics", _METRICS_SECONDS)
        return response.text if response.status_code == 200 else ""

    async def _send(self, method: str, url: str, seconds: float, content: bytes | None = None) -> Any:
        key = self.address.credentials.key
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        headers |= ({"Authorization": f"Bearer {key}"} if key else {}) | self.headers
        async with asyncio.timeout(seconds):
            return await self._connection().request(method, url, content=content, headers=headers)

    async def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await client.aclose()

    def _connection(self) -> "DefaultAioHttpClient":
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            # The first use, or a forked child, which must not close its parent's connections.
            self._parents, self._client, self._loop = self._client, self._open(), loop
        return self._client

    def _open(self) -> "DefaultAioHttpClient":
        from openai import DEFAULT_CONNECTION_LIMITS, DefaultAioHttpClient, Timeout

        return DefaultAioHttpClient(
            trust_env=False,  # proxy and authorities are chosen below
            proxy=proxy_for(self.address.base_url),
            verify=trust(self.address.base_url),
            follow_redirects=False,  # nothing goes to another address than the teacher's
            limits=type(DEFAULT_CONNECTION_LIMITS)(max_connections=_CONNECTIONS, keepalive_expiry=_KEEP_ALIVE),
            timeout=Timeout(None, connect=_CONNECT_SECONDS),
        )


def split_credentials(url: str) -> tuple[str, dict[str, str]]:
    """An address without its credentials, and the headers that carry them instead.

    Raises SettingsError for what is no http(s) address, or has a query (where keys hide, too).
    """
    parts = urllib.parse.urlsplit(url.strip())
    try:
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise SettingsError("The base URL must look like http://host:8000/v1: http or https, a host, no '?', no '#'.")
    headers = {}
    if parts.username or parts.password:
        pair = urllib.parse.unquote(f"{parts.username or ''}:{parts.password or ''}")
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    place = parts.netloc.rpartition("@")[2]
    return urllib.parse.urlunsplit((parts.scheme, place, parts.path.rstrip("/"), "", "")), headers


def proxy_for(base_url: str) -> str | None:
    """The proxy that HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY ask for; none for this very machine."""
    parts = urllib.parse.urlsplit(base_url)
    host = parts.hostname or ""
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost" or host.endswith(".localhost")
    if is_loopback or urllib.request.proxy_bypass(parts.netloc):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def trust(base_url: str) -> ssl.SSLContext:
    """Whom to trust: those in SSL_CERT_FILE, SSL_CERT_DIR and REQUESTS_CA_BUNDLE, else the system's and certifi's."""
    if not base_url.startswith("https:"):
        # Reading the authorities takes tens of milliseconds, which a plain connection need not pay.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = ssl.create_default_context()
    named = [os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")]
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


def _parsed(response: Any) -> Any:
    """The JSON of an answer. Raises Refused and NotACompletion."""
    if response.status_code != 200:
        raise Refused(response)
    try:
        return json.loads(response.content)
    except ValueError:
        raise NotACompletion(response.text) from None


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
        raise NotACompletion(data) from None


def _text(content: Any) -> str:
    if isinstance(content, list):  # the API's other form: parts
        content = "".join(part.get("text") or "" for part in content)
    if not isinstance(content, str | None):
        raise TypeError("content is not text")
    return (content or "").encode("utf-8", "replace").decode()
