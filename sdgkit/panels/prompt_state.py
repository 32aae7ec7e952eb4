"""What the panel of a prompt shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sdgkit.evaluation.bench import BenchRow
from sdgkit.evaluation.drafts import Flaw
from sdgkit.evaluation.prompt_draft import PromptDraft
from sdgkit.evaluation.prompt_trials import Trial
from sdgkit.formatting import pluralize
from sdgkit.panels.state import Choice, PanelState

SAMPLING_NAMES = ("temperature", "top_p", "max_tokens")

LABEL_LENGTH = 60  # characters by which a row is recognised in a list


@dataclass(frozen=True)
class Part:
    """A part of a prompt (`system`, `generation`, …) and its text."""

    name: str
    text: str


@dataclass(frozen=True)
class TrialState:
    """The result of sending the prompt for one row.

    Attributes:
        id: The row's id.
        pieces: The reply in pieces, each with the name of the column that was read from it, or "".
        rows: The columns of each complete record.
        reason: Why a run would ask again or drop the row, or "".
        message: The same in words.
        seconds: How long the reply took, or None if there is none.
        tokens: How many tokens the teacher wrote.
    """

    id: str
    pieces: tuple[tuple[str, str], ...]
    rows: tuple[Mapping[str, Any], ...]
    reason: str
    message: str
    seconds: float | None
    tokens: int

    @classmethod
    def of(cls, trial: Trial) -> "TrialState":
        """What is shown of this trial."""
        reply = trial.reply
        return cls(
            id=trial.id,
            pieces=tuple(trial.pieces),
            rows=tuple(trial.rows),
            reason=trial.reason,
            message=trial.message,
            seconds=reply.seconds if reply else None,
            tokens=reply.completion_tokens if reply else 0,
        )


@dataclass(frozen=True)
class BenchTry:
    """A try of several versions on the same rows.

    Attributes:
        name: What you call it.
        stage: The stage whose prompt it was.
        versions: The names of the versions.
        judged: Whether a judge scored the results.
        rows: The rows, each with what every version made of it.
    """

    name: str
    stage: str
    versions: tuple[str, ...]
    judged: bool
    rows: tuple[BenchRow, ...]


@dataclass(frozen=True)
class SamplingState:
    """A sampling parameter: its name, and its value as text, "" where the prompt has none."""

    name: str
    value: str


@dataclass(frozen=True, kw_only=True)
class PromptState(PanelState):
    """What the panel of a prompt shows.

    Attributes:
        rerun: Which requests the next run would repeat because of the changes, as a sentence.
        stages: The stages whose prompts can be shown.
        stage: The stage whose prompt is shown.
        parts: The prompt's parts.
        flaws: What is wrong with them.
        revision: Changes when texts were replaced other than by typing.
        rows: The rows to try the prompt on.
        row: The one that is chosen, by its number from 0, as text.
        messages: What would be sent for that row.
        trials: The results of the last try; None for a reply that is still on its way.
        diff: What has changed since the prompt was saved, as the lines of a unified diff.
        can_undo: Whether there is something to undo.
        can_redo: Whether there is something to redo.
        can_save: Whether there is something to save.
        can_name: Whether it has a file of its own.
        tries: The tries of the versions beside each other, by number.
        shown_try: The one that is shown.
        shown_try_number: Its number.
        sampling: The usual sampling parameters.
        can_try: Whether there is a teacher to ask.
        problem: Why what you type is not kept until you save it, or "".
        is_kept: Whether what is not saved is on disk.
    """

    rerun: str
    stages: tuple[str, ...]
    stage: str
    parts: tuple[Part, ...]
    flaws: tuple[Flaw, ...]
    revision: str
    rows: tuple[Choice, ...]
    row: str
    messages: list[dict[str, str]]
    trials: tuple[TrialState | None, ...]
    diff: tuple[str, ...]
    can_undo: bool
    can_redo: bool
    can_save: bool
    can_name: bool
    tries: tuple[Choice, ...]
    shown_try: BenchTry | None
    shown_try_number: str
    sampling: tuple[SamplingState, ...]
    can_try: bool
    problem: str
    is_kept: bool


def sampling_states(draft: PromptDraft) -> tuple[SamplingState, ...]:
    """The usual sampling parameters with their values."""
    values = draft.sampling
    states = []
    for name in SAMPLING_NAMES:
        value = values.get(name)
        shown_value = ""
        if value is not None:
            shown_value = str(value)
        states.append(SamplingState(name, shown_value))
    return tuple(states)


def sign_of(draft: PromptDraft, flaws: list[Flaw]) -> str:
    """The sign beside the status: `warn`, `none` while something is not saved, or `good`."""
    if flaws:
        return "warn"
    if draft.changed:
        return "none"
    return "good"


def status_of(stage: str, draft: PromptDraft, flaws: list[Flaw]) -> str:
    """Which prompt this is, whether it is saved, and how much is wrong with it."""
    if draft.changed:
        version = "edited, not saved"
    else:
        version = "as shipped"
        if draft.is_in_a_file:
            version = "saved"
    parts = [f"{stage}: {version}"]
    if flaws:
        parts.append(f"{pluralize(len(flaws), 'error')} to correct")
    return " \u00b7 ".join(parts)


def row_choices(rows: list[dict[str, Any]]) -> tuple[Choice, ...]:
    """The rows to choose from, each in a few words."""
    choices = []
    for number, row in enumerate(rows):
        choices.append(Choice(str(number), f"{row['id']}: {_row_label(row)}"))
    return tuple(choices)


def _row_label(row: Mapping[str, Any]) -> str:
    """A row in a few words, to recognise it by."""
    text = row.get("context") or row.get("seed_context") or row["seed_question"]
    on_one_line = " ".join(str(text).split())
    if len(on_one_line) <= LABEL_LENGTH:
        return on_one_line
    return f"{on_one_line[:LABEL_LENGTH]}…"
