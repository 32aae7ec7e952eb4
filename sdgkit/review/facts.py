"""What samples are found by in a review, and the texts that a person judges."""

from dataclasses import dataclass

from sdgkit.samples import Row, own_question

STATES = ("undecided", "accepted", "edited", "rejected", "outdated")


@dataclass(frozen=True)
class SampleFacts:
    """What a sample is found by.

    Attributes:
        id: Its lineage id.
        seed: The seed that it came from, such as `s3`.
        state: One of `STATES`. Outdated: it was decided, and its content has changed since.
        reason: The reason of its rejection; "" without one.
        score: The judge's score; None if that is not a number.
    """

    id: str
    seed: str
    state: str
    reason: str
    score: float | None


def parts(sample: Row) -> dict[str, str]:
    """The texts of a sample that a person judges.

    Returns:
        The context (if there is one), the question without the context above it, and the response.

    Example:
        >>> parts({"context": "A note.", "question": "A note.\\n\\nWhy?", "response": "So."})
        {'context': 'A note.', 'question': 'Why?', 'response': 'So.'}
    """
    texts = {
        "context": sample.get("context"),
        "question": own_question(sample),
        "response": sample.get("response"),
    }
    filled = {}
    for name, text in texts.items():
        if isinstance(text, str) and text:
            filled[name] = text
    return filled


def score_of(sample: Row) -> float | None:
    """The judge's score of a sample; None if it is not a number."""
    score = sample.get("score")
    if isinstance(score, int | float):
        return score
    return None
