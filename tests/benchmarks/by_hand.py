"""A teacher played by hand: a server whose replies are written by whoever answers its letters.

It measures what no rehearsal can: whether the prompts ask for the right thing.

python tests/benchmarks/by_hand.py serve 9911 letters     # a server at http://127.0.0.1:9911/v1
python tests/benchmarks/by_hand.py show letters           # the letters that wait for a reply
python tests/benchmarks/by_hand.py answer letters my.txt  # replies, each below its "=== 0001"

A request becomes the letter letters/in/0001.txt and waits for letters/out/0001.txt. Whoever
answers, a person or a capable model, goes by the letter alone, and not by what other letters say.
"""

import argparse
import asyncio
import json
import re
import time
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from aiohttp import web

MODEL = "by-hand"
CONTEXT = 131_072  # tokens that prompt and reply may have together
POLL_S = 0.2
CHARACTERS_PER_TOKEN = 4  # by which prompts and replies are counted

_REPLY = re.compile(r"^=== (\d{4,})\n(.*?)(?=^=== \d{4,}$|\Z)", re.MULTILINE | re.DOTALL)


class Letters:
    """The letters in a folder, and the replies to them.

    Args:
        folder: The folder, which need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self._requests = folder / "in"
        self._replies = folder / "out"
        for box in (self._requests, self._replies):
            box.mkdir(parents=True, exist_ok=True)
        self._number = len(list(self._requests.glob("*.txt")))

    def add(self, messages: Sequence[dict[str, str]]) -> str:
        """Put a letter down.

        Returns:
            Its number.
        """
        self._number += 1
        number = f"{self._number:04d}"
        parts = [f"<<<{message['role']}>>>\n{message['content']}\n" for message in messages]
        _write(self._requests / f"{number}.txt", "".join(parts))
        return number

    async def reply(self, number: str) -> str:
        """The reply to a letter, as soon as there is one."""
        file = self._replies / f"{number}.txt"
        while not file.exists():
            await asyncio.sleep(POLL_S)
        return file.read_text("utf-8")

    def answer(self, replies: str) -> list[str]:
        """Write replies down.

        Args:
            replies: The replies, each below a line `=== 0001` with the number of its letter.

        Returns:
            The numbers of the letters that have been answered.

        Raises:
            SystemExit: There is no letter of such a number.
        """
        numbers = []
        for number, text in _REPLY.findall(replies):
            if not (self._requests / f"{number}.txt").exists():
                raise SystemExit(f"There is no letter {number}.")
            _write(self._replies / f"{number}.txt", text.strip("\n"))
            numbers.append(number)
        return numbers

    def waiting(self) -> dict[str, str]:
        """The letters without a reply, by number; those that begin alike stand together."""
        letters = {}
        for file in self._requests.glob("*.txt"):
            if not (self._replies / file.name).exists():
                letters[file.stem] = file.read_text("utf-8")
        return dict(sorted(letters.items(), key=lambda letter: letter[1]))


def shown(letters: dict[str, str]) -> str:
    """Letters to read one after the other: without what a letter shares with the one before."""
    parts = []
    before: list[str] = []
    for number, text in letters.items():
        lines = text.splitlines()
        pairs = zip(lines, before, strict=False)
        common = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
        as_before = f" ({common} lines as before)" if common else ""
        parts.append("\n".join([f"=== {number}{as_before}", *lines[common:]]))
        before = lines
    return "\n\n".join(parts)


def _write(file: Path, text: str) -> None:
    """Write a file that appears whole."""
    unfinished = file.with_suffix(".part")
    unfinished.write_text(text, "utf-8")
    unfinished.replace(file)


def application(letters: Letters) -> web.Application:
    """The server: chat completions, and a list of one model."""

    async def complete(request: web.Request) -> web.Response:
        body = await request.json()
        number = letters.add(body["messages"])
        reply = await letters.reply(number)
        return web.json_response(_completion(number, body["messages"], reply))

    async def list_models(_: web.Request) -> web.Response:
        model = {"id": MODEL, "object": "model", "created": 1, "max_model_len": CONTEXT}
        return web.json_response({"object": "list", "data": [model]})

    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/v1/chat/completions", complete)
    app.router.add_get("/v1/models", list_models)
    return app


def _completion(number: str, messages: Sequence[dict[str, str]], reply: str) -> dict[str, Any]:
    prompt_tokens = len(json.dumps(messages, ensure_ascii=False)) // CHARACTERS_PER_TOKEN
    completion_tokens = len(reply) // CHARACTERS_PER_TOKEN
    message = {"role": "assistant", "content": reply}
    return {
        "id": f"letter-{number}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="serve until Ctrl-C")
    serve.add_argument("port", type=int)
    serve.add_argument("folder", type=Path)
    show = commands.add_parser("show", help="print the letters that wait for a reply")
    show.add_argument("folder", type=Path)
    answer = commands.add_parser("answer", help="answer letters")
    answer.add_argument("folder", type=Path)
    answer.add_argument("file", type=Path)
    options = parser.parse_args()
    letters = Letters(options.folder)
    if options.command == "serve":
        web.run_app(application(letters), host="127.0.0.1", port=options.port)
    elif options.command == "show":
        print(shown(letters.waiting()))
    else:
        print(f"{len(letters.answer(options.file.read_text('utf-8')))} letters answered")


if __name__ == "__main__":
    main()
