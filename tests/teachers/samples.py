"""Seeds for these tests, and what must be true of whatever comes of them."""

import re
from pathlib import Path

from scripted import assert_adds_up

import sdgkit as sk
from sdgkit.prompts.faults import FAULT_KINDS

SEED_FILE = Path(__file__).parents[2] / "notebooks" / "seeds" / "feedback_to_table.jsonl"
# A skill of one sentence in and one word out, and prompts that a small model can follow: they are
# short, show the form, and hold the reply to one of their own, which bounds its length.
SHORT_SEED_FILE = Path(__file__).parent / "messages.jsonl"
SHORT_PROMPTS = Path(__file__).parent / "short_prompts"
SEEDS = [dict(row) for row in sk.load_seeds(SEED_FILE)][:2]
# Greedy judges of the tiny model would give all rows one score.
SAMPLED_JUDGES = {
    name: {"temperature": 0.7} for name in ("eval_grounded_questions", "evaluate_grounded_qa_pair")
}

__all__ = [
    "SAMPLED_JUDGES",
    "SEEDS",
    "SEED_FILE",
    "SHORT_PROMPTS",
    "SHORT_SEED_FILE",
    "assert_adds_up",
    "assert_keeps_to_short_forms",
    "assert_well_formed",
]


def assert_well_formed(run: sk.Run) -> None:
    """Every sample has every column of the method, as text, and a score of its judge's scale.

    No tag is left in any, and the judge's faults are of the kinds that there are.
    """
    for row in run.samples():
        texts = [row[name] for name in ("context", "question", "response", "evaluation")]
        assert all(isinstance(text, str) and text.strip() for text in texts), row
        assert not any("[Start of" in text or "[End of" in text for text in texts), row
        assert row["score"] in (2.0, 3.0), row
        assert set(filter(None, row["faults"].split(", "))) <= set(FAULT_KINDS), row
        assert row["question"].startswith(row["context"]), row


def assert_keeps_to_short_forms(run: sk.Run) -> None:
    """Every text has the form that the short prompts hold it to: length, line and last sign."""
    for row in run.samples():
        question = row["question"].removeprefix(row["context"]).strip()
        assert re.fullmatch(r"[A-Z][A-Za-z0-9 ,-]{20,100}[.?!]", row["context"]), row
        assert re.fullmatch(r"[A-Z][A-Za-z0-9 ,:-]{10,60}\?", question), row
        assert re.fullmatch(r"[A-Z][a-z]{2,20}", row["response"]), row
        assert re.fullmatch(r"[A-Z][A-Za-z0-9 ,:-]{5,60}\.", row["evaluation"]), row
        assert row["score"] in (2.0, 3.0), row
