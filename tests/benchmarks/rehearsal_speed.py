"""How many requests a second the rehearsal teacher serves.

python tests/benchmarks/rehearsal_speed.py

A bare aiohttp client in another process sends the requests of a grounded run (contexts, questions,
responses, judgements; 2.5 KB of prompt each) over 64 connections. Client and server share the
machine: with fewer than two free cores the client takes a part of what the server could do, so the
server's own CPU time a request is shown beside it ("one core" is one second divided by that).
"""

import argparse
import asyncio
import itertools
import os
import time

import aiohttp

from sdgkit.rehearsal import start

PADDING = (
    "* Use proper grammar, keep to the facts, and write in the style of the example that "
    "is shown to you.\n"
)

EXAMPLE = """[Start of Context]
We asked eleven pilot users about the new planner. The calendar view is a delight, says Amara. \
Offline sync lost two of my entries on Monday. Search is fine, I guess. The theme is gorgeous but \
the PDF export crashes.
[End of Context]
[Start of Question]
Put the feedback into a markdown table with the columns feature, feedback and sentiment.
[End of Question]
"""
ANSWER = """[Start of Response]
| Feature | Feedback | Sentiment |
|---|---|---|
| Calendar view | A delight | Positive |
| Offline sync | Lost two entries | Negative |
| Search | Fine | Neutral |
[End of Response]
"""
GIVEN = """Now this one:
[Start of Context]
The calendar view is a delight, note {number}. Offline sync lost {number} of my entries on Monday.
[End of Context]
"""
ASKED = GIVEN + "[Start of Question]\nPut the feedback into a markdown table.\n[End of Question]\n"
KINDS = {
    "context": EXAMPLE + "Write one new context between [Start of Context] and [End of Context].",
    "question": EXAMPLE
    + GIVEN
    + "Write 3 questions, each between\n[Start of Question]\n[End of Question]",
    "response": EXAMPLE
    + ANSWER
    + ASKED
    + "Answer between [Start of Response] and [End of Response].",
    "judge": EXAMPLE
    + ANSWER
    + ASKED
    + ANSWER.replace("two", "{number}")
    + "Judge it.\n[Start of Evaluation]\n[End of Evaluation]\n"
    + "[Start of Score]\n1 to 3\n[End of Score]",
}
SHARES = ["context", *["question"], *["response"] * 3, *["judge"] * 5]  # roughly a grounded run's


def prompt(kind: str, number: int) -> str:
    """A prompt of 2.5 KB.

    `number` makes it unlike the others (contexts differ by sampling seed only).
    """
    text = KINDS[kind].replace("{number}", str(number))
    return PADDING * max(0, (2500 - len(text)) // len(PADDING)) + text


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def drive(base_url: str, requests: int, connections: int) -> None:
    """Send all requests; raises if one is not answered with 200."""
    numbers = itertools.count()

    async def worker(session: aiohttp.ClientSession) -> None:
        while (number := next(numbers)) < requests:
            body = {
                "model": "rehearsal",
                "messages": [
                    {"role": "user", "content": prompt(SHARES[number % len(SHARES)], number)}
                ],
                "seed": number,
                "temperature": 0.7,
                "max_tokens": 2048,
            }
            async with session.post(base_url + "/chat/completions", json=body) as answer:
                await answer.read()
                answer.raise_for_status()

    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(worker(session) for _ in range(connections)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args()
    with start() as teacher:
        asyncio.run(drive(teacher.base_url, 500, options.connections))  # warm
        before, began = cpu_seconds(teacher.pid), time.perf_counter()
        asyncio.run(drive(teacher.base_url, options.requests, options.connections))
        wall, cpu = time.perf_counter() - began, cpu_seconds(teacher.pid) - before
    print(
        f"{options.requests / wall:,.0f} requests/s served ({options.requests} requests, "
        f"{wall:.1f} s)"
    )
    each = cpu / options.requests
    print(f"{1000 * each:.3f} ms of server CPU a request, or {1 / each:,.0f}/s a core")


if __name__ == "__main__":
    main()
