"""The teacher of the comparison: the rehearsal teacher, with what servers of models have besides.

Beside chats it completes plain prompts, lists of prompts and `n` replies at once, as vLLM does. A
request without a sampling seed gets another reply each time it is sent, as from a model. It notes
every reply it gave, with the time that the reply took of itself and the longest chain of replies
that had to come before it. `GET /notes` gives the notes.

python tests/benchmarks/peers/teacher.py FD OPTIONS     # as sdgkit.rehearsal.server is started
"""

import asyncio
import json
import random
import re
import socket
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from aiohttp import web

from sdgkit.rehearsal import rules
from sdgkit.rehearsal.options import Options
from sdgkit.rehearsal.reading import read
from sdgkit.rehearsal.server import (
    ChatRequest,
    Refusal,
    RehearsalServer,
    parse_request,
    reply_time,
)

TAGGED = re.compile(r"\[Start of \w+\]\n(.*?)\n\[End of \w+\]", re.DOTALL)

SCORE = "[Start of Score]"
# What a row consists of, in the order in which it is written.
LINEAGE = ("context", "question", "response")


@dataclass(frozen=True)
class Note:
    """A reply that was given.

    Attributes:
        begun_s: When its request came.
        ended_s: When it was sent.
        reply_s: The time that the reply takes by itself, without waiting for a slot.
        chain_s: The same of the longest chain of replies that ends with this one.
        prompt_tokens: Tokens read.
        completion_tokens: Tokens written.
    """

    begun_s: float
    ended_s: float
    reply_s: float
    chain_s: float
    prompt_tokens: int
    completion_tokens: int


class PeersTeacher(RehearsalServer):
    """Answers all contenders alike.

    Args:
        options: How slow and how faulty it is.
    """

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.notes: list[Note] = []
        self.refused = 0
        self._room = asyncio.Semaphore(options.slots)
        self._arrivals = random.Random("arrivals")
        self._asked: Counter[bytes] = Counter()
        # The longest chain of replies that led to a context, to a question about it, and so on.
        self._chains: dict[tuple[str, ...], float] = {}

    async def chat(self, request: web.Request) -> web.Response:
        """POST /v1/chat/completions."""
        body = await request.json()
        number = body.pop("n", None) or 1
        for message in body["messages"]:
            message["content"] = _plain(message["content"])
        chat = parse_request(json.dumps(body).encode())
        answers = await self._answers([chat] * number)
        return web.json_response(_joined(answers))

    async def complete_prompts(self, request: web.Request) -> web.Response:
        """POST /v1/completions, with one prompt or a list."""
        body = await request.json()
        prompts = body.pop("prompt")
        number = body.pop("n", None) or 1
        chats = []
        for prompt in [prompts] if isinstance(prompts, str) else prompts:
            body["messages"] = [{"role": "user", "content": prompt}]
            chats += [parse_request(json.dumps(body).encode())] * number
        answer = _joined(await self._answers(chats))
        for choice in answer["choices"]:
            choice["text"] = choice.pop("message")["content"]
        return web.json_response({**answer, "object": "text_completion"})

    async def give_notes(self, request: web.Request) -> web.Response:
        """GET /notes."""
        notes = [asdict(note) for note in self.notes]
        return web.json_response({"notes": notes, "refused": self.refused})

    async def _answers(self, chats: list[ChatRequest]) -> list[dict[str, Any]]:
        """The answers to what came in one HTTP request, or its one fault."""
        if self._arrivals.random() < self.options.error_rate:
            self.refused += 1
            await asyncio.sleep(self.options.mean_latency_ms / 1000)
            raise Refusal("Internal server error (requested with error_rate).", 500)
        return list(await asyncio.gather(*map(self._answer, chats)))

    async def _answer(self, chat: ChatRequest) -> dict[str, Any]:
        begun_s = time.monotonic()
        if chat.seed is None:
            same = rules.request_digest(chat.messages, None, chat.temperature)
            self._asked[same] += 1
            chat = replace(chat, seed=self._asked[same])
        digest = rules.request_digest(chat.messages, chat.seed, chat.temperature)
        reply_s = reply_time(digest, self.options.sigma) * self.options.mean_latency_ms / 1000
        async with self._room:
            await asyncio.sleep(reply_s)
        answer = self.completion(chat)
        chain_s = self._chain(chat, reply_s, answer["choices"][0]["message"]["content"])
        usage = answer["usage"]
        note = Note(
            begun_s=begun_s,
            ended_s=time.monotonic(),
            reply_s=reply_s,
            chain_s=chain_s,
            prompt_tokens=usage["prompt_tokens"],
            completion_tokens=usage["completion_tokens"],
        )
        self.notes.append(note)
        return answer

    def _chain(self, chat: ChatRequest, reply_s: float, reply: str) -> float:
        """The longest chain of replies that ends with this one, which is noted with what it says.

        The response to a question waits for its judgement, as the method has it.
        """
        material = read(chat.messages).material
        given = tuple(material[role] for role in LINEAGE if role in material)
        chain_s = reply_s + self._chains.get(given, 0.0)
        if SCORE in reply:
            made = [given]
        else:
            made = [(*given, text) for text in TAGGED.findall(reply)]
        for key in made:
            self._chains[key] = max(chain_s, self._chains.get(key, 0.0))
        return chain_s


def _plain(content: Any) -> Any:
    """The text of a message, which may come in parts."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content)
    return content


def _joined(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """Several answers as the choices of one."""
    choices = []
    usage: Counter[str] = Counter()
    for place, answer in enumerate(answers):
        [choice] = answer["choices"]
        choices.append({**choice, "index": place})
        usage.update(answer["usage"])
    return {**answers[0], "choices": choices, "usage": dict(usage)}


def main(file_descriptor: str, options: str) -> None:
    """Serve the socket with this file descriptor until the process is ended."""
    server = PeersTeacher(Options(**json.loads(options)))
    app = web.Application(client_max_size=64 * 2**20, middlewares=[server.answer_errors_in_json])
    app.router.add_get("/v1/models", server.list_models)
    app.router.add_get("/notes", server.give_notes)
    app.router.add_post("/v1/chat/completions", server.chat)
    app.router.add_post("/v1/completions", server.complete_prompts)
    web.run_app(
        app,
        sock=socket.socket(fileno=int(file_descriptor)),
        backlog=1024,
        keepalive_timeout=3600,
        handle_signals=False,
        handler_cancellation=True,
        access_log=None,
        print=None,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
