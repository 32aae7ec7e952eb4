"""Finds out whether a server cuts long prompts without saying so, by its own token counts.

Ollama's default context, for one, is a few thousand tokens; what is over it is cut from the front,
with status 200. Samples made of half a prompt look like samples. How many tokens a text has depends
on the model, so the server is asked: for the whole prompt, and for its two halves. Each of these
requests has a beginning of its own, since some servers do not count what they have in a cache.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

# Bytes (UTF-8) of the shortest prompt that is looked at: some 1,000 tokens, in most scripts.
SHORTEST = 4_000
# Bytes a token. With fewer, in any script, nothing substantial can be missing.
FEWEST_BYTES = 3.0
# How much more the halves may have than the whole: a word cut in two, a rounded estimate.
TOLERANCE = 1.1
SPARE_TOKENS = 16
# A prompt with more bytes a token than one that was looked at is looked at, too.
MORE_BYTES = 1.15
# Two prompts that differ by more than this share cannot have the same number of tokens.
LONGER = 1.05


class PromptWatch:
    """Watches the token counts of one server.

    Args:
        count: Asks the server how many tokens a message of this text has, 0 where it does not say.

    Attributes:
        finding: What was found out, in words; empty while no prompt was cut.
    """

    def __init__(self, count: Callable[[str], Awaitable[int]]) -> None:
        self.finding = ""
        self._count = count
        self._whole_ratio = 0.0  # bytes a token of prompts that were not cut
        self._most_tokens = 0
        self._most_bytes = 0
        self._looking = asyncio.Lock()

    async def look_at(self, body: Mapping[str, Any], prompt_tokens: int) -> None:
        """Look at the prompt of a request that was answered.

        Args:
            body: The body of the request.
            prompt_tokens: How many tokens the server counted; 0 where it does not say.
        """
        text = "\n\n".join(str(message["content"]) for message in body["messages"])
        size = len(text.encode("utf-8", "replace"))
        if size < SHORTEST or not prompt_tokens:
            return
        async with self._looking:
            if not self.finding and self._is_suspect(size, prompt_tokens):
                await self._measure(text)
                self._whole_ratio = max(self._whole_ratio, size / prompt_tokens)
            if prompt_tokens >= self._most_tokens:
                self._most_tokens = prompt_tokens
                self._most_bytes = max(size, self._most_bytes)

    def _is_suspect(self, size: int, prompt_tokens: int) -> bool:
        ratio = size / prompt_tokens
        has_many_bytes = ratio > max(FEWEST_BYTES, MORE_BYTES * self._whole_ratio)
        is_full = prompt_tokens == self._most_tokens and size > LONGER * self._most_bytes
        return has_many_bytes or is_full

    async def _measure(self, text: str) -> None:
        """Compare the tokens of the whole text with those of its halves."""
        middle = len(text) // 2
        counts = []
        for part in ("", text, text[:middle], text[middle:]):
            counts.append(await self._count(f"{secrets.token_hex(4)}\n{part}"))
        if not all(counts):
            return  # it cannot be asked in this way
        frame, whole, first, second = counts
        expected = first + second - frame
        if expected > TOLERANCE * whole + SPARE_TOKENS:
            self.finding = (
                f"it counted {whole:,} tokens in a prompt of {len(text):,} characters, and "
                f"{expected:,} in its two halves"
            )
