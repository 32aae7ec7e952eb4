"""`seed_samples`: all seed examples of a skill for a prompt, the row's own seed last.

Where a task description has a dozen words, the other seeds are the rules. They are taken in one
order for the whole run, so that the requests for different seeds begin alike and a server's prefix
cache serves them, and within a budget of tokens, which is the same for all requests.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdgkit.prompts.tokens import rough_tokens
from sdgkit.samples import TEXTS, Row, texts_in

VARIABLE = "seed_samples"
"""The name of the variable in prompts."""

OTHERS = "other_seeds"
"""The variable with the seeds that the shipped prompts show beside the row's own: none where the
task description is long, since it then holds the rules."""

VARIABLES = frozenset([VARIABLE, OTHERS])

SHORT_TASK = 100
"""Tokens up to which a task description is short, so that the other seeds are the rules. Those of
public skills have 10 to 13 words; those that come with sdgkit hold all rules and have 200 tokens
and more."""

OTHERS_BUDGET = 1_500
"""Tokens that `other_seeds` may have: about as much as the four others of a public skill have."""

LARGEST_BUDGET = 4_000
"""Tokens of other seeds that a request may have; more would cost more than it teaches."""

SHARE_OF_CONTEXT = 4
"""The other seeds may fill a fourth of what the server can hold of prompt and reply."""

ASSUMED_CONTEXT = 8_192
"""Tokens that a server is taken to hold if it does not say how many."""

_SEED_COLUMNS = tuple(f"seed_{column}" for column in TEXTS)


def token_budget(context_lengths: Iterable[int | None]) -> int:
    """How many tokens of other seeds a request may have.

    Args:
        context_lengths: How many tokens prompt and reply may have together, at each of the servers
            that are asked; None where a server does not say.

    Example:
        >>> token_budget([32_768, 2_048]), token_budget([None])
        (512, 2048)
    """
    lengths = [length or ASSUMED_CONTEXT for length in context_lengths]
    shortest = min(lengths, default=ASSUMED_CONTEXT)
    return min(LARGEST_BUDGET, shortest // SHARE_OF_CONTEXT)


_Identity = tuple[Any, ...]


@dataclass(frozen=True)
class _FittingSeed:
    """A seed that fits into the budget."""

    identity: _Identity
    sample: dict[str, Any]


@dataclass(frozen=True)
class _Examples:
    """What the rows of one seed see."""

    others: list[dict[str, Any]]
    own: dict[str, Any]
    others_by_task: list[dict[str, Any]]


class SeedSamples:
    """The seed examples that the prompts of a run show.

    Args:
        rows: The run's input rows: the seeds, or rows that carry their seeds' columns.
        budget: How many tokens of other seeds a request may have.
    """

    def __init__(self, rows: Iterable[Row], budget: int) -> None:
        self._shown: list[_FittingSeed] = []
        self._of_seeds: dict[_Identity, _Examples] = {}
        tokens_left = budget
        seeds: dict[_Identity, Row] = {}
        for row in rows:
            if "seed_question" in row:
                seeds.setdefault(_identity(row), row)
        for identity, seed in seeds.items():
            tokens = _tokens(seed)
            if tokens <= tokens_left:
                tokens_left -= tokens
                self._shown.append(_FittingSeed(identity, _sample(seed)))

    def of(self, row: Row) -> list[dict[str, Any]]:
        """The seed examples for a row's prompts.

        They are of the same task, and never what the row itself asks about.

        Args:
            row: The row.

        Returns:
            The others, then the row's own seed. Each has its texts under `seed_question` and under
            `question`, and so on.
        """
        examples = self._examples_of(row)
        return [*_not_about(row, examples.others), examples.own]

    def others_of(self, row: Row) -> list[dict[str, Any]]:
        """The other seed examples where the row's task description is short; otherwise none.

        Args:
            row: The row.
        """
        return _not_about(row, self._examples_of(row).others_by_task)

    def variables_of(self, row: Row) -> dict[str, Any]:
        """Both variables for a row's prompts."""
        return {VARIABLE: self.of(row), OTHERS: self.others_of(row)}

    def _examples_of(self, row: Row) -> _Examples:
        identity = _identity(row)
        examples = self._of_seeds.get(identity)
        if examples is None:
            # All rows of a seed see the same examples: found once, not once a request.
            examples = self._of_seeds[identity] = self._examples(identity, row)
        return examples

    def _examples(self, identity: _Identity, row: Row) -> _Examples:
        own = _sample(row)
        others = []
        for shown in self._shown:
            is_same_task = shown.sample["task_description"] == own["task_description"]
            if is_same_task and shown.identity != identity:
                others.append(shown.sample)
        return _Examples(others, own, _if_short(str(own["task_description"]), others))


def _if_short(task: str, others: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first of the other seeds that fit into their budget; none if the task is long."""
    if rough_tokens(task) > SHORT_TASK:
        return []
    chosen = []
    tokens_left = OTHERS_BUDGET
    for sample in others:
        tokens_left -= _tokens(sample)
        if tokens_left < 0:
            break
        chosen.append(sample)
    return chosen


def _not_about(row: Row, samples: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    others = []
    for sample in samples:
        if not _is_about(sample, row):
            others.append(sample)
    return others


def _identity(seed: Row) -> _Identity:
    return (seed.get("task_description"), *(seed.get(column) for column in _SEED_COLUMNS))


def _sample(seed: Row) -> dict[str, Any]:
    sample = {"task_description": seed.get("task_description")}
    for column in TEXTS:
        text = seed.get(f"seed_{column}")
        if text is not None:
            sample[f"seed_{column}"] = text
            sample[column] = text
    return sample


def _tokens(seed: Row) -> int:
    """About how many tokens the texts of a seed have."""
    return rough_tokens("".join(texts_in(seed, _SEED_COLUMNS)))


def _is_about(sample: Mapping[str, Any], row: Row) -> bool:
    """Whether the row is the sample itself, as where a seed is judged beside another."""
    material = "context"
    if "context" not in sample:
        material = "question"
    return material in row and sample.get(material) == row[material]


def uses(texts: Sequence[str]) -> bool:
    """Whether one of these templates names one of the variables."""
    whole = "\n".join(texts)
    return any(name in whole for name in VARIABLES)
