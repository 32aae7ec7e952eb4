"""Sends requests over HTTP: aiohttp, set up as a teacher's server needs it.

Not `openai`'s own client: importing that one takes more than a second of CPU, and each request
through it costs about twice as much.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdgkit.teachers.body import ACCEPTED_ENCODINGS, BodyRefused, read_body
from sdgkit.teachers.network import Proxy

if TYPE_CHECKING:
    import aiohttp

# Servers close idle connections after 5 seconds (uvicorn's default), and a request that is sent at
# that moment is lost; so they are dropped earlier.
KEEP_ALIVE_SECONDS = 3.0
CONNECT_SECONDS = 20.0
# The slots limit concurrent requests, not the pool of connections.
MAX_CONNECTIONS = 10_000

OK = 200
SUCCESS = range(200, 300)

_HEADERS = {
    "content-type": "application/json",
    "accept": "application/json",
    "accept-encoding": ACCEPTED_ENCODINGS,
}


@dataclass(frozen=True)
class Response:
    """What came back.

    Attributes:
        status: The HTTP status.
        body: The whole body, decompressed.
        retry_after: The Retry-After header, None without one.
    """

    status: int
    body: bytes
    retry_after: str | None = None


class HttpClient:
    """Connections that are kept for the next request, to one server or several.

    Everything runs on the background loop. Nothing is taken from the environment, and no redirect
    is followed: nothing goes to any other address than the one that is asked.

    Args:
        proxy: The proxy to go through.
        ssl_context: Whose certificates to trust; only needed for https.
    """

    def __init__(
        self, proxy: Proxy | None = None, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        self._proxy_url = proxy.url if proxy is not None else None
        self._ssl_context = ssl_context
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        url: str,
        seconds: float,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        on_piece: Callable[[bytes], None] | None = None,
    ) -> Response:
        """Send a request and read the whole response.

        Args:
            method: GET or POST.
            url: Where to send it.
            seconds: How long it may take.
            headers: Further headers, their names in small letters.
            content: The body to send.
            on_piece: Called with each piece of the body as it comes, if the status is 200.

        Raises:
            TimeoutError: It took longer.
            BodyRefused: The body is too large, or encoded in a way that was not asked for.
            OSError: The connection failed, or another exception of aiohttp's.
        """
        if self._session is None:
            self._session = self._open_session()
        async with asyncio.timeout(seconds):
            sending = self._session.request(
                method,
                url,
                data=content,
                headers={**_HEADERS, **(headers or {})},
                allow_redirects=False,
                proxy=self._proxy_url,
            )
            async with sending as response:
                try:
                    body = await read_body(
                        response.content.iter_any(),
                        response.headers.get("Content-Encoding", ""),
                        on_piece if response.status == OK else None,
                    )
                except BodyRefused as refusal:
                    refusal.status = response.status
                    raise
        return Response(response.status, body, response.headers.get("Retry-After"))

    async def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        session = self._session
        self._session = None
        if session is not None:
            await session.close()

    def _open_session(self) -> "aiohttp.ClientSession":
        import aiohttp

        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=self._ssl_context or True,
                limit=MAX_CONNECTIONS,
                keepalive_timeout=KEEP_ALIVE_SECONDS,
            ),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            auto_decompress=False,  # read_body does so, with a bound
            trust_env=False,  # proxy and authorities are chosen by sdgkit.teachers.network
        )
