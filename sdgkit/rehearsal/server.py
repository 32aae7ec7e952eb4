"""The rehearsal teacher's server: OpenAI's chat API on 127.0.0.1, answered by rules.

`python -m sdgkit.rehearsal.server FD OPTIONS` serves the socket of this number, with the settings of `Options`
as JSON. It ends when its standard input closes: with the process that started it, however that one ended.
"""

import asyncio
import json
import os
import random
import socket
import sys
import threading
import time
from functools import partial
from typing import Any

from aiohttp import web

from sdgkit.rehearsal import rules
from sdgkit.rehearsal.options import Options

MODEL = "rehearsal"
CHARACTERS_PER_TOKEN = 4  # the usual rule of thumb for English; good enough to rehearse costs
NUMBERS: dict[str, tuple[Any, float, float]] = {  # fields of a request that have a kind and bounds
    "n": (int, 1, 1), "max_tokens": (int, 1, 1e9), "temperature": (int | float, 0, 2), "seed": (int, -1e20, 1e20),
    "stream": (bool, 0, 0),
}  # fmt: skip


class Refusal(Exception):
    """A request that is answered with an error."""

    def __init__(
        self, message: str, status: int = 400, code: str | None = None, **headers: str
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.more = status, code, {"headers": headers}


class RehearsalServer:
    """Answers HTTP requests; one object a process."""

    def __init__(self, options: Options) -> None:
        self.options, self.slots = options, asyncio.Semaphore(options.slots)
        self.dice = random.Random("arrivals")  # always the same row of faults and reply times
        shares = (options.rate_limit, options.hang_rate, options.error_rate, options.drop_rate)
        self.shares = (*shares, max(0.0, 1 - sum(shares)))

    @web.middleware
    async def in_openais_shape(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Whatever happens, the client gets JSON."""
        try:
            return await handler(request)
        except Exception as error:  # also a bug in a rule: it must not look like a dead server
            status, code, more = (getattr(error, name, None) for name in ("status", "code", "more"))
            told = {"message": str(error) or repr(error), "type": "rehearsal_error", "param": None}
            return _json(
                {"error": {**told, "code": code or status}}, status=status or 500, **more or {}
            )

    async def models(self, request: web.Request) -> web.Response:
        """GET /v1/models."""
        card = {"id": MODEL, "object": "model", "created": 0, "owned_by": "sdgkit"}
        return _json(
            {"object": "list", "data": [{**card, "max_model_len": self.options.context_length}]}
        )

    async def complete(self, request: web.Request) -> web.Response:
        """POST /v1/chat/completions, with the faults and the time that the options ask for."""
        options, raw = self.options, await request.read()
        [fault] = self.dice.choices(("rate_limit", "hang", "error", "drop", ""), self.shares)
        if fault == "rate_limit":
            headers = {"Retry-After": f"{options.retry_after:g}"} if options.retry_after else {}
            raise Refusal("Too many requests (asked for with --rate-limit).", 429, **headers)
        if fault == "hang":
            await asyncio.Event().wait()
        body, messages = read_request(raw)
        if options.mean_latency_ms:  # the mean of a log-normal distribution is exp(mu + sigma²/2)
            times = min(10.0, self.dice.lognormvariate(-(options.sigma**2) / 2, options.sigma))
            async with self.slots:
                await asyncio.sleep(times * options.mean_latency_ms / 1000)
        if fault == "error":
            raise Refusal("Internal server error (asked for with --error-rate).", 500)
        if fault == "drop" and request.transport is not None:
            request.transport.abort()
        return _json(self.completion(body, messages))

    def completion(self, body: dict[str, Any], messages: rules.Messages) -> dict[str, Any]:
        """The JSON of an answer, with the faults that it is to have.

        Raises:
            Refusal: prompt and reply do not fit the context.
        """
        length, prompt_tokens = (
            self.options.context_length,
            sum(_tokens(text) + 4 for _, text in messages),
        )
        room, most = length - prompt_tokens, body.get("max_tokens")
        if room < (most or 1):
            words = f"This model's maximum context length is {length} tokens; {prompt_tokens} are in the messages, and"
            raise Refusal(
                f"{words} the completion does not fit behind them.", code="context_length_exceeded"
            )
        digest = rules.digest(messages, body.get("seed"), body.get("temperature"))
        pieces, dice = (
            rules.write(messages, digest),
            random.Random(digest),
        )  # the same request meets the same fault
        whole = (
            rules.text(pieces)
            if dice.random() >= self.options.malformed_rate
            else rules.malformed(pieces, dice)
        )
        for word in filter(None, body["stop"]):
            whole = whole.partition(word)[0]
        text = whole[: (most or room) * CHARACTERS_PER_TOKEN]
        if dice.random() < self.options.truncate_rate:
            text = text[: len(text) // 2]
        reason = "stop" if text == whole else "length"
        used = {"prompt_tokens": prompt_tokens, "completion_tokens": _tokens(text)}
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": reason,
        }
        about = {
            "id": f"chatcmpl-{digest.hex()}",
            "object": "chat.completion",
            "created": int(time.time()),
        }
        return {
            **about,
            "model": MODEL,
            "choices": [choice],
            "usage": {**used, "total_tokens": sum(used.values())},
        }


def read_request(raw: bytes) -> tuple[dict[str, Any], rules.Messages]:
    """A chat request's JSON, and its messages.

    Raises:
        Refusal: 404 for another model, 400 for what cannot be answered.
    """
    try:
        body = json.loads(raw)
        messages = tuple((str(message["role"]), message["content"]) for message in body["messages"])
        body["stop"] = (
            [body["stop"]] if isinstance(body.get("stop"), str) else body.get("stop") or []
        )
        if not messages or not all(
            isinstance(text, str) for text in (*body["stop"], *(text for _, text in messages))
        ):
            raise TypeError("there is no message, or one is no text")
        for name, (kind, low, high) in NUMBERS.items():
            value = body.get(name)
            if value is not None and not (isinstance(value, kind) and low <= value <= high):
                raise ValueError(f"{name} cannot be {value!r:.50}")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        form = "a JSON object with a model and messages, each a role and a text; stop is a text or a list of texts"
        raise Refusal(f"A chat request is {form}: {error!r:.200}") from None
    if body.get("model") != MODEL:
        raise Refusal(f"The model `{body.get('model')!s:.200}` does not exist.", 404)
    return body, messages


def _tokens(text: str) -> int:
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def _json(value: dict[str, Any], **more: Any) -> web.Response:
    return web.Response(body=json.dumps(value).encode(), content_type="application/json", **more)


def _end_with_parent() -> None:
    os.read(0, 1)  # nobody writes there: it returns when the other end is closed
    os._exit(0)


def main(number: str, options: str) -> None:
    """Serve the socket of this number until the process is ended."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    server = RehearsalServer(Options(**json.loads(options)))
    app = web.Application(client_max_size=64 * 2**20, middlewares=[server.in_openais_shape])
    app.router.add_get("/v1/models", server.models)
    app.router.add_post("/v1/chat/completions", server.complete)
    run = partial(
        web.run_app,
        backlog=1024,
        keepalive_timeout=3600,
        handle_signals=False,
        access_log=None,
        print=None,
    )
    run(
        app, sock=socket.socket(fileno=int(number)), handler_cancellation=True
    )  # who hangs up frees its slot


if __name__ == "__main__":
    main(*sys.argv[1:])
