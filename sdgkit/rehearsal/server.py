"""The rehearsal teacher's server: OpenAI's chat API on 127.0.0.1, answered by rules.

`python -m sdgkit.rehearsal.server FD OPTIONS` serves the socket with this file descriptor, with the
fields of `Options` as JSON. It ends when its standard input closes: with the process that started
it, however that process ends.
"""

import asyncio
import json
import os
import random
import re
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import UnionType
from typing import Any

from aiohttp import web

from sdgkit.rehearsal import rules
from sdgkit.rehearsal.options import Options
from sdgkit.rehearsal.reading import Messages

MODEL = "rehearsal"
# The usual rule of thumb for English; good enough to rehearse costs.
CHARACTERS_PER_TOKEN = 4
# What chat templates add to a message, roughly.
TOKENS_PER_MESSAGE = 4
# The longest reply time, in mean reply times.
LONGEST_LATENCY = 10.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Refusal(Exception):
    """A request that is answered with an error.

    Attributes:
        status: The HTTP status.
        code: OpenAI's name for the error, if it has one.
        headers: Further headers of the answer.
    """

    def __init__(
        self,
        message: str,
        status: int = 400,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers


_LOOPBACK = re.compile(r"(127(\.\d{1,3}){3}|localhost|\[::1\])(:\d{1,5})?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """The parts of a chat request that are used.

    Attributes:
        messages: The chat.
        seed: The sampling seed.
        temperature: The temperature.
        max_tokens: The longest reply.
        stop: Texts before which the reply ends.
    """

    messages: Messages
    seed: int | None
    temperature: float | None
    max_tokens: int | None
    stop: tuple[str, ...]


class RehearsalServer:
    """Answers HTTP requests; one object per process.

    Args:
        options: How slow, how busy and how faulty it is.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self._slots = asyncio.Semaphore(options.slots)
        self._received = 0  # requests that are not answered yet
        self._running = 0  # those of them that hold a slot
        self._tokens_written = 0
        # Always the same sequence of faults.
        self._dice = random.Random("arrivals")
        faults = {
            "rate_limit": options.rate_limit,
            "hang": options.hang_rate,
            "error": options.error_rate,
            "drop": options.drop_rate,
        }
        no_fault = max(0.0, 1 - sum(faults.values()))
        self._faults = (*faults, "")
        self._shares = (*faults.values(), no_fault)

    @web.middleware
    async def answer_errors_in_json(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        """Whatever happens, the client gets JSON in OpenAI's form."""
        try:
            return await handler(request)
        except Refusal as refusal:
            return _error_response(refusal, refusal.status, refusal.code, refusal.headers)
        except web.HTTPException as error:
            return _error_response(error, error.status)
        except Exception as error:  # a bug in a rule must not look like a dead server
            return _error_response(error, 500)

    @web.middleware
    async def refuse_other_hosts(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        """Answer only those who know that this server is on their own machine.

        A web page whose name is made to point here (DNS rebinding) sends its own name as the host.
        """
        if not _LOOPBACK.fullmatch(request.headers.get("Host", "")):
            raise Refusal("This server answers only at 127.0.0.1 and localhost.", 403)
        return await handler(request)

    async def list_models(self, request: web.Request) -> web.Response:
        """GET /v1/models."""
        model = {
            "id": MODEL,
            "object": "model",
            "created": 0,
            "owned_by": "sdgkit",
            "max_model_len": self.options.context_length,
        }
        return _json_response({"object": "list", "data": [model]})

    async def metrics(self, request: web.Request) -> web.Response:
        """GET /metrics: the numbers of vLLM's page that say how busy it is."""
        waiting = self._received - self._running if self.options.mean_latency_ms else 0
        running = self._received - waiting
        values = {
            "num_requests_running": running,
            "num_requests_waiting": waiting,
            "kv_cache_usage_perc": running / self.options.slots,
            "generation_tokens_total": self._tokens_written,
        }
        lines = []
        for name, value in values.items():
            lines.append(f'vllm:{name}{{engine="0",model_name="{MODEL}"}} {float(value)}')
        return web.Response(text="\n".join(lines) + "\n")

    async def complete(self, request: web.Request) -> web.Response:
        """POST /v1/chat/completions, with the faults and the reply time of the options."""
        self._received += 1
        try:
            return await self._complete(request)
        finally:
            self._received -= 1

    async def _complete(self, request: web.Request) -> web.Response:
        content = await request.read()
        [fault] = self._dice.choices(self._faults, self._shares)
        if fault == "rate_limit":
            raise self._rate_limit()
        if fault == "hang":
            await asyncio.Event().wait()
        chat = parse_request(content)
        if self.options.mean_latency_ms:
            await self._take_time(chat)
        if fault == "error":
            raise Refusal("Internal server error (requested with --error-rate).", 500)
        if fault == "drop" and request.transport is not None:
            request.transport.abort()
        completion = self.completion(chat)
        self._tokens_written += completion["usage"]["completion_tokens"]
        return _json_response(completion)

    def completion(self, chat: ChatRequest) -> dict[str, Any]:
        """The JSON of an answer, with the faults that it must have.

        Raises:
            Refusal: Prompt and reply do not fit within the context length.
        """
        prompt_tokens = 0
        for _, text in chat.messages:
            prompt_tokens += _count_tokens(text) + TOKENS_PER_MESSAGE
        room = self.options.context_length - prompt_tokens
        if room < (chat.max_tokens or 1):
            raise Refusal(
                f"This model's maximum context length is {self.options.context_length} tokens. "
                f"Your messages have {prompt_tokens} tokens, which leaves too few for the reply.",
                code="context_length_exceeded",
            )
        digest = rules.request_digest(chat.messages, chat.seed, chat.temperature)
        whole, text = self._write(chat, digest, max_tokens=chat.max_tokens or room)
        completion_tokens = _count_tokens(text)
        usage = {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        }
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": "stop" if text == whole else "length",
        }
        return {
            "id": f"chatcmpl-{digest.hex()}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": MODEL,
            "choices": [choice],
            "usage": usage,
        }

    def _write(self, chat: ChatRequest, digest: bytes, max_tokens: int) -> tuple[str, str]:
        """The whole reply, and as much of it as is sent."""
        pieces = rules.write(chat.messages, digest, max_tokens * CHARACTERS_PER_TOKEN)
        # Of its own, so that the same request always has the same fault.
        dice = random.Random(digest)
        if dice.random() < self.options.malformed_rate:
            whole = rules.to_malformed_text(pieces, dice)
        else:
            whole = rules.to_text(pieces)
        for stop in filter(None, chat.stop):
            whole = whole.partition(stop)[0]
        text = whole[: max_tokens * CHARACTERS_PER_TOKEN]
        if dice.random() < self.options.truncate_rate:
            text = text[: len(text) // 2]
        return whole, text

    def _rate_limit(self) -> Refusal:
        headers = None
        if self.options.retry_after:
            headers = {"Retry-After": f"{self.options.retry_after:g}"}
        message = "Too many requests (requested with --rate-limit)."
        return Refusal(message, 429, headers=headers)

    async def _take_time(self, chat: ChatRequest) -> None:
        """Hold a slot for a reply time, which depends on the request and not on who asks first."""
        digest = rules.request_digest(chat.messages, chat.seed, chat.temperature)
        factor = reply_time(digest, self.options.sigma)
        async with self._slots:
            self._running += 1
            try:
                await asyncio.sleep(factor * self.options.mean_latency_ms / 1000)
            finally:
                self._running -= 1


def reply_time(digest: bytes, sigma: float) -> float:
    """How long the reply to a request takes, as a multiple of the mean.

    It is drawn by the request itself, so that two clients that ask the same wait as long. The mean
    of a log-normal distribution is exp(mu + σ²/2).
    """
    dice = random.Random(b"reply time" + digest)
    return min(LONGEST_LATENCY, dice.lognormvariate(-(sigma**2) / 2, sigma))


def parse_request(content: bytes) -> ChatRequest:
    """A chat request from its JSON.

    Raises:
        Refusal: 404 for another model, 400 for what cannot be answered.
    """
    try:
        body = json.loads(content)
        chat = _parse_body(body)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Refusal(
            "A chat request is a JSON object with a model and messages, each with a role and a "
            f"text; stop is a text or a list of texts. This one is not: {error!r:.200}"
        ) from None
    model = body.get("model")
    if model != MODEL:
        raise Refusal(f"The model `{model!s:.200}` does not exist.", 404)
    return chat


def _parse_body(body: dict[str, Any]) -> ChatRequest:
    """Raises ValueError, TypeError, KeyError or AttributeError for what is not a chat request."""
    messages = tuple((str(message["role"]), message["content"]) for message in body["messages"])
    stop = body.get("stop") or ()
    if isinstance(stop, str):
        stop = (stop,)
    texts = [*stop, *(text for _, text in messages)]
    if not messages or not all(isinstance(text, str) for text in texts):
        raise TypeError("there is no message, or one is not a text")
    _number(body, "n", int, 1, 1)
    _number(body, "stream", bool, 0, 0)
    return ChatRequest(
        messages=messages,
        seed=_number(body, "seed", int, -1e20, 1e20),
        temperature=_number(body, "temperature", int | float, 0, 2),
        max_tokens=_number(body, "max_tokens", int, 1, 1e9),
        stop=tuple(stop),
    )


def _number(
    body: dict[str, Any], name: str, kind: type[Any] | UnionType, low: float, high: float
) -> Any:
    """A field of a request, None if it is missing. Raises ValueError unless it is in its range."""
    value: Any = body.get(name)
    is_valid = isinstance(value, kind) and low <= value <= high
    if value is not None and not is_valid:
        raise ValueError(f"{name} cannot be {value!r:.50}")
    return value


def _count_tokens(text: str) -> int:
    return -(-len(text) // CHARACTERS_PER_TOKEN)  # rounded up


def _error_response(
    error: Exception, status: int, code: str | None = None, headers: dict[str, str] | None = None
) -> web.Response:
    details = {
        "message": str(error) or repr(error),
        "type": "rehearsal_error",
        "param": None,
        "code": code or status,
    }
    return _json_response({"error": details}, status, headers)


def _json_response(
    value: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    body = json.dumps(value).encode()
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


def _end_with_parent() -> None:
    os.read(0, 1)  # nothing is ever written there: it returns when the other end is closed
    os._exit(0)


def main(file_descriptor: str, options: str) -> None:
    """Serve the socket with this file descriptor until the process is ended."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    server = RehearsalServer(Options(**json.loads(options)))
    middlewares = [server.answer_errors_in_json, server.refuse_other_hosts]
    app = web.Application(client_max_size=64 * 2**20, middlewares=middlewares)
    app.router.add_get("/v1/models", server.list_models)
    app.router.add_get("/metrics", server.metrics)
    app.router.add_post("/v1/chat/completions", server.complete)
    web.run_app(
        app,
        sock=socket.socket(fileno=int(file_descriptor)),
        backlog=1024,
        keepalive_timeout=3600,
        handle_signals=False,
        handler_cancellation=True,  # a client that hangs up frees its slot
        access_log=None,
        print=None,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
