"""The rehearsal teacher's server: OpenAI's chat API on 127.0.0.1, answered by rules.

`main` prints one JSON line, `{"port": N}`, when it listens, and ends when its standard input closes: with the process
that started it, however that one ended.
"""

import asyncio
import contextlib
import json
import os
import random
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from sdgkit.teachers.rehearsal import chat, faults, rules
from sdgkit.teachers.rehearsal.options import Options

LARGEST_BODY = 64 * 2**20  # bytes; more is answered with 413


class RehearsalServer:
    """Answers HTTP requests; one object a process."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.arrivals = faults.Arrivals(options)
        self.slots = asyncio.Semaphore(options.slots)
        self.at_work = 0
        self.prompt_tokens = self.generated_tokens = self.answered = 0
        self.routes: dict[tuple[str, str], Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]] = {
            ("POST", "/v1/chat/completions"): self.complete,
            ("GET", "/v1/models"): self.models,
            ("GET", "/metrics"): self.metrics,
        }

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer any request; whatever happens, the client gets JSON in OpenAI's shape."""
        try:
            route = self.routes.get((request.method, request.path))
            if route is None:
                raise self._no_such_path(request)
            return await route(request)
        except chat.Refusal as refusal:
            return _json(refusal.body(), refusal.status, refusal.headers)
        except web.HTTPRequestEntityTooLarge:
            return _json(chat.Refusal(f"The body is larger than {LARGEST_BODY} bytes.", 413).body(), 413)
        except Exception as error:  # a bug in a rule must not look like a dead server
            return _json(chat.Refusal(f"The rehearsal teacher failed: {error!r}"[:500], 500).body(), 500)

    async def complete(self, request: web.BaseRequest) -> web.StreamResponse:
        """POST /v1/chat/completions, with the faults and the time that the options ask for."""
        raw = await request.read()
        fault = self.arrivals.fault()
        if fault == "rate_limit":
            wait = self.options.retry_after
            headers = {} if wait is None else {"Retry-After": f"{wait:g}"}
            raise chat.Refusal("Too many requests (asked for with --rate-limit).", 429, headers=headers)
        if fault == "hang":
            await asyncio.Event().wait()
        asked = self._read(raw)
        if self.arrivals.take_time:
            await self._work(self.arrivals.seconds())
        if fault == "error":
            raise chat.Refusal("Internal server error (asked for with --error-rate).", 500)
        if fault == "drop":
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        identity, choice = self._written(asked)
        self.answered += 1
        self.prompt_tokens += asked.prompt_tokens
        self.generated_tokens += choice.tokens
        return _json(chat.completion(identity, asked, choice))

    async def models(self, request: web.BaseRequest) -> web.Response:
        """GET /v1/models."""
        length = self.options.context_length
        card = {"id": chat.MODEL, "object": "model", "created": 0, "owned_by": "sdgkit", "max_model_len": length}
        return _json({"object": "list", "data": [card]})

    async def metrics(self, request: web.BaseRequest) -> web.Response:
        """GET /metrics, under vLLM's names (Prometheus text)."""
        running = min(self.at_work, self.options.slots)
        rows = [
            ("vllm:num_requests_running", "gauge", running),
            ("vllm:num_requests_waiting", "gauge", self.at_work - running),
            ("vllm:prompt_tokens_total", "counter", self.prompt_tokens),
            ("vllm:generation_tokens_total", "counter", self.generated_tokens),
            ("vllm:request_success_total", "counter", self.answered),
        ]
        text = "".join(
            f'# TYPE {name} {kind}\n{name}{{model_name="{chat.MODEL}"}} {value}\n' for name, kind, value in rows
        )
        return web.Response(text=text)

    def _read(self, raw: bytes) -> chat.ChatRequest:
        try:
            body = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise chat.Refusal(f"The request's body is not valid JSON: {error}"[:300]) from None
        return chat.read_request(body, self.options.context_length)

    async def _work(self, seconds: float) -> None:
        self.at_work += 1
        try:
            async with self.slots:
                await asyncio.sleep(seconds)
        finally:
            self.at_work -= 1

    def _written(self, asked: chat.ChatRequest) -> tuple[str, chat.Choice]:
        """The reply's id, and the reply, with the faults that it is to have."""
        room = self.options.context_length - asked.prompt_tokens
        digest = rules.digest(asked.messages, asked.seed, asked.temperature)
        pieces = rules.write(asked.messages, digest)
        choice = chat.cut(rules.text(pieces), asked, room)
        dice = random.Random(digest)  # the same request meets the same fault
        if dice.random() < self.options.malformed_rate:
            choice = chat.cut(faults.malformed(pieces, dice), asked, room)
        elif dice.random() < self.options.truncate_rate:
            half = choice.text[: len(choice.text) // 2]
            choice = chat.Choice(half, "length", chat.tokens(len(half)))
        return f"chatcmpl-{digest.hex()}", choice

    def _no_such_path(self, request: web.BaseRequest) -> chat.Refusal:
        path = request.path[:200]
        methods = [method for method, known in self.routes if known == request.path]
        if methods:
            return chat.Refusal(f"{path} answers {methods[0]} only.", 405)
        return chat.Refusal(f"Nothing is served at {path}; the API is at /v1.", 404)


def _json(value: dict[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    body = json.dumps(value).encode()
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


async def serve(options: Options) -> None:
    """Serve until the process is ended; prints the port on standard output once it listens.

    Raises:
        OSError: the port is taken.
    """
    server = RehearsalServer(options)
    loop = asyncio.get_running_loop()

    def request_factory(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=LARGEST_BODY)

    # a client that hangs up frees its slot: handler_cancellation
    runner = web.ServerRunner(
        web.Server(
            server.answer, request_factory=request_factory, handler_cancellation=True, access_log=None,
            keepalive_timeout=3600,
        )
    )  # fmt: skip
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", options.port), backlog=1024)
    await web.SockSite(runner, listener, backlog=1024).start()
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    await asyncio.Event().wait()


def main(settings: Mapping[str, Any]) -> int:
    """Run the server with the settings of `Options`; returns an exit status only if it cannot start."""
    options = Options(**settings)
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        asyncio.run(serve(options))
    except OSError as error:
        print(f"it cannot listen on port {options.port}: {os.strerror(error.errno or 0)}.", file=sys.stderr)
        return 1
    return 0


def _end_with_stdin() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    os._exit(0)
