"""The best of several responses to one question, and the pairs that they make."""

from collections.abc import Iterable, Iterator

from sdgkit.quality.duplicates import Repeat
from sdgkit.samples import Row

BEST_RESPONSE = "best_response"
"""The name of the stage that keeps one response of each question."""

NOT_BEST = "not_best"
"""The reason for which it drops the others."""


def worse_responses(samples: Iterable[Row]) -> Iterator[Repeat]:
    """Find the samples whose question has a better response: a higher score, or a lower ordinal.

    Args:
        samples: The samples in lineage order, with ids such as s3/c7/q2/r1.

    Example:
        >>> rows = [{"id": "s1/q1/r1", "score": 2.0}, {"id": "s1/q1/r2", "score": 3.0}]
        >>> [worse.id for worse in worse_responses(rows)]
        ['s1/q1/r1']
    """
    for siblings in _by_question(samples):
        best = max(siblings, key=_score)  # the first of several
        for sample in siblings:
            if sample is not best:
                yield Repeat(
                    id=str(sample["id"]),
                    column="response",
                    reason=NOT_BEST,
                    message=f"Its score is {_score(sample):g}; {best['id']} has {_score(best):g}.",
                )


def question_id(id: str) -> str:
    """The id of the question that a response answers.

    Example:
        >>> question_id("s3/c7/q2/r1")
        's3/c7/q2'
    """
    return id.rpartition("/")[0]


def _by_question(samples: Iterable[Row]) -> Iterator[list[Row]]:
    siblings: list[Row] = []
    for sample in samples:
        if siblings and question_id(siblings[0]["id"]) != question_id(sample["id"]):
            yield siblings
            siblings = []
        siblings.append(sample)
    if siblings:
        yield siblings


def _score(sample: Row) -> float:
    score = sample.get("score")
    if not isinstance(score, int | float):
        return 0.0
    return float(score)
