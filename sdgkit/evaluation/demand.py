"""About how many tokens a run would take, before anything was sent: its seeds stand in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sdgkit.errors import PromptError, SettingsError
from sdgkit.evaluation.longest_prompt import longest_values
from sdgkit.formatting import format_number
from sdgkit.prompts.tokens import rough_tokens
from sdgkit.run.plan import Plan
from sdgkit.run.workload import Workload
from sdgkit.samples import Row
from sdgkit.stages import Stage

SEEDS = 5
"""Seeds that stand in for all of them."""

JUDGEMENT = 35
"""Tokens of a judge's reply: 31 and 34 are the means of those in tests/recorded/replies.jsonl."""

SURE_DIGITS = 2
"""Digits of an estimate that mean anything."""


@dataclass(frozen=True)
class Demand:
    """Tokens of a run.

    Attributes:
        prompt_tokens: Those that the teachers read.
        completion_tokens: Those that they write.
    """

    prompt_tokens: float
    completion_tokens: float

    def plus(self, other: Demand) -> Demand:
        """Both together."""
        return Demand(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
        )

    def __str__(self) -> str:
        read = format_number(_rounded(self.prompt_tokens))
        written = format_number(_rounded(self.completion_tokens))
        return f"about {read} prompt tokens and {written} completion tokens"


def demand_of(plan: Plan) -> Demand | None:
    """What a run would take at most, if its samples are about as long as its seeds.

    No row is expected to be dropped. A study of the seeds, what a model thinks, and what is asked
    again come on top; `estimate` measures those.

    Returns:
        None where the seeds cannot stand in for the rows of a stage, as in a pipeline of your own.
    """
    seeds = [seed for _, seed in plan.admitted[:SEEDS]]
    if not seeds:
        return None
    prompt_tokens = 0.0
    completion_tokens = 0.0
    rows_in = len(plan.rows)
    loads = Workload.of(plan).stages
    for stage, load in zip(plan.pipeline.stages, loads, strict=True):
        requests = rows_in * load.requests_per_row
        if requests and stage.asks_every_row:
            try:
                prompt_tokens += requests * _mean_prompt(stage, plan, seeds)
            except (PromptError, SettingsError):
                return None
            replies = load.rows
            if stage.role == "judge":
                replies = requests
            completion_tokens += replies * _mean_reply(stage, seeds)
        rows_in = load.rows
    return Demand(prompt_tokens, completion_tokens)


def _mean_prompt(stage: Stage, plan: Plan, seeds: Sequence[Row]) -> float:
    """The tokens of a stage's prompt.

    Raises:
        PromptError: The prompt wants what the seeds cannot stand in for.
        SettingsError: The same.
    """
    tokens = 0
    for seed in seeds:
        variables = {**plan.variables_of(seed), **_stand_in(seed), **seed, **longest_values(stage)}
        for message in plan.prompts[stage.name].render(variables):
            tokens += rough_tokens(message["content"])
    return tokens / len(seeds)


def _mean_reply(stage: Stage, seeds: Sequence[Row]) -> float:
    """The tokens that a stage has written for each of its rows."""
    if stage.role == "judge":
        return JUDGEMENT
    tokens = 0
    for seed in seeds:
        texts = _stand_in(seed)
        for column in stage.columns:
            tokens += rough_tokens(texts.get(column, ""))
    return tokens / len(seeds)


def _stand_in(seed: Row) -> dict[str, str]:
    """The seed's own context, question and response, as if stages had written them."""
    texts = {}
    for name, value in seed.items():
        if name.startswith("seed_"):
            texts[name.removeprefix("seed_")] = str(value or "")
    return texts


def _rounded(tokens: float) -> int:
    """The number, with as many digits as are sure.

    Example:
        >>> _rounded(84_321), _rounded(7)
        (84000, 7)
    """
    whole = round(tokens)
    return round(whole, min(0, SURE_DIGITS - len(str(whole))))
