"""The funnel of a run (rows in, out and dropped, stage by stage) and its summary."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sdgkit.formatting import format_drops, pluralize

REHEARSAL = "rehearsal"  # the kind and the name of the rehearsal teacher: rules, not a model

FAILURES = ("malformed", "no_answer", "loop", "truncated", "refused", "teacher_error")
"""The reasons of drops that are technical failures, not judgements."""

MANY_FAILURES = 0.1
"""The share of failures, of all rows that ended, above which a run says so before anything else."""


@dataclass(frozen=True)
class StageLine:
    """The numbers of one stage, as `summary.json` lists them.

    Attributes:
        name: The stage's name.
        rows_in: Rows that reached the stage: the `rows_out` of the stage before.
        tried: Rows that the stage set out to make, `rows_out` plus all drops.
        rows_out: Rows that moved on to the next stage.
        dropped: Rows that left the stream here, by reason, in alphabetical order.
    """

    name: str
    rows_in: int
    tried: int
    rows_out: int
    dropped: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_drops(
        cls, name: str, rows_in: int, dropped: Mapping[str, int], tried: int | None = None
    ) -> "StageLine":
        """The line of a stage that dropped these rows.

        Args:
            name: The stage's name.
            rows_in: Rows that reached it.
            dropped: Rows dropped, by reason.
            tried: Rows that it set out to make, by default one for each that came in.
        """
        attempted = rows_in if tried is None else tried
        rows_out = attempted - sum(dropped.values())
        return cls(name, rows_in, attempted, rows_out, dict(sorted(dropped.items())))

    @property
    def dropped_rows(self) -> int:
        """All rows dropped here, whatever the reason."""
        return sum(self.dropped.values())

    def as_json(self) -> dict[str, Any]:
        """The line as it appears in `summary.json`."""
        return {
            "name": self.name,
            "rows_in": self.rows_in,
            "tried": self.tried,
            "rows_out": self.rows_out,
            "dropped": dict(self.dropped),
        }


def samples_kept(stages: Sequence[StageLine]) -> int:
    """The rows that came out of the last stage; 0 if no stage has run yet."""
    if not stages:
        return 0
    return stages[-1].rows_out


def drops_by_reason(stages: Sequence[StageLine]) -> Counter[str]:
    """The drops of all stages together, by reason."""
    dropped: Counter[str] = Counter()
    for line in stages:
        dropped.update(line.dropped)
    return dropped


def technical_note(stages: Sequence[StageLine]) -> str:
    """Say that a run lost many rows to technical failures; empty if it did not.

    Example:
        >>> line = StageLine.from_drops("gen_responses", 20, {"truncated": 6, "score": 1})
        >>> technical_note([line])
        '6 rows were lost to technical failures, not to the judge: truncated 6.'
    """
    dropped = drops_by_reason(stages)
    failures = {}
    for reason, rows in dropped.items():
        if reason in FAILURES:
            failures[reason] = rows
    lost = sum(failures.values())
    ended = dropped.total() + samples_kept(stages)
    if lost <= MANY_FAILURES * ended:
        return ""
    verb = "was" if lost == 1 else "were"
    return (
        f"{pluralize(lost, 'row')} {verb} lost to technical failures, not to the judge: "
        f"{format_drops(failures)}."
    )


def shortfall(samples: int, target: int | None, min_samples: int | None) -> str:
    """Why a run that is done finished short, in a sentence; empty if it did not.

    Args:
        samples: How many samples it kept.
        target: How many it was to keep; None for one pass over the seeds.
        min_samples: How many it had to keep at least; None for no limit.

    Example:
        >>> shortfall(2, target=None, min_samples=3)
        'Finished short: 2 samples, and --min-samples asks for 3.'
        >>> shortfall(2, target=None, min_samples=None)
        ''
    """
    kept = pluralize(samples, "sample")
    if min_samples is not None and samples < min_samples:
        return f"Finished short: {kept}, and --min-samples asks for {min_samples:,}."
    if target is not None and samples < target:
        return f"Finished short: {kept}, and the target is {target:,}."
    if not samples:
        return "Finished short: no sample was kept."
    return ""


@dataclass(frozen=True)
class Summary:
    """What `summary.json` holds: the numbers of a run over all its sessions.

    Attributes:
        state: `done`, `cancelled` or `failed`; of a run without its files yet, its present state.
        sessions: How many times the run was started.
        stages: The funnel, one line a stage.
        requests: Requests sent to the teacher and the judge.
        retries: Requests sent again after an error.
        reused: Recorded replies used in place of a request.
        prompt_tokens: Tokens the servers read.
        completion_tokens: Tokens the servers wrote.
        wall_s: Seconds of work.
        teacher: The kind of teacher (`vllm`, `rehearsal`, …), None if no stage asked one.
        model: The teacher's model.
        judge: The judge's model, the teacher's if it judged its own work.
        sdgkit_version: The version that wrote the summary.
        seeds: How many seed examples went in.
        target: How many samples were asked for, None for one pass over the seeds.
        max_requests: How many requests the rounds of the target could take, None for no limit.
        min_samples: How many samples had to be kept at least, None for no limit.
        started: When the first session began, as ISO 8601 in UTC.
        ended: When the last session ended; None while it works.
        error: What stopped the run, in a sentence; None if nothing did.
        notes: What the run noted, in order.
        distinct_answers: How many samples are left if each answer to a context counts once,
            in whatever words; None if that was not counted.
    """

    state: str
    sessions: int = 0
    stages: Sequence[StageLine] = ()
    requests: int = 0
    retries: int = 0
    reused: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    wall_s: float = 0.0
    teacher: str | None = None
    model: str | None = None
    judge: str | None = None
    sdgkit_version: str = ""
    seeds: int = 0
    target: int | None = None
    max_requests: int | None = None
    min_samples: int | None = None
    started: str | None = None
    ended: str | None = None
    error: str | None = None
    notes: Sequence[str] = ()
    distinct_answers: int | None = None

    @property
    def samples_kept(self) -> int:
        """The rows that came out of the last stage."""
        return samples_kept(self.stages)

    @property
    def dropped(self) -> dict[str, int]:
        """All drops by reason, the most frequent first."""
        return dict(drops_by_reason(self.stages).most_common())

    @property
    def sample_share(self) -> float | None:
        """Samples among all rows that ended as a sample or a drop; None if none has.

        What is beyond a target is not counted.
        """
        dropped = drops_by_reason(self.stages)
        ended = self.samples_kept + dropped.total() - dropped["target"]
        if not ended:
            return None
        return self.samples_kept / ended

    @property
    def target_reached(self) -> bool | None:
        """Whether the target was reached; None if there was none."""
        if self.target is None:
            return None
        return self.samples_kept >= self.target

    @property
    def shortfall(self) -> str:
        """Why the run finished short, in a sentence; empty if it did not, or did not finish."""
        if self.state != "done":
            return ""
        return shortfall(self.samples_kept, self.target, self.min_samples)

    @property
    def is_rehearsal(self) -> bool:
        """Whether rules, not a model, wrote or judged these samples."""
        return REHEARSAL in (self.teacher, self.model, self.judge)

    def as_json(self) -> dict[str, Any]:
        """The content of `summary.json`: the fields, and the numbers that follow from them."""
        share = self.sample_share
        values = {
            "state": self.state,
            "samples": self.samples_kept,
            "yield": None if share is None else round(share, 4),
            "dropped": self.dropped,
            "target_reached": self.target_reached,
            **vars(self),
        }
        values["stages"] = [line.as_json() for line in self.stages]
        values["notes"] = list(self.notes)
        return values
