"""The dataset card: `README.md` of a run's folder, as Hugging Face and people read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdgkit.decisions import ReviewProgress
from sdgkit.export.files import write_text
from sdgkit.export.formats import train_file
from sdgkit.formatting import format_number, pluralize
from sdgkit.funnel import StageLine, Summary
from sdgkit.pages import fill
from sdgkit.pages.picture import describe_stage
from sdgkit.samples import Row

COMBINE = "combine_question_and_context"  # the stage that puts the context into the question


@dataclass(frozen=True)
class CardStage:
    """A line of the card's table of stages."""

    line: StageLine

    @property
    def action(self) -> str:
        """What the stage does."""
        return describe_stage(self.line.name).action


@dataclass(frozen=True)
class CardPage:
    """Everything that a run's card shows.

    Attributes:
        name: The skill's name.
        summary: The run's summary.
        sample: A finished sample to show; None where nothing was kept.
        system: The user's own system message.
        reviewed: How far the review is, if there is one.
    """

    name: str
    summary: Summary
    sample: Row | None
    system: str | None
    reviewed: ReviewProgress | None

    @property
    def training_file(self) -> str:
        """The name of the file to train on."""
        return train_file(self.summary.teacher)

    @property
    def size(self) -> str:
        """How many samples there are, and from how many seeds."""
        samples = pluralize(self.summary.samples_kept, "synthetic sample")
        seeds = pluralize(self.summary.seeds, "seed example")
        return f"{samples} for fine-tuning a language model on one task, made from {seeds}"

    @property
    def has_scores(self) -> bool:
        """Whether a judge scored the samples."""
        return self.sample is None or self.score is not None

    @property
    def score(self) -> str | None:
        """The score of the sample that is shown."""
        if self.sample is None:
            return None
        score = self.sample.get("score")
        if not isinstance(score, int | float):
            return None
        return format_number(score)

    @property
    def is_grounded(self) -> bool:
        """Whether the context comes before the question, in the samples and at inference."""
        return any(line.name == COMBINE for line in self.summary.stages)

    @property
    def method(self) -> str:
        """What made the samples."""
        if not self.has_scores:
            return "A part of the method"
        return f"The {'grounded' if self.is_grounded else 'freeform'}-skills method"

    @property
    def stages(self) -> Sequence[CardStage]:
        """The stages, with what they do."""
        return [CardStage(line) for line in self.summary.stages]

    @property
    def is_reviewed(self) -> bool:
        """Whether a person decided about any of the samples."""
        return self.reviewed is not None and self.reviewed.decided > 0

    @property
    def inference_template(self) -> str:
        """The user's message to send at inference, with its placeholders."""
        return "{context}\n\n{question}" if self.is_grounded else "{question}"


def write_card(
    path: str | Path,
    summary: Summary,
    sample: Row | None,
    system: str | None,
    name: str,
    reviewed: ReviewProgress | None = None,
) -> None:
    """Write the card of a finished run. The licence is left to the owner of the dataset.

    Args:
        path: Where to write it.
        summary: The run's summary.
        sample: A finished sample to show; None where nothing was kept.
        system: The user's own system message, which is part of the inference template.
        name: The skill's name.
        reviewed: How far the review is, if there is one.
    """
    card = CardPage(name, summary, sample, system, reviewed)
    write_text(path, fill("card.md", card=card))
