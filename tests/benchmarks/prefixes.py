"""What a prefix cache can save: of the prompts of a run, and with eight servers behind it.

A run on the rehearsal teacher; its prompts are played, in the order in which they were sent,
through caches in blocks of 16 tokens (vLLM's), a token being 4 characters.

- Cached share of the prompt tokens: without a limit, and with what the last 256 requests had.
- Prompt tokens for each sample that is kept and distinct.
- Eight servers, 128 requests in flight: the cached share if each request goes to the least busy
  server, and if one seed's requests prefer one server (`sdgkit.teachers.affinity`), for caches that
  hold 10,000 to 160,000 tokens each.

python tests/benchmarks/prefixes.py [SEEDS]
"""

import argparse
import hashlib
import heapq
import random
import sys
import tempfile
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from reference import repeat

import sdgkit as sk
from sdgkit.quality import distinct_answers
from sdgkit.run import Run
from sdgkit.seeds import read_seeds
from sdgkit.teachers import Reply, Request, Teacher
from sdgkit.teachers.affinity import preferred_servers

CHARACTERS_PER_TOKEN = 4
BLOCK = 16  # tokens
LAST = 256
SERVERS = 8
IN_FLIGHT = 128
CACHE_TOKENS = (10_000, 40_000, 160_000)

Route = Callable[[str, Mapping[str, int]], str]


@dataclass(frozen=True)
class Prompt:
    """A prompt that was sent.

    Attributes:
        seed: The lineage id of its seed.
        blocks: Its blocks, each named by everything up to its end.
        tokens: How many tokens it has.
    """

    seed: str
    blocks: tuple[bytes, ...]
    tokens: int


@dataclass(frozen=True)
class Played:
    """The prompts of a run, and how many samples it kept."""

    prompts: Sequence[Prompt]
    distinct_samples: int


def played(seeds: int) -> Played:
    """Run a number of seeds on the rehearsal teacher."""
    few = read_seeds(sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl")
    with (
        sk.connect("rehearsal", concurrency=64, mean_latency_ms=50) as teacher,
        tempfile.TemporaryDirectory() as folder,
    ):
        prompts: list[Prompt] = []
        note_prompts(teacher, prompts)
        plan = sk.plan(repeat(few, seeds), teacher=teacher, profile=False)
        run = Run(plan, folder, on_note=lambda _: None)
        run.start()
        run.wait()
        return Played(prompts, distinct_answers(run.samples()))


def note_prompts(teacher: Teacher, prompts: list[Prompt]) -> None:
    """Note each prompt that a teacher is asked with from now on."""
    ask = teacher.reply

    async def reply(request: Request, **options: Any) -> Reply:
        text = "\n".join(message["content"] for message in request.messages)
        prompts.append(prompt_of(text, options["origin"].seed))
        return await ask(request, **options)

    teacher.reply = reply  # type: ignore[method-assign]


def prompt_of(text: str, seed: str) -> Prompt:
    """A prompt as a cache sees it."""
    digest = hashlib.blake2b(digest_size=8)
    blocks = []
    size = BLOCK * CHARACTERS_PER_TOKEN
    for start in range(0, len(text) - size + 1, size):
        digest.update(text[start : start + size].encode())
        blocks.append(digest.digest())
    return Prompt(seed, tuple(blocks), -(-len(text) // CHARACTERS_PER_TOKEN))


class Cache:
    """A prefix cache that forgets what was not used for longest.

    Args:
        tokens: How many tokens it holds.
    """

    def __init__(self, tokens: float) -> None:
        self._most = tokens / BLOCK
        self._blocks: OrderedDict[bytes, None] = OrderedDict()

    def read(self, prompt: Prompt) -> int:
        """Read a prompt; the tokens of its beginning that were there."""
        hits = 0
        for block in prompt.blocks:
            if block not in self._blocks:
                break
            hits += 1
        for block in prompt.blocks:
            self._blocks[block] = None
            self._blocks.move_to_end(block)
        while len(self._blocks) > self._most:
            self._blocks.popitem(last=False)
        return hits * BLOCK


def share_of_last(prompts: Sequence[Prompt]) -> float:
    """The share of the tokens that one of the last prompts began with, too."""
    last: deque[Prompt] = deque()
    counts: dict[bytes, int] = {}
    hits = 0
    for prompt in prompts:
        for block in prompt.blocks:
            if not counts.get(block):
                break
            hits += BLOCK
        last.append(prompt)
        for block in prompt.blocks:
            counts[block] = counts.get(block, 0) + 1
        if len(last) > LAST:
            for block in last.popleft().blocks:
                counts[block] -= 1
    return hits / sum(prompt.tokens for prompt in prompts)


def share_with_servers(prompts: Sequence[Prompt], route: Route, tokens: int) -> float:
    """The cached share with several servers, each with a cache of its own."""
    names = [f"http://server-{number}/v1" for number in range(SERVERS)]
    caches = {name: Cache(tokens) for name in names}
    in_flight = dict.fromkeys(names, 0)
    dice = random.Random("reply times")
    ends: list[tuple[float, str]] = []
    now = 0.0
    hits = 0
    for prompt in prompts:
        if len(ends) >= IN_FLIGHT:
            now, ended = heapq.heappop(ends)
            in_flight[ended] -= 1
        server = route(prompt.seed, in_flight)
        in_flight[server] += 1
        hits += caches[server].read(prompt)
        heapq.heappush(ends, (now + dice.lognormvariate(-0.32, 0.8), server))
    return hits / sum(prompt.tokens for prompt in prompts)


def by_affinity(seed: str, in_flight: Mapping[str, int]) -> str:
    """The server that the seed prefers."""
    return preferred_servers(seed, in_flight)[0]


def least_busy(seed: str, in_flight: Mapping[str, int]) -> str:
    """The server with the fewest requests."""
    return min(in_flight, key=lambda server: in_flight[server])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("seeds", nargs="?", type=int, default=50)
    options = parser.parse_args()
    run = played(options.seeds)
    tokens = sum(prompt.tokens for prompt in run.prompts)
    unlimited = Cache(float("inf"))
    hits = sum(unlimited.read(prompt) for prompt in run.prompts)
    print(f"{len(run.prompts)} requests, {tokens / len(run.prompts):.0f} prompt tokens each")
    print(f"cached share, no limit: {hits / tokens:.1%}")
    print(f"cached share, last {LAST} requests: {share_of_last(run.prompts):.1%}")
    print(
        f"prompt tokens a kept, distinct sample: {tokens / run.distinct_samples:.0f}, "
        f"{(tokens - hits) / run.distinct_samples:.0f} of them not cached"
    )
    for size in CACHE_TOKENS:
        affinity = share_with_servers(run.prompts, by_affinity, size)
        busy = share_with_servers(run.prompts, least_busy, size)
        print(
            f"{SERVERS} servers, caches of {size:,} tokens: {affinity:.1%} by affinity, "
            f"{busy:.1%} by least busy"
        )


if __name__ == "__main__":
    main()
