"""A hand-written asyncio script: no journal, no second try, no record of what was dropped."""

import asyncio
from typing import Any

import aiohttp
from job_file import JOB, KEY, MODEL, PROMPTS, finish, message, pieces, score

Row = dict[str, Any]


async def main() -> None:
    samples: list[Row] = []
    slots = asyncio.Semaphore(JOB["slots"])
    connector = aiohttp.TCPConnector(limit=JOB["slots"])
    headers = {"Authorization": f"Bearer {KEY}"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def ask(stage: str, row: Row) -> str:
            prompt = PROMPTS[stage]
            body = {
                "model": MODEL,
                "messages": [
                    {"role": "system", "content": prompt["system"]},
                    {"role": "user", "content": message(stage, row)},
                ],
                "temperature": prompt["temperature"],
                "max_tokens": prompt["max_tokens"],
            }
            url = f"{JOB['base_url']}/chat/completions"
            async with slots, session.post(url, json=body) as response:
                if response.status != 200:
                    return ""
                reply = await response.json()
            text: str = reply["choices"][0]["message"]["content"]
            return text

        async def answer(row: Row) -> None:
            stage = "eval_grounded_questions"
            if score(stage, await ask(stage, row)) != 1.0:
                return
            stage = "gen_grounded_responses"
            for piece in pieces(stage, await ask(stage, row))[:1]:
                row = {**row, **piece}
                stage = "evaluate_grounded_qa_pair"
                if score(stage, await ask(stage, row)) >= 2.0:
                    samples.append(row)

        async def context(seed: Row) -> None:
            stage = "gen_contexts"
            for piece in pieces(stage, await ask(stage, seed))[:1]:
                row = {**seed, **piece}
                stage = "gen_grounded_questions"
                questions = pieces(stage, await ask(stage, row))[: JOB["questions"]]
                await asyncio.gather(*(answer({**row, **question}) for question in questions))

        seeds = [seed for seed in JOB["seeds"] for _ in range(JOB["contexts"])]
        await asyncio.gather(*map(context, seeds))
    finish(samples)


if __name__ == "__main__":
    asyncio.run(main())
