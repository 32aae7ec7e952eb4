"""Leave-one-out: a seed is judged with another seed as its example, never with itself.

Beside itself every response is perfect: a judge has only to compare two equal texts. Beside another
seed it has to do what it does in a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sdgkit.evaluation.judgement import as_sample
from sdgkit.samples import Row, without_id

_OWN_COLUMNS = ("seed_context", "seed_question", "seed_response")


@dataclass(frozen=True)
class SeedBesideAnother:
    """A seed, and the other seed that the judge is shown as an example.

    Attributes:
        number: The number of the seed, from 1.
        seed: The seed that is judged.
        example: The seed beside which it is judged.
    """

    number: int
    seed: Row
    example: Row

    @property
    def response(self) -> str:
        """The seed's response."""
        return str(self.seed["seed_response"])

    @property
    def source(self) -> str:
        """What the seed's response responds to: its context and its question."""
        return f"{self.seed.get('seed_context') or ''}\n{self.seed['seed_question']}"

    def as_row(self, response: str, kind: str) -> dict[str, Any]:
        """A row for the judge: a response to the seed's question, with the other as the example.

        Args:
            response: The response to judge.
            kind: What kind of response it is: the last part of the row's id, such as "s3/good".
        """
        row = {**as_sample(self.seed), **without_id(self.example)}
        row["task_description"] = self.seed["task_description"]
        row["response"] = response
        row["id"] = f"s{self.number}/{kind}"
        return row


def beside_each_other(seeds: Sequence[Row]) -> list[SeedBesideAnother]:
    """Each seed with another as its example: the next of the same task; after the last, the first.

    Args:
        seeds: The seeds. One that is the same as all others of its task has none to stand beside,
            and is left out.

    Example:
        >>> seeds = [
        ...     {"task_description": "Shout.", "seed_question": text, "seed_response": text.upper()}
        ...     for text in ("yes", "no", "well")
        ... ]
        >>> [(pair.response, pair.example["seed_response"]) for pair in beside_each_other(seeds)]
        [('YES', 'NO'), ('NO', 'WELL'), ('WELL', 'YES')]
    """
    pairs = []
    for place, seed in enumerate(seeds):
        for other in [*seeds[place + 1 :], *seeds[:place]]:
            if _can_stand_beside(seed, other):
                pairs.append(SeedBesideAnother(place + 1, seed, other))
                break
    return pairs


def _can_stand_beside(seed: Row, other: Row) -> bool:
    has_same_task = seed.get("task_description") == other.get("task_description")
    has_own_texts = any(seed.get(column) != other.get(column) for column in _OWN_COLUMNS)
    return has_same_task and has_own_texts
