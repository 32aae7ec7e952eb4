"""The longest prompt that a run sends, as far as a pilot shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sdgkit.evaluation.pilot import Pilot
from sdgkit.evaluation.work import asked_by
from sdgkit.prompts import Prompt
from sdgkit.run.plan import Plan
from sdgkit.samples import Row
from sdgkit.stages import Stage
from sdgkit.studies import STUDY, with_fitting_reply


@dataclass(frozen=True)
class LongestPrompt:
    """The longest prompt: its tokens, the stage that sends it, and the prompt itself."""

    tokens: int
    stage: Stage
    prompt: Prompt


def longest_prompt(plan: Plan, pilot: Pilot) -> LongestPrompt:
    """The longest prompt that the run would send, as far as the pilot can tell."""
    columns = _longest_columns(pilot.rows)
    candidates = []
    for stage in plan.pipeline.stages:
        if stage.role is not None:
            tokens = max(_prompt_tokens(stage, plan, pilot, columns), default=0)
            candidates.append(LongestPrompt(tokens, stage, plan.prompts[stage.name]))
    for stage in STUDY.stages:
        exchanges = pilot.study.get(stage.name, ())
        if exchanges and plan.study is not None:
            tokens = max(exchange.prompt_tokens for exchange in exchanges)
            length = asked_by(stage, plan).context_length
            prompt = with_fitting_reply(plan.study[stage.name], length)
            candidates.append(LongestPrompt(tokens, stage, prompt))
    return max(candidates, key=lambda candidate: candidate.tokens)


def _prompt_tokens(stage: Stage, plan: Plan, pilot: Pilot, columns: Row) -> Iterator[int]:
    """The lengths in tokens of the prompts that the pilot sent, and of one for each seed.

    The latter are measured in characters and converted at the rate of the former.

    Args:
        columns: The longest text of each column, for those that a seed does not have.
    """
    exchanges = pilot.exchanges.get(stage.name, ())
    if not exchanges:
        return
    for exchange in exchanges:
        yield exchange.prompt_tokens
    characters_sent = 0
    for exchange in exchanges:
        characters_sent += exchange.characters
    tokens_sent = 0
    for exchange in exchanges:
        tokens_sent += exchange.prompt_tokens
    values = longest_values(stage)
    for _, seed in plan.admitted:
        variables = {**plan.variables_of(seed), **columns, **seed, **values}
        messages = plan.prompts[stage.name].render(variables)
        characters = 0
        for message in messages:
            characters += len(message["content"])
        yield round(characters * tokens_sent / max(1, characters_sent))


def _longest_columns(rows: Sequence[Row]) -> dict[str, Any]:
    """The longest text of each column."""
    longest: dict[str, Any] = {}
    for row in rows:
        for column, text in row.items():
            if len(str(text)) > len(str(longest.get(column, ""))):
                longest[column] = text
    return longest


def longest_values(stage: Stage) -> dict[str, Any]:
    """What the stage gives its prompt beside the row; of a list to draw from, the longest value."""
    values: dict[str, Any] = {"num_samples": stage.rows_per_request}
    if stage.vary:
        lists = stage.vary.items()
        values["vary"] = {name: max(map(str, choices), key=len) for name, choices in lists}
    return values
