"""A real HTTP server on loopback that does as a test tells it.

It answers, refuses, breaks off, hangs or goes away.

with FaultServer() as server:
    server.behave = lambda body, n: status(500, "out of memory") if n < 3 else completion("hello")
"""

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Self

from aiohttp import web

from sdgkit.prompts.structured_output import PROBE_MESSAGE

Behaviour = Callable[[dict[str, Any], int], web.StreamResponse | Awaitable[web.StreamResponse]]


class Reset(web.StreamResponse):
    """Break the connection off instead of answering."""


class Cut(web.StreamResponse):
    """Answer, and break the connection off in the middle of the body."""


def completion(text: str | None, **message: Any) -> web.Response:
    """A chat completion with this text."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text, **message},
        "finish_reason": "stop",
    }
    usage = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
    return web.json_response(
        {"id": "1", "object": "chat.completion", "choices": [choice], "usage": usage}
    )


def status(code: int, words: str, **headers: str) -> web.Response:
    """An error as OpenAI's servers write it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.json_response(
        {"error": {"message": words, "type": "test", "code": code}}, status=code, headers=named
    )


def page(title: str, code: int = 200) -> web.Response:
    """An HTML page, as proxies write them."""
    head = f"<head><title>{title}</title></head>"
    text = f"<!doctype html><html>{head}<body>something long</body></html>"
    return web.Response(text=text, status=code, content_type="text/html")


def is_probe(body: dict[str, Any]) -> bool:
    """Whether sdgkit asks for itself: is the teacher there, can it be made to keep to a form?"""
    return bool(body.get("max_tokens") == 1 or body["messages"][-1]["content"] == PROBE_MESSAGE)


def free_port() -> int:
    """A port at which nothing listens."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class FaultServer:
    """An OpenAI-compatible server, in a thread of its own.

    Everything it was sent is in `requests`, oldest first.
    """

    def __init__(
        self, *, models: tuple[str, ...] = ("tiny",), key: str | None = None, path: str = "/v1"
    ) -> None:
        self.behave: Behaviour = lambda body, n: completion("hello")
        self.models: list[str] = list(models)
        self.rows: list[dict[str, Any]] | None = None
        self.also_served: tuple[str, ...] = ()
        self.key = key
        self.path = path
        self.tls: ssl.SSLContext | None = None
        self.pages: dict[
            str, Callable[[], web.StreamResponse]
        ] = {}  # instead of what is at these paths
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.in_flight = self.most_in_flight = 0
        self.port = free_port()
        self._loop = asyncio.new_event_loop()
        self._runner: web.ServerRunner | None = None

    @property
    def base_url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}{self.path}"

    @property
    def asked(self) -> list[dict[str, Any]]:
        """The requests without the probes."""
        return [body for body in self.requests if not is_probe(body)]

    def is_served(self, model: str) -> bool:
        """Whether it answers for a model: for those that it lists, and `also_served`."""
        listed = [row.get("id") or row.get("identifier") for row in self.rows or ()]
        names = [*listed, *self.models]
        return not names or model in [*names, *self.also_served]

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def up(self) -> None:
        """Listen (again)."""
        asyncio.run_coroutine_threadsafe(self._up(), self._loop).result(10)

    def down(self) -> None:
        """Go away: connections are broken off, new ones are refused."""
        asyncio.run_coroutine_threadsafe(self._down(), self._loop).result(10)

    async def _up(self) -> None:
        self._runner = web.ServerRunner(
            web.Server(self._handle, handler_cancellation=True), shutdown_timeout=0.01
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self.tls).start()

    async def _down(self) -> None:
        if self._runner is not None:
            await self._runner.shutdown()
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.paths.append(request.path)
        self.headers.append(dict(request.headers))
        if request.path in self.pages:
            return self.pages[request.path]()
        if not request.path.startswith(self.path + "/"):
            return status(404, "Not Found")
        if self.key is not None and request.headers.get("Authorization") != f"Bearer {self.key}":
            return status(401, "Invalid key")
        if request.path == f"{self.path}/models":
            return web.json_response({"data": self.rows or [{"id": name} for name in self.models]})
        if request.path != f"{self.path}/chat/completions":
            return status(404, "Not Found")
        return await self._chat(request)

    async def _chat(self, request: web.BaseRequest) -> web.StreamResponse:
        body = json.loads(await request.read())
        if not self.is_served(body["model"]):
            return status(404, f"The model `{body['model']}` does not exist.")
        self.requests.append(body)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            answer = self.behave(body, len(self.requests))
            if not isinstance(answer, web.StreamResponse):
                answer = await answer
        finally:
            self.in_flight -= 1
        if isinstance(answer, Reset | Cut):
            assert request.transport is not None
            if isinstance(answer, Cut):
                request.transport.write(
                    b"HTTP/1.1 200 OK\r\n"
                    b"Content-Type: application/json\r\n"
                    b"Content-Length: 500\r\n"
                    b"\r\n"
                    b'{"choices": [{'
                )
                await asyncio.sleep(0.05)
            request.transport.abort()
        return answer
