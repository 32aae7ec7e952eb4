"""The yardstick: the same calls from a hand-written asyncio script.

It has no journal, tries nothing again and records no drops. It asks with the same messages and
sampling seeds as sdgkit, so a rehearsal teacher gives it the same replies.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

from sdgkit.prompts import Prompt, load_prompts, read_score
from sdgkit.teachers.teacher import Request

NAMES = [
    "gen_contexts",
    "gen_grounded_questions",
    "eval_grounded_questions",
    "gen_grounded_responses",
    "evaluate_grounded_qa_pair",
]


async def generate(
    seeds: list[dict[str, Any]],
    base_url: str,
    concurrency: int,
    variables_of: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> dict[str, float]:
    """The eight stages over all seeds.

    Args:
        seeds: The seeds.
        base_url: The teacher's address.
        concurrency: How many requests at once.
        variables_of: What the prompts for a row show beside it, such as the other seeds.

    Returns:
        Seconds in all and to the first sample, requests and samples.
    """
    prompts = load_prompts(NAMES, "grounded")
    slots = asyncio.Semaphore(concurrency)
    begun = time.perf_counter()
    done = {"requests": 0, "samples": 0, "first_s": 0.0}
    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def ask(prompt: Prompt, row: dict[str, Any], ordinal: int = 1) -> str:
            messages = prompt.render({**variables_of(row), **row})
            request = Request(tuple(messages), dict(prompt.sampling), ordinal)
            async with (
                slots,
                session.post(
                    f"{base_url}/chat/completions", json=request.body("rehearsal")
                ) as response,
            ):
                reply = await response.json()
            done["requests"] += 1
            text: str = reply["choices"][0]["message"]["content"]
            return text

        async def judged(name: str, row: dict[str, Any], scale: tuple[float, ...]) -> float:
            names_faults = len(prompts[name].start_tags) == 3
            columns = ["evaluation", *(["faults"] if names_faults else []), "score"]
            reply = await ask(prompts[name], row)
            rows = prompts[name].parse(reply, columns, optional=("faults",)).rows
            return (read_score(rows[0]["score"], scale) if rows else None) or 0.0

        async def answer(row: dict[str, Any]) -> None:
            if await judged("eval_grounded_questions", row, (0.0, 1.0)) != 1.0:
                return
            prompt = prompts["gen_grounded_responses"]
            found = prompt.parse(await ask(prompt, row), ("response",)).rows
            if (
                found
                and await judged("evaluate_grounded_qa_pair", {**row, **found[0]}, (1.0, 2.0, 3.0))
                >= 2.0
            ):
                done["samples"] += 1
                done["first_s"] = done["first_s"] or time.perf_counter() - begun

        async def context(seed: dict[str, Any], ordinal: int, seen: set[str]) -> None:
            prompt = prompts["gen_contexts"]
            found = prompt.parse(await ask(prompt, seed, ordinal), ("context",)).rows
            if not found:
                return
            if found[0]["context"] in seen:  # a duplicate: one further try, as sdgkit does
                seen.add(f"#{len(seen)}")
                return await context(seed, 10 + sum(text.startswith("#") for text in seen), seen)
            seen.add(found[0]["context"])
            row = {**seed, **found[0]}
            prompt = prompts["gen_grounded_questions"]
            questions = prompt.parse(
                await ask(prompt, {**row, "num_samples": 3}), ("question",)
            ).rows
            await asyncio.gather(*(answer({**row, **question}) for question in questions[:3]))

        async def all_of(seed: dict[str, Any]) -> None:
            seen: set[str] = set()
            await asyncio.gather(*(context(seed, ordinal, seen) for ordinal in range(1, 11)))

        await asyncio.gather(*(all_of(seed) for seed in seeds))
    return {**done, "wall_s": time.perf_counter() - begun}


def repeat(seeds: list[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    """`number` different seeds made of a few.

    Each further round of them says so in its task description.
    """
    rows = []
    for at in range(number):
        seed, round_ = seeds[at % len(seeds)], at // len(seeds)
        note = f" (series {round_ + 1})" if round_ else ""
        rows.append({**seed, "task_description": seed["task_description"] + note})
    return rows
